"""Energy per component: bits moved times energy per bit, MACs times energy per MAC, static power times latency.

Every figure is a Quantity, so a total carries the interval of the constants that it is made of.
"""

from collections.abc import Iterable

from accelsim.cost.gating import gated_bits, gating_of
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.quantity import Quantity
from accelsim.mapping.schedule import ScheduledStep

MAC, STATIC = "mac", "static"
Components = dict[str, Quantity]
NOTHING = Quantity(value=0.0)


def step_energy(step: ScheduledStep, machine: Architecture, idle: float = 0.0) -> Components:
    """J of one step by component: `mac`, each memory by its name, `static` (static power over its latency).

    idle: part of its multiplies whose input is zero, which rest as far as the machine gates them.
    """
    energy: Components = {}
    gating, unread = gating_of(machine), gated_bits(step, machine, idle)
    if step.mapping is not None:
        assert step.task.mac is not None  # what is mapped was matched
        busy = 1 - idle if gating is not None and gating.multiplier else 1
        energy[MAC] = step.task.mac.cost.energy_j * (busy * step.mapping.problem.macs)
    for memory in machine.memories:
        rows = [row for row in step.traffic if row.memory == memory.name]
        read = memory.read_energy_j_per_bit * (sum(row.read_bits for row in rows) - unread.get(memory.name, 0))
        energy[memory.name] = read + memory.write_energy_j_per_bit * sum(row.write_bits for row in rows)
    energy[STATIC] = machine.static_power_w * (step.latency_cycles / machine.clock_hz)
    return energy


def saved_energy(step: ScheduledStep, machine: Architecture, on_chip: str) -> Quantity:
    """J that a later batch saves because pinned weights are not fetched and written again."""
    bits, inner = step.saved_bits, machine.memory(on_chip)
    return machine.memories[0].read_energy_j_per_bit * bits + inner.write_energy_j_per_bit * bits


def total(parts: Iterable[Quantity]) -> Quantity:
    """The sum of quantities; their intervals add."""
    result = NOTHING
    for part in parts:
        result = result + part
    return result


def by_component(steps: Iterable[Components]) -> Components:
    """Component-wise sum over steps."""
    merged: Components = {}
    for step in steps:
        for name, energy in step.items():
            merged[name] = merged.get(name, NOTHING) + energy
    return merged


def minus(a: Quantity, b: Quantity) -> Quantity:
    """A part taken out of a total of the same constants: bounds are subtracted bound by bound."""
    return Quantity(value=a.value - b.value, low=a.low - b.low, high=a.high - b.high)
