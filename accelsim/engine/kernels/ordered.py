"""Compiled float32 sums in the order of `tap_order.ordered_float_sums`, bit for bit the same.

Products and sums are rounded one by one: no fused multiply-add, no reassociation. Independent sums share a vector
register: output channels where there are many, else pixels. A phase of a transposed convolution leaves out the
products with inserted zeros, which change nothing: they are zeros of some sign, and no sum is ever -0, because none
begins as -0, +0 - 0 is +0, and two numbers that cancel give +0.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.phases import Phase, axis_phases, image_shape, margins
from accelsim.errors import AccelsimError
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Pair, Shape
from accelsim.ir.shapes import result_shape
from accelsim.machine_code import compiled

Float32s = NDArray[np.float32]
Int64s = NDArray[np.int64]

PIXELS, CHANNELS, DEPTH = 64, 128, 256
"""Outputs summed together, and products of each between two gathers: all of it fits a first-level cache."""
MANY_CHANNELS = 16
"""From here on vectors run over channels: one 512-bit register is full."""


class Walk(NamedTuple):
    """Where sum w = image * pixels + row * columns + column reads and writes, in elements of the flat arrays."""

    pixels: int
    columns: int
    read_image: int
    read_row: int
    read_column: int
    read_group: int
    write_origin: int
    write_image: int
    write_row: int
    write_column: int
    write_channel: int


@compiled
def _add_products(scalars: Float32s, vectors: Float32s, depth: int, rows: int, lanes: int, sums: Float32s) -> None:
    """sums[m, n] += scalars[k, m] * vectors[k, n], m < rows, n < lanes, for k = 0, 1 .. depth - 1 one after the other.

    Whole arrays come in: a slice of columns would not be seen to be contiguous, and the loop not vectorized.
    """
    whole = depth - depth % 8
    for k in range(0, whole, 8):
        v0, v1, v2, v3 = vectors[k, :lanes], vectors[k + 1, :lanes], vectors[k + 2, :lanes], vectors[k + 3, :lanes]
        v4, v5, v6, v7 = vectors[k + 4, :lanes], vectors[k + 5, :lanes], vectors[k + 6, :lanes], vectors[k + 7, :lanes]
        for m in range(rows):
            s0, s1, s2, s3 = scalars[k, m], scalars[k + 1, m], scalars[k + 2, m], scalars[k + 3, m]
            s4, s5, s6, s7 = scalars[k + 4, m], scalars[k + 5, m], scalars[k + 6, m], scalars[k + 7, m]
            row = sums[m, :lanes]
            for n in range(len(row)):
                half = (((row[n] + s0 * v0[n]) + s1 * v1[n]) + s2 * v2[n]) + s3 * v3[n]
                row[n] = (((half + s4 * v4[n]) + s5 * v5[n]) + s6 * v6[n]) + s7 * v7[n]
    for k in range(whole, depth):
        vector = vectors[k, :lanes]
        for m in range(rows):
            scalar, row = scalars[k, m], sums[m, :lanes]
            for n in range(len(row)):
                row[n] = row[n] + scalar * vector[n]


@compiled
def _gather(image: Float32s, reads: Int64s, offsets: Int64s, windows: Float32s) -> None:
    """windows[k, i] = image[reads[i] + offsets[k]]."""
    for k in range(len(offsets)):
        window, seen = windows[k], image[offsets[k] :]
        for i in range(len(reads)):
            window[i] = seen[reads[i]]


@compiled
def _copy(weights: Float32s, start: int, depth: int, channel: int, some: int, factors: Float32s) -> None:
    for k in range(depth):
        row, into = weights[start + k, channel : channel + some], factors[k]
        for c in range(len(row)):
            into[c] = row[c]


@compiled
def _locate(begin: int, walk: Walk, reads: Int64s, writes: Int64s) -> None:
    """Where the sums from `begin` on read and write."""
    for i in range(len(reads)):
        number, pixel = divmod(begin + i, walk.pixels)
        row, column = divmod(pixel, walk.columns)
        reads[i] = number * walk.read_image + row * walk.read_row + column * walk.read_column
        target = number * walk.write_image + row * walk.write_row + column * walk.write_column
        writes[i] = walk.write_origin + target


@compiled
def _fill(sums: Float32s, bias: Float32s, by_channel: bool) -> None:
    for m in range(len(sums)):
        for n in range(sums.shape[1]):
            c = n if by_channel else m
            sums[m, n] = bias[c] if c < len(bias) else np.float32(0)


@compiled
def _store(sums: Float32s, by_channel: bool, writes: Int64s, some: int, to: int, step: int, out: Float32s) -> None:
    """Sums of `some` channels, `step` elements apart from `to` on."""
    for c in range(some):
        for i in range(len(writes)):
            out[writes[i] + to + c * step] = sums[i, c] if by_channel else sums[c, i]


@compiled
def run_ordered(
    first: int,
    last: int,
    image: Float32s,
    weights: Float32s,
    offsets: Int64s,
    bias: Float32s,
    walk: Walk,
    out: Float32s,
) -> None:
    """Sums first <= w < last in all channels: weights `[groups, K, out_channels / groups]`, K `offsets` to read at."""
    groups, length, each = weights.shape
    windows = np.empty((DEPTH, PIXELS), np.float32)
    factors = np.empty((DEPTH, CHANNELS), np.float32)
    by_channel = np.empty((PIXELS, CHANNELS), np.float32)
    by_pixel = np.empty((CHANNELS, PIXELS), np.float32)
    reads, writes = np.empty(PIXELS, np.int64), np.empty(PIXELS, np.int64)
    for begin in range(first, last, PIXELS):
        count = min(PIXELS, last - begin)
        _locate(begin, walk, reads[:count], writes[:count])
        for group in range(groups):
            for channel in range(0, each, CHANNELS):
                some, number = min(CHANNELS, each - channel), group * each + channel
                across = some >= MANY_CHANNELS
                sums = by_channel if across else by_pixel
                _fill(sums, bias[number : number + some], across)
                for start in range(0, length, DEPTH):
                    depth = min(DEPTH, length - start)
                    _gather(image[group * walk.read_group :], reads[:count], offsets[start : start + depth], windows)
                    _copy(weights[group], start, depth, channel, some, factors)
                    if across:
                        _add_products(windows, factors, depth, count, some, sums)
                    else:
                        _add_products(factors, windows, depth, some, count, sums)
                _store(sums, across, writes[:count], some, number * walk.write_channel, walk.write_channel, out)


@dataclass(frozen=True)
class _Part:
    """One phase: weights `[groups, K, out_channels / groups]`, where each of the K reads, and the walk."""

    weights: Float32s
    offsets: Int64s
    walk: Walk


def ordered_sums(op: Linear, x: Float32s, weights: Float32s, bias: Float32s, threads: int = 1) -> Float32s:
    """Sums `[N, out_channels, ...]` of x `[N, ...]`; see `tap_order.ordered_float_sums`. No element of bias is -0.

    Raises:
        AccelsimError: threads below 1.
    """
    if threads < 1:
        raise AccelsimError(f"threads={threads}: expected 1 or more")
    out_shape = result_shape(op, x.shape[1:])
    channels, rows, columns = image_shape(op, out_shape)
    phases = axis_phases(op, 0, rows), axis_phases(op, 1, columns)
    _, height, width = image_shape(op, x.shape[1:])
    frame = margins(phases[0], height), margins(phases[1], width)
    image = _framed(op, x, frame)
    out = np.empty((len(x), *out_shape), np.float32)
    by_tap = _by_tap(op, weights)
    with ThreadPoolExecutor(threads) as pool:
        running = [
            pool.submit(
                run_ordered, a, b, image.reshape(-1), part.weights, part.offsets, bias, part.walk, out.reshape(-1)
            )
            for part in (
                _part(op, by_tap, y, z, image.shape, frame, (channels, rows, columns)) for y, z in product(*phases)
            )
            for a, b in _shares(len(x) * part.walk.pixels, threads)
        ]
        for done in running:
            done.result()
    return out


def _framed(op: Linear, x: Float32s, frame: tuple[Pair, Pair]) -> Float32s:
    """`[N, C, H, W]` with zeros around, or `[N, pixels, 1, F]` for a dense layer."""
    if isinstance(op, Dense):
        return np.ascontiguousarray(x).reshape(len(x), -1, 1, op.in_features)
    return np.pad(x, ((0, 0), (0, 0), *frame))


def _by_tap(op: Linear, weights: Float32s) -> Float32s:
    """Weights as `[groups, kh, kw, in_channels / groups, out_channels / groups]`."""
    match op:
        case Dense():
            return weights.T.reshape(1, 1, 1, op.in_features, op.out_features)
        case Conv2d():
            return weights.reshape(op.groups, -1, op.in_channels // op.groups, *op.kernel).transpose(0, 3, 4, 2, 1)
        case ConvTranspose2d():
            return weights.reshape(op.groups, op.in_channels // op.groups, -1, *op.kernel).transpose(0, 3, 4, 1, 2)


def _part(
    op: Linear,
    weights: Float32s,
    y: Phase,
    x: Phase,
    framed: Shape,
    frame: tuple[Pair, Pair],
    out: tuple[int, int, int],
) -> _Part:
    """One phase. `framed`: shape of the input with its zeros; `out`: channels, rows and columns of the result."""
    groups, _, _, each_in, each_out = weights.shape
    channels, rows, columns = out
    if isinstance(op, Dense):
        (_, pixels, _, features), row, column, plane = framed, framed[3], 0, 1
        image, target = pixels * features, (rows * channels, channels, channels, 1)
    else:
        _, planes, height, width = framed
        row, column, plane, image = width, 1, height * width, planes * height * width
        target = channels * rows * columns, columns, 1, rows * columns
    taps = list(product(y.taps, x.taps))
    packed = np.empty((groups, len(taps) * each_in, each_out), np.float32)
    offsets = np.empty((len(taps), each_in), np.int64)
    for i, ((r, dy), (s, dx)) in enumerate(taps):
        packed[:, i * each_in : (i + 1) * each_in] = weights[:, r, s]
        offsets[i] = (dy + frame[0][0]) * row + (dx + frame[1][0]) * column + np.arange(each_in) * plane
    walk = Walk(
        pixels=y.count * x.count,
        columns=x.count,
        read_image=image,
        read_row=y.stride * row,
        read_column=x.stride * column,
        read_group=each_in * plane,
        write_origin=y.start * target[1] + x.start * target[2],
        write_image=target[0],
        write_row=y.step * target[1],
        write_column=x.step * target[2],
        write_channel=target[3],
    )
    return _Part(packed, offsets.reshape(-1), walk)


def _shares(total: int, parts: int) -> list[tuple[int, int]]:
    cuts = [total * i // parts for i in range(parts + 1)]
    return [(a, b) for a, b in pairwise(cuts) if a < b]
