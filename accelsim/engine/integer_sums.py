"""Pools, reductions and interpolation on codes: exact sums, one factor."""

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from accelsim.engine.integer_dispatch import Array, Finisher, Integers, Operand, run_integer_op
from accelsim.formats.rescale import rescaled
from accelsim.ir.constants import Constants, Resampled, Scaled
from accelsim.ir.ops import AdaptivePool, AveragePool, GlobalAveragePool, Interpolate, MaxPool, Pair, Reduce, Sides

NORM_BITS = 8
"""Behind the point of a Euclidean norm, in input codes."""


def finished_sums(values: Array, constants: Constants, finisher: Finisher) -> Array:
    """Exact numbers times the factors of the operator."""
    assert isinstance(constants.core, Scaled)
    return finisher(rescaled(values, constants.core.factors, finisher.rounding))


@run_integer_op.register
def _(op: GlobalAveragePool, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    codes = operands[0].centred
    return finished_sums(codes.sum(axis=tuple(range(2, codes.ndim))), constants, finisher)


def _windows(x: Integers, fill: int, kernel: Pair, stride: Pair, dilation: Pair, padding: Sides) -> Integers:
    """`[N, C, h, w, rows, columns]`: the elements of each window, `fill` where it lies over the padding."""
    top, bottom, left, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    extent = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    windows = sliding_window_view(padded, extent, (2, 3))
    return windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


@run_integer_op.register
def _(op: AveragePool, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    sums = _windows(operands[0].centred, 0, op.kernel, op.stride, (1, 1), op.padding).sum((4, 5))
    return finished_sums(sums, constants, finisher)


@run_integer_op.register
def _(op: MaxPool, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    lowest = np.iinfo(np.int64).min
    largest = _windows(operands[0].centred, lowest, op.kernel, op.stride, op.dilation, op.padding).max((4, 5))
    return finished_sums(np.maximum(largest, -(1 << 17)), constants, finisher)


@run_integer_op.register
def _(op: AdaptivePool, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    x = operands[0].centred
    for axis, size in enumerate(op.size, start=2):
        n = x.shape[axis]
        bounds = [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
        parts = [x.take(range(first, last), axis) for first, last in bounds]
        x = np.stack([part.sum(axis) if op.kind == "mean" else part.max(axis) for part in parts], axis)
    return finished_sums(x, constants, finisher)


@run_integer_op.register
def _(op: Reduce, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    x, axes = operands[0].centred, tuple(a + 1 if a >= 0 else a for a in op.axes)
    over = partial(np.sum, axis=axes, keepdims=op.keepdim)
    match op.kind:
        case "mean" | "sum":
            made = over(x)
        case "max":
            made = np.max(x, axis=axes, keepdims=op.keepdim)
        case "min":
            made = np.min(x, axis=axes, keepdims=op.keepdim)
        case "var":
            sums, squares = over(x).astype(object), over(x * x).astype(object)
            made = squares * int(np.prod([x.shape[a] for a in axes])) - sums * sums
        case "norm":
            made = _roots(over(x * x))
    return finished_sums(np.asarray(made), constants, finisher)


def _roots(squares: Integers) -> Integers:
    """floor(2**NORM_BITS * sqrt(x))."""
    from math import isqrt

    roots = np.frompyfunc(lambda x: isqrt(int(x) << (2 * NORM_BITS)), 1, 1)(squares)
    return np.asarray(roots).astype(np.int64)


@run_integer_op.register
def _(op: Interpolate, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core, x = constants.core, operands[0].centred
    assert isinstance(core, Resampled)
    for axis, (positions, weights) in enumerate(zip(core.positions, core.weights, strict=True), start=2):
        shape = [-1 if a == axis else 1 for a in range(x.ndim)]
        taps = zip(positions, weights, strict=True)
        x = np.sum([x.take(index, axis) * weight.reshape(shape) for index, weight in taps], axis=0)
    return finisher(rescaled(x, core.factors, finisher.rounding))
