"""Accumulator -> output code by an integer multiplier and a rounding shift, or by a float32 factor.

Affine results, clamped, in one of three modes:

single   round(acc * multiplier * 2**-shift) + zero_point, multiplier in [2**30, 2**31), nearest with ties upward: what
         XNNPACK and TFLite's TFLITE_SINGLE_ROUNDING build compute.
double   the same factor rounded twice, as gemmlowp (fixedpoint.h) and TFLite's reference kernels do: the upper half of
         the doubled product (SaturatingRoundingDoublingHighMul), ties upward, then a shift (RoundingDivideByPOT), ties
         away from 0. Factors of 1 and more shift the accumulator to the left first.
float    rint(float32(acc) * float32(factor)) + zero_point, ties to even: what ONNX Runtime's QLinearConv computes.

Fixed-point results round and overflow as their format says; where inputs and weights are fixed-point too the multiplier
is 1: a pure shift, to the left where the shift is negative.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError
from accelsim.formats.affine import RequantizationMode
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.quantize import along
from accelsim.formats.rounding import Rounding, overflowed, shift_right

MULTIPLIER_BITS = 31
LARGEST_MULTIPLIER = 2.0**30 * (1 - 2.0**-32)
"""From here on a real multiplier rounds to 2**30, which needs a shift of 0."""
MAX_SHIFT = 62
MIN_SHIFT = 1
MIN_PURE_SHIFT = -16
"""Further left every accumulator but 0 is past 16 bits, and under `wrap` 0."""
CONSTANT_BYTES = 5
"""Bytes of the constants of one channel: a 32-bit multiplier and an 8-bit shift (the bias is counted apart)."""


@dataclass(frozen=True)
class Requantization:
    """Constants per output channel: multiplier `[C]` in [0, 2**31), shift `[C]` in [1, 62], and how they are applied.

    Where the multiplier is 1 the shift may be -16 .. 62. factor: `[C]`, in mode `float` only, which needs nothing else.
    """

    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    mode: RequantizationMode = "single"
    factor: NDArray[np.float32] | None = None


def requantization(real: NDArray[np.float64], mode: RequantizationMode = "single") -> Requantization:
    """The constants nearest to the real multipliers `[C]` (positive, below 2**30), ties upward.

    Multipliers below 2**-32 become 0, except in mode `float`: no 32-bit accumulator reaches half a code with them.

    Raises:
        AccelsimError: a multiplier is not finite, negative, or 2**30 and above.
    """
    pairs = [_constants(float(m)) for m in real]
    multiplier, shift = (np.array([pair[i] for pair in pairs], np.int64) for i in range(2))
    return Requantization(multiplier, shift, mode, np.asarray(real).astype(np.float32) if mode == "float" else None)


def pure_shift(shift: int, channels: int) -> Requantization:
    """Multiplier 1 and one shift for all channels.

    Past -16 and 62 a shift is replaced by these, which no code of 16 bits from a sum of 48 can tell apart.
    """
    kept = min(max(shift, MIN_PURE_SHIFT), MAX_SHIFT)
    return Requantization(np.ones(channels, np.int64), np.full(channels, kept))


def _constants(real: float) -> tuple[int, int]:
    if not 0 <= real < LARGEST_MULTIPLIER:
        raise AccelsimError(f"requantization multiplier {real}: expected a value in [0, 2**30)")
    fraction, exponent = math.frexp(real)
    multiplier = math.floor(fraction * 2**MULTIPLIER_BITS + 0.5)  # exact: fractions have 53 bits
    if multiplier == 2**MULTIPLIER_BITS:
        multiplier, exponent = multiplier // 2, exponent + 1
    shift = MULTIPLIER_BITS - exponent
    return (multiplier, shift) if shift <= MAX_SHIFT else (0, MIN_SHIFT)


def requantize(
    sums: NDArray[np.int64], constants: Requantization, zero_point: int, low: int, high: int, axis: int
) -> NDArray[np.int64]:
    """Affine codes in [low, high] of accumulators, channels along `axis`, in the mode of the constants.

    Exact for any accumulator up to 48 bits. Where a shift to the left leaves gemmlowp's 32 bits, which it does not
    define, the number goes on unharmed.
    """
    match constants.mode:
        case "single":
            steps = _shifted(sums, constants, "rnd", axis)
        case "double":
            steps = _shifted_twice(sums, constants, axis)
        case "float":
            assert constants.factor is not None
            steps = np.rint(sums.astype(np.float32) * along(constants.factor, sums.ndim, axis)).astype(np.float64)
    codes: NDArray[np.int64] = np.clip(steps + zero_point, low, high).astype(np.int64)
    return codes


def requantize_fixed(
    sums: NDArray[np.int64], constants: Requantization, format: FixedPoint, relu: bool, axis: int
) -> NDArray[np.int64]:
    """Fixed-point codes of accumulators, channels along `axis`: round, then overflow, then the ReLU if there is one.

    Exact for any accumulator up to 48 bits.
    """
    codes = overflowed(_shifted(sums, constants, format.rounding, axis), format.bits, format.overflow)
    return np.asarray(np.maximum(codes, 0) if relu else codes).astype(np.int64)


def _shifted(sums: NDArray[np.int64], constants: Requantization, rounding: Rounding, axis: int) -> NDArray[Any]:
    """Rounded multiples of the sums."""
    multiplier, shift = along(constants.multiplier, sums.ndim, axis), along(constants.shift, sums.ndim, axis)
    fitting = _fitting(sums, multiplier, np.maximum(-shift, 0))
    return shift_right(sums.astype(fitting) * multiplier.astype(fitting), shift.astype(fitting), rounding)


def _shifted_twice(sums: NDArray[np.int64], constants: Requantization, axis: int) -> NDArray[Any]:
    """Rounded multiples of the sums, once after the product and once after what is left to shift."""
    multiplier, shift = along(constants.multiplier, sums.ndim, axis), along(constants.shift, sums.ndim, axis)
    left, right = np.maximum(MULTIPLIER_BITS - shift, 0), np.maximum(shift - MULTIPLIER_BITS, 0)
    fitting = _fitting(sums, multiplier, left)
    product = (sums.astype(fitting) << left.astype(fitting)) * multiplier.astype(fitting)
    upper_half = shift_right(product, np.asarray(MULTIPLIER_BITS + 0 * shift).astype(fitting), "rnd")
    return shift_right(upper_half, right.astype(fitting), "rnd_inf")


def _fitting(sums: NDArray[np.int64], multiplier: NDArray[np.int64], left: NDArray[np.int64]) -> type:
    """64-bit integers where products shifted to the left fit them, else Python's.

    An int48 sum times a 31-bit multiplier does not fit 64 bits; most sums are far from the ends of their register.
    """
    largest = max(int(sums.max(initial=0)), -int(sums.min(initial=0)), 1)
    reach = largest * int(multiplier.max(initial=1)) << int(left.max(initial=0))
    return np.int64 if reach < 1 << MAX_SHIFT else object
