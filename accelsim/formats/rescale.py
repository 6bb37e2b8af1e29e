"""Whole numbers times real factors, by integer multipliers and a rounding shift; and how what comes out is held.

code = clamp(overflow(round(number * multiplier * 2**-shift) + zero_point))
"""

import math
from dataclasses import dataclass, replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.binary import Binary, signs
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.rounding import Overflow, Rounding, overflowed, shift_right
from accelsim.formats.ternary import Ternary

MULTIPLIER_BITS = 31
MAX_SHIFT = 62
MIN_PURE_SHIFT = -24
"""A factor that is a power of two is a shift alone, no further left than this: every code but 0 is past 20 bits."""
LARGEST = 2.0**29
"""Larger factors count as this: they take every whole number but 0 past every format."""
RESCALE_BYTES = 5
"""Bytes of one factor: a 32-bit multiplier and an 8-bit shift."""
_SAFE = 1 << 62
_LIMB = 16


@dataclass(frozen=True)
class Rescale:
    """Integer factors: multiplier below 2**31 in magnitude, times 2**-shift. Shapes broadcast with what they scale."""

    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]


def rescale(factors: NDArray[np.float64] | float) -> Rescale:
    """The integer factors nearest to real ones.

    A power of two is multiplier 1 (or -1) and a shift of -24 .. 62. Else the multiplier has 31 bits, the highest
    of them 1, and the shift is 1 .. 62; factors below 2**-32 are 0, those above 2**29 are 2**29.
    """
    real = np.asarray(factors, np.float64)
    pairs = [_factor(float(factor)) for factor in real.reshape(-1)]
    multiplier, shift = (np.array([pair[i] for pair in pairs], np.int64).reshape(real.shape) for i in (0, 1))
    return Rescale(multiplier, shift)


def _factor(real: float) -> tuple[int, int]:
    fraction, exponent = math.frexp(min(max(real, -LARGEST), LARGEST))
    if abs(fraction) == 0.5:
        return int(math.copysign(1, fraction)), min(max(1 - exponent, MIN_PURE_SHIFT), MAX_SHIFT)
    multiplier = round(fraction * 2**MULTIPLIER_BITS)
    if abs(multiplier) == 2**MULTIPLIER_BITS:
        multiplier, exponent = multiplier // 2, exponent + 1
    shift = MULTIPLIER_BITS - exponent
    return (multiplier, shift) if shift <= MAX_SHIFT else (0, MULTIPLIER_BITS)


def mantissas(factors: NDArray[np.float64] | float) -> Rescale:
    """The integer factors nearest to real ones, always with multipliers of 31 bits; shifts of any size. 0 is 0."""
    real = np.asarray(factors, np.float64)
    fraction, exponent = np.frexp(real)
    multiplier = np.rint(fraction * 2.0**MULTIPLIER_BITS).astype(np.int64)
    full = np.abs(multiplier) == 1 << MULTIPLIER_BITS
    shift = MULTIPLIER_BITS - exponent.astype(np.int64) - full
    return Rescale(np.where(full, multiplier >> 1, multiplier), shift)


def common_rescale(factors: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """Multipliers of several real factors at one shift: that which brings the largest to 2**29 .. 2**30."""
    shift = _common_shift(float(np.abs(factors).max(initial=0)))
    return np.rint(np.clip(factors, -LARGEST, LARGEST) * 2.0**shift).astype(np.int64), shift


def _common_shift(largest: float) -> int:
    _, exponent = math.frexp(min(largest, LARGEST) or 1.0)
    return min(max(MULTIPLIER_BITS - 1 - exponent, 1), MAX_SHIFT)


def rescaled(values: NDArray[Any], factors: Rescale, rounding: Rounding) -> NDArray[Any]:
    """Whole numbers nearest (as `rounding` says) to the values times the factors, exact for any int64 values.

    In 64-bit integers where those are enough; else in two limbs, the low one of 16 bits; else in Python's integers.
    """
    multiplier, shift = factors.multiplier, factors.shift
    reach = max(int(values.max(initial=0)), -int(values.min(initial=0)), 1)
    most = max(int(np.abs(multiplier).max(initial=1)), 1)
    lowest, highest = int(shift.min(initial=0)), int(shift.max(initial=0))
    if (reach * most << max(0, -lowest)) + (1 << max(highest, 0)) < _SAFE:
        return shift_right(values * multiplier, shift, rounding)
    if reach < 1 << 46 and int(shift.min(initial=MAX_SHIFT)) > _LIMB and highest < MAX_SHIFT - 2:
        low = (values & ((1 << _LIMB) - 1)) * multiplier
        high = (values >> _LIMB) * multiplier + (low >> _LIMB)
        lost = (low & ((1 << _LIMB) - 1)) != 0  # one bit for all that is below: it decides no more than ties
        return shift_right((high << 1) | lost, shift - (_LIMB - 1), rounding)
    return shift_right(values.astype(object) * multiplier.astype(object), shift.astype(object), rounding)


@dataclass(frozen=True)
class Landing:
    """How whole numbers become codes: rounded so, plus the zero point, overflowing so, then within low .. high.

    sign: the code is the sign instead (1 where the number is not negative).
    """

    bits: int
    rounding: Rounding
    overflow: Overflow
    zero_point: int
    low: int
    high: int
    sign: bool = False

    def clamped(self, low: int, high: int) -> "Landing":
        """The landing with a narrower range, where that is narrower."""
        return replace(self, low=min(max(self.low, low), self.high), high=max(min(self.high, high), self.low))


def landing(format: IntegerFormat, scaling: Scaling) -> Landing:
    """Affine and ternary codes: to nearest, ties upward, clamped. Fixed point: as it says. Binary: the sign."""
    match format:
        case AffineInt() | Ternary():
            overflow: Overflow = "sat" if -format.low > format.high else "sat_sym"
            return Landing(format.bits, "rnd", overflow, scaling.zero_point, format.low, format.high)
        case FixedPoint():
            return Landing(format.bits, format.rounding, format.overflow, 0, format.low, format.high)
        case Binary():
            return Landing(format.bits, "trn", "sat", 0, format.low, format.high, sign=True)
        case _:
            assert_never(format)


def landed(values: NDArray[Any], where: Landing) -> NDArray[np.int64]:
    """Codes of whole numbers that are rounded already."""
    if where.sign:
        return signs(values)
    held = overflowed(values + where.zero_point, where.bits, where.overflow)
    return np.asarray(np.clip(held, where.low, where.high)).astype(np.int64)
