"""The cost rules of `traffic.py` on one row of columns, and their lower bound; what a row is: `score.py`.

A row is the product of a and b, float64 [columns], made where it is read; `running` are its loops: bit operand * levels
+ level. kept int64 [levels]: a bit for each operand that the order keeps in place at a level; more than one while that
is not decided, for a bound.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import inlined

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OPERAND, PARENT, CHILD, U, V, FETCHES, FIRST, TILE, EVERY_STEP, SPANS = range(10)
READ_PJ, WRITE_PJ, READ_BANDWIDTH, WRITE_BANDWIDTH, SHARED_PORT, ACCESS_BITS, BUFFERS, SIZE, RESERVED, WAITS = range(10)
WEIGHT_BITS, INPUT_BITS, OUTPUT_BITS, SUM_BITS, OUTPUTS, MAC_PJ, BIAS_ONLY_BITS, GOAL, STATIC_PJ = range(9)
SUMS = 2
"""The operand O."""


class Rules(NamedTuple):
    """What costs depend on beside the row: boundaries int64 [n, 10], memories float64 [levels, 10], layer float64 [9],
    by the names above; a column that is not there is -1.
    """

    boundaries: Ints
    memories: Floats
    layer: Floats


ENERGY, LATENCY, EDP, OFFCHIP = range(4)


@inlined
def slot(rules: Rules, i: int, running: int, kept: Ints) -> int:
    """Which of a boundary's columns is read: loops that do not move the operand count through level slot - 1."""
    if rules.boundaries[i, EVERY_STEP]:
        return 0
    operand, levels = rules.boundaries[i, OPERAND], len(rules.memories)
    moving, last = running >> (operand * levels), rules.boundaries[i, CHILD] - 1
    while last >= 0 and not moving >> last & 1:
        last -= 1
    return last + 1 - (kept[last] >> operand & 1) if last >= 0 else 0


@inlined
def fits(a: Floats, b: Floats, running: int, kept: Ints, rules: Rules, room: Floats) -> bool:
    """Whether the tiles fit; where least tiles do not, nothing below them does. room [2, levels] is scratch."""
    boundaries, memories, layer, levels = rules.boundaries, rules.memories, rules.layer, len(rules.memories)
    outputs, out, psum = layer[OUTPUTS], layer[OUTPUT_BITS], layer[SUM_BITS]
    for level in range(levels):
        room[0, level] = memories[level, RESERVED]
    outermost = -1
    for i in range(len(boundaries)):
        if boundaries[i, OPERAND] == SUMS:
            parent = boundaries[i, PARENT]
            u = boundaries[i, U] + slot(rules, i, running, kept)
            unfinished = a[u] * b[u] > outputs
            room[1, parent] = psum if unfinished else out
            if outermost < 0:
                outermost = parent
    if outermost > 0:
        room[0, outermost] += outputs * (room[1, outermost] - out)
    for i in range(len(boundaries)):
        operand, child = boundaries[i, OPERAND], boundaries[i, CHILD]
        if child < levels:
            bits = room[1, child] if operand == SUMS else layer[WEIGHT_BITS + operand]
            tile = boundaries[i, TILE]
            room[0, child] += a[tile] * b[tile] * (bits * memories[child, BUFFERS])
    over = 0
    for level in range(1, levels):
        over += room[0, level] > memories[level, SIZE]
    return over == 0


@inlined
def rounded(bits: float, a: Floats, b: Floats, rules: Rules, i: int, at: int) -> float:
    """Every fetch or drain that moves anything moves at least the access width of the parent."""
    fetches = rules.boundaries[i, FETCHES]
    if fetches < 0:
        return bits
    least: float = a[fetches + at] * b[fetches + at] * rules.memories[rules.boundaries[i, PARENT], ACCESS_BITS]
    return max(bits, least)


@inlined
def read_back(fills: float, distinct: float, a: Floats, b: Floats, rules: Rules, i: int, at: int) -> float:
    """Bits of the sums that come back, in accesses as full as those that wrote them."""
    bits: float = fills * rules.layer[SUM_BITS]
    fetches = rules.boundaries[i, FETCHES]
    if fetches < 0:
        return bits
    least = a[fetches + at] * b[fetches + at] * rules.memories[rules.boundaries[i, PARENT], ACCESS_BITS]
    return max(bits, float(math.ceil(least * fills / distinct)))


@inlined
def port_cycles(memory: Floats, read: float, written: float) -> float:
    """Cycles of bits that are read and written one after the other."""
    into, out_of = memory[READ_BANDWIDTH], memory[WRITE_BANDWIDTH]
    if memory[SHARED_PORT]:
        out_of = into
    cycles = 0.0
    if into > 0:
        cycles += read / into
    if out_of > 0:
        cycles += written / out_of
    return cycles


@inlined
def hidden(a: Floats, b: Floats, running: int, kept: Ints, rules: Rules, i: int, at: int) -> float:
    """Cycles of fetches through boundary i in which the memory behind works on the last of what was there before."""
    fetches, behind = rules.boundaries[i, FETCHES] + at, rules.boundaries[i + 1, FETCHES]
    behind += slot(rules, i + 1, running, kept)
    cycles: float = max(0.0, a[fetches] * b[fetches] - 1) * (a[0] * b[0]) / max(1.0, a[behind] * b[behind])
    return cycles


@inlined
def add_read_only(a: Floats, b: Floats, running: int, kept: Ints, rules: Rules, flow: Floats, bound: bool) -> None:
    """Weights and inputs into flow [5, levels]: bits read, written, first fetches, last drains; cycles of waiting."""
    boundaries, levels = rules.boundaries, len(rules.memories)
    for i in range(len(boundaries)):
        if boundaries[i, OPERAND] == SUMS:
            continue
        width = rules.layer[WEIGHT_BITS + boundaries[i, OPERAND]]
        parent, child, first = boundaries[i, PARENT], boundaries[i, CHILD], boundaries[i, FIRST]
        at = slot(rules, i, running, kept)
        u, copied = boundaries[i, U] + at, boundaries[i, V] + at
        distinct = a[u] * b[u]
        read = rounded(distinct * width, a, b, rules, i, at)
        flow[0, parent] += read
        if child < levels:
            copies = a[copied] * b[copied] if boundaries[i, SPANS] else distinct
            flow[1, child] += copies * width
            if first >= 0:
                flow[2, parent] += a[first] * b[first] * width
            if rules.memories[child, WAITS] and not bound:
                head = a[first] * b[first] * width if first >= 0 else 0.0
                lasts = port_cycles(rules.memories[parent], read - head, 0.0)
                flow[4, child] += max(0.0, lasts - hidden(a, b, running, kept, rules, i, at))


@inlined
def add_sums(a: Floats, b: Floats, running: int, kept: Ints, rules: Rules, flow: Floats, bound: bool) -> None:
    """The path of the outputs from the outside in; fills and empty words as in `counts.py`."""
    boundaries, layer, levels = rules.boundaries, rules.layer, len(rules.memories)
    outputs, out, psum = layer[OUTPUTS], layer[OUTPUT_BITS], layer[SUM_BITS]
    outermost, fills_above, empty, unknown = -1, 0.0, outputs, False
    for i in range(len(boundaries)):
        if boundaries[i, OPERAND] != SUMS:
            continue
        parent, child, first = boundaries[i, PARENT], boundaries[i, CHILD], boundaries[i, FIRST]
        at = slot(rules, i, running, kept)
        u, copied = boundaries[i, U] + at, boundaries[i, V] + at
        distinct = max(a[u] * b[u], outputs)
        once = distinct == outputs
        fills = 0.0 if bound and unknown else max(distinct - empty, 0.0)
        if outermost < 0:
            outermost = parent
            written = (distinct - outputs) * psum + outputs * out
            flow[0, parent] += fills * psum
            drained = out
        else:
            drained = out if once else psum
            written = distinct * drained
            # drained + fills, which cancels to what does not fall with more copies
            flow[0, parent] += outputs * out if once else (distinct + fills_above) * psum
        returned = fills * psum
        if fills > 0 and not bound:
            returned = read_back(fills, distinct, a, b, rules, i, at)
            flow[0, parent] += returned - fills * psum
        written = rounded(written, a, b, rules, i, at)
        flow[1, parent] += written
        if child < levels:
            flow[1, child] += fills * psum
            if first >= 0:
                flow[3, parent] += a[first] * b[first] * drained
            if rules.memories[child, WAITS] and not bound:
                tail = a[first] * b[first] * drained if first >= 0 else 0.0
                flow[4, child] += port_cycles(rules.memories[parent], returned, max(0.0, written - tail))
        copies = a[copied] * b[copied] if boundaries[i, V] >= 0 and not bound else distinct
        empty = copies - fills
        unknown = unknown or boundaries[i, SPANS] != 0
        fills_above = fills
    flow[1, outermost] += layer[BIAS_ONLY_BITS]


@inlined
def latency(cycles: float, memories: Floats, flow: Floats) -> float:
    """Cycles with the first fetches before and the last drains after."""
    busiest, ends = cycles, 0.0
    for level in range(len(memories)):
        read, written, head, tail = flow[0, level], flow[1, level], flow[2, level], flow[3, level]
        into, out_of = memories[level, READ_BANDWIDTH], memories[level, WRITE_BANDWIDTH]
        if memories[level, SHARED_PORT]:
            if into > 0:
                busiest = max(busiest, (read + written - (head + tail)) / into)
                ends += (head + tail) / into
            continue
        if into > 0:
            busiest = max(busiest, (read - head) / into)
            ends += head / into
        if out_of > 0:
            busiest = max(busiest, (written - tail) / out_of)
            ends += tail / out_of
    return busiest + ends


@inlined
def costs(
    a: Floats,
    b: Floats,
    running: int,
    kept: Ints,
    rules: Rules,
    flow: Floats,
    bound: bool,
    enough: float,
    key: Floats,
) -> None:
    """Into key [3]: the goal's value, energy, latency; with `bound`, lower bounds of whatever is below the row.

    Latency, and what is drawn meanwhile, is left out where the goal is another and already more than `enough`.
    """
    flow[:] = 0.0
    add_read_only(a, b, running, kept, rules, flow, bound)
    add_sums(a, b, running, kept, rules, flow, bound)
    memories, goal = rules.memories, rules.layer[GOAL]
    energy = rules.layer[MAC_PJ]
    for level in range(len(memories)):
        energy = energy + flow[0, level] * memories[level, READ_PJ] + flow[1, level] * memories[level, WRITE_PJ]
    key[0] = flow[0, 0] + flow[1, 0] if goal == OFFCHIP else energy
    key[1] = energy
    if goal in (LATENCY, EDP) or key[0] <= enough:
        key[2] = latency(a[0] * b[0] + flow[4].sum(), memories, flow)
        key[1] = energy + key[2] * rules.layer[STATIC_PJ]
    if goal == LATENCY:
        key[0] = key[2]
    elif goal == EDP:
        key[0] = key[1] * key[2]
    elif goal == ENERGY:
        key[0] = key[1]
