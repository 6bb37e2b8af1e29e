"""The cost rules of `traffic.py` on one row of columns, and their lower bound; what a row is: `score.py`.

v float64 [columns] is the row, `running` its loops: bit operand * levels + level. kept int64 [levels]: a bit for each
operand that the order keeps in place at a level; more than one while that is not decided, for a bound.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import part

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OPERAND, PARENT, CHILD, U, V, FETCHES, FIRST, TILE, EVERY_STEP, SPANS = range(10)
READ_PJ, WRITE_PJ, READ_BANDWIDTH, WRITE_BANDWIDTH, SHARED_PORT, ACCESS_BITS, BUFFERS, SIZE, RESERVED = range(9)
WEIGHT_BITS, INPUT_BITS, OUTPUT_BITS, SUM_BITS, OUTPUTS, MAC_PJ, BIAS_ONLY_BITS, GOAL = range(8)
SUMS = 2
"""The operand O."""


class Rules(NamedTuple):
    """What costs depend on beside the row: boundaries int64 [n, 10], memories float64 [levels, 9], layer float64 [8],
    by the names above; a column that is not there is -1.
    """

    boundaries: Ints
    memories: Floats
    layer: Floats


ENERGY, LATENCY, EDP, OFFCHIP = range(4)


@part
def slot(rules: Rules, b: int, running: int, kept: Ints) -> int:
    """Which of a boundary's columns is read: loops that do not move the operand count through level slot - 1."""
    if rules.boundaries[b, EVERY_STEP]:
        return 0
    operand, levels = rules.boundaries[b, OPERAND], len(rules.memories)
    left = (running >> (operand * levels)) & ((1 << rules.boundaries[b, CHILD]) - 1)
    last = -1
    while left:
        left >>= 1
        last += 1
    return last + 1 - (kept[last] >> operand & 1) if last >= 0 else 0


@part
def fits(v: Floats, running: int, kept: Ints, rules: Rules, room: Floats) -> bool:
    """Whether the tiles fit; where least tiles do not, nothing below them does. room [2, levels] is scratch."""
    boundaries, memories, layer, levels = rules.boundaries, rules.memories, rules.layer, len(rules.memories)
    outputs, out, psum = layer[OUTPUTS], layer[OUTPUT_BITS], layer[SUM_BITS]
    for level in range(levels):
        room[0, level] = memories[level, RESERVED]
    outermost = -1
    for b in range(len(boundaries)):
        if boundaries[b, OPERAND] == SUMS:
            parent = boundaries[b, PARENT]
            unfinished = v[boundaries[b, U] + slot(rules, b, running, kept)] > outputs
            room[1, parent] = psum if unfinished else out
            if outermost < 0:
                outermost = parent
    if outermost > 0:
        room[0, outermost] += outputs * (room[1, outermost] - out)
    for b in range(len(boundaries)):
        operand, child = boundaries[b, OPERAND], boundaries[b, CHILD]
        if child < levels:
            bits = room[1, child] if operand == SUMS else layer[WEIGHT_BITS + operand]
            room[0, child] += v[boundaries[b, TILE]] * (bits * memories[child, BUFFERS])
    over = 0
    for level in range(1, levels):
        over += room[0, level] > memories[level, SIZE]
    return over == 0


@part
def rounded(bits: float, v: Floats, rules: Rules, b: int, at: int) -> float:
    """Every fetch or drain moves at least the access width of the parent."""
    fetches = rules.boundaries[b, FETCHES]
    if fetches < 0:
        return bits
    least: float = v[fetches + at] * rules.memories[rules.boundaries[b, PARENT], ACCESS_BITS]
    return max(bits, least)


@part
def add_read_only(v: Floats, running: int, kept: Ints, rules: Rules, flow: Floats) -> None:
    """Weights and inputs into flow [4, levels]: bits read, written, first fetches, last drains."""
    boundaries, levels = rules.boundaries, len(rules.memories)
    for b in range(len(boundaries)):
        if boundaries[b, OPERAND] == SUMS:
            continue
        width = rules.layer[WEIGHT_BITS + boundaries[b, OPERAND]]
        parent, child, first = boundaries[b, PARENT], boundaries[b, CHILD], boundaries[b, FIRST]
        at = slot(rules, b, running, kept)
        distinct = v[boundaries[b, U] + at]
        flow[0, parent] += rounded(distinct * width, v, rules, b, at)
        if child < levels:
            copies = v[boundaries[b, V] + at] if boundaries[b, SPANS] else distinct
            flow[1, child] += copies * width
            if first >= 0:
                flow[2, parent] += v[first] * width


@part
def add_sums(v: Floats, running: int, kept: Ints, rules: Rules, flow: Floats, bound: bool) -> None:
    """The path of the outputs from the outside in; fills and empty words as in `counts.py`."""
    boundaries, layer, levels = rules.boundaries, rules.layer, len(rules.memories)
    outputs, out, psum = layer[OUTPUTS], layer[OUTPUT_BITS], layer[SUM_BITS]
    outermost, fills_above, empty, unknown = -1, 0.0, outputs, False
    for b in range(len(boundaries)):
        if boundaries[b, OPERAND] != SUMS:
            continue
        parent, child, first = boundaries[b, PARENT], boundaries[b, CHILD], boundaries[b, FIRST]
        at = slot(rules, b, running, kept)
        distinct = max(v[boundaries[b, U] + at], outputs)
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
        flow[1, parent] += rounded(written, v, rules, b, at)
        if child < levels:
            flow[1, child] += fills * psum
            if first >= 0:
                flow[3, parent] += v[first] * drained
        copies = v[boundaries[b, V] + at] if boundaries[b, V] >= 0 and not bound else distinct
        empty = copies - fills
        unknown = unknown or boundaries[b, SPANS] != 0
        fills_above = fills
    flow[1, outermost] += layer[BIAS_ONLY_BITS]


@part
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


@part
def costs(
    v: Floats,
    running: int,
    kept: Ints,
    rules: Rules,
    flow: Floats,
    bound: bool,
    key: Floats,
) -> None:
    """Into key [3]: the goal's value, energy, latency; with `bound`, lower bounds of whatever is below the row."""
    flow[:] = 0.0
    add_read_only(v, running, kept, rules, flow)
    add_sums(v, running, kept, rules, flow, bound)
    memories, goal = rules.memories, rules.layer[GOAL]
    energy = rules.layer[MAC_PJ]
    for level in range(len(memories)):
        energy = energy + flow[0, level] * memories[level, READ_PJ] + flow[1, level] * memories[level, WRITE_PJ]
    cycles = latency(v[0], memories, flow)
    key[0] = energy
    if goal == LATENCY:
        key[0] = cycles
    elif goal == EDP:
        key[0] = energy * cycles
    elif goal == OFFCHIP:
        key[0] = flow[0, 0] + flow[1, 0]
    key[1] = energy
    key[2] = cycles
