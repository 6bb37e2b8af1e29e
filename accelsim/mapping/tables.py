"""What each way of tiling one axis contributes to every count, as one row of numbers.

A chain is the tile of a dim inside the loops of each memory, outermost first: T_0 >= T_1 >= ... >= T_(L-1) = 1, each a
whole number of the next (times the lanes at the fan-out), ragged only at the layer's edge. All that a mapping costs is
made of *columns*, each a product over axes of one number a chain:

    U, V      words over a boundary (operand, parent, child): distinct per parent, and in all copies of the child.
              One column for each j = -1 .. child-1: loops that do not move the operand count through level j only
    fetches   runs of the fetch statement, for parents whose accesses are rounded up, and around memories that wait
    first     words of the largest single fetch, for ports with a bandwidth
    tile      words of the largest tile in one memory
    cycles

Beside the columns, `moves` tells at which levels a loop that moves each operand runs; over axes it is an OR.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.mapping.dataflow import Dataflow
from accelsim.mapping.footprints import words_of
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.spaces import Space

Tiles = Literal["divisors", "near"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
KINDS = ("cycles", "U", "V", "fetches", "first", "tile")


class Limits(NamedTuple):
    """Of one dim at one memory: how often it runs inside it (None: any number), least and most length in its tile."""

    turns: int | None = None
    least: int = 1
    most: int | None = None


@dataclass(frozen=True)
class Column:
    """One number of a row: kind U, V, fetches, first, tile or cycles; j as in the module."""

    kind: str
    operand: str = ""
    parent: int = 0
    child: int = 0
    j: int = 0


@lru_cache(maxsize=64)
def columns_of(hierarchy: Hierarchy) -> tuple[Column, ...]:
    """The columns that this hierarchy's costs are made of; those of one kind and boundary stand together, j rising."""
    found = [Column("cycles")]
    for operand, parent, child in hierarchy.boundaries:
        memory, inner = hierarchy.memories[parent], child < hierarchy.levels
        kinds = ["U"]
        if parent <= hierarchy.fan_level < child and hierarchy.lanes and (inner or operand == "O"):
            kinds.append("V")
        if memory.access_bits > 0 or memory.waits or (inner and hierarchy.memories[child].waits):
            kinds.append("fetches")
        every_step = not inner and operand not in hierarchy.latch
        levels = [child - 1] if every_step else range(-1, child)
        found += [Column(kind, operand, parent, child, j) for kind in kinds for j in levels]
        if inner and (memory.read_bandwidth > 0 or memory.write_bandwidth > 0):
            found.append(Column("first", operand, parent, child, -1))
        if inner:
            found.append(Column("tile", operand, parent, child))
    return tuple(found)


@lru_cache(maxsize=64)
def column_numbers(hierarchy: Hierarchy) -> Ints:
    """The columns as int64 [n, 5]: kind, operand, parent, child, j; see `kernels/columns.py`."""
    rows = [
        (KINDS.index(c.kind), OPERANDS.index(c.operand or "W"), c.parent, c.child, c.j) for c in columns_of(hierarchy)
    ]
    return np.array(rows, dtype=np.int64)


@lru_cache(maxsize=256)
def skeleton(hierarchy: Hierarchy) -> Hierarchy:
    """The hierarchy without sizes, energies and widths: all that chains and their columns depend on."""
    memories = tuple(
        Memory(
            name="",
            holds=memory.holds,
            size_bits=0,
            read_pj_per_bit=0.0,
            write_pj_per_bit=0.0,
            read_bandwidth=float(memory.read_bandwidth > 0 or memory.write_bandwidth > 0),
            access_bits=int(memory.access_bits > 0),
            waits=memory.waits,
            inside=memory.inside,
            dataflow=Dataflow(loops=memory.dataflow.loops, tile=memory.dataflow.tile),
        )
        for memory in hierarchy.memories
    )
    return Hierarchy(memories, hierarchy.fan_level, hierarchy.lanes, hierarchy.latch)


@dataclass(frozen=True, eq=False)
class AxisTable:
    """chains int [n, dims of the axis, levels]; values [n, columns]; moves [n, 3], bit l set: a loop that moves the
    operand runs at level l; stays [n, 3], bit l set: a loop that does not move it runs there.
    """

    chains: Ints
    values: Floats
    moves: Ints
    stays: Ints

    @cached_property
    def least(self) -> Floats:
        """The least of each column over all chains."""
        found: Floats = self.values.min(axis=0)
        return found

    def keep(self, rows: Ints) -> "AxisTable":
        """Only these chains."""
        return AxisTable(self.chains[rows], self.values[rows], self.moves[rows], self.stays[rows])


def axis_tables(problem: LayerProblem, hierarchy: Hierarchy, tiles: Tiles) -> list[AxisTable]:
    """Every chain of every axis, in the order of AXES. Row 0 of each has the smallest tiles, if nothing is restricted.

    Axes that are alike, of one problem or of several, have one and the same table.
    """
    bare = skeleton(hierarchy)
    found = []
    for dim in "NGKC":
        moved = "".join(operand for operand in OPERANDS if dim in problem.moved_by[operand])
        found.append(_channel_table(bare, dim, problem.size[dim], moved, tiles))
    for axis in ("PR", "QS"):
        lanes, limits = zip(*((bare.fan_out(dim), limits_of(bare, dim)) for dim in axis), strict=True)
        found.append(_space_table(bare, problem.space(axis), lanes, limits, tiles))
    return found


def limits_of(hierarchy: Hierarchy, dim: str) -> tuple[Limits, ...]:
    """Per memory what holds for its loops over a dim and for its tile."""
    return tuple(
        Limits(memory.turns(dim) if memory.dataflow.may_loop(dim) else 1, *memory.dataflow.bounds(dim))
        for memory in hierarchy.memories
    )


@lru_cache(maxsize=4096)
def chains_of(size: int, lanes: int, fan_level: int, tiles: Tiles, limits: tuple[Limits, ...]) -> Ints:
    """All chains of a dim within its limits, int64 [n, levels], sorted."""
    found: set[tuple[int, ...]] = {(1,)}
    for level in range(len(limits) - 1, 0, -1):
        grown: set[tuple[int, ...]] = set()
        fixed, least, most = limits[level]
        least = min(least, size if level <= fan_level else -(-size // lanes))
        for chain in found:
            inner = chain[0] * (lanes if level == fan_level else 1)
            count = -(-size // (inner * (lanes if level > fan_level else 1)))
            every = _factors(count, tiles) if fixed is None else [min(fixed, count)]
            grown.update((min(times * inner, size), *chain) for times in every)
        found = {chain for chain in grown if least <= chain[0] <= (most or size)}
    if limits[0].turns == 1:
        found = {chain for chain in found if chain[0] * (lanes if fan_level == 0 else 1) >= size}
    return np.array(sorted(found), dtype=np.int64)


@lru_cache(maxsize=1024)
def _factors(count: int, tiles: Tiles) -> list[int]:
    """How many inner tiles a tile may have: the divisors, or the least for every number of turns."""
    if tiles == "near":
        return sorted({-(-count // turns) for turns in range(1, count + 1)})
    return [times for times in range(1, count + 1) if count % times == 0]


@lru_cache(maxsize=512)
def _channel_table(hierarchy: Hierarchy, dim: str, size: int, moved: str, tiles: Tiles) -> AxisTable:
    """Every chain of a dim that moves the operands in `moved`."""
    from accelsim.mapping.kernels.columns import channel_columns

    lanes, fan = hierarchy.fan_out(dim), hierarchy.fan_level
    chains = chains_of(size, lanes, fan, tiles, limits_of(hierarchy, dim))
    uses = np.array([operand in moved for operand in OPERANDS], dtype=np.int64)
    values, runs = channel_columns(size, chains, lanes, fan, column_numbers(hierarchy), uses)
    return AxisTable(chains[:, None, :], values, runs[:, None] * uses, runs[:, None] * (1 - uses))


@lru_cache(maxsize=256)
def _space_table(
    hierarchy: Hierarchy,
    space: Space,
    lanes: tuple[int, int],
    limits: tuple[tuple[Limits, ...], tuple[Limits, ...]],
    tiles: Tiles,
) -> AxisTable:
    """All pairs of a chain of positions and one of taps."""
    from accelsim.mapping.kernels.columns import space_columns

    positions, taps = (
        chains_of(size, copies, hierarchy.fan_level, tiles, each)
        for size, copies, each in zip((space.positions, space.taps), lanes, limits, strict=True)
    )
    words = np.stack([words_of(space, operand) for operand in OPERANDS])
    uses = np.array([space.moved_by(operand) for operand in OPERANDS], dtype=np.int64)
    columns = column_numbers(hierarchy)
    values, a_runs, b_runs = space_columns(words, positions, taps, lanes, hierarchy.fan_level, columns, uses)
    a, b = (grid.ravel() for grid in np.indices((len(positions), len(taps))))
    by_a, by_b = a_runs[a][:, None], b_runs[b][:, None]
    return AxisTable(
        np.stack([positions[a], taps[b]], axis=1),
        values,
        by_a * uses[:, 0] | by_b * uses[:, 1],
        by_a * (1 - uses[:, 0]) | by_b * (1 - uses[:, 1]),
    )
