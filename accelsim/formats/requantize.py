"""Accumulator -> output code by an integer multiplier and a rounding shift ("single rounding").

    code = clamp(((acc * multiplier + 2**(shift - 1)) >> shift) + zero_point)

with real multiplier M = multiplier * 2**-shift, multiplier in [2**30, 2**31). This is what XNNPACK and TFLite's
TFLITE_SINGLE_ROUNDING build compute (round to nearest, ties upward).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError

MULTIPLIER_BITS = 31
LARGEST_MULTIPLIER = 2.0**30 * (1 - 2.0**-32)
"""From here on a real multiplier rounds to 2**30, which needs a shift of 0."""
MAX_SHIFT = 62
MIN_SHIFT = 1
CONSTANT_BYTES = 5
"""Bytes of the constants of one channel: a 32-bit multiplier and an 8-bit shift (the bias is counted apart)."""


@dataclass(frozen=True)
class Requantization:
    """Integer constants per output channel: multiplier `[C]` in [0, 2**31), shift `[C]` in [1, 62]."""

    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]


def requantization(real: NDArray[np.float64]) -> Requantization:
    """The integer constants nearest to the real multipliers `[C]` (positive, below 2**30).

    Multipliers below 2**-32 become 0: no 32-bit accumulator reaches half a code with them.

    Raises:
        AccelsimError: a multiplier is not finite, negative, or 2**30 and above.
    """
    pairs = [_constants(float(m)) for m in real]
    return Requantization(np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int64))


def _constants(real: float) -> tuple[int, int]:
    if not 0 <= real < LARGEST_MULTIPLIER:
        raise AccelsimError(f"requantization multiplier {real}: expected a value in [0, 2**30)")
    fraction, exponent = math.frexp(real)
    multiplier = round(fraction * 2**MULTIPLIER_BITS)
    if multiplier == 2**MULTIPLIER_BITS:
        multiplier, exponent = multiplier // 2, exponent + 1
    shift = MULTIPLIER_BITS - exponent
    return (multiplier, shift) if shift <= MAX_SHIFT else (0, MIN_SHIFT)


def requantize(
    sums: NDArray[np.int64], constants: Requantization, zero_point: int, low: int, high: int, axis: int
) -> NDArray[np.int64]:
    """Codes in [low, high] of accumulators, channels along `axis`. Exact for any accumulator up to 62 bits.

    Done in Python integers: an int48 sum times a 31-bit multiplier does not fit 64 bits.
    """
    shape = [-1 if a == axis else 1 for a in range(sums.ndim)]
    multiplier = constants.multiplier.astype(object).reshape(shape)
    shift = constants.shift.astype(object).reshape(shape)
    rounded = (sums.astype(object) * multiplier + (1 << (shift - 1))) >> shift
    codes: NDArray[np.int64] = np.clip(rounded + zero_point, low, high).astype(np.int64)
    return codes
