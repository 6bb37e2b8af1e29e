"""Accumulators as hardware has them: a width and what happens past it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Overflow = Literal["wrap"]


@dataclass(frozen=True)
class Accumulator:
    """A two's-complement register of `bits` bits. `wrap` drops what does not fit, so the order of adding is free."""

    bits: int
    overflow: Overflow = "wrap"

    def __str__(self) -> str:
        return f"acc{self.bits}:{self.overflow}"


def default_accumulator(weight_bits: int, activation_bits: int) -> Accumulator:
    """`acc32:wrap` up to 8 x 8 bits, `acc48:wrap` (the width of a DSP48 slice, UG579) above."""
    return Accumulator(32 if max(weight_bits, activation_bits) <= 8 else 48)


def wrap(sums: NDArray[np.int64], accumulator: Accumulator) -> NDArray[np.int64]:
    """Sums as the register holds them: modulo 2**bits, signed."""
    spare = 64 - accumulator.bits
    return (sums << spare) >> spare
