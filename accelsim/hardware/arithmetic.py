"""Energy of a multiply-accumulate of any integer widths, from one multiplication and one addition of known width.

A multiplication costs in proportion to the product of its widths, an addition in proportion to its width. Horowitz
(ISSCC 2014, figure 1.1.9, 45 nm; recalled): 3.1 pJ for 32 x 32 bits says 0.194 for 8 x 8, printed 0.2 (3 %); 0.1 pJ for
an addition of 32 bits says 0.025 for 8, printed 0.03 (20 %). What is scaled carries these as its interval.
"""

from accelsim.hardware.quantity import Frozen, PositiveCount, Quantity
from accelsim.hardware.technology import GivenEnergy, Technology, scaled_energy

MULTIPLY_RESIDUAL, ADD_RESIDUAL = 0.03, 0.2


class Operation(GivenEnergy):
    """pJ of one operation whose operands have so many bits each."""

    bits: PositiveCount


class Arithmetic(Frozen):
    """What formats without an energy of their own are made of; `sum_bits`: width of the additions of the array."""

    multiply: Operation
    add: Operation
    sum_bits: PositiveCount

    def energy_pj(self, weight_bits: int, activation_bits: int, technology: Technology) -> GivenEnergy:
        """Of one multiply-accumulate in the process of the machine, pJ."""
        product = weight_bits * activation_bits / int(self.multiply.bits) ** 2
        multiplied = _scaled(scaled_energy(self.multiply, technology), product, MULTIPLY_RESIDUAL)
        added = _scaled(scaled_energy(self.add, technology), self.sum_bits / self.add.bits, ADD_RESIDUAL)
        whole = multiplied + added
        return GivenEnergy(value=whole.value, low=whole.low, high=whole.high, status="derived")

    def sentence(self, weight_bits: int, activation_bits: int, technology: Technology) -> str:
        """What the energy is made of."""
        multiply, add = self.multiply, self.add
        return (
            f"{self.energy_pj(weight_bits, activation_bits, technology)} is a multiplication of {weight_bits} x "
            f"{activation_bits} bits, {multiply.value:g} of {int(multiply.bits)} bits by the product of widths, and an "
            f"addition of {int(self.sum_bits)} bits, {add.value:g} of {int(add.bits)} bits by width"
        )


def _scaled(energy: Quantity, by: float, residual: float) -> Quantity:
    off = 1.0 if by == 1 else 1 + residual
    return Quantity(value=energy.value * by, low=energy.low * by / off, high=energy.high * by * off)
