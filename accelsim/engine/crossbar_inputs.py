"""Input codes as the digits that DACs drive, cycle by cycle."""

from dataclasses import dataclass

import numpy as np

from accelsim.engine.linear_kernel import Array, Integers, affine_of
from accelsim.formats.binary import Binary
from accelsim.ir.program import Encoding


@dataclass(frozen=True)
class Driven:
    """Inputs as they are driven: digits of `bits` bits each cycle; input = sum(significance * digit) + rest."""

    bits: int
    significance: Integers
    rest: int
    is_binary: bool

    def digits(self, codes: Array) -> Array:
        """`[positions, cycles, rows]` of codes `[positions, rows]`; the zero of a masked binary input is not driven."""
        if self.is_binary:
            return np.asarray((codes == 1)[:, None])
        shifts = self.bits * np.arange(len(self.significance))
        return np.asarray(((codes.astype(np.int64) - self.rest)[:, None] >> shifts[:, None]) & ((1 << self.bits) - 1))


def driven(source: Encoding, dac_bits: int) -> Driven:
    """Two's complement with a negative last cycle; more bits a cycle have no sign, so 2**(bits - 1) is added first."""
    format, _ = affine_of(source)
    if isinstance(format, Binary):
        return Driven(1, np.array([2]), -1, True)
    cycles = -(-format.bits // dac_bits)
    significance = np.int64(1) << dac_bits * np.arange(cycles)
    if dac_bits == 1:
        significance[-1] *= -1
        return Driven(1, significance, 0, False)
    return Driven(dac_bits, significance, -(1 << (format.bits - 1)), False)
