"""The whole program on the machine: the memory plan first, then a mapping for each layer in what room it leaves.

A layer's working room is worth what it takes from pinned weights: of rooms of 1, 4, 16 KiB and so on it gets the one
in which its best mapping and the weights that a later batch fetches in place of the room cost least (`rooms.py`); the
plan keeps tensors and pins weights in the rest, and each layer is then mapped into all that is left to it. Weights that
are pinned whole are loaded once per batch before the layer, or stream to their place while it runs, whichever is
better; weights that are pinned in part stream through the working room in the first batch, and their pinned bytes are
not fetched again in later ones. Weights that layers share are pinned once, by the first of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.machine import on_chip_memory
from accelsim.mapping.mapper import Mapping, best_mapping, least_bytes
from accelsim.mapping.residency import Step, plan
from accelsim.mapping.rooms import Room, weight_reads, working_room
from accelsim.mapping.running import Beside, Held, Place, Run, run_step, value
from accelsim.mapping.scheduled import Schedule, ScheduleOptions
from accelsim.mapping.score import Goal
from accelsim.mapping.tasks import Task, Tasks

REPLANS = 3
"""Times the plan is made at most, each time with more room for the layers that came out worse than planned."""

_Rooms = dict[tuple[LayerProblem, Hierarchy, bool], Room]
"""Of the layers of a program that were looked at."""


class _NoRoom(Exception):
    """A step whose mapping does not fit beside what the memory plan keeps."""

    def __init__(self, index: int, reason: DoesNotFit) -> None:
        super().__init__(index)
        self.index, self.reason = index, reason


@dataclass(frozen=True)
class _Plans:
    """What holds for every plan; done: steps that an earlier plan ran with the same beside them."""

    work: Tasks
    options: ScheduleOptions
    capacity: int
    place: Place
    done: dict[tuple[int, Beside], Run] = field(default_factory=dict)


def schedule(work: Tasks, machine: Architecture, batch: int, options: ScheduleOptions) -> Schedule:
    """Schedule every step; of the plans that are tried, the one of the best first and later batch by the goal.

    Plans begin with the rooms that are best by the goal, and with those of least energy, so that no other goal serves
    this one better.

    Raises:
        DoesNotFit: a layer that no mapping fits; names the layer and the memory.
    """
    place = Place(machine, on_chip_memory(machine), batch, work.outputs, options.goal)
    plans = _Plans(work, options, machine.memory(place.on_chip).size_bits // 8, place)
    goals: tuple[Goal, ...] = ("energy",) if place.goal == "energy" else (place.goal, "energy")
    tried = [made for goal in goals for made in _replanned(plans, goal)]
    return min(tried, key=lambda made: _worth(made, place))


def _replanned(plans: _Plans, rooms_by: Goal) -> Iterator[Schedule]:
    """Plans with rooms that grow; where what is kept squeezes a layer, also the one that keeps nothing."""
    rooms: _Rooms = {}
    steps = tuple(_plan_step(task, plans, rooms, rooms_by) for task in plans.work.steps)
    for _ in range(REPLANS):
        made, steps = _with_room(plans, steps)
        yield made
        wider = _wider_rooms(made, steps, plans.place)
        if wider == steps:
            break
        steps = wider
    if plans.options.residency and any(step.mapping and _moved_again(step.mapping) for step in made.steps):
        apart = replace(plans, options=replace(plans.options, residency=False))
        yield _with_room(apart, steps)[0]


def _worth(made: Schedule, place: Place) -> float:
    """Of a batch that starts cold and one that finds the pinned weights; energy and time are multiplied as sums."""
    both = (*made.steps, *made.later)
    if place.goal != "edp":
        return sum(value(step, place) for step in both)
    energy, time = replace(place, goal="energy"), replace(place, goal="latency")
    return sum(value(step, energy) for step in both) * sum(value(step, time) for step in both)


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
    resident = frozenset(kept.resident)
    runs: list[Run] = []
    held: dict[str, Held] = {}
    for index, task in enumerate(work.steps):
        there = frozenset(t for t in (*task.reads, task.writes) if t in resident and (t in made or t in seen))
        mine = held[task.node.name] = _held(task, kept.pinned_bytes[index], held, plans.options)
        beside = Beside(mine, kept.reserved_bytes(index) if _needs_room(task) else 0, there)
        try:
            runs.append(_run(index, beside, plans))
        except DoesNotFit as error:
            raise _NoRoom(index, error) from None
        seen.update(task.reads)
    first, later = tuple(run.first for run in runs), tuple(run.later for run in runs)
    return Schedule(first, kept, plans.place.on_chip, work, later=later)


def _needs_room(task: Task) -> bool:
    return task.problem is not None or task.passes > 1


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


def _moved_again(mapping: Mapping) -> bool:
    """Whether weights or inputs are fetched from off chip, or sums go there, more often than once."""
    words, outer = mapping.problem.words, [t for t in mapping.transfers if t.parent == 0]
    return any((t.parent_writes if t.operand == "O" else t.parent_reads) > words[t.operand] for t in outer)


def _wider_rooms(made: Schedule, steps: tuple[Step, ...], place: Place) -> tuple[Step, ...]:
    """The steps; one that moves words over the link again gets the room that it would take were nothing else kept."""
    wider = []
    for step, done in zip(steps, made.steps, strict=True):
        if done.mapping is None or not _moved_again(done.mapping):
            wider.append(step)
            continue
        hierarchy = done.mapping.hierarchy.reserve(made.on_chip, 0)
        free = best_mapping(done.mapping.problem, hierarchy, place.goal)
        room = -(-free.costs.used_bits[hierarchy.level(made.on_chip)] // 8)
        wider.append(replace(step, work_bytes=max(step.work_bytes, room), weight_reads=weight_reads(free)))
    return tuple(wider)


def _plan_step(task: Task, plans: _Plans, rooms: _Rooms, goal: Goal) -> Step:
    held = task.weight_bytes + task.constant_bytes
    if task.problem is None or task.hierarchy is None:
        return Step(task.node.name, task.reads, (task.writes,), held, _row_bytes(task, plans))
    layer = task.problem, task.hierarchy, task.is_product
    if layer not in rooms:
        rooms[layer] = working_room(task, task.hierarchy, plans.place.on_chip, plans.capacity, goal)
    room = rooms[layer]
    return Step(task.node.name, task.reads, (task.writes,), held, room.size, room.weight_reads)


def _row_bytes(task: Task, plans: _Plans) -> int:
    """Room for a row of an operator of several passes that stays near for them. A tensor that may be kept is that room
    itself; a row that is larger than the chip is fetched again.
    """
    row, sizes = -(-task.row_bits // 8), plans.work.sizes
    kept = any(plans.place.batch * sizes[name] <= plans.capacity for name in (*task.reads, task.writes))
    return 0 if task.passes == 1 or kept or row > plans.capacity else row


def _run(index: int, beside: Beside, plans: _Plans) -> Run:
    key = index, beside
    if key not in plans.done:
        plans.done[key] = run_step(plans.work.steps[index], beside, plans.place)
    return plans.done[key]
