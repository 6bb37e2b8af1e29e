"""Energy per component: bits moved times energy per bit, MACs times energy per MAC, static power times latency.

Every figure is a Quantity, so a total carries the interval of the constants that it is made of.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from accelsim.cost.gating import gated_bits, gating_of
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.quantity import Quantity
from accelsim.mapping.scheduled import ScheduledStep

MAC, STATIC = "mac", "static"
Components = dict[str, Quantity]
NOTHING = Quantity(value=0.0)


@dataclass(frozen=True)
class Prices:
    """What is the same for all steps on a machine. bits: memory -> J of reading and of writing one bit."""

    bits: Mapping[str, tuple[Quantity, Quantity]]
    static_power_w: Quantity


def prices(machine: Architecture) -> Prices:
    """Of one machine."""
    bits = {memory.name: (memory.read_energy_j_per_bit, memory.write_energy_j_per_bit) for memory in machine.memories}
    return Prices(bits, machine.static_power_w)


def step_energy(step: ScheduledStep, machine: Architecture, price: Prices, idle: float = 0.0) -> Components:
    """J of one step by component: `mac`, each memory by its name, `static` (static power over its latency).

    idle: part of its multiplies whose input is zero, which rest as far as the machine gates them.
    """
    energy: Components = {}
    gating, unread = gating_of(machine), gated_bits(step, machine, idle)
    if step.mapping is not None:
        assert step.task.mac is not None  # what is mapped was matched
        busy = 1 - idle if gating is not None and gating.multiplier else 1
        energy[MAC] = step.task.mac.cost.energy_j * (busy * step.mapping.problem.macs)
    for memory, (read, write) in price.bits.items():
        rows = [row for row in step.traffic if row.memory == memory]
        bits = sum(row.read_bits for row in rows) - unread.get(memory, 0)
        energy[memory] = _both(read, bits, write, sum(row.write_bits for row in rows))
    energy[STATIC] = price.static_power_w * (step.latency_cycles / machine.clock_hz)
    return energy


def _both(read: Quantity, read_bits: float, write: Quantity, write_bits: float) -> Quantity:
    """read x its bits + write x its bits, made and checked once."""
    return Quantity(
        value=read.value * read_bits + write.value * write_bits,
        low=read.low * read_bits + write.low * write_bits,
        high=read.high * read_bits + write.high * write_bits,
    )


def total(parts: Iterable[Quantity]) -> Quantity:
    """The sum of quantities; their intervals add."""
    value = low = high = 0.0
    for part in parts:
        value, low, high = value + part.value, low + part.low, high + part.high
    return Quantity(value=value, low=low, high=high)


def by_component(steps: Iterable[Components]) -> Components:
    """Component-wise sum over steps."""
    parts: dict[str, list[Quantity]] = {}
    for step in steps:
        for name, energy in step.items():
            parts.setdefault(name, []).append(energy)
    return {name: total(energies) for name, energies in parts.items()}


def minus(a: Quantity, b: Quantity) -> Quantity:
    """A part taken out of a total of the same constants: bounds are subtracted bound by bound."""
    return Quantity(value=a.value - b.value, low=a.low - b.low, high=a.high - b.high)
