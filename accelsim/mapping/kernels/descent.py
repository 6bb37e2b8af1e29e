"""Branch and bound from the outermost tiles inwards; what it searches and why it is exact: `search.py`."""

from typing import NamedTuple

import numpy as np

from accelsim.machine_code import compiled, inlined, part
from accelsim.mapping.kernels.heap import make_heap, pop
from accelsim.mapping.kernels.products import (
    ALIVE,
    AXES,
    LEAF,
    MOVES,
    ROOT,
    STAYS,
    Floats,
    Ints,
    Scratch,
    Trees,
    begin,
    chosen,
    enter,
    renew,
)
from accelsim.mapping.kernels.rules import Rules, costs, fits

TIE = 1e-12
"""Relative difference below which two costs are the same: the order of additions differs."""
REFINED, KNOWN = 6, 7
ROWS, COLUMNS = 4, 5
CHOICES, LEADING = -2, -1


class Plan(NamedTuple):
    """stages int64 [stages, 8]: the axes that each refines, how many, and how many levels are known after it. orders
    int64 [orders + 2, levels]: the bit of the operand that each keeps in place; then the bits of all worth keeping, and
    the first of them. alike: rows and columns have one tree.
    """

    stages: Ints
    orders: Ints
    alike: bool


class Best(NamedTuple):
    """key float64 [3]: goal, energy, latency of the best mapping; place int64 [8]: its leaves and its order, -1 while
    there is none, and how many rows were looked at.
    """

    key: Floats
    place: Ints


class Judge(NamedTuple):
    """Scratch of the rules: room float64 [2, levels], flow float64 [5, levels], key float64 [3]."""

    room: Floats
    flow: Floats
    key: Floats


class Rows(NamedTuple):
    """Partial mappings: keys float64 [room, 3], places int64 [room, 6]."""

    keys: Floats
    places: Ints


@inlined
def promising(key: Floats, best: Best) -> bool:
    """Whether a row may still beat the best, in goal, then energy, then latency."""
    known, below, above = best.key, 1 - TIE, 1 + TIE
    if best.place[0] < 0 or key[0] < known[0] * below:
        return True
    if key[0] > known[0] * above:
        return False
    less = key[1] < known[1] * below
    return bool(less or (key[1] <= known[1] * above and key[2] < known[2] * below))


@inlined
def gaining(moves: int, stays: int, kept: Ints, plan: Plan, known: int) -> bool:
    """False for an order that gains nothing at one of the first `known` levels, where all tiles are known."""
    orders, levels = plan.orders, len(kept)
    for level in range(known):
        choices = orders[CHOICES, level]
        if choices & (choices - 1) == 0:
            continue
        gains = 0
        for operand in range(3):
            gains |= ((moves & stays) >> (operand * levels + level) & 1) << operand
        gains &= choices
        if kept[level] & gains == 0 and (gains != 0 or kept[level] != orders[LEADING, level]):
            return False
    return True


@part
def look(
    child: int,
    k: int,
    kept: Ints,
    known: int,
    complete: bool,
    trees: Trees,
    plan: Plan,
    rules: Rules,
    best: Best,
    s: Scratch,
    j: Judge,
) -> bool:
    """Whether the row in which decision k is this child may be or become better than the best; its key is then at hand.

    known: of so many levels all loops are known, 0 while a stage is being decided: then the key is made only if there
    is something to beat; -1: it is made. complete: all loops are known.
    """
    best.place[AXES + 1] += 1
    a, b, bits = s.open[k], trees.least[child], s.bits
    moves = bits[0, k] | bits[2, k + 1] | trees.nodes[child, MOVES]
    if not fits(a, b, moves, kept, rules, j.room):
        return False
    stays = bits[1, k] | bits[3, k + 1] | trees.nodes[child, STAYS]
    if known > 0 and not gaining(moves, stays, kept, plan, known):
        return False
    if known == 0 and best.place[0] < 0:
        return True
    enough = best.key[0] * (1 + TIE) if best.place[0] >= 0 else np.inf
    costs(a, b, moves, kept, rules, j.flow, not complete, enough, j.key)
    return promising(j.key, best)


@part
def shave(kept: Ints, trees: Trees, plan: Plan, rules: Rules, best: Best, s: Scratch, j: Judge) -> bool:
    """Take out every chain that does not fit, or is not better than the best, even with all other axes at their least;
    the bounds of the nodes above rise. False where an axis has no chain left.
    """
    one, nodes = np.zeros(1, np.int64), trees.nodes
    for axis in range(AXES):
        one[0] = axis
        begin(trees.axes[:, ROOT], one, 1, trees, s)
        enter(0, trees.axes[axis, ROOT], trees, s)
        lost = False
        for leaf in range(trees.axes[axis, LEAF], trees.axes[axis + 1, ROOT]):
            if nodes[leaf, ALIVE] and not look(leaf, 0, kept, 0, False, trees, plan, rules, best, s, j):
                nodes[leaf, ALIVE] = 0
                lost = True
        if lost:
            renew(axis, trees)
            if not nodes[trees.axes[axis, ROOT], ALIVE]:
                return False
    return True


@part
def mirror(k: int, place: Ints, trees: Trees, s: Scratch) -> None:
    """Where rows and columns were alike so far, columns begin with what rows have: the rest is the same, turned."""
    rows, columns = trees.axes[ROWS, ROOT], trees.axes[COLUMNS, ROOT]
    if place[ROWS] - rows == place[COLUMNS] - columns:
        s.cursor[0, k] = s.cursor[0, k - 1] - 1 - rows + columns


@part
def grown(rows: Rows) -> Rows:
    """With room for twice as many."""
    size = len(rows.keys)
    keys, places = np.empty((2 * size, 3)), np.empty((2 * size, AXES), np.int64)
    keys[:size], places[:size] = rows.keys, rows.places
    return Rows(keys, places)


@part
def expand(
    place: Ints,
    order: int,
    at: int,
    found: Rows,
    trees: Trees,
    plan: Plan,
    rules: Rules,
    best: Best,
    s: Scratch,
    j: Judge,
) -> tuple[Rows, int]:
    """(rows, how many) of what a partial mapping becomes in stage `at`; complete ones are only kept as the best.

    One axis after the other: what does not fit, or cannot be better than the best, is not refined further.
    """
    axes, refined, kept, cursor, nodes = (
        plan.stages[at],
        plan.stages[at, REFINED],
        plan.orders[order],
        s.cursor,
        trees.nodes,
    )
    complete, size, k = at == len(plan.stages) - 1, 0, 0
    begin(place, axes, refined, trees, s)
    enter(0, place[axes[0]], trees, s)
    while k >= 0:
        child = cursor[0, k]
        if child == cursor[1, k]:
            k -= 1
            continue
        cursor[0, k] += 1
        if not nodes[child, ALIVE]:
            continue
        whole = k == refined - 1
        known = plan.stages[at, KNOWN] if whole else 0
        if not look(child, k, kept, known, whole and complete, trees, plan, rules, best, s, j):
            continue
        if not whole:
            k += 1
            enter(k, place[axes[k]], trees, s)
            if plan.alike and axes[k] == COLUMNS and axes[k - 1] == ROWS:
                mirror(k, place, trees, s)
        elif complete:
            best.key[:] = j.key
            chosen(best.place, place, axes, refined, s)
            best.place[AXES] = order
        else:
            if size == len(found.keys):
                found = grown(found)
            found.keys[size] = j.key
            chosen(found.places[size], place, axes, refined, s)
            size += 1
    return found, size


@part
def explore(
    order: int, at_once: bool, trees: Trees, plan: Plan, rules: Rules, best: Best, s: Scratch, j: Judge
) -> None:
    """Complete the mappings of one order, the most promising first; `at_once`: only until there is a best."""
    stages = len(plan.stages)
    waiting = [Rows(np.empty((64, 3)), np.empty((64, AXES), np.int64)) for _ in range(stages)]
    heaps = [np.empty(64, np.int64) for _ in range(stages)]
    left, place, stage = np.zeros(stages + 1, np.int64), trees.axes[:AXES, ROOT].copy(), 0
    while True:
        waiting[stage], size = expand(place, order, stage, waiting[stage], trees, plan, rules, best, s, j)
        if len(heaps[stage]) < size:
            heaps[stage] = np.empty(2 * size, np.int64)
        make_heap(heaps[stage], waiting[stage].keys, size)
        left[stage] = size
        if at_once and best.place[0] >= 0:
            return
        while stage >= 0:
            row = -1
            while left[stage] > 0 and row < 0:
                row = pop(heaps[stage], waiting[stage].keys, left[stage])
                left[stage] -= 1
                row = row if promising(waiting[stage].keys[row], best) else -1
            if row >= 0:
                break
            stage -= 1
        if stage < 0:
            return
        place[:] = waiting[stage].places[row]
        stage += 1


def _descend(trees: Trees, plan: Plan, rules: Rules) -> tuple[Floats, Ints]:
    """(key, place) of the best complete mapping, as in `Best`; `trees` is used up."""
    levels, orders = len(rules.memories), len(plan.orders) - 2
    products = np.empty((3, AXES + 1, trees.least.shape[1]))
    bits, cursor = np.zeros((4, AXES + 1), np.int64), np.zeros((2, AXES), np.int64)
    s = Scratch(products[0], products[1], products[2], bits, cursor)
    j = Judge(np.empty((2, levels)), np.empty((5, levels)), np.empty(3))
    best = Best(np.zeros(3), np.full(AXES + 2, -1))
    best.place[AXES + 1] = 0
    keys, turns, first = np.zeros((orders, 3)), np.zeros(orders, np.int64), np.zeros(1, np.int64)
    own, order = Trees(np.empty_like(trees.least), np.empty_like(trees.nodes), trees.axes), 0
    # first what fits at all, and one mapping of the most promising order; then what may beat it, order by order
    for turn in range(-2, orders):
        if turn >= 0:
            order = pop(turns, keys, orders - turn)
            if not promising(keys[order], best):
                continue
            own.least[:], own.nodes[:] = trees.least, trees.nodes
        now = own if turn >= 0 else trees
        if not shave(plan.orders[order if turn >= 0 else CHOICES], now, plan, rules, best, s, j):
            if turn < 0:
                break
            continue
        if turn < 0:
            begin(trees.axes[:, ROOT], first, 1, trees, s)
            enter(0, trees.axes[0, ROOT], trees, s)
            for each in range(orders):
                hopeful = look(trees.axes[0, ROOT], 0, plan.orders[each], -1, False, trees, plan, rules, best, s, j)
                keys[each] = j.key if hopeful else np.full(3, np.inf)
            make_heap(turns, keys, orders)
            order = turns[0]
        if turn != -1:
            explore(order, turn == -2, now, plan, rules, best, s, j)
    return best.key, best.place


descend = compiled(_descend)
