"""How a column reads one input vector: bit by bit with a conversion each, or integrated over bits and converted once.

Neurons that integrate are those of NeuRRAM (Wan et al., Nature 608, 2022): columns settle at a voltage, which is
sampled for each bit of the magnitude of the inputs (the sign is that of the pulse on the row) and added 2**i times for
bit i. Integrating b bits takes 2**b - 1 additions, so wide inputs take two phases with a conversion each; the ADC
decides one output bit a step, and in the second phase needs fewer, as its sum weighs less.
"""

from dataclasses import dataclass

from accelsim.hardware.quantity import Frozen, PositiveCount, PositiveQuantity, Quantity


class Integrator(Frozen):
    """`phase_bits`: magnitude bits that one phase takes at most. `sample_ns`: between integrating and converting, once
    a phase. `energy_pj`: one addition, which lasts `cycle_ns` of the chip."""

    phase_bits: PositiveCount
    sample_ns: PositiveQuantity
    energy_pj: Quantity


@dataclass(frozen=True)
class Readout:
    """Of one input vector at one column. driven: cycles in which rows are driven and currents sampled. conversions, and
    decisions: bits that the ADC decides in all of them. integrations: additions of a sample. cycles: how long it takes.
    """

    driven: int
    conversions: int
    decisions: int
    integrations: int
    cycles: int


def bit_serial(input_bits: int, dac_bits: int, adc_bits: int) -> Readout:
    """A conversion for each digit, one cycle each."""
    cycles = -(-input_bits // dac_bits)
    return Readout(cycles, cycles, cycles * adc_bits, 0, cycles)


def integrated(neuron: Integrator, input_bits: int, adc_bits: int, addition_ns: float, step_ns: float) -> Readout:
    """A conversion for each phase; cycles are ns. Signed inputs of b bits have a magnitude of b - 1, at least one."""
    magnitude = max(1, input_bits - 1)
    upper = magnitude if magnitude <= neuron.phase_bits else -(-magnitude // 2)
    phases = [bits for bits in (upper, magnitude - upper) if bits]
    decisions = adc_bits + (max(0, adc_bits - upper) if len(phases) == 2 else 0)
    integrations = sum((1 << bits) - 1 for bits in phases)
    lasts = integrations * addition_ns + decisions * step_ns + len(phases) * neuron.sample_ns.value
    return Readout(magnitude, len(phases), decisions, integrations, round(lasts))
