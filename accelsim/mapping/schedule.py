"""The whole program on the machine: the memory plan first, then a mapping for each layer in what room it leaves.

A layer's working room is the least of a few shares of the on-chip memory in which its best mapping is nearly as good
as with all of it; the plan keeps tensors and pins weights in the rest. Weights that are pinned whole are loaded once
per batch before the layer; weights that are pinned in part stream through the working room in the first batch, and
their pinned bytes are not fetched again in later ones. Weights that layers share are pinned once, by the first of them.
"""

from dataclasses import dataclass, field, replace

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.machine import on_chip_memory
from accelsim.mapping.mapper import best_mapping, least_bytes
from accelsim.mapping.residency import MemoryPlan, Step, plan
from accelsim.mapping.score import Goal
from accelsim.mapping.step_schedule import Beside, Held, Place, mapped_step, named, streamed_step, weight_reads
from accelsim.mapping.step_schedule import ScheduledStep as ScheduledStep
from accelsim.mapping.step_schedule import merged_traffic as merged_traffic
from accelsim.mapping.tasks import Task, Tasks

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
class Schedule:
    """Steps in order and the memory plan that they keep to."""

    steps: tuple[ScheduledStep, ...]
    plan: MemoryPlan
    on_chip: str
    tasks: Tasks
    weights_in: str | None = None
    """Where pinned weights live if not in the memory of the plan."""


_Rooms = dict[tuple[LayerProblem, Hierarchy, bool], tuple[int, int]]
"""Working room and weight reads of the layers of a program that were looked at."""


class _NoRoom(Exception):
    """A step whose mapping does not fit beside what the memory plan keeps."""

    def __init__(self, index: int, reason: DoesNotFit) -> None:
        super().__init__(index)
        self.index, self.reason = index, reason


@dataclass(frozen=True)
class _Plans:
    """What holds for every plan; done: steps that an earlier plan scheduled with the same beside them."""

    work: Tasks
    options: ScheduleOptions
    capacity: int
    place: Place
    done: dict[tuple[int, Beside], ScheduledStep] = field(default_factory=dict)


def schedule(work: Tasks, machine: Architecture, batch: int, options: ScheduleOptions) -> Schedule:
    """Schedule every step.

    Raises:
        DoesNotFit: a layer that no mapping fits; names the layer and the memory.
    """
    on_chip = on_chip_memory(machine)
    capacity = machine.memory(on_chip).size_bits // 8
    plans = _Plans(work, options, capacity, Place(machine, batch, options.goal, on_chip, work.outputs))
    rooms: _Rooms = {}
    steps = tuple(_plan_step(task, on_chip, capacity, options, rooms) for task in work.steps)
    best: Schedule | None = None
    for _ in range(REPLANS):
        made, steps = _with_room(plans, steps)
        if best is None or _later_batches_pj(made, machine) < _later_batches_pj(best, machine):
            best = made
        wider = _wider_rooms(made, steps, machine, options)
        if wider == steps:
            break
        steps = wider
    assert best is not None
    return best


def _with_room(plans: _Plans, steps: tuple[Step, ...]) -> tuple[Schedule, tuple[Step, ...]]:
    """The schedule; a step whose tiles do not fit beside what the plan keeps gets room for its smallest tiles with
    nothing kept, then twice as much each time, in the end the whole memory.
    """
    while True:
        try:
            return _scheduled(plans, steps), steps
        except _NoRoom as refused:
            step = steps[refused.index]
            if step.work_bytes == plans.capacity:
                raise refused.reason from None
            least = _least_room(plans.work.steps[refused.index], plans.place.on_chip)
            room = least if least > step.work_bytes else 2 * step.work_bytes
            more = replace(step, work_bytes=min(plans.capacity, room))
            steps = (*steps[: refused.index], more, *steps[refused.index + 1 :])


def _least_room(task: Task, on_chip: str) -> int:
    assert task.problem is not None and task.hierarchy is not None  # a step that only streams always fits
    return least_bytes(task.problem, task.hierarchy)[task.hierarchy.level(on_chip)]


def _scheduled(plans: _Plans, steps: tuple[Step, ...]) -> Schedule:
    work, keep = plans.work, plans.options.residency
    once, batch = _weights_once(work, steps), plans.place.batch
    kept = plan(once, work.sizes, work.outputs, plans.capacity, batch=batch, keep_activations=keep, pin_weights=keep)
    made, seen = {task.writes for task in work.steps}, set[str]()
    resident, always = frozenset(kept.resident), kept.pinned_weight_bytes
    scheduled: list[ScheduledStep] = []
    held: dict[str, Held] = {}
    for index, task in enumerate(work.steps):
        there = frozenset(t for t in (*task.reads, task.writes) if t in resident and (t in made or t in seen))
        pinned = kept.pinned_bytes[index]
        mine = held[task.node.name] = _held(task, pinned, held, plans.options)
        beside = Beside(mine, pinned, kept.resident_bytes[index] + always if task.problem is not None else 0, there)
        try:
            scheduled.append(_schedule_step(index, beside, plans))
        except DoesNotFit as error:
            raise _NoRoom(index, error) from None
        seen.update(task.reads)
    return Schedule(tuple(scheduled), kept, plans.place.on_chip, work)


def _held(task: Task, pinned: int, before: dict[str, Held], options: ScheduleOptions) -> Held:
    """Of a step of which the plan pins so many bytes, its weights first; shared weights are those of an earlier one."""
    if task.stored_by is not None:
        there = before[task.stored_by]
        return Held(there.weights, pinned, there.whole and pinned >= task.constant_bytes)
    weights = min(pinned, task.weight_bytes)
    constants = min(pinned - weights, task.constant_bytes)
    everything = pinned >= task.weight_bytes + task.constant_bytes
    return Held(weights, constants, options.residency and everything and not task.is_product)


def _weights_once(work: Tasks, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Of weights that layers share the first of them has the bytes, and is worth the reads of all."""
    reads = {task.node.name: step.weight_reads for task, step in zip(work.steps, steps, strict=True)}
    for task, step in zip(work.steps, steps, strict=True):
        if task.stored_by is not None:
            reads[task.stored_by] += step.weight_reads
    if all(task.stored_by is None for task in work.steps):
        return steps
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
        wider.append(replace(step, work_bytes=max(step.work_bytes, room), weight_reads=weight_reads(free)))
    return tuple(wider)


def _plan_step(task: Task, on_chip: str, capacity: int, options: ScheduleOptions, rooms: _Rooms) -> Step:
    held = task.weight_bytes + task.constant_bytes
    if task.problem is None or task.hierarchy is None:
        return Step(task.node.name, task.reads, (task.writes,), held)
    layer = task.problem, task.hierarchy, task.is_product
    if layer not in rooms:
        rooms[layer] = _working_room(task, task.hierarchy, on_chip, capacity, options.goal)
    return Step(task.node.name, task.reads, (task.writes,), held, *rooms[layer])


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
        best = named(task, lambda: best_mapping(problem, inside, goal))
    own = -(-best.costs.used_bits[level] // 8)
    for share in WORK_SHARES:
        if own <= int(capacity * share):
            return own, weight_reads(best)
        try:
            mapping = best_mapping(problem, inside.reserve(on_chip, int(capacity * (1 - share))), goal)
        except DoesNotFit:
            continue
        if mapping.energy_pj <= NEARLY_AS_GOOD * best.energy_pj:
            reserved = 8 * int(capacity * (1 - share))
            return -(-(mapping.costs.used_bits[level] - reserved) // 8), weight_reads(mapping)
    return min(-(-best.costs.used_bits[level] // 8), capacity), weight_reads(best)


def _schedule_step(index: int, beside: Beside, plans: _Plans) -> ScheduledStep:
    key = index, beside
    if key not in plans.done:
        task = plans.work.steps[index]
        mapped = task.problem is not None and task.hierarchy is not None
        plans.done[key] = (mapped_step if mapped else streamed_step)(task, beside, plans.place)
    return plans.done[key]
