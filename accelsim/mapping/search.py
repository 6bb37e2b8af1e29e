"""The best mapping of a stated space, found exactly: branch and bound from the outermost tiles inwards.

Space: every chain of every dim (`tables.py`) x one stationary operand a level (`score.py`), the fan-out fixed.
A partial mapping has a loop order and, for the outer memories, the tiles of all axes; its bound takes the least of each
column over what may be inside. Outermost first, because off-chip traffic, most of the energy and all of the first fill,
is then exact early; orders from the start, because else the bound of every inner memory would keep all operands in
place at once. The best partial mappings are opened first, whole arrays at a time, so that a good mapping is at hand
early and memory stays small.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.refine import AxisTree
from accelsim.mapping.rows import Batch, Products, unchanged, undecided
from accelsim.mapping.score import Goal, Scores, fitting, orders_of, score, stationary_choices
from accelsim.mapping.tables import Ints

ROWS_AT_ONCE = 16384
FIRST_ROWS, GROWTH = 16, 16
"""Partial mappings are opened in batches, each so many times larger than the last."""
TIE = 1e-12
"""Relative difference below which two costs are the same: the order of additions differs."""


@dataclass(frozen=True)
class Found:
    """The best row: order (index into `orders_of`), chain of each table, and its key (goal, energy, latency)."""

    order: int
    chains: tuple[int, ...]
    key: tuple[float, float, float]


def _decisions(trees: list[AxisTree]) -> list[tuple[int, int]]:
    """(level, axis) whose tile inside the next memory is to be chosen: level by level, axes with few tiles first."""
    return [
        (level, axis)
        for level in range(len(trees[0].depths) - 1)
        for axis in sorted(range(len(trees)), key=lambda axis: trees[axis].depths[level + 1].nodes)
        if trees[axis].depths[level].nodes < trees[axis].depths[level + 1].nodes
    ]


@dataclass
class _Search:
    problem: LayerProblem
    hierarchy: Hierarchy
    goal: Goal
    trees: list[AxisTree]
    decisions: list[tuple[int, int]]
    best: Found | None = None

    def descend(self, done: int, batch: Batch) -> None:
        """Complete partial mappings that have the first `done` decisions."""
        grown, start = unchanged(batch), done
        while done < len(self.decisions):
            level, axis = self.decisions[done]
            if done > start and grown.children(axis) > ROWS_AT_ONCE:
                break
            grown, done = grown.with_tiles(axis, self.trees[axis].depths[level + 1]), done + 1
        complete = done == len(self.decisions)
        products = grown.products()
        room = fitting(self.problem, self.hierarchy, products)
        whole = len(self.hierarchy.memories) if complete else self.decisions[done][0]
        fits = np.flatnonzero(room & _gaining(products, self.hierarchy, whole))
        if not len(fits):
            return
        scores = score(self.problem, self.hierarchy, self.goal, products.take(fits), not complete)
        ranked = self.ranked(scores)
        if complete:
            if len(ranked):
                self.keep(scores, int(ranked[0]), grown.take(fits[ranked[:1]]))
            return
        size = FIRST_ROWS
        while len(ranked):
            now, ranked = ranked[:size], ranked[size:]
            self.descend(done, grown.take(fits[now]))
            ranked = ranked[self.promising(scores)[ranked]]
            size = min(ROWS_AT_ONCE, size * GROWTH)

    def promising(self, scores: Scores) -> NDArray[np.bool_]:
        """Rows that may still beat the best, in goal, then energy, then latency."""
        if self.best is None:
            return np.ones(len(scores.goal), dtype=bool)
        goal, energy, latency = self.best.key
        beats = (scores.energy_pj < energy * (1 - TIE)) | (
            (scores.energy_pj <= energy * (1 + TIE)) & (scores.latency_cycles < latency * (1 - TIE))
        )
        return np.asarray((scores.goal < goal * (1 - TIE)) | ((scores.goal <= goal * (1 + TIE)) & beats))

    def ranked(self, scores: Scores) -> Ints:
        """Indices of the promising rows, best first; equal ones in the order they were made."""
        rows = np.flatnonzero(self.promising(scores))
        keys = (scores.latency_cycles[rows], scores.energy_pj[rows], scores.goal[rows])
        return rows[np.lexsort(keys)]

    def keep(self, scores: Scores, i: int, found: Batch) -> None:
        """Row i, the one mapping in `found`, is the best so far."""
        key = (float(scores.goal[i]), float(scores.energy_pj[i]), float(scores.latency_cycles[i]))
        self.best = Found(int(found.order[0]), tuple(int(nodes[0]) for nodes in found.nodes), key)


def _gaining(rows: Products, hierarchy: Hierarchy, levels: int) -> NDArray[np.bool_]:
    """Rows without those whose order gains nothing at one of the first `levels`, where all tiles are known.

    An order keeps an operand in place at a level. That changes a count only where both loops that move the operand and
    loops that do not run there. Where the operand kept gains nothing, the same tiles with another operand, or with the
    first one if none gains, cost no more.
    """
    good, digits = np.ones(len(rows), dtype=bool), rows.order
    gains = {operand: rows.moves(i) & rows.stays(i) for i, operand in enumerate(OPERANDS)}
    for level, choices in reversed(list(enumerate(stationary_choices(hierarchy)))):
        digits, choice = np.divmod(digits, len(choices))
        if level < levels and len(choices) > 1:
            each = np.stack([gains[operand] >> level & 1 for operand in choices]).astype(bool)
            good &= each[choice, np.arange(len(rows))] | ((choice == 0) & ~each.any(axis=0))
    return good


def search(problem: LayerProblem, hierarchy: Hierarchy, goal: Goal, trees: list[AxisTree]) -> Found | None:
    """The best complete mapping, `Found.chains` indexing into the trees' tables; None where nothing fits."""
    state = _Search(problem, hierarchy, goal, trees, _decisions(trees))
    state.descend(0, undecided(tuple(tree.depths[0] for tree in trees), len(orders_of(hierarchy))))
    return state.best
