"""Fixed point: value = code * 2**-fraction, `ap_fixed<bits, bits - fraction, rounding, overflow>` of HLS (UG1399)."""

import math
from dataclasses import dataclass, replace

import numpy as np

from accelsim.formats.rounding import Overflow, Rounding, round_reals

FRACTION_LIMIT = 160
"""Fractions lie in +-this: the smallest float32 is 2**-149, the largest below 2**128."""


@dataclass(frozen=True)
class FixedPoint:
    """`bits`-wide two's-complement codes, `fraction` of the bits behind the point (negative, or more than there are,
    is allowed). `fraction` None: calibration chooses one for each tensor.
    """

    bits: int
    fraction: int | None
    rounding: Rounding = "rnd_conv"
    overflow: Overflow = "sat"

    @property
    def low(self) -> int:
        """Smallest code: -2**(bits - 1), one more where saturation is symmetric."""
        return -(1 << (self.bits - 1)) + (self.overflow == "sat_sym")

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1

    @property
    def factor_bits(self) -> int:
        """Width of what inputs are multiplied with."""
        return self.bits

    @property
    def dtype(self) -> type[np.int8] | type[np.int16]:
        """Smallest numpy integer that holds a code."""
        return np.int8 if self.bits <= 8 else np.int16

    @property
    def unit(self) -> float:
        """Value of code 1. The fraction must be known."""
        assert self.fraction is not None
        return 2.0**-self.fraction

    def __str__(self) -> str:
        point = "" if self.fraction is None else f".{self.fraction}"
        return f"fixed{self.bits}{point}:{self.rounding}:{self.overflow}"


def holding(format: FixedPoint, low: float, high: float) -> FixedPoint:
    """The format with the largest fraction whose codes reach from `low` to `high`, rounded as the format rounds.

    A tensor that is 0 everywhere gets all bits but the sign behind the point.
    """
    reach = max(-low, high, 0.0)
    if reach == 0:
        return replace(format, fraction=format.bits - 1)
    _, exponent = math.frexp(reach)  # reach < 2**exponent: this fraction or the one before it holds it
    fraction = min(format.bits - exponent, FRACTION_LIMIT)
    while not _holds(format, low, high, fraction):
        fraction -= 1
    return replace(format, fraction=max(fraction, -FRACTION_LIMIT))


def _holds(format: FixedPoint, low: float, high: float, fraction: int) -> bool:
    ends = round_reals(np.ldexp(np.array([min(low, 0.0), max(high, 0.0)]), fraction), format.rounding)
    return bool(format.low <= ends[0] and ends[1] <= format.high)


def coarsened(format: FixedPoint, unit: float) -> FixedPoint:
    """The format, with as few fraction bits less as give its code 1 a value of `unit` or more."""
    while format.unit < unit and format.fraction is not None:
        format = replace(format, fraction=format.fraction - 1)
    return format
