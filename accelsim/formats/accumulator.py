"""Accumulators as hardware has them: a width, what happens past it, and how many products are added at a time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.rounding import Overflow


@dataclass(frozen=True)
class Accumulator:
    """A two's-complement register of `bits` bits that starts at the bias.

    `wrap` drops what does not fit, so the order of adding is free. The other modes act on the register after every
    addition, in a fixed order: taps in the order of the input they read (rows, then columns, both rising), within a
    tap the input channels rising. An adder tree of width `tree` sums that many channels of one tap exactly before each
    addition; the last tree of a tap has what channels are left.
    """

    bits: int
    overflow: Overflow = "wrap"
    tree: int = 1

    def __str__(self) -> str:
        return f"acc{self.bits}:{self.overflow}" + (f":tree{self.tree}" if self.tree > 1 else "")


def default_accumulator(weight_bits: int, activation_bits: int) -> Accumulator:
    """`acc32:wrap` up to 8 x 8 bits, `acc48:wrap` (the width of a DSP48 slice, UG579) above."""
    return Accumulator(32 if max(weight_bits, activation_bits) <= 8 else 48)


def wrap(sums: NDArray[np.int64], accumulator: Accumulator) -> NDArray[np.int64]:
    """Sums as the register holds them: modulo 2**bits, signed."""
    spare = 64 - accumulator.bits
    return (sums << spare) >> spare
