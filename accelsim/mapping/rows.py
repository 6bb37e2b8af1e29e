"""Many partial or complete mappings at once: for each axis a node of its tree, and a loop order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from accelsim.mapping.refine import Depth
from accelsim.mapping.tables import Floats, Ints


@dataclass(frozen=True)
class Factor:
    """What some axes contribute to each row: columns least [columns, nodes], moves [operands, nodes], node [n]."""

    least: Floats
    moves: Ints
    stays: Ints
    node: Ints


@dataclass(frozen=True)
class Products:
    """n rows of columns, products of factors, and their loop orders; a column is made when asked for."""

    factors: tuple[Factor, ...]
    order: Ints
    """[n], index into `orders_of`."""

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: Ints) -> "Products":
        """Some of the rows."""
        factors = tuple(replace(factor, node=factor.node[rows]) for factor in self.factors)
        return Products(factors, self.order[rows])

    def column(self, index: int) -> Floats:
        """One column, [n]."""
        return _product([factor.least[index].take(factor.node) for factor in self.factors])

    def places(self, slot: Ints) -> list[Ints]:
        """Where column `slot` [n] of each row stands in the flat columns of each factor."""
        return [slot * factor.least.shape[1] + factor.node for factor in self.factors]

    def at(self, places: list[Ints], start: int) -> Floats:
        """The columns `start + slot` of the `slot` that the places were made for, [n]."""
        flat = [factor.least[start:].reshape(-1) for factor in self.factors]
        return _product([columns.take(place) for columns, place in zip(flat, places, strict=True)])

    def moves(self, operand: int) -> Ints:
        """Per row, bit l set: a loop that moves the operand surely runs at level l, [n]."""
        return _union([factor.moves[operand].take(factor.node) for factor in self.factors])

    def stays(self, operand: int) -> Ints:
        """Per row, bit l set: a loop that does not move the operand surely runs at level l, [n]."""
        return _union([factor.stays[operand].take(factor.node) for factor in self.factors])


def _product(parts: list[Floats]) -> Floats:
    """Their product, made in the first of them."""
    for part in parts[1:]:
        parts[0] *= part
    return parts[0]


def _union(parts: list[Ints]) -> Ints:
    """All their bits, gathered in the first of them."""
    for part in parts[1:]:
        parts[0] |= part
    return parts[0]


@dataclass(frozen=True)
class Batch:
    """n partial mappings: a node for each axis, and a loop order (index into `orders_of`)."""

    depths: tuple[Depth, ...]
    """Per axis."""
    nodes: tuple[Ints, ...]
    """Per axis, [n]: which of the depth's nodes."""
    order: Ints

    def __len__(self) -> int:
        return len(self.order)

    def joined(self, axes: Sequence[int]) -> Factor:
        """The product of some axes for each mapping; its nodes are the mappings."""
        depth, node = self.depths[axes[0]], self.nodes[axes[0]]
        least, moves, stays = depth.least.take(node, 1), depth.moves.take(node, 1), depth.stays.take(node, 1)
        for axis in axes[1:]:
            depth, node = self.depths[axis], self.nodes[axis]
            least *= depth.least.take(node, 1)
            moves |= depth.moves.take(node, 1)
            stays |= depth.stays.take(node, 1)
        return Factor(least, moves, stays, np.arange(len(self)))


@dataclass(frozen=True)
class Grown:
    """What becomes of a batch when more is decided: n rows, each from one of the batch's mappings."""

    batch: Batch
    parent: Ints
    """[n]: which mapping of the batch."""
    order: Ints
    refined: dict[int, tuple[Depth, Ints]]
    """Axis -> (its depth now, [n] which node), for axes that have been refined."""

    def __len__(self) -> int:
        return len(self.order)

    def with_tiles(self, axis: int, finer: Depth) -> "Grown":
        """Every row with each child of its node of one axis; `finer` is that axis's next depth."""
        depth, node = self.node(axis)
        count = depth.count[node]
        row = np.repeat(np.arange(len(node)), count)
        child = np.arange(len(row)) + (depth.first[node] - np.cumsum(count) + count)[row]
        refined = {other: (now, found[row]) for other, (now, found) in self.refined.items()}
        refined[axis] = (finer, child)
        return Grown(self.batch, self.parent[row], self.order[row], refined)

    def children(self, axis: int) -> int:
        """How many rows `with_tiles` would make."""
        depth, node = self.node(axis)
        return int(depth.count[node].sum())

    def node(self, axis: int) -> tuple[Depth, Ints]:
        """The depth of an axis and each row's node."""
        return self.refined.get(axis) or (self.batch.depths[axis], self.batch.nodes[axis][self.parent])

    def products(self) -> Products:
        """The rows' columns: what the batch already had for the other axes, times the refined ones."""
        others = [axis for axis in range(len(self.batch.depths)) if axis not in self.refined]
        factors = [Factor(depth.least, depth.moves, depth.stays, node) for depth, node in self.refined.values()]
        if others:
            factors.append(replace(self.batch.joined(others), node=self.parent))
        return Products(tuple(factors), self.order)

    def take(self, rows: Ints) -> Batch:
        """Some of the rows, as a batch of its own."""
        parent = self.parent[rows]
        every = [(depth, nodes[parent]) for depth, nodes in zip(self.batch.depths, self.batch.nodes, strict=True)]
        for axis, (depth, node) in self.refined.items():
            every[axis] = (depth, node[rows])
        return Batch(tuple(d for d, _ in every), tuple(n for _, n in every), self.order[rows])


def unchanged(batch: Batch) -> Grown:
    """The batch before anything more is decided."""
    return Grown(batch, np.arange(len(batch)), batch.order, {})


def undecided(depths: tuple[Depth, ...], orders: int) -> Batch:
    """One partial mapping for each loop order, with no tile decided; `depths` are the first of each axis."""
    return Batch(depths, (np.zeros(orders, np.int64),) * len(depths), np.arange(orders))
