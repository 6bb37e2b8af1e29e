"""Restricted orders of loops as levels that the search knows: for each, a set of dims that may loop there.

The search chooses, for every level, the tiles and one operand to keep in place. Where a machine fixes the place of some
loops among others, a memory becomes several levels one after the other, of which the first is the memory: the further
ones hold nothing, so every operand passes them by, and a nest on them is the same nest on the memories.

An operand stays in a memory if outside of it all loops that move it run outside of all that do not. So somewhere in
the loops outside there is one change from the former to the latter: at each memory in turn, with one search each.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, permutations, product

from accelsim.errors import AccelsimError
from accelsim.mapping.dataflow import Dataflow
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import DIMS, OPERANDS, LayerProblem

MOST_LEVELS = 20
"""Loops that run are bits of one number: three operands by so many levels."""


@dataclass(frozen=True)
class Unfolded:
    """Levels to search, and the memory of each."""

    levels: Hierarchy
    memory_of: tuple[int, ...]


@dataclass(frozen=True)
class _Stay:
    """An operand stays in the memory `inside`; outside of it the loops change over at the memory `change`."""

    operand: str
    inside: int
    change: int


def unfolded(problem: LayerProblem, hierarchy: Hierarchy) -> Iterator[Unfolded]:
    """Hierarchies whose mappings are together those that keep to the dataflow of every memory.

    Raises AccelsimError where the orders of many memories need more levels than can be searched, or where a memory
    outside of one that keeps an operand has an order of its own.
    """
    if not hierarchy.restricted:
        yield Unfolded(hierarchy, tuple(range(hierarchy.levels)))
        return
    choices = []
    for operand, inside in _staying(problem, hierarchy):
        outside = [level for level in range(inside) if hierarchy.memories[level].inside != ()]
        choices.append([_Stay(operand, inside, change) for change in outside])
    for stays in product(*choices):
        for order in permutations(stays):
            if all(one.change <= other.change for one, other in pairwise(order)):
                yield _levels(problem, hierarchy, order)


def _staying(problem: LayerProblem, hierarchy: Hierarchy) -> list[tuple[str, int]]:
    """(operand, memory) of each operand that stays and has both loops that move it and loops that do not."""
    flows = (*(memory.dataflow for memory in hierarchy.memories), hierarchy.at_pe)
    found = []
    for inside, flow in enumerate(flows):
        moves = {dim in problem.moved_by[flow.stationary] for dim in _running(problem) if flow.stationary}
        if len(moves) == 2:
            found.append((flow.stationary, inside))
    return found


def _running(problem: LayerProblem) -> str:
    return "".join(dim for dim in DIMS if problem.size[dim] > 1)


def _levels(problem: LayerProblem, hierarchy: Hierarchy, stays: tuple[_Stay, ...]) -> Unfolded:
    levels: list[Memory] = []
    memory_of: list[int] = []
    for index, memory in enumerate(hierarchy.memories):
        groups = _groups(problem, index, memory, tuple(stay for stay in stays if index < stay.inside))
        levels.append(replace(memory, dataflow=replace(groups[0], tile=memory.dataflow.tile)))
        levels += [Memory("", "", 0, 0.0, 0.0, inside=memory.inside, dataflow=group) for group in groups[1:]]
        memory_of += [index] * len(groups)
    if len(levels) > MOST_LEVELS:
        what = f"loops in {len(levels)} groups are too many to search, expected at most {MOST_LEVELS}"
        raise AccelsimError(f"{hierarchy.restrictions}: {what}; order the loops of fewer memories")
    fan_level = max(level for level, index in enumerate(memory_of) if index == hierarchy.fan_level)
    return Unfolded(replace(hierarchy, memories=tuple(levels), fan_level=fan_level), tuple(memory_of))


def _groups(problem: LayerProblem, index: int, memory: Memory, stays: tuple[_Stay, ...]) -> list[Dataflow]:
    """The loops of a memory outermost first; within one group all orders are allowed, or none makes a difference."""
    given = memory.dataflow
    dims = [dim for dim in (_running(problem) if given.loops is None else given.loops) if problem.size[dim] > 1]
    if given.ordered:
        if stays:
            raise AccelsimError(
                f"{given.said}: an order, but further in an operand stays, which orders these loops too"
            )
        return _in_order(problem, dims, given.said)
    here = [stay for stay in stays if stay.change == index]
    groups = []
    for passed in range(len(here) + 1):
        changed = [stay for stay in stays if stay.change < index] + here[:passed]
        loops = "".join(
            dim for dim in dims if all((dim in problem.moved_by[s.operand]) != (s in changed) for s in stays)
        )
        # what one operand does not notice moves the others, so the order of such loops is of no account
        alike = any(not problem.moved_by[operand] & set(loops) for operand in OPERANDS)
        groups.append(Dataflow(loops=loops, ordered=alike, said=given.said))
    return [group for group in groups if group.loops] or groups[:1]


def _in_order(problem: LayerProblem, dims: list[str], said: str) -> list[Dataflow]:
    """Loops in a row with the operands that each group keeps in place: for none of them may a loop that moves it stand
    both before and after one that does not.
    """
    groups: list[str] = [""]
    for dim in dims:
        if all(_one_change(problem, operand, groups[-1] + dim) for operand in OPERANDS):
            groups[-1] += dim
        else:
            groups.append(dim)
    return [Dataflow(loops=group, ordered=True, said=said, kept=_kept(problem, group)) for group in groups]


def _one_change(problem: LayerProblem, operand: str, dims: str) -> bool:
    moves = [dim in problem.moved_by[operand] for dim in dims]
    return sum(one != other for one, other in pairwise(moves)) <= 1


def _kept(problem: LayerProblem, dims: str) -> str:
    """Operands that the last loops do not move."""
    return "".join(operand for operand in OPERANDS if dims and dims[-1] not in problem.moved_by[operand])
