"""Exact access counts of a loop nest in closed form: a product over axes of one-dimensional sums.

For operand A going from memory p (parent) to memory c (child, maybe the arithmetic), fetched in the body of loop f:

    V_child = prod over axes of  sum over turns of the temporal loops <= f, over copies of c, of |tile of c on the axis|
    V_union = prod over axes of  sum over the same turns, over copies of p, of |union of the tiles of p's children|

with loops deeper than f at their first turn. W and I: p is read V_union times where the wires multicast, else V_child;
c is written V_child times. Partial sums, from the outside in, with E the words that start empty (E_0 = all outputs):

    fills = V_union - E,   E of the next boundary = V_child - fills
    parent: writes = V_union where the wires add, else V_child;  reads = fills, plus V_child - V_union where they do not
    child:  reads (drain) = V_child;  writes = fills: a partial sum goes back to one copy, the others start at zero

Nothing is rounded and no dim is padded: chunks that do not divide, halos, stride gaps, cropping and padding are inside
the 1-D sums.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from accelsim.mapping.footprints import Footprints, footprints
from accelsim.mapping.layer_problem import AXES, DIMS
from accelsim.mapping.nest import Loop, Nest

Range = tuple[int, int]
Box = tuple[Range, Range]
"""Range of positions, range of taps."""
Copy = tuple[tuple[int, int], ...]
"""One copy of a memory, named by the (loop index, chunk) of the fan-outs above it."""


@dataclass(frozen=True)
class Transfer:
    """All movement of one operand between two levels of its path over a whole layer, in words."""

    operand: str
    parent: int
    child: int
    fetches: int
    """Times the fetch statement runs for a tile that has any word, summed over the copies of the parent."""
    parent_reads: int
    parent_writes: int
    child_reads: int
    child_writes: int
    final_writes: int
    """Of the parent's writes, those that are the finished output word."""


def transfers(nest: Nest) -> tuple[Transfer, ...]:
    """Every boundary that every operand crosses: W, I, then O, each from the outside in."""
    found = []
    for operand in "WI":
        for parent, child in nest.wiring.boundaries(operand):
            union, total = _volumes(nest, operand, parent, child)
            reads = union if nest.wiring.shares(operand, parent, child) else total
            runs = _fetches(nest, operand, parent, child)
            found.append(Transfer(operand, parent, child, runs, reads, 0, 0, total, 0))
    outputs = empty = nest.problem.words["O"]
    for parent, child in nest.wiring.boundaries("O"):
        union, total = _volumes(nest, "O", parent, child)
        fills = union - empty
        writes = union if nest.wiring.shares("O", parent, child) else total
        final = outputs if parent == nest.wiring.path("O")[0] else 0
        runs = _fetches(nest, "O", parent, child)
        found.append(Transfer("O", parent, child, runs, fills + writes - union, writes, total, fills, final))
        empty = total - fills
    return tuple(found)


def cycles(nest: Nest) -> int:
    """Steps of the lock-step array: turns of all temporal loops."""
    everything = len(nest.running)
    return prod(_sums(_loops(nest, dim), nest.problem.size[dim], everything, 0, False)[0] for dim in DIMS)


def tile_words(nest: Nest, operand: str, level: int) -> int:
    """Words of the operand's largest tile in one copy of memory `level`."""
    words = 1
    for axis in AXES:
        if len(axis) == 2:
            words *= _footprints(nest, operand, level, axis, len(nest.running), 0).largest_tile
        elif axis in nest.problem.moved_by[operand]:
            steps = [loop.step for _, loop in _loops(nest, axis, level)]
            words *= min([nest.problem.size[axis], *steps])
    return words


def fetch_words(nest: Nest, operand: str, parent: int, child: int) -> int:
    """Words of the largest single fetch, all copies together: what must arrive before work can start."""
    words = 1
    for axis in AXES:
        if len(axis) == 2:
            words *= _footprints(nest, operand, child, axis, len(nest.running), nest.depth(parent)).largest_fetch
        else:
            words *= _channel_volume(nest, operand, parent, child, axis, -1)[0]
    return words


def _volumes(nest: Nest, operand: str, parent: int, child: int) -> tuple[int, int]:
    fetch = nest.fetch_at(operand, child)
    per_axis = [
        _channel_volume(nest, operand, parent, child, axis, fetch)
        if len(axis) == 1
        else _space_volume(nest, operand, parent, child, axis)
        for axis in AXES
    ]
    return prod(union for union, _ in per_axis), prod(total for _, total in per_axis)


def _fetches(nest: Nest, operand: str, parent: int, child: int) -> int:
    fetch, above = nest.fetch_at(operand, child), nest.depth(parent)
    runs = 1
    for axis in AXES:
        if len(axis) == 2:
            runs *= _footprints(nest, operand, child, axis, fetch, above).fetches
        else:
            runs *= _sums(_loops(nest, axis, child), nest.problem.size[axis], fetch, above, False)[0]
    return runs


def _loops(nest: Nest, dims: str, child: int | None = None) -> list[tuple[int, Loop]]:
    """The running loops over `dims` outside memory `child` (default: all), with their index."""
    outside = nest.running if child is None else nest.running[: nest.depth(child)]
    return [(i, loop) for i, loop in enumerate(outside) if loop.dim in dims]


# --- axes of one loop dim: only lengths matter -----------------------------------------------------------------------


def _channel_volume(nest: Nest, operand: str, parent: int, child: int, dim: str, fetch: int) -> tuple[int, int]:
    moved = dim in nest.problem.moved_by[operand]
    return _sums(_loops(nest, dim, child), nest.problem.size[dim], fetch, nest.depth(parent), moved)


def _sums(loops: list[tuple[int, Loop]], length: int, fetch: int, above: int, moved: bool) -> tuple[int, int]:
    """(union, total) of the tiles of a range of `length` under the given loops of one dim.

    Temporal loops up to index `fetch` take every turn, later ones the first. A tile counts its length where the dim
    moves the operand, else 1. All chunks but the last are alike, so two of them tell everything. Copies below the
    parent (loop index >= above) that hold the same word are one in the union.
    """
    if not loops:
        return (length, length) if moved else (1, 1)
    (index, loop), rest = loops[0], loops[1:]
    chunks = -(-length // loop.step)
    union, total = _sums(rest, min(loop.step, length), fetch, above, moved)
    if not loop.spatial and index > fetch:
        return union, total
    last_union, last_total = _sums(rest, length - (chunks - 1) * loop.step, fetch, above, moved)
    total = (chunks - 1) * total + last_total
    if loop.spatial and index >= above and not moved:
        return union, total
    return (chunks - 1) * union + last_union, total


# --- axes of space: position and tap loops, sets of indices as bit masks ---------------------------------------------


def _space_volume(nest: Nest, operand: str, parent: int, child: int, axis: str) -> tuple[int, int]:
    fetch, above = nest.fetch_at(operand, child), nest.depth(parent)
    if not (nest.slides(operand, parent, child) and nest.running[fetch].dim in axis):
        found = _footprints(nest, operand, child, axis, fetch, above)
        return found.union, found.total
    union = total = 0
    held: dict[Copy, int] = {}
    for turn, tiles in _space_turns(nest, operand, child, axis, fetch):
        fresh = tiles
        if turn > 0:
            fresh = {copy: tile & ~held.get(copy, 0) for copy, tile in tiles.items()}
        total += sum(tile.bit_count() for tile in fresh.values())
        union += _union(fresh, above)
        held = tiles
    return union, total


def _footprints(nest: Nest, operand: str, child: int, axis: str, fetch: int, above: int) -> Footprints:
    positions, taps = (_loops(nest, dim, child) for dim in axis)
    return footprints(nest.problem.space(axis), operand, positions, taps, fetch, above)


def _union(tiles: dict[Copy, int], above: int) -> int:
    """Distinct words per copy of the parent (the part of a copy's name before loop `above`), summed."""
    by_parent: dict[Copy, int] = {}
    for copy, tile in tiles.items():
        parent = tuple(part for part in copy if part[0] < above)
        by_parent[parent] = by_parent.get(parent, 0) | tile
    return sum(tile.bit_count() for tile in by_parent.values())


def _space_turns(nest: Nest, operand: str, child: int, axis: str, fetch: int) -> Iterator[tuple[int, dict[Copy, int]]]:
    """(turn of loop `fetch`, copy of the child -> index set) for every turn of the temporal loops up to `fetch`."""
    space, size = nest.problem.space(axis), nest.problem.size
    index = None if operand == "W" else space.inputs if operand == "I" else space.outputs
    known: dict[Box, int] = {}

    def tile(box: Box) -> int:
        if box not in known:
            (a, a_end), (b, b_end) = box
            if index is None:
                known[box] = (1 << b_end) - (1 << b)
            else:
                known[box] = sum(1 << i for i in set(index[a:a_end, b:b_end].ravel().tolist()) if i >= 0)
        return known[box]

    whole: dict[Copy, Box] = {(): ((0, size[axis[0]]), (0, size[axis[1]]))}
    for turn, boxes in _box_turns(_loops(nest, axis, child), whole, axis, fetch, 0):
        yield turn, {copy: tile(box) for copy, box in boxes.items()}


def _box_turns(
    loops: list[tuple[int, Loop]], boxes: dict[Copy, Box], axis: str, fetch: int, turn: int
) -> Iterator[tuple[int, dict[Copy, Box]]]:
    if not loops:
        yield turn, boxes
        return
    (index, loop), rest = loops[0], loops[1:]
    which = axis.index(loop.dim)
    chunks = max(-(-(box[which][1] - box[which][0]) // loop.step) for box in boxes.values())
    if loop.spatial:
        spread = {
            (*copy, (index, i)): _chunk(box, which, loop.step, i) for copy, box in boxes.items() for i in range(chunks)
        }
        yield from _box_turns(rest, _with_work(spread), axis, fetch, turn)
        return
    for i in range(chunks if index <= fetch else 1):
        narrowed = _with_work({copy: _chunk(box, which, loop.step, i) for copy, box in boxes.items()})
        yield from _box_turns(rest, narrowed, axis, fetch, i if index == fetch else turn)


def _chunk(box: Box, which: int, step: int, i: int) -> Box:
    start, end = box[which]
    part = (start + i * step, min(start + (i + 1) * step, end))
    return (part, box[1]) if which == 0 else (box[0], part)


def _with_work(boxes: dict[Copy, Box]) -> dict[Copy, Box]:
    return {copy: box for copy, box in boxes.items() if box[0][0] < box[0][1] and box[1][0] < box[1][1]}
