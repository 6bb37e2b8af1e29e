"""One step of a program in the room that the memory plan leaves it: its mapping, what it moves, how long it takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.ir.ops import Constant, Embedding
from accelsim.mapping.mapper import Mapping, best_mapping
from accelsim.mapping.pace import Repacked, repacked, result_cycles
from accelsim.mapping.score import Goal
from accelsim.mapping.tasks import Task
from accelsim.mapping.traffic import Traffic


@dataclass(frozen=True)
class ScheduledStep:
    """One step as it runs in the first batch: its mapping (None where it only streams) and all that it moves."""

    task: Task
    mapping: Mapping | None
    traffic: tuple[Traffic, ...]
    cycles: int
    latency_cycles: float
    weight_reads: int
    """Times a batch reads all weights from off chip when they are not pinned."""
    saved_bits: int
    """Off-chip weight bits that a later batch does not read again."""
    repacked: tuple[Repacked, ...] = ()

    @property
    def macs(self) -> int:
        """Multiplies that the step executes."""
        return 0 if self.mapping is None else self.mapping.problem.macs

    @property
    def mapping_text(self) -> str | None:
        """How the multiplies are laid out, for a person; None where there are none."""
        return None if self.mapping is None else str(self.mapping)

    @property
    def figures(self) -> dict[str, int]:
        """Columns of the layer table that only this kind of machine has."""
        return {}

    @cached_property
    def offchip(self) -> tuple[Traffic, ...]:
        """Off-chip traffic, one row per kind, each direction in whole bytes so that sums over steps are exact."""
        rows = merged_traffic(tuple(row for row in self.traffic if row.level == 0))
        return tuple(Traffic(r.level, r.memory, r.kind, _whole(r.read_bits), _whole(r.write_bits)) for r in rows)


@dataclass(frozen=True)
class Held:
    """Bytes of the weight codes and of the constants of a step that stay on chip for ever; whole: all of them."""

    weights: int
    constants: int
    whole: bool


@dataclass(frozen=True)
class Beside:
    """What lies on chip beside a step, as far as it matters to it.

    pinned: bytes of its own weights and constants. reserved: of all that its tiles must leave room for. there: its
    tensors that are on the chip when it starts or stay there when it ends.
    """

    held: Held
    pinned: int
    reserved: int
    there: frozenset[str]


@dataclass(frozen=True)
class Place:
    """What is the same for all steps. outputs: tensors that leave the network."""

    machine: Architecture
    batch: int
    goal: Goal
    on_chip: str
    outputs: frozenset[str]


def mapped_step(task: Task, beside: Beside, place: Place) -> ScheduledStep:
    """A step that multiplies, by its best mapping in the room that is left."""
    assert task.problem is not None and task.hierarchy is not None and task.pace is not None
    held, there, on_chip, machine = beside.held, beside.there, place.on_chip, place.machine
    problem = task.problem
    stays = "W" if held.whole or (task.is_product and task.reads[1] in there) else ""
    stays += "I" if task.reads[0] in there else ""
    stays += "O" if task.writes in there and task.writes not in place.outputs else ""
    hierarchy = task.hierarchy.resident(stays, on_chip) if stays else task.hierarchy
    hierarchy = hierarchy.reserve(on_chip, beside.reserved)
    mapping = named(task, lambda: best_mapping(problem, hierarchy, place.goal))
    level = hierarchy.level(on_chip)
    loaded = task.constant_bytes + (task.weight_bytes if held.whole and task.stored_by is None else 0)
    moved = tuple(
        replace(row, kind="inputs") if task.is_product and row.kind == "weights" else row for row in mapping.traffic
    )
    traffic = (*moved, *_load(8 * loaded, 8 * task.constant_bytes, machine, level))
    reads = 1 if held.whole else weight_reads(mapping)
    saved = 8 * (loaded if held.whole else held.weights * reads + held.constants)
    packing = repacked(task.pace, mapping)
    extra = sum(words.cycles for words in packing) + result_cycles(task.pace, mapping)
    latency = mapping.latency_cycles * task.pace.cycles_per_step + extra + _transfer_cycles(8 * loaded, machine)
    cycles = ceil(mapping.cycles * task.pace.cycles_per_step + extra)
    return ScheduledStep(task, mapping, traffic, cycles, latency, reads, saved, packing)


def _load(bits: int, constant_bits: int, machine: Architecture, level: int) -> tuple[Traffic, ...]:
    """Weights and constants brought on chip once before a layer, and the constants read once by it."""
    outer, inner = machine.memories[0].name, machine.memories[level].name
    return (
        Traffic(0, outer, "weights", read_bits=bits),
        Traffic(level, inner, "weights", read_bits=constant_bits, write_bits=bits),
    )


def _transfer_cycles(bits: int, machine: Architecture) -> float:
    bandwidth = machine.memories[0].bits_per_cycle(machine.clock_hz)
    return bits / bandwidth


def streamed_step(task: Task, beside: Beside, place: Place) -> ScheduledStep:
    """An operator without MACs: every element through once, one per array column and cycle.

    Of a table only the rows that are looked up are read on the chip. A stored tensor that does not stay there is read
    where it lies off chip, so nothing writes it.
    """
    there, on_chip, machine, batch = beside.there, place.on_chip, place.machine, place.batch
    level = [memory.name for memory in machine.memories].index(on_chip)
    outer = machine.memories[0].name
    looked_up = batch * task.write_elements * task.write_bits if isinstance(task.node.op, Embedding) else None
    read = 8 * task.constant_bytes if looked_up is None else looked_up
    traffic = [*_load(8 * task.constant_bytes, read, machine, level)]
    offchip = 8 * task.constant_bytes
    for name, elements, bits in zip(task.reads, task.read_elements, task.read_bits, strict=True):
        moved = batch * elements * bits
        traffic.append(Traffic(level, on_chip, "inputs", read_bits=moved, write_bits=0 if name in there else moved))
        if name not in there:
            traffic.append(Traffic(0, outer, "inputs", read_bits=moved))
            offchip += moved
    moved = batch * task.write_elements * task.write_bits
    leaves = task.writes not in there or task.writes in place.outputs
    if isinstance(task.node.op, Constant) and leaves and task.writes not in place.outputs:
        moved, leaves = 0, False
    traffic.append(Traffic(level, on_chip, "outputs", read_bits=moved if leaves else 0, write_bits=moved))
    if leaves:
        traffic.append(Traffic(0, outer, "outputs", write_bits=moved))
        offchip += moved
    cycles = -(-batch * max((*task.read_elements, task.write_elements)) // int(machine.array.cols))
    latency = max(float(cycles), _transfer_cycles(offchip, machine))
    return ScheduledStep(task, None, tuple(traffic), cycles, latency, 1, 8 * min(beside.pinned, task.constant_bytes))


def _whole(bits: int) -> int:
    return -(-bits // 8) * 8


def named(task: Task, find: Callable[[], Mapping]) -> Mapping:
    """The mapping that is found; DoesNotFit names the layer."""
    try:
        return find()
    except DoesNotFit as error:
        raise DoesNotFit(f"layer {task.node.name}: {error.args[0]}", error.hint) from None


def weight_reads(mapping: Mapping) -> int:
    """Times that a batch fetches all weights from off chip."""
    moved = sum(t.parent_reads for t in mapping.transfers if t.operand == "W" and t.parent == 0)
    return max(1, round(moved / mapping.nest.problem.words["W"]))


def merged_traffic(rows: tuple[Traffic, ...]) -> tuple[Traffic, ...]:
    """One row per memory and kind of data."""
    found: dict[tuple[int, str], list[Traffic]] = {}
    for row in rows:
        found.setdefault((row.level, row.kind), []).append(row)
    return tuple(_sum_of(found[key]) for key in sorted(found))


def _sum_of(rows: list[Traffic]) -> Traffic:
    first, *more = rows
    if not more:
        return first
    read, write = sum(row.read_bits for row in rows), sum(row.write_bits for row in rows)
    return Traffic(first.level, first.memory, first.kind, read, write)
