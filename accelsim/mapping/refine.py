"""The chains of an axis as a tree: the tile inside memory 1 is chosen first, then the one inside memory 2, and so on.

A node at depth d stands for all chains that begin with the same d tiles. Its numbers are the least of each column over
those chains and the running loops that all of them have: with them a cost is a lower bound for every chain below.
Depths at which nothing is left to choose are left out.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from accelsim.mapping.tables import AxisTable, Floats, Ints


@dataclass(frozen=True, eq=False)
class AxisTree:
    """All nodes, the root first, the leaves, which are the rows of `table`, last.

    least float64 [nodes, columns]; nodes int64 [nodes, 5]: the loops that surely run and move an operand, bit operand *
    levels + level; those that do not move it; 1; the first child; how many follow on each other from there. A lone root
    is its own child. sizes: nodes of each depth 0 to levels.
    """

    table: AxisTable
    least: Floats
    nodes: Ints
    sizes: tuple[int, ...]

    @cached_property
    def running(self) -> tuple[int, int]:
        """Loops that run in any chain and move an operand; those that do not move it."""
        moves, stays = np.bitwise_or.reduce(self.nodes[self.leaves :, :2])
        return int(moves), int(stays)

    @property
    def leaves(self) -> int:
        """The number of the first leaf."""
        return len(self.nodes) - len(self.table.values)


@lru_cache(maxsize=1024)
def tree_of(table: AxisTable) -> AxisTree:
    """The tree; its table is sorted so that chains of one node stand together, smaller outer tiles first."""
    levels = table.chains.shape[2]
    keys = table.chains.transpose(2, 1, 0).reshape(-1, len(table.values))  # all dims' tiles in memory 1, in 2, ...
    order = np.lexsort(keys[::-1])
    table, keys = table.keep(order), keys[:, order]
    dims = table.chains.shape[1]
    fresh = np.ones((levels + 1, len(order)), bool)
    fresh[0, 1:] = False
    changes = (keys[:, 1:] != keys[:, :-1]).reshape(levels, dims, -1).any(axis=1)
    fresh[1:, 1:] = np.logical_or.accumulate(changes, axis=0)
    starts = [np.flatnonzero(row) for row in fresh]
    sizes = tuple(len(begin) for begin in starts)
    kept = [depth for depth in range(levels + 1) if depth == 0 or sizes[depth] != sizes[depth - 1]]
    bits = 1 << levels * np.arange(table.moves.shape[1])
    moves, stays = table.moves @ bits, table.stays @ bits
    first, count, above = [], [], 0
    for depth, finer in pairwise(kept):
        above += sizes[depth]
        children = np.searchsorted(starts[finer], starts[depth])
        first.append(above + children)
        count.append(np.diff(children, append=sizes[finer]))
    leaves = [0] * len(order)
    nodes = [
        np.concatenate([np.bitwise_and.reduceat(moves, starts[depth]) for depth in kept]),
        np.concatenate([np.bitwise_and.reduceat(stays, starts[depth]) for depth in kept]),
        np.ones(above + len(order), np.int64),
        np.concatenate([*first, leaves]),
        np.concatenate([*count, [1] * len(order)]),
    ]
    least = [np.minimum.reduceat(table.values, starts[depth], axis=0) for depth in kept]
    return AxisTree(table, np.concatenate(least), np.stack(nodes, axis=1), sizes)
