"""The best mapping of a stated space, found exactly: branch and bound from the outermost tiles inwards.

Space: every chain of every dim (`tables.py`) x one stationary operand a level (`score.py`), the fan-out fixed.
A partial mapping has a loop order and, for the outer memories, the tiles of all axes; its bound takes the least of each
column over what may be inside. Outermost first, because off-chip traffic, most of the energy and all of the first fill,
is then exact early; orders from the start, because else the bound of every inner memory would keep all operands in
place at once. A stage chooses all tiles inside one memory, one axis after the other; then the most promising partial
mapping is opened first, so that a good mapping is at hand early (`kernels/descent.py`).

An order keeps an operand in place at a level. That changes a count only where both loops that move the operand and
loops that do not run there. Where the operand kept gains nothing, the same tiles with another operand, or with the
first one if none gains, cost no more, so that order is left out; at once where no chain lets it gain.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.refine import AxisTree
from accelsim.mapping.score import (
    Goal,
    boundary_rules,
    layer_rules,
    memory_rules,
    orders_of,
    stationary_choices,
)
from accelsim.mapping.tables import Ints

TIE = 1e-12
"""As in `kernels/descent.py`."""
FIRST_CHILD = 3
"""Column of a tree's nodes, see `refine.py`."""


@dataclass(frozen=True)
class Found:
    """The best row: order (index into `orders_of`), chain of each table, and its key (goal, energy, latency).

    rows: how many partial and complete mappings were looked at.
    """

    order: int
    chains: tuple[int, ...]
    key: tuple[float, float, float]
    rows: int


def better(one: Found, other: Found) -> bool:
    """Whether one costs less than the other, by more than the order of additions explains."""
    for new, old in zip(one.key, other.key, strict=True):
        if abs(new - old) > TIE * old:
            return new < old
    return False


def search(problem: LayerProblem, hierarchy: Hierarchy, goal: Goal, trees: list[AxisTree]) -> Found | None:
    """The best complete mapping, `Found.chains` indexing into the trees' tables; None where nothing fits."""
    from accelsim.mapping.kernels.descent import Plan, descend
    from accelsim.mapping.kernels.products import Trees
    from accelsim.mapping.kernels.rules import Rules

    roots = np.cumsum([0, *(len(tree.nodes) for tree in trees)])
    leaves = roots[:-1] + [tree.leaves for tree in trees]
    nodes = np.concatenate([tree.nodes for tree in trees])
    nodes[:, FIRST_CHILD] += np.repeat(roots[:-1], np.diff(roots))
    packed = Trees(
        np.concatenate([tree.least for tree in trees]), nodes, np.stack([roots, [*leaves, roots[-1]]], axis=1)
    )
    rules = Rules(boundary_rules(hierarchy), memory_rules(hierarchy), layer_rules(problem, hierarchy, goal))
    worth = _worth(trees, hierarchy)
    key, place = descend(packed, Plan(_stages(trees), _orders(hierarchy, worth), _alike(trees)), rules)
    if place[0] < 0:
        return None
    chains = tuple(int(leaf) for leaf in place[: len(trees)] - leaves)
    return Found(worth[int(place[-2])], chains, (float(key[0]), float(key[1]), float(key[2])), int(place[-1]))


def _alike(trees: list[AxisTree]) -> bool:
    """Whether rows and columns have one tree: a mapping and the same one on its side then cost the same."""
    return trees[-2] is trees[-1]


def _stages(trees: list[AxisTree]) -> Ints:
    """Per stage its axes, how many, and the levels known after it: level by level, axes with few tiles first; but rows
    and columns before all where they are alike, since half of them is then left out.
    """
    levels, alike = len(trees[0].sizes) - 1, _alike(trees)

    def rank(axis: int, level: int) -> tuple[bool, int]:
        size = trees[axis].sizes[level + 1]
        return (alike and axis < len(trees) - 2, -size if alike else size)

    found = []
    for level in range(levels):
        growing = [axis for axis, tree in enumerate(trees) if tree.sizes[level] < tree.sizes[level + 1]]
        if growing:
            found.append((level, sorted(growing, key=lambda axis: rank(axis, level))))
    found = found or [(0, [0])]
    known = [*(level for level, _ in found[1:]), levels]
    return np.array(
        [
            [*axes, *[0] * (len(trees) - len(axes)), len(axes), after]
            for (_, axes), after in zip(found, known, strict=True)
        ]
    )


def _worth(trees: list[AxisTree], hierarchy: Hierarchy) -> tuple[int, ...]:
    """The orders in which every operand that is kept in place can gain by it: loops that move it and loops that do not
    may run at the level. Or it is the first choice there, which stands for all that gain nothing.
    """
    moving, staying = 0, 0
    for tree in trees:
        moving, staying = moving | tree.running[0], staying | tree.running[1]
    return _gaining(hierarchy, moving & staying)


@lru_cache(maxsize=1024)
def _gaining(hierarchy: Hierarchy, gains: int) -> tuple[int, ...]:
    good = [
        {kept for kept in every if kept == every[0] or gains >> OPERANDS.index(kept) * hierarchy.levels + level & 1}
        for level, every in enumerate(stationary_choices(hierarchy))
    ]
    orders = enumerate(orders_of(hierarchy))
    return tuple(i for i, order in orders if all(kept in some for kept, some in zip(order, good, strict=True)))


@lru_cache(maxsize=1024)
def _orders(hierarchy: Hierarchy, worth: tuple[int, ...]) -> Ints:
    """Bits of the operands kept per order and level; then those of all these orders, and of the first choices."""
    orders, choices = orders_of(hierarchy), stationary_choices(hierarchy)
    kept = np.array([[_bits(operands) for operands in orders[i]] for i in worth])
    return np.concatenate([kept, [np.bitwise_or.reduce(kept), [_bits(level[0]) for level in choices]]])


def _bits(operands: str) -> int:
    return sum(1 << OPERANDS.index(operand) for operand in operands)
