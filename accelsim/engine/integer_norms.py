"""Norms with whole-number statistics, and softmax. docs/arithmetic.md states each step."""

from functools import partial
from math import prod

import numpy as np

from accelsim.engine.integer_dispatch import CODES, Array, Finisher, Integers, Operand, run_integer_op
from accelsim.formats.quantize import along
from accelsim.formats.reciprocal_root import ROOT_SCALE, bit_lengths, reciprocal_root
from accelsim.formats.rounding import shift_right
from accelsim.ir.constants import Constants, Normalised, Powers
from accelsim.ir.ops import GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Shape, Softmax

MEAN_BITS = 12
"""Behind the point of a mean, in input codes."""
BIAS_BITS = 20
"""Behind the point of a bias, in output codes."""
MULTIPLIER_BITS = 31
MOST_SHIFT = 28
_BLOCK = 1 << 16
"""Elements that are worked on at a time, so that they stay in a cache."""


@run_integer_op.register
def _(op: InstanceNorm, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    shape = operands[0].codes.shape
    rows = operands[0].codes.reshape(shape[0] * shape[1], -1)
    return _normalised(rows, constants, finisher, operands[0]).reshape(shape)


@run_integer_op.register
def _(op: GroupNorm, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    shape = operands[0].codes.shape
    rows = operands[0].codes.reshape(shape[0] * op.groups, -1)
    return _normalised(rows, constants, finisher, operands[0]).reshape(shape)


@run_integer_op.register
def _(op: LayerNorm, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    shape = operands[0].codes.shape
    rows = operands[0].codes.reshape(-1, prod(op.shape))
    return _normalised(rows, constants, finisher, operands[0]).reshape(shape)


@run_integer_op.register
def _(op: RMSNorm, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    codes = operands[0].codes
    kept = [axis for axis in range(codes.ndim) if axis - 1 not in _positive(op.axes, codes.ndim - 1)]
    order = (*kept, *(axis for axis in range(codes.ndim) if axis not in kept))
    moved = codes.transpose(order)
    rows = moved.reshape(prod(moved.shape[: len(kept)]), -1)
    result = _normalised(rows, constants, finisher, operands[0], centre=False)
    return np.ascontiguousarray(result.reshape(moved.shape).transpose(np.argsort(order)))


def _positive(axes: Shape, rank: int) -> tuple[int, ...]:
    return tuple(axis % rank for axis in axes)


def _normalised(rows: Array, constants: Constants, finisher: Finisher, operand: Operand, centre: bool = True) -> Array:
    """Rows `[R, n]` of codes, each with its own statistics."""
    core = constants.core
    assert isinstance(core, Normalised)
    result: Array = np.empty(rows.shape, finisher.dtype)
    each = max(1, _BLOCK // max(rows.shape[1], 1))
    for first in range(0, len(rows), each):
        block = slice(first, first + each)
        result[block] = _block(rows[block], first, core, finisher, operand, centre)
    return result


def _block(rows: Array, first: int, core: Normalised, finisher: Finisher, operand: Operand, centre: bool) -> Array:
    n = rows.shape[1]
    codes = rows.astype(np.int64) - operand.zero_point
    sums, squares = codes.sum(axis=1), np.einsum("rn,rn->r", codes, codes)
    mean = ((sums << (MEAN_BITS + 1)) + n) // (2 * n) if centre else np.zeros_like(sums)
    root, exponent = reciprocal_root(_spread(sums, squares, n, core.eps, centre))
    which = (first + np.arange(len(rows))) % len(core.bias)
    multiplier = (core.gain.multiplier[which] * root[:, None] + (1 << (MULTIPLIER_BITS - 1))) >> MULTIPLIER_BITS
    shift = core.gain.shift[which] + (ROOT_SCALE - MULTIPLIER_BITS) + exponent[:, None]
    multiplier, shift = multiplier >> np.clip(shift - MOST_SHIFT, 0, 63), np.clip(shift, 0, MOST_SHIFT)
    place = shift + (MEAN_BITS - BIAS_BITS)
    offset = (core.bias[which] << np.maximum(place, 0)) >> np.maximum(-place, 0)
    apply = partial(_applied, mean[:, None], multiplier, offset, shift + MEAN_BITS, finisher)
    every = operand.every
    if every is None or n <= 2 * CODES or multiplier.shape[1] > 1:
        return apply(codes)
    table = apply(every[None, :])
    return np.stack([entries[row] for entries, row in zip(table, rows.view(np.uint8) ^ np.uint8(128), strict=True)])


def _applied(
    mean: Integers, multiplier: Integers, offset: Integers, shift: Integers, finisher: Finisher, codes: Integers
) -> Array:
    values = ((codes << MEAN_BITS) - mean) * multiplier + offset
    return finisher(shift_right(values, shift, finisher.rounding))


def _spread(sums: Integers, squares: Integers, n: int, eps: int, centre: bool) -> Array:
    """n squared times the variance (or the mean square), plus eps; 1 where that is 0, as nothing is to be scaled."""
    most = max(int(squares.max(initial=0)), 1) * n + eps
    kind = np.int64 if most < 1 << 62 else object
    spread = squares.astype(kind) * n
    if centre:
        spread = spread - sums.astype(kind) * sums.astype(kind)
    return np.asarray(np.maximum(spread + eps, 1))


@run_integer_op.register
def _(op: Softmax, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core, codes, axis = constants.core, operands[0].codes.astype(np.int64), op.axis + 1
    assert isinstance(core, Powers)
    distances = codes.max(axis, keepdims=True) - codes
    powers = core.entries[distances]
    total = powers.sum(axis, keepdims=True)
    raised = 31 - bit_lengths(total)  # the total is 2**24 or more, and far below 2**62
    mantissa = (total << np.maximum(raised, 0)) >> np.maximum(-raised, 0)
    reciprocal = np.int64(1 << 61) // mantissa
    multiplier = (core.gain.multiplier * reciprocal + (1 << (MULTIPLIER_BITS - 1))) >> MULTIPLIER_BITS
    shift = core.gain.shift + 61 - raised - MULTIPLIER_BITS
    multiplier, shift = multiplier >> np.clip(shift - MAX_SOFTMAX_SHIFT, 0, 63), np.clip(shift, 0, MAX_SOFTMAX_SHIFT)

    def finished(powers: Integers) -> Array:
        return finisher(shift_right(powers * multiplier, shift, finisher.rounding))

    if codes.shape[axis] <= LONG * len(core.entries):
        return finished(powers)
    every = finished(along(core.entries, codes.ndim, axis))  # once for each distance of a row
    return np.take_along_axis(every, distances, axis)


LONG = 2
"""Elements of a row, for each code there is, from which on results are computed once for each code."""
MAX_SOFTMAX_SHIFT = 46
"""A larger shift drops bits of the multiplier instead."""
