"""Products of two activations as the compiled kernels make them: matrices, and convolutions with computed weights."""

from dataclasses import asdict
from functools import singledispatch
from itertools import product

import numpy as np

from accelsim.engine.integer_dispatch import Array, Dtype, Finisher, Operand
from accelsim.engine.integer_sums import finished_sums
from accelsim.engine.kernels.matrix_products import matrix_product
from accelsim.engine.kernels.phases import Phase, axis_phases, margins
from accelsim.engine.kernels.product_loop import Factor
from accelsim.engine.kernels.workers import Workers
from accelsim.formats.rescale import MAX_SHIFT
from accelsim.ir.constants import Constants, Scaled
from accelsim.ir.ops import Conv2d, ConvTranspose2d, DynamicConv2d, DynamicConvTranspose2d, MatMul, Product
from accelsim.ir.shapes import result_shape

RAISED = 30
"""Bits by which a multiplier of 1 may grow."""


def fast_product(
    op: Product, constants: Constants, finisher: Finisher, operands: tuple[Operand, ...], workers: Workers, native: bool
) -> Array:
    """Stored codes of a product of two activations, `run_integer_op` of it bit for bit."""
    first, second = operands
    factor = _factor(constants, first.codes.shape[-1] if isinstance(op, MatMul) else _depth(op))
    landing = constants.finish.landing
    if factor is None:
        return finished_sums(_multiplied(op, first, second, None, np.int64, workers, native), constants, finisher)
    in_short = -(1 << 15) <= landing.low <= landing.high < 1 << 15
    dtype: Dtype = np.int16 if in_short else np.int64
    if constants.finish.activation is None:
        dtype = finisher.dtype
    return finisher.activated(_multiplied(op, first, second, factor, dtype, workers, native))


def _depth(op: DynamicConv2d | DynamicConvTranspose2d) -> int:
    return op.in_channels * op.kernel[0] * op.kernel[1]


def _factor(constants: Constants, depth: int) -> Factor | None:
    """Numbers that finish a sum as `finished_sums` does; None where the compiled loop cannot."""
    core, landing = constants.core, constants.finish.landing
    assert isinstance(core, Scaled)
    fused = landing.rounding == "rnd" and landing.overflow in ("sat", "sat_sym") and not landing.sign
    if not fused or core.factors.multiplier.size != 1 or depth >= 1 << 22:  # sums of 33 bits each fit 55
        return None
    multiplier, shift = (int(part.reshape(-1)[0]) for part in (core.factors.multiplier, core.factors.shift))
    if multiplier < 0:
        return None
    raised = min(RAISED, MAX_SHIFT - shift) if multiplier == 1 else 0
    end = 1 << (landing.bits - 1)
    lowest = -end + (landing.overflow == "sat_sym")
    return Factor(
        multiplier << raised,
        shift + raised,
        landing.zero_point,
        min(max(lowest, landing.low), landing.high),
        max(min(end - 1, landing.high), landing.low),
    )


@singledispatch
def _multiplied(
    op: Product,
    first: Operand,
    second: Operand,
    factor: Factor | None,
    dtype: Dtype,
    workers: Workers,
    native: bool,
) -> Array:
    """Sums, or codes by the factor."""
    raise TypeError(f"{type(op).__name__} is no product of two activations")


@_multiplied.register
def _(
    op: MatMul,
    first: Operand,
    second: Operand,
    factor: Factor | None,
    dtype: Dtype,
    workers: Workers,
    native: bool,
) -> Array:
    return matrix_product(first, second, factor, dtype, workers, native)


@_multiplied.register(DynamicConv2d)
@_multiplied.register(DynamicConvTranspose2d)
def _(
    op: DynamicConv2d | DynamicConvTranspose2d,
    first: Operand,
    second: Operand,
    factor: Factor | None,
    dtype: Dtype,
    workers: Workers,
    native: bool,
) -> Array:
    """Windows over each sample times its own weights, phase by phase; windows are copied sample by sample."""
    plain = (Conv2d if isinstance(op, DynamicConv2d) else ConvTranspose2d)(**asdict(op), bias=False)
    channels, rows, columns = result_shape(op, first.codes.shape[1:], second.codes.shape[1:])
    phases = axis_phases(plain, 0, rows), axis_phases(plain, 1, columns)
    height, width = first.codes.shape[2:]
    frame = margins(phases[0], height), margins(phases[1], width)
    padded = np.pad(first.codes.transpose(0, 2, 3, 1), ((0, 0), *frame, (0, 0)), constant_values=first.zero_point)
    out = np.zeros((len(padded), rows, columns, op.groups, channels // op.groups), dtype)
    for (sample, image), (y, x) in product(enumerate(padded), product(*phases)):
        windows = Operand(_windows(image, y, x, op.groups, (frame[0][0], frame[1][0])), first.zero_point)
        weights = Operand(_taps(plain, second.codes[sample], y, x), second.zero_point)
        made = matrix_product(windows, weights, factor, dtype, workers, native)
        into = out[sample, y.start :: y.step, x.start :: x.step]
        into[...] = made.reshape(op.groups, y.count, x.count, -1).transpose(1, 2, 0, 3)
    return out.reshape(len(padded), rows, columns, channels).transpose(0, 3, 1, 2)


def _windows(image: Array, y: Phase, x: Phase, groups: int, origin: tuple[int, int]) -> Array:
    """`[groups, pixels, taps * channels]` of a padded image `[H, W, C]`."""
    taps, each = list(product(y.taps, x.taps)), image.shape[2] // groups
    windows = np.empty((groups, y.count, x.count, len(taps), each), image.dtype)
    for place, ((_, dy), (_, dx)) in enumerate(taps):
        top, left = dy + origin[0], dx + origin[1]
        bottom, right = top + y.stride * (y.count - 1) + 1, left + x.stride * (x.count - 1) + 1
        seen = image[top : bottom : y.stride, left : right : x.stride]
        windows[:, :, :, place] = seen.reshape(y.count, x.count, groups, each).transpose(2, 0, 1, 3)
    return windows.reshape(groups, y.count * x.count, len(taps) * each)


def _taps(op: Conv2d | ConvTranspose2d, weights: Array, y: Phase, x: Phase) -> Array:
    """Weights of one sample as `[groups, taps * channels, channels of the result]`."""
    if isinstance(op, Conv2d):
        by_tap = weights.reshape(op.groups, -1, *weights.shape[1:]).transpose(0, 3, 4, 2, 1)
    else:
        by_tap = weights.reshape(op.groups, -1, *weights.shape[1:]).transpose(0, 3, 4, 1, 2)
    chosen = [by_tap[:, r, s] for (r, _), (s, _) in product(y.taps, x.taps)]
    none = np.zeros((op.groups, 0, by_tap.shape[4]), weights.dtype)
    return np.concatenate([none, *chosen], axis=1)
