"""What happens to a number that has more fraction bits, or more integer bits, than its format.

The seven quantization and four overflow modes of `ap_fixed` (AMD UG1399, "Quantization Modes", "Overflow Modes").
Quantize first, then handle overflow: rounding up may be what overflows.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rounding = Literal["trn", "trn_zero", "rnd", "rnd_min_inf", "rnd_inf", "rnd_zero", "rnd_conv"]
"""Downward; toward 0; nearest with ties to: +infinity, -infinity, away from 0, toward 0, even."""
Overflow = Literal["sat", "sat_sym", "sat_zero", "wrap"]
"""Clamp; clamp to +-(2**(bits - 1) - 1); 0 instead; keep the low bits."""


def round_reals(values: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    """Whole numbers of real ones; exact for every finite float64."""
    toward_zero = np.trunc(values)
    tie = np.abs(values - toward_zero) == 0.5  # both exact: a fraction has no lower bits than its number
    match rounding:
        case "trn":
            return np.asarray(np.floor(values))
        case "trn_zero":
            return np.asarray(toward_zero)
        case "rnd":
            at_ties = np.ceil(values)
        case "rnd_min_inf":
            at_ties = np.floor(values)
        case "rnd_inf":
            at_ties = toward_zero + np.sign(values)
        case "rnd_zero":
            at_ties = toward_zero
        case "rnd_conv":
            return np.asarray(np.rint(values))
    return np.where(tie, at_ties, np.rint(values))


def shift_right(values: NDArray[Any], shift: NDArray[Any], rounding: Rounding) -> NDArray[Any]:
    """`values / 2**shift` as whole numbers, in the integers of the arrays: int64, or objects for Python's.

    A negative shift is an exact shift to the left. The caller sees to it that |values| + 2**shift fits.
    """
    left, right = np.maximum(-shift, 0), np.maximum(shift, 0)
    one = right * 0 + 1
    unit = one << right
    half = np.where(right > 0, unit >> 1, 0)
    negative = (values < 0) * one
    match rounding:
        case "trn":
            added = 0 * unit
        case "trn_zero":
            added = negative * (unit - 1)
        case "rnd":
            added = half
        case "rnd_min_inf":
            added = half - 1
        case "rnd_inf":
            added = half - negative
        case "rnd_zero":
            added = half - (1 - negative)
        case "rnd_conv":
            added = half - 1 + ((values >> right) & 1)
    added = np.where(right > 0, added, 0)
    shifted: NDArray[Any] = ((values << left) + added) >> right
    return shifted


def overflowed(codes: NDArray[Any], bits: int, overflow: Overflow) -> NDArray[Any]:
    """Codes of `bits` bits from whole numbers of any size, in the integers (int64 or objects) of the array."""
    high = (1 << (bits - 1)) - 1
    low = -high - 1
    match overflow:
        case "sat":
            held = np.clip(codes, low, high)
        case "sat_sym":
            held = np.clip(codes, -high, high)
        case "sat_zero":
            held = np.where((codes < low) | (codes > high), 0, codes)
        case "wrap":
            held = ((codes - low) & ((1 << bits) - 1)) + low
    return np.asarray(held)
