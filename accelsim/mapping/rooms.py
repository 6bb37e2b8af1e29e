"""How much of the on-chip memory a layer's tiles are worth: what they spare against the weights that could lie there.

A byte of tiles is a byte of weights that cannot stay on chip, which every later batch fetches again. So of the rooms
1, 4, 16 ... KiB, and what the best mapping with the whole memory takes, the layer gets the one of least

    value of its best mapping inside + bytes taken x value of fetching a byte

The rooms are the same whatever the memory's size, so that a larger one only adds choices. Where all weights fit anyway
the layer is later mapped into all that is left to it, so a small room never hurts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from accelsim.errors import DoesNotFit
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.mapper import Mapping, best_mapping
from accelsim.mapping.score import Goal
from accelsim.mapping.tasks import Task

SMALLEST_ROOM, NEXT_ROOM = 1024, 4
"""Bytes of the smallest room tried, and by what the next one is larger."""
NEGLIGIBLE = 0.005
"""Rooms that are worth less than this part of the layer are not told apart: the first one tried is worth as much."""


@dataclass(frozen=True)
class Room:
    """Bytes on chip for the tiles of a layer, and how often a batch then reads its weights from off chip."""

    size: int
    weight_reads: int


def working_room(task: Task, hierarchy: Hierarchy, on_chip: str, capacity: int, goal: Goal) -> Room:
    """The room of a layer whose inputs and outputs stay on chip where that is possible.

    Raises:
        DoesNotFit: not even the whole memory of `capacity` bytes suffices.
    """
    problem = task.problem
    assert problem is not None
    inside = hierarchy.resident("WIO" if task.is_product else "IO", on_chip)
    level = inside.level(on_chip)
    try:
        best = best_mapping(problem, inside, goal)
    except DoesNotFit:  # unfinished sums of the whole output may need more than tiles of it
        inside = hierarchy
        best = named(task, lambda: best_mapping(problem, inside, goal))
    price, least = _byte_price(hierarchy, on_chip, goal), goal_value(best)
    chosen, cost = best, least + price * _taken(best, level)
    room = SMALLEST_ROOM
    while room < capacity and price * room < NEGLIGIBLE * least:
        room *= NEXT_ROOM
    while room < min(_taken(chosen, level), capacity) and least + price * room / NEXT_ROOM < cost:
        try:
            found = best_mapping(problem, inside.reserve(on_chip, capacity - room), goal)
        except DoesNotFit:
            room *= NEXT_ROOM
            continue
        value = goal_value(found) + price * _taken(found, level)
        if value < cost:
            chosen, cost = found, value
        room *= NEXT_ROOM
    return Room(min(_taken(chosen, level), capacity), weight_reads(chosen))


def goal_value(mapping: Mapping) -> float:
    """What a mapping is worth by its goal, so that layers add up; of products of energy and time, the energy."""
    if mapping.goal == "latency":
        return mapping.latency_cycles
    if mapping.goal == "offchip":
        return float(sum(row.read_bits + row.write_bits for row in mapping.traffic if row.level == 0))
    return mapping.energy_pj


def _byte_price(hierarchy: Hierarchy, on_chip: str, goal: Goal) -> float:
    """Of fetching one byte of weights from off chip in every later batch."""
    outer, inner = hierarchy.memories[0], hierarchy.memories[hierarchy.level(on_chip)]
    if goal == "latency":
        return 8 / outer.read_bandwidth if outer.read_bandwidth else 0.0
    return 8.0 if goal == "offchip" else 8 * (outer.read_pj_per_bit + inner.write_pj_per_bit)


def _taken(mapping: Mapping, level: int) -> int:
    """Bytes of the tiles."""
    return -(-(mapping.costs.used_bits[level] - mapping.hierarchy.memories[level].reserved_bits) // 8)


def weight_reads(mapping: Mapping) -> int:
    """How often a batch reads all weights from off chip."""
    moved = sum(t.parent_reads for t in mapping.transfers if t.operand == "W" and t.parent == 0)
    return max(1, round(moved / mapping.nest.problem.words["W"]))


def named(task: Task, find: Callable[[], Mapping]) -> Mapping:
    """What `find` finds; a refusal names the layer."""
    try:
        return find()
    except DoesNotFit as error:
        raise DoesNotFit(f"layer {task.node.name}: {error.args[0]}", error.hint) from None
