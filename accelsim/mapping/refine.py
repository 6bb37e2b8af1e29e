"""The chains of an axis as a tree: the tile inside memory 1 is chosen first, then the one inside memory 2, and so on.

A node at depth d stands for all chains that begin with the same d tiles. Its numbers are the least of each column over
those chains and the running loops that all of them have: with them a cost is a lower bound for every chain below.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accelsim.mapping.tables import AxisTable, Floats, Ints


@dataclass(frozen=True)
class Depth:
    """Nodes that fix the same number of tiles: least float64 [columns, nodes], moves int64 [operands, nodes].

    The children of node i are nodes first[i] .. first[i] + count[i] - 1 of the next depth.
    """

    least: Floats
    moves: Ints
    stays: Ints
    first: Ints
    count: Ints

    @property
    def nodes(self) -> int:
        """How many."""
        return len(self.count)


@dataclass(frozen=True)
class AxisTree:
    """Depth d fixes the tiles of the first d loops; the nodes of the last depth are chains, rows of `table`."""

    table: AxisTable
    depths: tuple[Depth, ...]


@lru_cache(maxsize=1024)
def tree_of(table: AxisTable) -> AxisTree:
    """The tree; its table is sorted so that chains of one node stand together, smaller outer tiles first."""
    levels = table.chains.shape[2]
    keys = table.chains.transpose(2, 1, 0).reshape(-1, len(table.values))  # all dims' tiles in memory 1, in 2, ...
    order = np.lexsort(keys[::-1])
    table, keys = table.keep(order), keys[:, order]
    dims = table.chains.shape[1]
    fresh = np.concatenate([np.ones((len(keys), 1), bool), keys[:, 1:] != keys[:, :-1]], axis=1)
    starts = [np.zeros(1, np.int64)]
    starts += [np.flatnonzero(fresh[: dims * depth].any(axis=0)) for depth in range(1, levels + 1)]
    finer = [*starts[1:], starts[-1]]
    return AxisTree(table, tuple(_depth(table, now, after) for now, after in zip(starts, finer, strict=True)))


def _depth(table: AxisTable, starts: Ints, finer: Ints) -> Depth:
    first = np.searchsorted(finer, starts)
    return Depth(
        least=np.ascontiguousarray(np.minimum.reduceat(table.values, starts, axis=0).T),
        moves=np.ascontiguousarray(np.bitwise_and.reduceat(table.moves, starts, axis=0).T),
        stays=np.ascontiguousarray(np.bitwise_and.reduceat(table.stays, starts, axis=0).T),
        first=first,
        count=np.diff(first, append=len(finer)),
    )
