"""Accumulators as hardware has them: a width, what happens past it, and how many products are added at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.rounding import Overflow, overflowed

WIDEST = 48
"""Bits of the widest register: the adder of a DSP48 slice (UG579)."""
NARROWEST: Mapping[Overflow, int] = {"wrap": 8, "sat": 2, "sat_sym": 2, "sat_zero": 2}
"""Fewest bits by overflow mode; where sums wrap below 8 bits nothing of them is left."""
WIDEST_TREE = 1 << 16
"""Products of the widest adder tree: more than any layer has channels."""


@dataclass(frozen=True)
class Accumulator:
    """A two's-complement register of `bits` bits that starts at the bias, put through the overflow like any sum.

    `wrap` drops what does not fit, so the order of adding is free. The other modes act on the register after every
    addition, in a fixed order: taps in the order of the input they read (rows, then columns, both rising; in a
    transposed convolution the taps themselves fall), within a tap the input channels rising. An adder tree of width
    `tree` sums that many channels of one tap exactly before each addition; the last tree of a tap has what channels
    are left. Zeros around or between inputs change nothing, whether they are added or skipped: a sum with nothing added
    is in range.
    """

    bits: int
    overflow: Overflow = "wrap"
    tree: int = 1

    @property
    def low(self) -> int:
        """Smallest number it holds: -2**(bits - 1), one more where saturation is symmetric."""
        return -(1 << (self.bits - 1)) + (self.overflow == "sat_sym")

    @property
    def high(self) -> int:
        """Largest number it holds."""
        return (1 << (self.bits - 1)) - 1

    def __str__(self) -> str:
        return f"acc{self.bits}:{self.overflow}" + (f":tree{self.tree}" if self.tree > 1 else "")


def default_accumulator(weight_bits: int, activation_bits: int) -> Accumulator:
    """`acc32:wrap` up to 8 x 8 bits, `acc48:wrap` (the width of a DSP48 slice, UG579) above."""
    return Accumulator(32 if max(weight_bits, activation_bits) <= 8 else WIDEST)


def held(sums: NDArray[Any], accumulator: Accumulator) -> NDArray[Any]:
    """What the register holds after an addition that exactly makes `sums`, int64 or Python integers (dtype object)."""
    return overflowed(sums, accumulator.bits, accumulator.overflow)


def wrap(sums: NDArray[np.int64], accumulator: Accumulator) -> NDArray[np.int64]:
    """Sums as a register of that width that wraps holds them: modulo 2**bits, signed."""
    spare = 64 - accumulator.bits
    return (sums << spare) >> spare
