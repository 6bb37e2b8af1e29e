"""The columns of all chains of an axis, and which chains no best mapping needs; what they are: `tables.py`."""

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import compiled, part
from accelsim.mapping.kernels.touched import under_cuts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KIND, OPERAND, PARENT, CHILD, J = range(5)
CYCLES, U, V, FETCHES, FIRST, TILE = range(6)


@part
def ceil(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


@part
def turns_of(size: int, chains: Ints, lanes: int, fan_level: int) -> tuple[Ints, Ints]:
    """Per chain and j + 1 (0: before all loops), [n, levels + 1]: turns in lock step, and summed over busy copies.

    Closed forms of nested chunks: ceil(range / tile), only the last chunk of each level being short.
    """
    n, levels = chains.shape
    lock_step, busy = np.ones((n, levels + 1), np.int64), np.ones((n, levels + 1), np.int64)
    for i in range(n):
        lane = chains[i, fan_level]
        block = lane * lanes
        busy[i, 0] = ceil(min(size, block), lane)
        blocks, shares = ceil(size, block), ceil(size, lane)
        last_block, last_share = size - (blocks - 1) * block, size - (shares - 1) * lane
        for level in range(levels):
            tile = chains[i, level] if level != fan_level else block
            if level <= fan_level:
                turns = ceil(size, tile)
                last = size - (turns - 1) * tile
                lock_step[i, level + 1] = turns
                busy[i, level + 1] = (turns - 1) * ceil(min(tile, block), lane) + ceil(min(last, block), lane)
            else:
                lock_step[i, level + 1] = (blocks - 1) * ceil(lane, tile) + ceil(min(last_block, lane), tile)
                busy[i, level + 1] = (shares - 1) * ceil(lane, tile) + ceil(last_share, tile)
    return lock_step, busy


@part
def running(lock_step: Ints) -> Ints:
    """Per chain, bit l set: the loop at level l runs."""
    found = np.zeros(len(lock_step), np.int64)
    for i in range(len(lock_step)):
        for level in range(lock_step.shape[1] - 1):
            if lock_step[i, level + 1] > lock_step[i, level]:
                found[i] |= 1 << level
    return found


@part
def first_fetch(size: int, chain: Ints, child: int, lanes: int, fan_level: int) -> int:
    """Length of the first tile of a memory, all its copies together."""
    tile, lane = chain[child - 1], chain[fan_level]
    if child <= fan_level:
        return int(tile)
    block = min(size, lane * lanes)
    shares = ceil(block, lane)
    return int((shares - 1) * min(tile, lane) + min(tile, block - (shares - 1) * lane))


def _channel_columns(size: int, chains: Ints, lanes: int, fan: int, columns: Ints, moved: Ints) -> tuple[Floats, Ints]:
    """(values [chains, columns], loops that run [chains]) of a dim that moves the operands with `moved` set."""
    lock_step, busy = turns_of(size, chains, lanes, fan)
    values = np.ones((len(chains), len(columns)))
    for c in range(len(columns)):
        kind, child, at = columns[c, KIND], columns[c, CHILD], columns[c, J] + 1
        matters, outer = moved[columns[c, OPERAND]] != 0, columns[c, PARENT] <= fan
        copies = child > fan if kind == V else not outer
        for i in range(len(chains)):
            if kind == CYCLES:
                values[i, c] = lock_step[i, -1]
            elif kind == FETCHES:
                at_child = child if matters else at
                values[i, c] = lock_step[i, at_child] if outer else busy[i, at_child]
            elif kind == TILE:
                values[i, c] = chains[i, child - 1] if matters else 1
            elif kind == FIRST and matters:
                values[i, c] = first_fetch(size, chains[i], child, lanes, fan)
            elif kind == FIRST:
                values[i, c] = 1 if outer else busy[i, 0]
            elif matters:
                values[i, c] = size
            else:
                values[i, c] = busy[i, at] if copies else lock_step[i, at]
    return values, running(lock_step)


channel_columns = compiled(_channel_columns)


@part
def cuts_of(size: int, chains: Ints, child: int, lanes: int, fan: int, matters: bool) -> tuple[Ints, Ints, int]:
    """(different cuts (lane, tile), which of them each chain has, lanes): how a dim is cut outside a memory."""
    cuts, which, found = np.empty((len(chains), 2), np.int64), np.empty(len(chains), np.int64), 0
    for i in range(len(chains)):
        tile = chains[i, child - 1] if matters else size
        lane = size if child <= fan else chains[i, fan] if matters else size
        same = 0
        while same < found and (cuts[same, 0] != lane or cuts[same, 1] != tile):
            same += 1
        if same == found:
            cuts[found, 0], cuts[found, 1] = lane, tile
            found += 1
        which[i] = same
    return cuts[:found], which, lanes if child > fan else 1


@part
def by_tiles(columns: Ints, fan: int) -> Ints:
    """The columns in an order in which those that are made of the same tiles stand together."""
    names = np.empty(len(columns), np.int64)
    for c in range(len(columns)):
        kind = columns[c, KIND]
        every_copy = 1 if kind in (V, TILE) or columns[c, PARENT] > fan else 0
        names[c] = (columns[c, OPERAND] * 1000 + columns[c, CHILD]) * 2 + every_copy
    return np.argsort(names, kind="mergesort")


@part
def fill_runs(
    values: Floats, c: int, a_runs: Ints, b_runs: Ints, a_at: int, b_at: int, counts: Ints, a_of: Ints, b_of: Ints
) -> None:
    """Column c of all pairs: counts of their cuts, times turns through a_at and b_at; -1: those loops are in the counts
    already.
    """
    n = len(b_of)
    for i in range(len(values)):
        count = counts[a_of[i // n], b_of[i % n]]
        if a_at >= 0:
            count *= a_runs[i // n, a_at]
        if b_at >= 0:
            count *= b_runs[i % n, b_at]
        values[i, c] = count


def _space_columns(
    words: Ints, a_chains: Ints, b_chains: Ints, lanes: tuple[int, int], fan: int, columns: Ints, moved: Ints
) -> tuple[Floats, Ints, Ints]:
    """(values [pairs, columns], loops over positions that run, those over taps) of all pairs of chains, taps fastest.

    words int64 [3, positions, taps]: of W, I, O; moved int64 [3, 2]: whether positions and taps move each of them.
    """
    positions, taps = words.shape[1:]
    a_lock, a_busy = turns_of(positions, a_chains, lanes[0], fan)
    b_lock, b_busy = turns_of(taps, b_chains, lanes[1], fan)
    values = np.ones((len(a_chains) * len(b_chains), len(columns)))
    seen, stamp, last = np.zeros(words.max() + 1, np.int64), 0, (-1, -1, False)
    a_of, b_of = np.zeros(len(a_chains), np.int64), np.zeros(len(b_chains), np.int64)
    found, alone = np.empty((4, 1, 1), np.int64), np.ones((1, 1), np.int64)
    for c in by_tiles(columns, fan):
        kind, operand, child, at = columns[c, KIND], columns[c, OPERAND], columns[c, CHILD], columns[c, J] + 1
        by_a, by_b, outer = moved[operand, 0] != 0, moved[operand, 1] != 0, columns[c, PARENT] <= fan
        if kind == CYCLES:
            end, none_a, none_b = a_lock.shape[1] - 1, np.zeros_like(a_of), np.zeros_like(b_of)
            fill_runs(values, c, a_lock, b_lock, end, end, alone, none_a, none_b)
            continue
        every_copy = kind in (V, TILE) or not outer
        if last != (operand, child, every_copy):
            last = (operand, child, every_copy)
            a_cuts, a_of, a_lanes = cuts_of(positions, a_chains, child, lanes[0], fan, by_a)
            b_cuts, b_of, b_lanes = cuts_of(taps, b_chains, child, lanes[1], fan, by_b)
            found = np.empty((4, len(a_cuts), len(b_cuts)), np.int64)
            for i in range(len(a_cuts)):
                for j in range(len(b_cuts)):
                    a, b = (a_cuts[i, 0], a_cuts[i, 1], a_lanes), (b_cuts[j, 0], b_cuts[j, 1], b_lanes)
                    total, turn, copy, touching, stamp = under_cuts(words[operand], seen, stamp, a, b, every_copy)
                    found[0, i, j], found[1, i, j], found[2, i, j], found[3, i, j] = total, turn, copy, touching
        lock = child <= fan if kind == V else outer
        fill_runs(
            values,
            c,
            a_lock if lock else a_busy,
            b_lock if lock else b_busy,
            -1 if by_a or kind == TILE else at,
            -1 if by_b or kind == TILE else at,
            found[1 if kind == FIRST else 2 if kind == TILE else 3 if kind == FETCHES else 0],
            a_of,
            b_of,
        )
    return values, running(a_lock), running(b_lock)


space_columns = compiled(_space_columns)


def _undominated(values: Floats, equal: Ints, group: Ints) -> Ints:
    """Rows that no other of their group beats or equals in every column; of equal ones the first stays.

    equal int64 [columns], set: there a row may not be lower either.
    """
    kept, found = np.empty(len(values), np.int64), 0
    for i in range(len(values)):
        beaten = False
        for j in range(len(values)):
            if i == j or group[i] != group[j]:
                continue
            no_worse, better = True, j < i
            for c in range(values.shape[1]):
                if values[j, c] > values[i, c] or (equal[c] and values[j, c] != values[i, c]):
                    no_worse = False
                    break
                better = better or values[j, c] < values[i, c]
            if no_worse and better:
                beaten = True
                break
        if not beaten:
            kept[found] = i
            found += 1
    return kept[:found].copy()


undominated = compiled(_undominated)
