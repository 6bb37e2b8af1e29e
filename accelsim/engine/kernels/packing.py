"""Weights as the kernel reads them, and the geometry that belongs to one layer and one image size."""

from dataclasses import dataclass
from functools import singledispatch
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.phases import Phase, axis_phases, image_shape, margins
from accelsim.engine.kernels.windows import WIDE, Grid, Int16s, Int64s, Work
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Pair, Shape
from accelsim.ir.shapes import result_shape

STEP = 32
"""Windows are filled up to a multiple of this: what one 512-bit register holds of 16-bit integers."""
WORTHWHILE_BLOCK = 256
"""Shorter 32-bit sums are no faster than 64-bit ones."""


@dataclass(frozen=True)
class PackedPhase:
    """What the compiled loops read for one phase, and the sum of its weights by output channel."""

    work: Work
    weight_sums: Int64s


@dataclass(frozen=True)
class PackedLayer:
    """A layer ready to run on images of one size.

    image: channels, rows, columns of an input. padding: zeros around its rows and columns. out_shape: of one result.
    """

    image: tuple[int, int, int]
    padding: tuple[Pair, Pair]
    out_shape: Shape
    phases: tuple[PackedPhase, ...]


def pack_layer(op: Linear, sample: Shape, codes: NDArray[Any], reach: int, wraps_early: bool) -> PackedLayer:
    """Pack weight codes (shape of the float weights) for inputs of shape `sample` with codes within +-`reach`.

    `wraps_early`: the accumulator has at most 32 bits, so that sums modulo 2**32 are enough.
    """
    channels, height, width = image_shape(op, sample)
    out_shape = result_shape(op, sample)
    out_channels, out_rows, out_columns = image_shape(op, out_shape)
    row_phases, column_phases = axis_phases(op, 0, out_rows), axis_phases(op, 1, out_columns)
    padding = margins(row_phases, height), margins(column_phases, width)
    padded = height + sum(padding[0]), width + sum(padding[1])
    layout = _layout(op, padded, (padding[0][0], padding[1][0]), (out_channels, out_rows, out_columns))
    weights = by_tap(op, codes)
    safe = (1 << 31) if wraps_early else _safe_terms(codes, reach)
    phases = tuple(_pack_phase(weights, safe, y, x, layout) for y, x in product(row_phases, column_phases))
    return PackedLayer((channels, height, width), padding, out_shape, phases)


@singledispatch
def by_tap(op: Linear, codes: NDArray[Any]) -> Int16s:
    """Weight codes as `[groups, out_channels / groups, kh, kw, in_channels / groups]`."""
    raise TypeError(f"{type(op).__name__} has no weights")


@by_tap.register
def _(op: Dense, codes: NDArray[Any]) -> Int16s:
    return codes.astype(np.int16).reshape(1, op.out_features, 1, 1, op.in_features)


@by_tap.register
def _(op: Conv2d, codes: NDArray[Any]) -> Int16s:
    each = op.in_channels // op.groups
    return codes.astype(np.int16).reshape(op.groups, -1, each, *op.kernel).transpose(0, 1, 3, 4, 2)


@by_tap.register
def _(op: ConvTranspose2d, codes: NDArray[Any]) -> Int16s:
    each = op.in_channels // op.groups
    return codes.astype(np.int16).reshape(op.groups, each, -1, *op.kernel).transpose(0, 2, 3, 4, 1)


@dataclass(frozen=True)
class _Layout:
    """Strides in elements, by image, channel, row and column: of the padded input and of the output."""

    source: tuple[int, int, int, int]
    target: tuple[int, int, int, int]
    origin: Pair
    """Zeros before the rows and columns of the input."""


def _layout(op: Linear, padded: Pair, origin: Pair, out: tuple[int, int, int]) -> _Layout:
    pitch = padded[1] * (op.in_features if isinstance(op, Dense) else op.in_channels)
    source = padded[0] * pitch, 1, pitch, pitch // padded[1]
    channels, rows, columns = out
    if isinstance(op, Dense):
        return _Layout(source, (rows * channels, 1, channels, channels), origin)
    return _Layout(source, (channels * rows * columns, rows * columns, columns, 1), origin)


def _pack_phase(weights: Int16s, safe: int, y: Phase, x: Phase, layout: _Layout) -> PackedPhase:
    groups, each_out, _, _, each_in = weights.shape
    taps = tuple(product(y.taps, x.taps))
    packed = np.zeros((groups, each_out, -(-max(1, len(taps) * each_in) // STEP) * STEP), np.int16)
    for i, ((row, _), (column, _)) in enumerate(taps):
        packed[:, :, i * each_in : (i + 1) * each_in] = weights[:, :, row, column]
    from_image, _, from_row, from_column = layout.source
    to_image, to_channel, to_row, to_column = layout.target
    starts, lengths = _runs(
        [(dy + layout.origin[0]) * from_row + (dx + layout.origin[1]) * from_column for (_, dy), (_, dx) in taps],
        each_in,
    )
    grid = Grid(
        pixels=y.count * x.count,
        columns=x.count,
        source_image=from_image,
        source_row=y.stride * from_row,
        source_column=x.stride * from_column,
        source_group=each_in,
        target_origin=y.start * to_row + x.start * to_column,
        target_image=to_image,
        target_row=y.step * to_row,
        target_column=x.step * to_column,
        target_channel=to_channel,
    )
    sums = packed.sum(axis=2, dtype=np.int64).reshape(-1)
    return PackedPhase(Work(packed, _block(packed.shape[2], safe), starts, lengths, grid), sums)


def _runs(begins: list[int], length: int) -> tuple[Int64s, Int64s]:
    """Starts and lengths of what the taps read, neighbours that touch joined: whole rows of a window, if ungrouped."""
    runs: list[list[int]] = []
    for begin in begins:
        if runs and sum(runs[-1]) == begin:
            runs[-1][1] += length
        else:
            runs.append([begin, length])
    return np.array([r[0] for r in runs], np.int64), np.array([r[1] for r in runs], np.int64)


def _safe_terms(codes: NDArray[Any], reach: int) -> int:
    """How many products of a weight code and an input code fit 32 bits, whatever their signs."""
    largest = max(1, int(np.abs(codes.astype(np.int64)).max(initial=0)))
    return ((1 << 31) - 1) // (largest * reach)


def _block(length: int, safe: int) -> int:
    """How many of `length` products are added in 32 bits at a time, where `safe` may be; see `windows.multiply`."""
    if safe >= length:
        return length
    return safe // STEP * STEP if safe >= WORTHWHILE_BLOCK else WIDE
