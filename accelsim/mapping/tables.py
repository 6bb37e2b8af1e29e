"""What each way of tiling one axis contributes to every count, as one row of numbers.

A chain is the tile of a dim inside the loops of each memory, outermost first: T_0 >= T_1 >= ... >= T_(L-1) = 1, each a
whole number of the next (times the lanes at the fan-out), ragged only at the layer's edge. All that a mapping costs is
made of *columns*, each a product over axes of one number a chain:

    U, V      words over a boundary (operand, parent, child): distinct per parent, and in all copies of the child.
              One column for each j = -1 .. child-1: loops that do not move the operand count through level j only
    fetches   runs of the fetch statement, for parents whose accesses are rounded up
    first     words of the largest single fetch, for ports with a bandwidth
    tile      words of the largest tile in one memory
    cycles

Beside the columns, `moves` tells at which levels a loop that moves each operand runs; over axes it is an OR.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.spaces import Space

Tiles = Literal["divisors", "near"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
        if memory.access_bits > 0:
            kinds.append("fetches")
        every_step = not inner and operand not in hierarchy.latch
        levels = [child - 1] if every_step else range(-1, child)
        found += [Column(kind, operand, parent, child, j) for kind in kinds for j in levels]
        if inner and (memory.read_bandwidth > 0 or memory.write_bandwidth > 0):
            found.append(Column("first", operand, parent, child, -1))
        if inner:
            found.append(Column("tile", operand, parent, child))
    return tuple(found)


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
            inside=memory.inside,
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

    def keep(self, rows: Ints) -> "AxisTable":
        """Only these chains."""
        return AxisTable(self.chains[rows], self.values[rows], self.moves[rows], self.stays[rows])


def axis_tables(problem: LayerProblem, hierarchy: Hierarchy, tiles: Tiles) -> list[AxisTable]:
    """Every chain of every axis, in the order of AXES. Row 0 of each has the smallest tiles.

    Axes that are alike, of one problem or of several, have one and the same table.
    """
    bare = skeleton(hierarchy)
    found = []
    for dim in "NGKC":
        moved = "".join(operand for operand in OPERANDS if dim in problem.moved_by[operand])
        found.append(_channel_table(bare, dim, problem.size[dim], moved, tiles))
    for axis in ("PR", "QS"):
        lanes, turns = zip(*((bare.fan_out(dim), _fixed_turns(bare, dim)) for dim in axis), strict=True)
        found.append(_space_table(bare, problem.space(axis), lanes, turns, tiles))
    return found


def _fixed_turns(hierarchy: Hierarchy, dim: str) -> tuple[int | None, ...]:
    return tuple(memory.turns(dim) for memory in hierarchy.memories)


@lru_cache(maxsize=4096)
def _chains(
    size: int, lanes: int, levels: int, fan_level: int, tiles: Tiles, turns: tuple[int | None, ...] = ()
) -> Ints:
    """All chains of a dim, int64 [n, levels], sorted; `turns` fixes how often it runs inside a memory."""
    found: set[tuple[int, ...]] = {(1,)}
    for level in range(levels - 1, 0, -1):
        grown: set[tuple[int, ...]] = set()
        for chain in found:
            inner = chain[0] * (lanes if level == fan_level else 1)
            count = -(-size // (inner * (lanes if level > fan_level else 1)))
            fixed = turns[level] if turns else None
            every = _factors(count, tiles) if fixed is None else [min(fixed, count)]
            grown.update((min(times * inner, size), *chain) for times in every)
        found = grown
    return np.array(sorted(found), dtype=np.int64)


def _factors(count: int, tiles: Tiles) -> list[int]:
    """How many inner tiles a tile may have: the divisors, or the least for every number of turns."""
    if tiles == "near":
        return sorted({-(-count // turns) for turns in range(1, count + 1)})
    return [times for times in range(1, count + 1) if count % times == 0]


@dataclass(frozen=True)
class _Turns:
    """Per chain and j + 1 (0: before all loops), [n, levels + 1]: turns in lock step, and summed over busy copies."""

    lock_step: Ints
    busy: Ints

    @property
    def moves(self) -> Ints:
        """Bit l set: the loop at level l runs."""
        runs = self.lock_step[:, 1:] > self.lock_step[:, :-1]
        return np.asarray((runs << np.arange(runs.shape[1])).sum(axis=1))


def _turns(size: int, chains: Ints, lanes: int, fan_level: int) -> _Turns:
    """Closed forms of nested chunks: ceil(range / tile), only the last chunk of each level being short."""
    n, levels = chains.shape
    lock_step, busy = np.ones((n, levels + 1), np.int64), np.ones((n, levels + 1), np.int64)
    lane = chains[:, fan_level]
    block = lane * lanes
    busy[:, 0] = _ceil(np.minimum(size, block), lane)
    blocks, shares = _ceil(size, block), _ceil(size, lane)
    last_block, last_share = size - (blocks - 1) * block, size - (shares - 1) * lane
    for level in range(levels):
        tile = chains[:, level] if level != fan_level else block
        if level <= fan_level:
            turns = _ceil(size, tile)
            last = size - (turns - 1) * tile
            lock_step[:, level + 1] = turns
            busy[:, level + 1] = (turns - 1) * _ceil(np.minimum(tile, block), lane) + _ceil(
                np.minimum(last, block), lane
            )
        else:
            lock_step[:, level + 1] = (blocks - 1) * _ceil(lane, tile) + _ceil(np.minimum(last_block, lane), tile)
            busy[:, level + 1] = (shares - 1) * _ceil(lane, tile) + _ceil(last_share, tile)
    return _Turns(lock_step, busy)


def _ceil(a: Ints | int, b: Ints) -> Ints:
    return -(-a // b)


@lru_cache(maxsize=512)
def _channel_table(hierarchy: Hierarchy, dim: str, size: int, moved: str, tiles: Tiles) -> AxisTable:
    """Every chain of a dim that moves the operands in `moved`."""
    lanes, fan = hierarchy.fan_out(dim), hierarchy.fan_level
    chains = _chains(size, lanes, hierarchy.levels, fan, tiles, _fixed_turns(hierarchy, dim))
    turns = _turns(size, chains, lanes, fan)
    values = np.ones((len(chains), len(columns_of(hierarchy))))
    for i, column in enumerate(columns_of(hierarchy)):
        matters = bool(column.operand) and column.operand in moved
        outer, inner = column.parent <= fan, column.child > fan
        if column.kind == "cycles":
            values[:, i] = turns.lock_step[:, -1]
        elif column.kind == "fetches":
            values[:, i] = (turns.lock_step if outer else turns.busy)[:, column.child if matters else column.j + 1]
        elif column.kind == "tile":
            values[:, i] = chains[:, column.child - 1] if matters else 1
        elif column.kind == "first":
            values[:, i] = (
                _first_fetch(size, chains, column.child, lanes, fan) if matters else 1 if outer else turns.busy[:, 0]
            )
        elif matters:
            values[:, i] = size
        else:
            copies = inner if column.kind == "V" else not outer
            values[:, i] = (turns.busy if copies else turns.lock_step)[:, column.j + 1]
    running = turns.moves[:, None]
    uses = np.array([operand in moved for operand in OPERANDS])
    return AxisTable(chains[:, None, :], values, running * uses, running * ~uses)


def _first_fetch(size: int, chains: Ints, child: int, lanes: int, fan_level: int) -> Ints:
    """Length of the first tile of a memory, all its copies together."""
    tile = chains[:, child - 1]
    if child <= fan_level:
        return tile
    lane = chains[:, fan_level]
    block = np.minimum(size, lane * lanes)
    shares = _ceil(block, lane)
    return np.asarray((shares - 1) * np.minimum(tile, lane) + np.minimum(tile, block - (shares - 1) * lane))


Cuts = tuple[Ints, Ints, int]
"""How a dim is cut outside a memory, per chain: length of a lane's share, length of a tile, number of lanes."""


def _cuts(size: int, chains: Ints, child: int, lanes: int, fan_level: int) -> Cuts:
    tile = chains[:, child - 1]
    return (chains[:, fan_level], tile, lanes) if child > fan_level else (np.full_like(tile, size), tile, 1)


@lru_cache(maxsize=256)
def _space_table(
    hierarchy: Hierarchy,
    space: Space,
    lanes: tuple[int, int],
    fixed_turns: tuple[tuple[int | None, ...], tuple[int | None, ...]],
    tiles: Tiles,
) -> AxisTable:
    """All pairs of a chain of positions and one of taps."""
    fan, (a_lanes, b_lanes) = hierarchy.fan_level, lanes
    positions, taps = (
        _chains(size, copies, hierarchy.levels, fan, tiles, turns)
        for size, copies, turns in zip((space.positions, space.taps), lanes, fixed_turns, strict=True)
    )
    a_chain, b_chain = (grid.ravel() for grid in np.indices((len(positions), len(taps))))
    a_chains, b_chains = positions[a_chain], taps[b_chain]
    a = _turns(space.positions, a_chains, a_lanes, fan)
    b = _turns(space.taps, b_chains, b_lanes, fan)
    values = np.ones((len(a_chains), len(columns_of(hierarchy))))
    footprint = lru_cache(maxsize=None)(partial(_footprint, space))
    for i, column in enumerate(columns_of(hierarchy)):
        if column.kind == "cycles":
            values[:, i] = a.lock_step[:, -1] * b.lock_step[:, -1]
            continue
        by_a, by_b = space.moved_by(column.operand)
        inner, outer = column.child > fan, column.parent <= fan
        if column.kind == "fetches":
            a_runs, b_runs = (t.lock_step if outer else t.busy for t in (a, b))
            runs = a_runs[:, column.child if by_a else column.j + 1] * b_runs[:, column.child if by_b else column.j + 1]
            values[:, i] = runs
            continue
        a_cuts = _cuts(
            space.positions, a_chains if by_a else a_chains * 0 + space.positions, column.child, a_lanes, fan
        )
        b_cuts = _cuts(space.taps, b_chains if by_b else b_chains * 0 + space.taps, column.child, b_lanes, fan)
        words = _footprints(footprint, column, a_cuts, b_cuts, outer)
        if column.kind != "tile":
            each_copy = inner if column.kind == "V" else not outer
            a_runs, b_runs = (t.busy if each_copy else t.lock_step for t in (a, b))
            words = words * (1 if by_a else a_runs[:, column.j + 1]) * (1 if by_b else b_runs[:, column.j + 1])
        values[:, i] = words
    uses = np.array([space.moved_by(operand) for operand in OPERANDS])
    moves = (a.moves[:, None] * uses[:, 0]) | (b.moves[:, None] * uses[:, 1])
    stays = (a.moves[:, None] * ~uses[:, 0]) | (b.moves[:, None] * ~uses[:, 1])
    return AxisTable(np.stack([a_chains, b_chains], axis=1), values, moves, stays)


def _footprints(footprint: Callable[..., tuple[int, int, int]], column: Column, a: Cuts, b: Cuts, outer: bool) -> Ints:
    """Words per row: summed over all turns (U, V), of the largest fetch (first) or of the largest tile."""
    every_copy = column.kind in ("V", "tile") or not outer
    cuts, where = np.unique(np.stack([*a[:2], *b[:2]]), axis=1, return_inverse=True)
    found = [
        footprint(column.operand, (int(c[0]), int(c[1]), a[2]), (int(c[2]), int(c[3]), b[2]), every_copy)
        for c in cuts.T
    ]
    which = {"U": 0, "V": 0, "first": 1, "tile": 2}[column.kind]
    return np.array([words[which] for words in found])[where.ravel()]


def _footprint(
    space: Space, operand: str, a: tuple[int, int, int], b: tuple[int, int, int], every_copy: bool
) -> tuple[int, int, int]:
    """Distinct indices touched: (sum over turns, most in a turn, most in one copy's turn).

    a, b: (lane, tile, lanes) of positions and taps. Without `every_copy`, copies of a turn share what they have alike.
    """
    (a_turn, a_copy), (b_turn, b_copy) = _groups(space.positions, *a), _groups(space.taps, *b)
    index = np.arange(space.taps)[None] if operand == "W" else space.inputs if operand == "I" else space.outputs
    index = np.broadcast_to(index, (space.positions, space.taps))
    width, copies = int(index.max()) + 1, a[2] * b[2]
    turn = a_turn[:, None] * (int(b_turn.max()) + 1) + b_turn
    copy = a_copy[:, None] * b[2] + b_copy if every_copy else 0
    touched = np.sort(((turn * copies + copy) * width + index)[index >= 0])
    touched = touched[np.diff(touched, prepend=-1) > 0]
    by_copy = np.bincount(touched // width) if width else np.zeros(1, np.int64)
    by_turn = np.bincount(touched // (width * copies)) if width else by_copy
    return len(touched), int(by_turn.max(initial=0)), int(by_copy.max(initial=0))


def _groups(size: int, lane: int, tile: int, lanes: int) -> tuple[Ints, Ints]:
    """For every index of a dim: the turn, alike in all copies, and the copy that take it."""
    block, within = np.divmod(np.arange(size), lane * lanes)
    copy, inside = np.divmod(within, lane)
    return block * -(-lane // tile) + inside // tile, copy
