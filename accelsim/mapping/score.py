"""The cost rules of `traffic.py` on many rows at once, and their lower bounds.

A row is the product over axes of one node each (`refine.py`): a chain, or all chains that begin with the same tiles.
As a bound, each column is a lower bound of the finished product and `moves` may lack levels. Every rule below is
non-decreasing in every column, and in `moves`: a later innermost moving loop only counts more turns. One term is not:
more copies of a sum (V) mean more first visits, which are free. Reads of a memory cancel, since drained V plus fills
below equals U below plus fills above, and are written in that form; fills beyond a fan-out are taken as 0 in a bound.
Sums that are written more than once as a bound says are so in every mapping below, and need their full width.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.rows import Products
from accelsim.mapping.tables import Floats, Ints, columns_of

Goal = Literal["energy", "latency", "edp", "offchip"]


@lru_cache(maxsize=64)
def stationary_choices(hierarchy: Hierarchy) -> tuple[tuple[str, ...], ...]:
    """Per level, the operands worth keeping in place: those of which a memory further in can profit.

    In every form of layer a dim leaves at most one operand unmoved, so the innermost running loop of a level leaves at
    most one operand in place, and putting all loops that do not move it innermost is no worse for any operand.
    """
    found = []
    for level, memory in enumerate(hierarchy.memories):
        useful = {o for o, _, c in hierarchy.boundaries if c > level and (c < hierarchy.levels or o in hierarchy.latch)}
        still = memory.inside == ()  # no loop runs there, so there is no order
        found.append(tuple(sorted(useful)) if useful and not still else ("W",))
    return tuple(found)


@lru_cache(maxsize=64)
def orders_of(hierarchy: Hierarchy) -> tuple[tuple[str, ...], ...]:
    """The loop orders worth trying: one stationary operand a level."""
    return tuple(product(*stationary_choices(hierarchy)))


@dataclass(frozen=True)
class _Boundary:
    """Where a boundary's columns begin, and which of them an order and a set of running levels read."""

    operand: str
    parent: int
    child: int
    start: dict[str, int]
    slots: Ints
    """[orders, 2 ** levels] -> column after the start."""
    alike: bool
    """Whether all of those are the same."""
    spans: bool
    """Crosses the fan-out."""


@lru_cache(maxsize=64)
def _boundaries(hierarchy: Hierarchy) -> tuple[_Boundary, ...]:
    found, columns, orders = [], columns_of(hierarchy), orders_of(hierarchy)
    for operand, parent, child in hierarchy.boundaries:
        start: dict[str, int] = {}
        for i, column in enumerate(columns):
            if (column.operand, column.parent, column.child) == (operand, parent, child):
                start.setdefault(column.kind, i)
        every_step = child == hierarchy.levels and operand not in hierarchy.latch
        slots = np.zeros((1, 1), np.int64) if every_step else _slots(orders, operand, child)
        spans = bool(hierarchy.lanes) and parent <= hierarchy.fan_level < child
        found.append(_Boundary(operand, parent, child, start, slots, bool(slots.min() == slots.max()), spans))
    return tuple(found)


@lru_cache(maxsize=1024)
def _slots(orders: tuple[tuple[str, ...], ...], operand: str, child: int) -> Ints:
    """Loops that do not move the operand count through level j: j + 1 for each order and set of running levels."""

    def through(order: tuple[str, ...], running: int) -> int:
        last = (running & ((1 << child) - 1)).bit_length() - 1
        return -1 if last < 0 else last - (order[last] == operand)

    return np.array([[through(order, running) + 1 for running in range(2 ** len(order))] for order in orders])


@dataclass(frozen=True)
class Scores:
    """Per row, float64 [n]."""

    goal: Floats
    energy_pj: Floats
    latency_cycles: Floats


def fitting(problem: LayerProblem, hierarchy: Hierarchy, rows: Products) -> NDArray[np.bool_]:
    """Rows whose tiles fit; rows of least tiles (a bound) that do not fit have nothing below them that does."""
    pick = _Picker(rows)
    outputs, out, psum = float(problem.words["O"]), hierarchy.output_bits, hierarchy.partial_sum_bits
    room = [np.full(len(rows), float(memory.reserved_bits)) for memory in hierarchy.memories]
    width: dict[int, Floats] = {}
    for b in _boundaries(hierarchy):
        if b.operand == "O":
            width[b.parent] = np.where(pick.words(b, "U") <= outputs, out, psum)
    outermost = min(width)
    if outermost > 0:
        room[outermost] += outputs * (width[outermost] - out)
    for b in _boundaries(hierarchy):
        if b.child < hierarchy.levels:
            bits = width[b.child] if b.operand == "O" else hierarchy.word_bits(b.operand)
            room[b.child] += pick.single(b, "tile") * (bits * hierarchy.memories[b.child].buffers)
    fits = np.ones(len(rows), dtype=bool)
    for memory, used in zip(hierarchy.memories[1:], room[1:], strict=True):
        fits &= used <= memory.size_bits
    return fits


def score(problem: LayerProblem, hierarchy: Hierarchy, goal: Goal, rows: Products, bound: bool) -> Scores:
    """Costs of rows; with `bound`, lower bounds of whatever is below them."""
    levels = hierarchy.levels
    zero = np.zeros(len(rows))
    timed = not bound or goal in ("latency", "edp")  # else latency breaks ties only, and the steps alone bound it
    flow = _Flow([zero] * levels, [zero] * levels, [zero] * levels, [zero] * levels)
    pick = _Picker(rows)
    for b in _boundaries(hierarchy):
        if b.operand != "O":
            _add_read_only(hierarchy, flow, b, pick, timed)
    _add_sums(problem, hierarchy, flow, pick, bound, timed)
    energy = zero + problem.macs * hierarchy.mac_pj
    for memory, read, written in zip(hierarchy.memories, flow.reads, flow.writes, strict=True):
        energy = energy + read * memory.read_pj_per_bit + written * memory.write_pj_per_bit
    cycles = rows.column(0)
    latency = flow.latency(hierarchy, cycles) if timed else cycles
    offchip = flow.reads[0] + flow.writes[0]
    goals = {"energy": energy, "latency": latency, "edp": energy * latency, "offchip": offchip}
    return Scores(goals[goal], energy, latency)


class _Picker:
    """The columns of rows that their order and running loops read."""

    def __init__(self, rows: Products) -> None:
        self.rows = rows
        self._moves: dict[str, Ints] = {}
        self._places: dict[tuple[str, int], list[Ints]] = {}

    def words(self, b: _Boundary, kind: str) -> Floats:
        slots, start = b.slots, b.start[kind]
        if b.alike:
            return self.rows.column(start + int(slots[0, 0]))
        key = (b.operand, b.child)
        if key not in self._places:
            if b.operand not in self._moves:
                self._moves[b.operand] = self.rows.moves(OPERANDS.index(b.operand))
            self._places[key] = self.rows.places(slots[self.rows.order, self._moves[b.operand]])
        return self.rows.at(self._places[key], start)

    def single(self, b: _Boundary, kind: str) -> Floats:
        return self.rows.column(b.start[kind])


@dataclass(frozen=True)
class _Flow:
    """Bits per level: read, written, first fetches, last drains."""

    reads: list[Floats]
    writes: list[Floats]
    heads: list[Floats]
    tails: list[Floats]

    def latency(self, hierarchy: Hierarchy, cycles: Floats) -> Floats:
        busiest, ends = cycles, np.zeros(len(cycles))
        for level, m in enumerate(hierarchy.memories):
            read, written, head, tail = self.reads[level], self.writes[level], self.heads[level], self.tails[level]
            each_port = [(read, head, m.read_bandwidth), (written, tail, m.write_bandwidth)]
            for bits, end, bandwidth in (
                [(read + written, head + tail, m.read_bandwidth)] if m.shared_port else each_port
            ):
                if bandwidth > 0:
                    busiest = np.maximum(busiest, (bits - end) / bandwidth)
                    ends = ends + end / bandwidth
        return busiest + ends


def _add_read_only(hierarchy: Hierarchy, flow: _Flow, b: _Boundary, pick: _Picker, timed: bool) -> None:
    width, parent, child = hierarchy.word_bits(b.operand), b.parent, b.child
    distinct = pick.words(b, "U")
    flow.reads[parent] = flow.reads[parent] + _rounded(hierarchy, distinct * width, b, pick)
    if child < hierarchy.levels:
        copies = pick.words(b, "V") if b.spans else distinct
        flow.writes[child] = flow.writes[child] + copies * width
        if timed and "first" in b.start:
            flow.heads[parent] = flow.heads[parent] + pick.single(b, "first") * width


def _rounded(hierarchy: Hierarchy, bits: Floats, b: _Boundary, pick: _Picker) -> Floats:
    if "fetches" not in b.start:
        return bits
    return np.maximum(bits, pick.words(b, "fetches") * hierarchy.memories[b.parent].access_bits)


def _add_sums(
    problem: LayerProblem, hierarchy: Hierarchy, flow: _Flow, pick: _Picker, bound: bool, timed: bool
) -> None:
    """The path of the outputs from the outside in; `fills` and `empty` as in `counts.py`."""
    out, psum, outputs = hierarchy.output_bits, hierarchy.partial_sum_bits, float(problem.words["O"])
    path = [b for b in _boundaries(hierarchy) if b.operand == "O"]
    outermost = path[0].parent
    fills_above: Floats = np.zeros(len(pick.rows))
    empty: Floats = fills_above + outputs
    unknown = False
    for b, above in zip(path, [None, *path], strict=False):
        distinct = np.maximum(pick.words(b, "U"), outputs)
        once = distinct == outputs
        fills = np.zeros(len(pick.rows)) if bound and unknown else np.maximum(distinct - empty, 0)
        if above is None:
            written = (distinct - outputs) * psum + outputs * out
            flow.reads[b.parent] = flow.reads[b.parent] + fills * psum
        else:
            written = distinct * np.where(once, out, psum)
            # drained + fills, which cancels to what does not fall with more copies
            read = np.where(once, outputs * out, (distinct + fills_above) * psum)
            flow.reads[b.parent] = flow.reads[b.parent] + read
        flow.writes[b.parent] = flow.writes[b.parent] + _rounded(hierarchy, written, b, pick)
        if b.child < hierarchy.levels:
            flow.writes[b.child] = flow.writes[b.child] + fills * psum
            if timed and "first" in b.start:
                width = np.where(once, out, psum) if above is not None else out
                flow.tails[b.parent] = flow.tails[b.parent] + pick.single(b, "first") * width
        copies = pick.words(b, "V") if "V" in b.start and not bound else distinct
        empty = copies - fills
        unknown = unknown or b.spans
        fills_above = fills
    flow.writes[outermost] = flow.writes[outermost] + float(problem.bias_only_words * out)
