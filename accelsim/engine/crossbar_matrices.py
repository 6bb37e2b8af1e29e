"""A multiplying layer as the weight matrices that its crossbars hold, and the input vectors that pass through them.

Rows of a matrix: taps in the order of the input that they read (rows, then columns, both rising), within a tap the
input channels rising. Consecutive rows share a crossbar.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.float_products import scatter_and_crop
from accelsim.engine.kernels.phases import axis_phases, image_shape
from accelsim.engine.linear_kernel import Array, Integers
from accelsim.ir.crossbar_target import Form
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear

OUTSIDE = -1
"""Index of an input that is padding or an inserted zero."""


@dataclass(frozen=True)
class Axis:
    """Outputs along one axis, the kernel indices that make them, and what each reads, `[outputs, taps]`."""

    outputs: Integers
    taps: Integers
    reads: Integers


@dataclass(frozen=True)
class Part:
    """One weight matrix: where it reads and writes, for one group of channels."""

    group: int
    rows: Axis
    columns: Axis

    @property
    def positions(self) -> int:
        """Input vectors of one image."""
        return len(self.rows.outputs) * len(self.columns.outputs)


def parts(op: Linear, sample: tuple[int, ...], result: tuple[int, ...], form: Form) -> Iterator[Part]:
    """The matrices of a layer on `sample` that makes `result`, in a fixed order; empty ones are left out."""
    groups = 1 if isinstance(op, Dense) else op.groups
    pairs = zip(image_shape(op, sample)[1:], image_shape(op, result)[1:], strict=True)
    by_axis = [list(_axes(op, axis, inside, outside, form)) for axis, (inside, outside) in enumerate(pairs)]
    for group in range(groups):
        for rows in by_axis[0]:
            for columns in by_axis[1]:
                if rows.reads.size and columns.reads.size:
                    yield Part(group, rows, columns)


def _axes(op: Linear, axis: int, inside: int, outside: int, form: Form) -> Iterator[Axis]:
    if isinstance(op, ConvTranspose2d) and form == "scatter":
        yield Axis(np.arange(inside), np.arange(1), np.arange(inside)[:, None])
        return
    if isinstance(op, ConvTranspose2d) and form == "zero_insert":
        outputs, taps = np.arange(outside), np.arange(op.kernel[axis])[::-1]
        at = outputs[:, None] + op.crop[2 * axis] - taps * op.dilation[axis]
        reads = np.where(at % op.stride[axis] == 0, at // op.stride[axis], OUTSIDE)
        yield Axis(outputs, taps, _inside(reads, inside))
        return
    for phase in axis_phases(op, axis, outside):
        first = np.arange(phase.count)
        taps, offsets = np.array(phase.taps, np.int64).reshape(-1, 2).T
        reads = offsets + phase.stride * first[:, None]
        yield Axis(phase.start + phase.step * first, taps, _inside(reads, inside))


def _inside(reads: Integers, size: int) -> Integers:
    return np.where((reads >= 0) & (reads < size), reads, OUTSIDE)


@singledispatch
def by_tap(op: Linear, weights: Array) -> Array:
    """Weights as `[groups, kernel rows, kernel columns, in_channels / groups, out_channels / groups]`."""
    raise TypeError(f"{type(op).__name__} has no weights")


@by_tap.register
def _(op: Dense, weights: Array) -> Array:
    return np.asarray(weights.T[None, None, None])


@by_tap.register
def _(op: Conv2d, weights: Array) -> Array:
    return weights.reshape(op.groups, -1, op.in_channels // op.groups, *op.kernel).transpose(0, 3, 4, 2, 1)


@by_tap.register
def _(op: ConvTranspose2d, weights: Array) -> Array:
    return weights.reshape(op.groups, op.in_channels // op.groups, -1, *op.kernel).transpose(0, 3, 4, 1, 2)


def matrix(op: Linear, part: Part, weights: Array, form: Form) -> Array:
    """Rows x outputs of one part, int64; a scattered one has an output for each tap of each channel."""
    each = by_tap(op, weights)[part.group].astype(np.int64)
    if isinstance(op, ConvTranspose2d) and form == "scatter":
        return np.asarray(each.transpose(2, 3, 0, 1).reshape(each.shape[2], -1))
    chosen = each[part.rows.taps][:, part.columns.taps]
    return np.asarray(chosen.reshape(-1, each.shape[3]))


def vectors(op: Linear, part: Part, images: Array) -> Array:
    """Input vectors `[N * positions, rows]` of images `[N, C, H + 1, W + 1]`, whose last row and column is padding."""
    groups = 1 if isinstance(op, Dense) else op.groups
    each = images.shape[1] // groups
    own = images[:, part.group * each : (part.group + 1) * each]
    read = own[:, :, part.rows.reads[:, :, None, None], part.columns.reads]
    return np.asarray(read.transpose(0, 2, 4, 3, 5, 1).reshape(len(images) * part.positions, -1))


def padded(op: Linear, x: Array, padding: int) -> Array:
    """Codes `[N, ...]` as images `[N, C, H + 1, W + 1]` with a last row and column of `padding`."""
    channels, height, width = image_shape(op, x.shape[1:])
    if isinstance(op, Dense):
        x = x.reshape(len(x), height, channels).swapaxes(1, 2)
    images = np.full((len(x), channels, height + 1, width + 1), padding, np.int16)
    images[:, :, :-1, :-1] = x.reshape(len(x), channels, height, width)
    return images


def placed(op: Linear, shape: tuple[int, ...], made: list[tuple[Part, Integers]], form: Form) -> Integers:
    """Sums `[N, ...]` of `shape` from those of each part `[N * positions, outputs]`."""
    if isinstance(op, ConvTranspose2d) and form == "scatter":
        return _scattered(op, shape, made)
    channels, height, width = image_shape(op, shape[1:])
    groups = 1 if isinstance(op, Dense) else op.groups
    result = np.zeros((shape[0], groups, channels // groups, height, width), np.int64)
    for part, sums in made:
        rows, columns = part.rows.outputs, part.columns.outputs
        block = sums.reshape(shape[0], len(rows), len(columns), -1).transpose(0, 3, 1, 2)
        result[:, part.group, :, rows[:, None], columns] = block.transpose(2, 3, 0, 1)
    merged = result.reshape(shape[0], channels, height, width)
    return merged.reshape(shape[0], channels, -1).swapaxes(1, 2).reshape(shape) if isinstance(op, Dense) else merged


def _scattered(op: ConvTranspose2d, shape: tuple[int, ...], made: list[tuple[Part, Integers]]) -> Integers:
    products = [
        sums.reshape(shape[0], len(part.rows.outputs), len(part.columns.outputs), op.out_channels // op.groups, -1)
        for part, sums in made
    ]
    if not products:
        return np.zeros(shape, np.int64)
    together: NDArray[np.int64] = np.concatenate([one.transpose(0, 3, 4, 1, 2) for one in products], axis=1)
    return scatter_and_crop(op, together)
