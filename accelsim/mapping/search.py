"""The best mapping of a stated space, found exactly: branch and bound over axes, whole arrays at a time.

Space: every chain of every dim (`tables.py`) x one stationary operand a level (`score.py`), the fan-out fixed.
A partial mapping has chains for some axes. Its bound takes, for the other axes, the least of each column. The best
partial mappings are opened first, in batches, so that a good mapping is at hand early and memory stays small.
"""

from dataclasses import dataclass

import numpy as np

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.score import Goal, Pairs, Scores, orders_of, score
from accelsim.mapping.tables import AxisTable, Floats, Ints, columns_of

ROWS_AT_ONCE = 16384
TIE = 1e-12
"""Relative difference below which two costs are the same: the order of additions differs."""


@dataclass(frozen=True)
class Found:
    """The best row: order (index into `orders_of`), chain of each table, and its key (goal, energy, latency)."""

    order: int
    chains: tuple[int, ...]
    key: tuple[float, float, float]


@dataclass
class _Search:
    problem: LayerProblem
    hierarchy: Hierarchy
    goal: Goal
    tables: list[AxisTable]
    least: list[Floats]
    """Per number of axes done: the product over the others of the least of each column."""
    best: Found | None = None

    def descend(self, done: int, rows: Floats, order: Ints, moves: Ints, chains: Ints) -> None:
        """Extend partial mappings by the next axis."""
        table = self.tables[done]
        n, m = len(rows), len(table.values)
        moves = (moves[:, None, :] | table.moves[None]).reshape(n * m, -1)
        order = np.repeat(order, m)
        complete = done + 1 == len(self.tables)
        pairs = Pairs(rows, table.values * self.least[done + 1])
        scores = score(self.problem, self.hierarchy, self.goal, pairs, order, moves, not complete)
        ranked = self.ranked(scores)
        if complete:
            self.take(scores, order, chains, ranked, m)
            return
        batch = max(1, ROWS_AT_ONCE // len(self.tables[done + 1].values))
        size = 32
        while len(ranked):
            now, ranked = ranked[:size], ranked[size:]
            before, new = np.divmod(now, m)
            taken = np.concatenate([chains[before], new[:, None]], axis=1)
            self.descend(done + 1, rows[before] * table.values[new], order[now], moves[now], taken)
            ranked = ranked[self.promising(scores)[ranked]]
            size = min(batch, size * 4)

    def promising(self, scores: Scores) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Rows that fit and may still beat the best, in goal, then energy, then latency."""
        if self.best is None:
            return scores.fits
        goal, energy, latency = self.best.key
        beats = (scores.energy_pj < energy * (1 - TIE)) | (
            (scores.energy_pj <= energy * (1 + TIE)) & (scores.latency_cycles < latency * (1 - TIE))
        )
        return np.asarray(
            scores.fits & ((scores.goal < goal * (1 - TIE)) | ((scores.goal <= goal * (1 + TIE)) & beats))
        )

    def ranked(self, scores: Scores) -> Ints:
        """Indices of the promising rows, best first; equal ones in the order they were made."""
        rows = np.flatnonzero(self.promising(scores))
        keys = (scores.latency_cycles[rows], scores.energy_pj[rows], scores.goal[rows])
        return rows[np.lexsort(keys)]

    def take(self, scores: Scores, order: Ints, chains: Ints, ranked: Ints, m: int) -> None:
        """Keep the best of complete mappings, `m` of them for each row of `chains`."""
        if len(ranked):
            i = ranked[0]
            key = (float(scores.goal[i]), float(scores.energy_pj[i]), float(scores.latency_cycles[i]))
            self.best = Found(int(order[i]), (*(int(c) for c in chains[i // m]), int(i % m)), key)


def search(problem: LayerProblem, hierarchy: Hierarchy, goal: Goal, tables: list[AxisTable]) -> Found | None:
    """The best complete mapping, `Found.chains` indexing into `tables` in their order; None where nothing fits."""
    least = [np.ones(len(columns_of(hierarchy)))]
    for table in reversed(tables):
        least.append(least[-1] * table.values.min(axis=0))
    state = _Search(problem, hierarchy, goal, tables, least[::-1])
    orders = len(orders_of(hierarchy))
    state.descend(
        0,
        np.ones((orders, len(columns_of(hierarchy)))),
        np.arange(orders),
        np.zeros((orders, len(OPERANDS)), np.int64),
        np.zeros((orders, 0), np.int64),
    )
    return state.best


def without_dominated(table: AxisTable, hierarchy: Hierarchy) -> AxisTable:
    """The table without chains that another one, moving operands at the same levels, beats or equals in every column.

    The score is non-decreasing in every column except the copies (V) of sums across a fan-out with another memory of
    sums beyond it; there the column must be equal.
    """
    deepest, profits = {}, {}
    for operand, _, child in hierarchy.boundaries:
        if child < hierarchy.levels:
            deepest[operand] = child
        if child < hierarchy.levels or operand in hierarchy.latch:
            profits[operand] = child
    columns = list(table.values.T)
    for values, column in zip(table.values.T, columns_of(hierarchy), strict=True):
        if column.kind == "V" and column.operand == "O" and column.child < deepest.get("O", 0):
            columns.append(-values)
    mattering = np.array([(1 << profits.get(operand, 0)) - 1 for operand in OPERANDS])
    group = (table.moves & mattering) @ (1 << hierarchy.levels * np.arange(len(OPERANDS)))
    no_worse = group[:, None] == group[None]
    for values in columns:
        no_worse &= values[:, None] <= values[None]
    first = np.arange(len(group))[:, None] < np.arange(len(group))[None]
    beaten = (no_worse & (~no_worse.T | first)).any(axis=0)
    return table.keep(np.flatnonzero(~beaten))
