"""One step as it runs: in the first batch, which brings the weights, and in a later one, which finds the pinned ones.

Weights that are pinned whole either come before the first batch runs the layer, or stream to their place while it runs;
whichever is better by the goal. What a later batch does not fetch spares it their time as well.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.ir.ops import Constant, Embedding
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.mapper import Mapping, best_mapping
from accelsim.mapping.pace import repacked, result_cycles
from accelsim.mapping.rooms import named, weight_reads
from accelsim.mapping.scheduled import ScheduledStep, merged_traffic
from accelsim.mapping.score import Goal
from accelsim.mapping.tasks import Task
from accelsim.mapping.traffic import Traffic


@dataclass(frozen=True)
class Held:
    """Bytes of the weight codes and of the constants of a step that stay on chip for ever; whole: all of them."""

    weights: int
    constants: int
    whole: bool


@dataclass(frozen=True)
class Beside:
    """What lies on chip beside a step, as far as it matters to it.

    reserved: bytes of all that its tiles must leave room for. there: its tensors that are on the chip when it starts or
    stay there when it ends.
    """

    held: Held
    reserved: int
    there: frozenset[str]


@dataclass(frozen=True)
class Place:
    """Where and how all steps run. outputs: tensors that have to leave the chip."""

    machine: Architecture
    on_chip: str
    batch: int
    outputs: frozenset[str]
    goal: Goal

    @cached_property
    def level(self) -> int:
        """Of the on-chip memory."""
        return [memory.name for memory in self.machine.memories].index(self.on_chip)

    @cached_property
    def prices(self) -> tuple[tuple[float, float], ...]:
        """pJ of a bit read and of one written, by memory."""
        both = ((memory.read_energy_j_per_bit, memory.write_energy_j_per_bit) for memory in self.machine.memories)
        return tuple((read.value * 1e12, write.value * 1e12) for read, write in both)

    @cached_property
    def static_pj(self) -> float:
        """What the machine draws in a clock cycle whatever it does."""
        return self.machine.static_power_w.value * 1e12 / self.machine.clock_hz


@dataclass(frozen=True)
class Run:
    """A step in the first batch and in a later one."""

    first: ScheduledStep
    later: ScheduledStep


def run_step(task: Task, beside: Beside, place: Place) -> Run:
    """A step among what lies on chip beside it.

    Raises:
        DoesNotFit: a layer that no mapping fits; names the layer and the memory.
    """
    held, there, reserved = beside.held, beside.there, beside.reserved
    if task.problem is None or task.hierarchy is None:
        return _stream(task, beside, place)
    problem, stays = task.problem, "W" if task.is_product and task.reads[1] in there else ""
    stays += "I" if task.reads[0] in there else ""
    stays += "O" if task.writes in there and task.writes not in place.outputs else ""
    outside = _hierarchy(task.hierarchy, stays, reserved, place)
    if not held.whole:
        return _fetching(task, named(task, lambda: best_mapping(problem, outside, place.goal)), held, place)
    inside = _hierarchy(task.hierarchy, stays + "W", reserved, place)
    mapping = named(task, lambda: best_mapping(problem, inside, place.goal))
    loaded = _mapped(task, mapping, 8 * held.constants + 8 * (held.weights if task.stored_by is None else 0), place)
    later = _mapped(task, mapping, 0, place)
    if task.stored_by is not None or not held.weights:
        return Run(loaded, later)
    try:
        streaming = best_mapping(problem, outside, place.goal)
    except DoesNotFit:
        return Run(loaded, later)
    first = _fetching(task, streaming, held, place).first
    better = first.weight_reads == 1 and _before(first, loaded, place)
    return Run(first if better else loaded, later)


def _before(one: ScheduledStep, other: ScheduledStep, place: Place) -> bool:
    """Whether one step is better than another by the goal, or as good and faster."""
    ours, theirs = value(one, place), value(other, place)
    alike = abs(ours - theirs) <= 1e-9 * theirs
    return one.latency_cycles < other.latency_cycles if alike else ours < theirs


def _hierarchy(hierarchy: Hierarchy, stays: str, reserved_bytes: int, place: Place) -> Hierarchy:
    return (hierarchy.resident(stays, place.on_chip) if stays else hierarchy).reserve(place.on_chip, reserved_bytes)


def _mapped(task: Task, mapping: Mapping, loaded_bits: int, place: Place) -> ScheduledStep:
    """With so many bits of weights and constants brought on chip before it; `saved_bits` are those."""
    moved = tuple(
        replace(row, kind="inputs") if task.is_product and row.kind == "weights" else row for row in mapping.traffic
    )
    assert task.pace is not None
    packing = repacked(task.pace, mapping)
    extra = sum(words.cycles for words in packing) + result_cycles(task.pace, mapping)
    return ScheduledStep(
        task,
        mapping,
        (*moved, *_load(loaded_bits, 8 * task.constant_bytes, place)),
        ceil(mapping.cycles * task.pace.cycles_per_step + extra),
        mapping.latency_cycles * task.pace.cycles_per_step + extra + _transfer_cycles(loaded_bits, place),
        weight_reads(mapping),
        loaded_bits,
        packing,
    )


def _fetching(task: Task, mapping: Mapping, held: Held, place: Place) -> Run:
    """Whose mapping fetches the weights from off chip, in a later batch those that are not held."""
    plain = _mapped(task, mapping, 8 * task.constant_bytes, place)
    fetched = 8 * held.weights * plain.weight_reads
    saved = fetched + 8 * held.constants
    first = replace(plain, saved_bits=saved)
    if not saved:
        return Run(first, first)
    traffic = (*first.traffic, Traffic(0, place.machine.memories[0].name, "weights", read_bits=-saved))
    traffic = (*traffic, Traffic(place.level, place.on_chip, "weights", write_bits=-saved))
    read = sum(row.read_bits for row in mapping.traffic if row.level == 0 and row.kind == "weights")
    assert task.pace is not None
    share = {"W": max(0, read - fetched) / read} if fetched else {}
    spared = (mapping.latency_cycles - mapping.latency_with(share)) * task.pace.cycles_per_step
    latency = first.latency_cycles - spared - _transfer_cycles(8 * held.constants, place)
    return Run(first, replace(first, traffic=merged_traffic(traffic), latency_cycles=latency, saved_bits=0))


def _load(bits: int, constant_bits: int, place: Place) -> tuple[Traffic, ...]:
    """Weights and constants brought on chip once before a layer, and the constants read once by it."""
    return (
        Traffic(0, place.machine.memories[0].name, "weights", read_bits=bits),
        Traffic(place.level, place.on_chip, "weights", read_bits=constant_bits, write_bits=bits),
    )


def _transfer_cycles(bits: int, place: Place) -> float:
    machine = place.machine
    return bits / machine.memories[0].bits_per_cycle(machine.clock_hz)


def _stream(task: Task, beside: Beside, place: Place) -> Run:
    """An operator without MACs: every element through once, one per array column and cycle, or once in each pass.

    What is fetched from off chip is fetched for each pass too, unless a row of it has room on the chip or its results
    stay there. Of a table only the rows that are looked up are read on the chip. A stored tensor that does not stay
    there is read where it lies off chip, so nothing writes it.
    """
    level, on_chip, outer = place.level, place.on_chip, place.machine.memories[0].name
    outside = task.writes in place.outputs
    looked_up = place.batch * task.write_elements * task.write_bits if isinstance(task.node.op, Embedding) else None
    held, there, capacity = beside.held, beside.there, place.machine.memory(on_chip).size_bits
    near = task.writes in there or task.row_bits + 8 * beside.reserved <= capacity
    again = 1 if near else task.passes
    traffic = []
    for name, elements, bits in zip(task.reads, task.read_elements, task.read_bits, strict=True):
        moved = place.batch * elements * bits
        fetched = 0 if name in there else again * moved
        traffic.append(Traffic(level, on_chip, "inputs", read_bits=task.passes * moved, write_bits=fetched))
        if fetched:
            traffic.append(Traffic(0, outer, "inputs", read_bits=fetched))
    moved = place.batch * task.write_elements * task.write_bits
    leaves = task.writes not in there or outside
    if isinstance(task.node.op, Constant) and leaves and not outside:
        moved, leaves = 0, False
    traffic.append(Traffic(level, on_chip, "outputs", read_bits=moved if leaves else 0, write_bits=moved))
    if leaves:
        traffic.append(Traffic(0, outer, "outputs", write_bits=moved))
    through = max((task.passes * max((0, *task.read_elements)), task.write_elements))
    cycles = -(-place.batch * through // int(place.machine.array.cols))
    read = 8 * task.constant_bytes if looked_up is None else looked_up

    def loading(bits: int, saved: int) -> ScheduledStep:
        moves = (*_load(bits, read, place), *traffic)
        offchip = sum(row.read_bits + row.write_bits for row in moves if row.level == 0)
        latency = max(float(cycles), _transfer_cycles(offchip, place))
        return ScheduledStep(task, None, moves, cycles, latency, 1, saved)

    all_bits, saved = 8 * task.constant_bytes, 8 * held.constants
    return Run(loading(all_bits, saved), loading(all_bits - saved, 0))


def value(step: ScheduledStep, place: Place) -> float:
    """What a step is worth by the goal: pJ, cycles, pJ x cycles or bits off chip.

    Energy is that of multiplies, of all that moves, and of what the machine draws all the time.
    """
    if place.goal == "latency":
        return step.latency_cycles
    if place.goal == "offchip":
        return float(sum(row.read_bits + row.write_bits for row in step.traffic if row.level == 0))
    picojoule = place.static_pj * step.latency_cycles
    for row in step.traffic:
        read, write = place.prices[row.level]
        picojoule += row.read_bits * read + row.write_bits * write
    if step.mapping is not None:
        hierarchy = step.mapping.hierarchy
        picojoule += step.macs * hierarchy.mac_pj
        for row in step.mapping.traffic:  # what the network takes for a delivery: the mapper knows, a memory does not
            picojoule += row.write_bits * (hierarchy.memories[row.level].write_pj_per_bit - place.prices[row.level][1])
    return picojoule * step.latency_cycles if place.goal == "edp" else picojoule
