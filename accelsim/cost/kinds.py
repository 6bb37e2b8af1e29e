"""What the cost of an array machine needs beside memories and MACs, by kind: energies, resources, assumptions.

spatial: the network between the shared memories and the PEs. cpu: unpacking and packing of codes, and what results cost
beside their multiplications.
"""

from functools import singledispatch

from accelsim.cost.fpga_resources import Resources, fpga_resources
from accelsim.cost.lut_machine import fabric, sentences
from accelsim.hardware.architecture import PICO, Architecture, FpgaArchitecture
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.spatial import SpatialArchitecture
from accelsim.mapping.mapper import Mapping
from accelsim.mapping.pace import depthwise
from accelsim.mapping.scheduled import Schedule, ScheduledStep

NETWORK, PACKING, RESULTS = "network", "packing", "results"


@singledispatch
def further_energy(machine: Architecture, step: ScheduledStep) -> dict[str, Quantity]:
    """J of a step by component, beside MACs, memories and static power."""
    return {}


@further_energy.register
def _(machine: SpatialArchitecture, step: ScheduledStep) -> dict[str, Quantity]:
    bits = 0 if step.mapping is None else network_bits(step.mapping)
    return {NETWORK: machine.spatial.network_energy_j_per_bit * bits}


@further_energy.register
def _(machine: CpuArchitecture, step: ScheduledStep) -> dict[str, Quantity]:
    found = Quantity(value=0.0)
    for packed in step.repacked:
        repack = machine.cpu.repack(packed.bits)
        assert repack is not None  # only such words are counted as repacked
        found = found + repack.energy_j_per_vector * (packed.words / machine.cpu.words_per_vector(packed.bits))
    return {PACKING: found, RESULTS: _results_energy(machine, step)}


def _results_energy(machine: CpuArchitecture, step: ScheduledStep) -> Quantity:
    """Of what finishing the results of a step takes beside its multiplications, J."""
    if step.mapping is None or step.task.mac is None:
        return Quantity(value=0.0)
    problem = step.mapping.problem
    result = machine.cpu.result(step.task.mac.key, depthwise(problem))
    return Quantity(value=0.0) if result is None else result.energy_pj * (PICO * problem.words["O"])


def network_bits(mapping: Mapping) -> int:
    """Bits delivered to PEs, each copy counted, and bits that PEs send out.

    Sums leave at the output's width where a PE finishes each word, else at the accumulator's.
    """
    hierarchy, bits = mapping.hierarchy, 0
    sums = [t for t in mapping.transfers if t.operand == "O"]
    for t in mapping.transfers:
        if not t.parent <= hierarchy.fan_level < t.child:
            continue
        if t.operand != "O":
            bits += t.child_writes * hierarchy.word_bits(t.operand)
            continue
        inner = [s.parent_writes for s in sums if s.parent == t.child]
        done = inner == [mapping.problem.words["O"]] and t.child_writes == 0
        width = hierarchy.output_bits if done else hierarchy.partial_sum_bits
        bits += t.child_reads * width + t.child_writes * hierarchy.partial_sum_bits
    return bits


@singledispatch
def resources(machine: Architecture, made: Schedule) -> Resources | None:
    """What the machine has and how much of it the program uses at most; None where nothing can be counted."""
    return None


@resources.register
def _(machine: FpgaArchitecture, made: Schedule) -> Resources:
    return fpga_resources(machine, built=fabric(machine, made))


@resources.register
def _(machine: SpatialArchitecture, made: Schedule) -> Resources:
    return _pes("pes", machine, made)


@resources.register
def _(machine: CpuArchitecture, made: Schedule) -> Resources:
    return _pes("cores", machine, made)


def _pes(name: str, machine: Architecture, made: Schedule) -> Resources:
    busy = max((_busy(step.mapping) for step in made.steps if step.mapping is not None), default=0)
    return Resources({name: min(busy, machine.array.pes)}, {name: machine.array.pes}, True, name, {})


def _busy(mapping: Mapping) -> int:
    found = 1
    for dim, copies in mapping.hierarchy.lanes:
        found *= min(copies, mapping.problem.size[dim])
    return found


@singledispatch
def kind_assumptions(machine: Architecture, made: Schedule) -> tuple[str, ...]:
    """What the model of this kind leaves out or takes for granted, one sentence each."""
    return ()


@kind_assumptions.register
def _(machine: FpgaArchitecture, made: Schedule) -> tuple[str, ...]:
    return sentences(machine, fabric(machine, made))


@kind_assumptions.register
def _(machine: SpatialArchitecture, made: Schedule) -> tuple[str, ...]:
    return (
        f"{machine.name}: a copy delivered to a PE costs the network once, whatever the distance; sums of several PEs "
        "are added on their way out at no energy beyond that",
        f"{machine.name}: sums are stored at the accumulator's full width",
    )


@kind_assumptions.register
def _(machine: CpuArchitecture, made: Schedule) -> tuple[str, ...]:
    power = machine.static_power_w
    sentences = [
        f"{machine.name}: static energy is {power} W over the latency" + (f": {power.source}" if power.source else ""),
        f"{machine.name}: caches are treated as buffers that software fills in whole lines; misses by conflict or "
        "replacement are not modelled, so traffic is a lower bound",
        f"{machine.name}: energy of a MAC is that of a busy core over the MACs that it completes, instructions and "
        "registers included",
    ]
    if any(step.repacked for step in made.steps):
        widths = sorted({packed.bits for step in made.steps for packed in step.repacked})
        sentences.append(
            f"{machine.name}: codes of {', '.join(map(str, widths))} bits are unpacked when they enter the vector "
            "registers and packed when a result leaves them; those instructions do not overlap with memory stalls, "
            "and can cost more energy and time than the narrower codes save"
        )
    return tuple(sentences)
