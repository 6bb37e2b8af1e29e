"""Words that the tiles of an axis of space touch: marks on the words, one stamp a tile.

words int64 [positions, taps] is the index that each pair has, -1 outside the tensor.
"""

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import compiled, part

Ints = NDArray[np.int64]

INDEX, STEP, SPATIAL = range(3)
TURN, PARENT, COPY = range(3)


@part
def named(size: int, loops: Ints, fetch: int, above: int) -> tuple[Ints, Ints]:
    """(positions that are visited, their numbers int64 [3, n]: the turn, the copy of the parent, that of the child).

    loops int64 [n, 3]: index in the nest, step, spatial. Temporal loops up to index `fetch` take every turn, later ones
    the first; fan-outs before `above` make copies of the parent.
    """
    visited, numbers, found = np.empty(size, np.int64), np.zeros((3, size), np.int64), 0
    for position in range(size):
        inside, length, goes = position, size, True
        turn, parent, copy = 0, 0, 0
        for i in range(len(loops)):
            step = loops[i, STEP]
            chunk, chunks = inside // step, -(-length // step)
            inside, length = inside - chunk * step, min(length, step)
            if loops[i, SPATIAL]:
                copy = copy * chunks + chunk
                if loops[i, INDEX] < above:
                    parent = parent * chunks + chunk
            elif loops[i, INDEX] <= fetch:
                turn = turn * chunks + chunk
            elif chunk > 0:
                goes = False
                break
        if goes:
            visited[found] = position
            numbers[TURN, found], numbers[PARENT, found], numbers[COPY, found] = turn, parent, copy
            found += 1
    return visited[:found], numbers[:, :found]


@part
def grouped(turns: Ints, copies: Ints) -> tuple[Ints, Ints]:
    """(order that brings equal turns and copies together, where each such group begins, and the end)."""
    names = turns * (copies.max() + 1) + copies
    order = np.argsort(names, kind="mergesort")
    starts, groups = np.empty(len(names) + 1, np.int64), 0
    for i in range(len(names)):
        if i == 0 or names[order[i]] != names[order[i - 1]]:
            starts[groups] = i
            groups += 1
    starts[groups] = len(names)
    return order, starts[: groups + 1]


@part
def distinct(words: Ints, a: Ints, a_numbers: Ints, b: Ints, b_numbers: Ints, which: int) -> tuple[int, int, int, int]:
    """(words of all turns and copies, of the largest turn, of the largest turn of one copy, turns of copies that touch
    any).
    """
    a_order, a_starts = grouped(a_numbers[TURN], a_numbers[which])
    b_order, b_starts = grouped(b_numbers[TURN], b_numbers[which])
    in_turn = np.zeros((a_numbers[TURN].max() + 1, b_numbers[TURN].max() + 1), np.int64)
    seen, stamp, total, largest, touching = np.zeros(words.max() + 2, np.int64), 0, 0, 0, 0
    for i in range(len(a_starts) - 1):
        for j in range(len(b_starts) - 1):
            stamp += 1
            count = 0
            for m in range(a_starts[i], a_starts[i + 1]):
                row = a[a_order[m]]
                for n in range(b_starts[j], b_starts[j + 1]):
                    word = words[row, b[b_order[n]]]
                    if word >= 0 and seen[word] != stamp:
                        seen[word] = stamp
                        count += 1
            total += count
            largest = max(largest, count)
            touching += count > 0
            in_turn[a_numbers[TURN, a_order[a_starts[i]]], b_numbers[TURN, b_order[b_starts[j]]]] += count
    return total, in_turn.max(), largest, touching


def _under_loops(words: Ints, a_loops: Ints, b_loops: Ints, fetch: int, above: int) -> tuple[int, int, int, int, int]:
    """(union, total, largest fetch, largest tile, fetches) under loops over positions and taps; see `footprints.py`."""
    positions, taps = words.shape
    a, a_numbers = named(positions, a_loops, fetch, above)
    b, b_numbers = named(taps, b_loops, fetch, above)
    total, largest_fetch, largest_tile, fetches = distinct(words, a, a_numbers, b, b_numbers, COPY)
    union = total
    if a_numbers[COPY].max() > 0 or b_numbers[COPY].max() > 0:
        union, largest_fetch, _, fetches = distinct(words, a, a_numbers, b, b_numbers, PARENT)
    return union, total, largest_fetch, largest_tile, fetches


under_loops = compiled(_under_loops)


@part
def chunk_of(size: int, lane: int, tile: int, lanes: int, turn: int, copy: int) -> tuple[int, int]:
    """(first, end) of the indices of a dim that a copy takes in a turn; copies take `lane` each, tile after tile."""
    inner = -(-lane // tile)
    start = (turn // inner) * lane * lanes + copy * lane
    first = start + (turn % inner) * tile
    return first, min(first + tile, start + lane, size)


@part
def under_cuts(
    words: Ints, seen: Ints, stamp: int, a: tuple[int, int, int], b: tuple[int, int, int], every_copy: bool
) -> tuple[int, int, int, int, int]:
    """(words of all turns, of the largest turn, of one copy in it, turns that touch any, last stamp used); a, b: (lane,
    tile, lanes).

    Without `every_copy`, copies of a turn share what they have alike; with it, each has turns of its own.
    """
    positions, taps = words.shape
    a_turns = -(-positions // (a[0] * a[2])) * -(-a[0] // a[1])
    b_turns = -(-taps // (b[0] * b[2])) * -(-b[0] // b[1])
    total, largest_turn, largest_copy, touching = 0, 0, 0, 0
    for turn in range(a_turns * b_turns):
        in_turn = 0
        stamp += 1
        for copy in range(a[2] * b[2]):
            row, row_end = chunk_of(positions, a[0], a[1], a[2], turn // b_turns, copy // b[2])
            tap, tap_end = chunk_of(taps, b[0], b[1], b[2], turn % b_turns, copy % b[2])
            if every_copy:
                stamp += 1
            count = 0
            for i in range(row, row_end):
                for j in range(tap, tap_end):
                    word = words[i, j]
                    if word >= 0 and seen[word] != stamp:
                        seen[word] = stamp
                        count += 1
            in_turn += count
            largest_copy = max(largest_copy, count)
            touching += every_copy and count > 0
        total += in_turn
        largest_turn = max(largest_turn, in_turn)
        touching += not every_copy and in_turn > 0
    return total, largest_turn, largest_copy if every_copy else largest_turn, touching, stamp
