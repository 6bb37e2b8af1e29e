"""The whole program on the machine: the memory plan first, then a mapping for each layer in what room it leaves.

A layer's working room is the least of a few shares of the on-chip memory in which its best mapping is nearly as good
as with all of it; the plan keeps tensors and pins weights in the rest. Weights that are pinned whole are loaded once
per batch before the layer; weights that are pinned in part stream through the working room in the first batch, and
their pinned bytes are not fetched again in later ones. Weights that layers share are pinned once, by the first of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.ir.ops import Constant, Embedding
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.machine import on_chip_memory
from accelsim.mapping.mapper import Mapping, best_mapping, least_bytes
from accelsim.mapping.pace import Repacked, repacked, result_cycles
from accelsim.mapping.residency import MemoryPlan, Step, plan
from accelsim.mapping.score import Goal
from accelsim.mapping.tasks import Task, Tasks
from accelsim.mapping.traffic import Traffic

WORK_SHARES = (1 / 32, 1 / 8, 1 / 2)
"""Shares of the on-chip memory tried as working room, before all of it."""
NEARLY_AS_GOOD = 1.01
REPLANS = 3
"""Times the plan is made at most, each time with more room for the layers that came out worse than planned."""


@dataclass(frozen=True)
class ScheduleOptions:
    """goal: what each mapping minimises. residency: whether tensors and weights may stay on chip between layers."""

    goal: Goal = "energy"
    residency: bool = True


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

    @property
    def offchip(self) -> tuple[Traffic, ...]:
        """Off-chip traffic, one row per kind, each direction in whole bytes so that sums over steps are exact."""
        rows = merged_traffic(tuple(row for row in self.traffic if row.level == 0))
        return tuple(replace(r, read_bits=_whole(r.read_bits), write_bits=_whole(r.write_bits)) for r in rows)


@dataclass(frozen=True)
class Schedule:
    """Steps in order and the memory plan that they keep to."""

    steps: tuple[ScheduledStep, ...]
    plan: MemoryPlan
    on_chip: str
    tasks: Tasks
    weights_in: str | None = None
    """Where pinned weights live if not in the memory of the plan."""


class _NoRoom(Exception):
    """A step whose mapping does not fit beside what the memory plan keeps."""

    def __init__(self, index: int, reason: DoesNotFit) -> None:
        super().__init__(index)
        self.index, self.reason = index, reason


def schedule(work: Tasks, machine: Architecture, batch: int, options: ScheduleOptions) -> Schedule:
    """Schedule every step.

    Raises:
        DoesNotFit: a layer that no mapping fits; names the layer and the memory.
    """
    on_chip = on_chip_memory(machine)
    capacity = machine.memory(on_chip).size_bits // 8
    steps = tuple(_plan_step(task, on_chip, capacity, options) for task in work.steps)
    best: Schedule | None = None
    for _ in range(REPLANS):
        made, steps = _with_room(work, steps, machine, batch, on_chip, options)
        if best is None or _later_batches_pj(made, machine) < _later_batches_pj(best, machine):
            best = made
        wider = _wider_rooms(made, steps, machine, options)
        if wider == steps:
            break
        steps = wider
    assert best is not None
    return best


def _with_room(
    work: Tasks, steps: tuple[Step, ...], machine: Architecture, batch: int, on_chip: str, options: ScheduleOptions
) -> tuple[Schedule, tuple[Step, ...]]:
    """The schedule; a step whose tiles do not fit beside what the plan keeps gets room for its smallest tiles with
    nothing kept, then twice as much each time, in the end the whole memory.
    """
    capacity = machine.memory(on_chip).size_bits // 8
    while True:
        try:
            return _scheduled(work, steps, machine, batch, on_chip, options), steps
        except _NoRoom as refused:
            step = steps[refused.index]
            if step.work_bytes == capacity:
                raise refused.reason from None
            least = _least_room(work.steps[refused.index], on_chip)
            room = least if least > step.work_bytes else 2 * step.work_bytes
            more = replace(step, work_bytes=min(capacity, room))
            steps = (*steps[: refused.index], more, *steps[refused.index + 1 :])


def _least_room(task: Task, on_chip: str) -> int:
    assert task.problem is not None and task.hierarchy is not None  # a step that only streams always fits
    return least_bytes(task.problem, task.hierarchy)[task.hierarchy.level(on_chip)]


def _scheduled(
    work: Tasks, steps: tuple[Step, ...], machine: Architecture, batch: int, on_chip: str, options: ScheduleOptions
) -> Schedule:
    keep = options.residency
    capacity = machine.memory(on_chip).size_bits // 8
    once = _weights_once(work, steps)
    kept = plan(once, work.sizes, work.outputs, capacity, batch=batch, keep_activations=keep, pin_weights=keep)
    seen: set[str] = set()
    made = {task.writes for task in work.steps}
    scheduled: list[ScheduledStep] = []
    held: dict[str, _Held] = {}
    for index, task in enumerate(work.steps):
        there = frozenset(t for t in kept.resident if t in made or t in seen)
        mine = held[task.node.name] = _held(task, kept.pinned_bytes[index], held, options)
        try:
            scheduled.append(
                _schedule_step(index, task, mine, kept, there, on_chip, machine, batch, work.outputs, options)
            )
        except DoesNotFit as error:
            raise _NoRoom(index, error) from None
        seen.update(task.reads)
    return Schedule(tuple(scheduled), kept, on_chip, work)


@dataclass(frozen=True)
class _Held:
    """Bytes of the weight codes and of the constants of a step that stay on chip for ever; whole: all of them."""

    weights: int
    constants: int
    whole: bool


def _held(task: Task, pinned: int, before: dict[str, _Held], options: ScheduleOptions) -> _Held:
    """Of a step of which the plan pins so many bytes, its weights first; shared weights are those of an earlier one."""
    if task.stored_by is not None:
        there = before[task.stored_by]
        return _Held(there.weights, pinned, there.whole and pinned >= task.constant_bytes)
    weights = min(pinned, task.weight_bytes)
    constants = min(pinned - weights, task.constant_bytes)
    everything = pinned >= task.weight_bytes + task.constant_bytes
    return _Held(weights, constants, options.residency and everything and not task.is_product)


def _weights_once(work: Tasks, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Of weights that layers share the first of them has the bytes, and is worth the reads of all."""
    reads = {task.node.name: step.weight_reads for task, step in zip(work.steps, steps, strict=True)}
    for task, step in zip(work.steps, steps, strict=True):
        if task.stored_by is not None:
            reads[task.stored_by] += step.weight_reads
    return tuple(
        replace(step, weight_reads=reads[step.name])
        if task.stored_by is None
        else replace(step, weight_bytes=task.constant_bytes, weight_reads=1)
        for task, step in zip(work.steps, steps, strict=True)
    )


def _later_batches_pj(made: Schedule, machine: Architecture) -> float:
    """Energy of all traffic of a batch that finds the pinned weights in place, pJ."""
    price = {
        memory.name: (memory.read_energy_j_per_bit.value * 1e12, memory.write_energy_j_per_bit.value * 1e12)
        for memory in machine.memories
    }
    total = 0.0
    for step in made.steps:
        total += sum(r.read_bits * price[r.memory][0] + r.write_bits * price[r.memory][1] for r in step.traffic)
        total -= step.saved_bits * (price[machine.memories[0].name][0] + price[made.on_chip][1])
    return total


def _wider_rooms(
    made: Schedule, steps: tuple[Step, ...], machine: Architecture, options: ScheduleOptions
) -> tuple[Step, ...]:
    """The steps; one that reads weights more often than once gets the room that it would take were nothing pinned."""
    wider = []
    for index, (step, done) in enumerate(zip(steps, made.steps, strict=True)):
        if done.mapping is None or done.weight_reads <= 1:
            wider.append(step)
            continue
        problem, resident = done.mapping.problem, made.plan.resident_bytes[index]
        level = done.mapping.hierarchy.level(made.on_chip)
        free = best_mapping(problem, done.mapping.hierarchy.reserve(made.on_chip, resident), options.goal)
        room = -(-free.costs.used_bits[level] // 8) - resident
        wider.append(replace(step, work_bytes=max(step.work_bytes, room), weight_reads=_weight_reads(free)))
    return tuple(wider)


def _named(task: Task, find: Callable[[], Mapping]) -> Mapping:
    try:
        return find()
    except DoesNotFit as error:
        raise DoesNotFit(f"layer {task.node.name}: {error.args[0]}", error.hint) from None


def _plan_step(task: Task, on_chip: str, capacity: int, options: ScheduleOptions) -> Step:
    held = task.weight_bytes + task.constant_bytes
    if task.problem is None or task.hierarchy is None:
        return Step(task.node.name, task.reads, (task.writes,), held)
    room, reads = _working_room(task, task.hierarchy, on_chip, capacity, options.goal)
    return Step(task.node.name, task.reads, (task.writes,), held, room, reads)


def _working_room(task: Task, hierarchy: Hierarchy, on_chip: str, capacity: int, goal: Goal) -> tuple[int, int]:
    """(bytes on chip, times the weights are read) of the least room that is nearly as good as the whole memory."""
    problem = task.problem
    assert problem is not None
    inside = hierarchy.resident("WIO" if task.is_product else "IO", on_chip)
    level = inside.level(on_chip)
    try:
        best = best_mapping(problem, inside, goal)
    except DoesNotFit:  # unfinished sums of the whole output may need more than tiles of it
        inside = hierarchy
        best = _named(task, lambda: best_mapping(problem, inside, goal))
    own = -(-best.costs.used_bits[level] // 8)
    for share in WORK_SHARES:
        if own <= int(capacity * share):
            return own, _weight_reads(best)
        try:
            mapping = best_mapping(problem, inside.reserve(on_chip, int(capacity * (1 - share))), goal)
        except DoesNotFit:
            continue
        if mapping.energy_pj <= NEARLY_AS_GOOD * best.energy_pj:
            reserved = 8 * int(capacity * (1 - share))
            return -(-(mapping.costs.used_bits[level] - reserved) // 8), _weight_reads(mapping)
    return min(-(-best.costs.used_bits[level] // 8), capacity), _weight_reads(best)


def _weight_reads(mapping: Mapping) -> int:
    moved = sum(t.parent_reads for t in mapping.transfers if t.operand == "W" and t.parent == 0)
    return max(1, round(moved / mapping.nest.problem.words["W"]))


def _schedule_step(
    index: int,
    task: Task,
    held: _Held,
    kept: MemoryPlan,
    there: frozenset[str],
    on_chip: str,
    machine: Architecture,
    batch: int,
    outputs: frozenset[str],
    options: ScheduleOptions,
) -> ScheduledStep:
    if task.problem is None or task.hierarchy is None:
        return _stream(task, kept.pinned_bytes[index], there, outputs, on_chip, machine, batch)
    problem = task.problem
    stays = "W" if held.whole or (task.is_product and task.reads[1] in there) else ""
    stays += "I" if task.reads[0] in there else ""
    stays += "O" if task.writes in there and task.writes not in outputs else ""
    hierarchy = task.hierarchy.resident(stays, on_chip) if stays else task.hierarchy
    hierarchy = hierarchy.reserve(on_chip, kept.reserved_bytes(index))
    mapping = _named(task, lambda: best_mapping(problem, hierarchy, options.goal))
    level = hierarchy.level(on_chip)
    loaded = task.constant_bytes + (task.weight_bytes if held.whole and task.stored_by is None else 0)
    moved = tuple(
        replace(row, kind="inputs") if task.is_product and row.kind == "weights" else row for row in mapping.traffic
    )
    traffic = (*moved, *_load(8 * loaded, 8 * task.constant_bytes, machine, level))
    reads = 1 if held.whole else _weight_reads(mapping)
    saved = 8 * (loaded if held.whole else held.weights * reads + held.constants)
    assert task.pace is not None
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


def _stream(
    task: Task,
    pinned: int,
    there: frozenset[str],
    outputs: frozenset[str],
    on_chip: str,
    machine: Architecture,
    batch: int,
) -> ScheduledStep:
    """An operator without MACs: every element through once, one per array column and cycle.

    Of a table only the rows that are looked up are read on the chip. A stored tensor that does not stay there is read
    where it lies off chip, so nothing writes it.
    """
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
    leaves = task.writes not in there or task.writes in outputs
    if isinstance(task.node.op, Constant) and leaves and task.writes not in outputs:
        moved, leaves = 0, False
    traffic.append(Traffic(level, on_chip, "outputs", read_bits=moved if leaves else 0, write_bits=moved))
    if leaves:
        traffic.append(Traffic(0, outer, "outputs", write_bits=moved))
        offchip += moved
    cycles = -(-batch * max((*task.read_elements, task.write_elements)) // int(machine.array.cols))
    latency = max(float(cycles), _transfer_cycles(offchip, machine))
    return ScheduledStep(task, None, tuple(traffic), cycles, latency, 1, 8 * min(pinned, task.constant_bytes))


def _whole(bits: int) -> int:
    return -(-bits // 8) * 8


def merged_traffic(rows: tuple[Traffic, ...]) -> tuple[Traffic, ...]:
    """One row per memory and kind of data."""
    total: dict[tuple[int, str], Traffic] = {}
    for row in rows:
        seen = total.get((row.level, row.kind))
        total[row.level, row.kind] = (
            row
            if seen is None
            else replace(seen, read_bits=seen.read_bits + row.read_bits, write_bits=seen.write_bits + row.write_bits)
        )
    return tuple(total[key] for key in sorted(total))
