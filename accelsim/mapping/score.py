"""The cost rules of `traffic.py` on many rows at once, and their lower bounds.

A row is the product over axes of their table rows: here of a row of the axes done with one of the next axis, every pair
of them. A cost reads a fraction of the columns, so pairs are not written out. As a bound, each column is a lower bound
of the finished product and `moves` may lack levels. Every rule below is non-decreasing in every column, and in `moves`:
a later innermost moving loop only counts more turns. One term is not: more copies of a sum (V) mean more first visits,
which are free. Reads of a memory cancel, since drained V plus fills below equals U below plus fills above, and are
written in that form; fills beyond a fan-out are taken as 0 in a bound.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.tables import Floats, Ints, columns_of

Goal = Literal["energy", "latency", "edp", "offchip"]


@lru_cache(maxsize=64)
def orders_of(hierarchy: Hierarchy) -> tuple[tuple[str, ...], ...]:
    """The loop orders worth trying: one stationary operand a level, where a memory further in can profit.

    In every form of layer a dim leaves at most one operand unmoved, so the innermost running loop of a level leaves at
    most one operand in place, and putting all loops that do not move it innermost is no worse for any operand.
    """
    useful = [
        sorted({o for o, _, c in hierarchy.boundaries if c > level and (c < hierarchy.levels or o in hierarchy.latch)})
        for level in range(hierarchy.levels)
    ]
    still = [memory.inside == () for memory in hierarchy.memories]  # no loop runs there, so there is no order
    return tuple(product(*(["W"] if s or not o else o for s, o in zip(still, useful, strict=True))))


@dataclass(frozen=True)
class _Boundary:
    """Where a boundary's columns begin, and which of them an order and a set of running levels read."""

    operand: str
    parent: int
    child: int
    start: dict[str, int]
    slot: Ints
    """[orders, 2 ** levels] -> column after the start."""
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
        slots = [
            [
                0 if every_step else _through(order, running, operand, child) + 1
                for running in range(2**hierarchy.levels)
            ]
            for order in orders
        ]
        spans = bool(hierarchy.lanes) and parent <= hierarchy.fan_level < child
        found.append(_Boundary(operand, parent, child, start, np.array(slots), spans))
    return tuple(found)


def _through(order: tuple[str, ...], running: int, operand: str, child: int) -> int:
    """j: loops that do not move the operand count through this level."""
    inner = [level for level in range(child) if running >> level & 1]
    if not inner:
        return -1
    return inner[-1] - (order[inner[-1]] == operand)


@dataclass(frozen=True)
class Scores:
    """Per row, float64 [n]."""

    goal: Floats
    energy_pj: Floats
    latency_cycles: Floats
    fits: NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Rows left[i] * right[j] for every i and then j: left [n, columns], right [m, columns]."""

    left: Floats
    right: Floats

    def __len__(self) -> int:
        return len(self.left) * len(self.right)

    def column(self, index: int) -> Floats:
        """One column of every row, [n * m]."""
        return np.multiply.outer(self.left[:, index], self.right[:, index]).reshape(-1)


def score(
    problem: LayerProblem, hierarchy: Hierarchy, goal: Goal, rows: Pairs, order: Ints, moves: Ints, bound: bool
) -> Scores:
    """Costs of rows, with order [rows] (index into `orders_of`) and moves [rows, operands]."""
    levels = hierarchy.levels
    zero = np.zeros(len(rows))
    flow = _Flow([zero] * levels, [zero] * levels, [zero] * levels, [zero] * levels)
    room = [zero + memory.reserved_bits for memory in hierarchy.memories]
    pick = _Picker(rows, order, moves, {})
    for b in _boundaries(hierarchy):
        if b.operand != "O":
            _add_read_only(hierarchy, flow, room, b, pick)
    _add_sums(problem, hierarchy, flow, room, pick, bound)
    fits = np.ones(len(rows), dtype=bool)
    for memory, used in zip(hierarchy.memories[1:], room[1:], strict=True):
        fits &= used <= memory.size_bits
    energy = zero + problem.macs * hierarchy.mac_pj
    for memory, read, written in zip(hierarchy.memories, flow.reads, flow.writes, strict=True):
        energy = energy + read * memory.read_pj_per_bit + written * memory.write_pj_per_bit
    latency = flow.latency(hierarchy, rows.column(0))
    offchip = flow.reads[0] + flow.writes[0]
    goals = {"energy": energy, "latency": latency, "edp": energy * latency, "offchip": offchip}
    return Scores(goals[goal], energy, latency, fits)


@dataclass(frozen=True)
class _Picker:
    rows: Pairs
    order: Ints
    moves: Ints
    places: dict[tuple[str, int], tuple[Ints, Ints]]
    """Boundary -> where each row's slot stands in the flat left and right arrays, before the start of a kind."""

    def words(self, b: _Boundary, kind: str) -> Floats:
        if b.slot.size == 1 or (b.slot == b.slot[0, 0]).all():
            return self.rows.column(b.start[kind] + int(b.slot[0, 0]))
        left, right = self.places.get((b.operand, b.child)) or self.place(b)
        start = b.start[kind]
        return np.take(self.rows.left.reshape(-1)[start:], left) * np.take(self.rows.right.reshape(-1)[start:], right)

    def place(self, b: _Boundary) -> tuple[Ints, Ints]:
        slot = b.slot[self.order, self.moves[:, OPERANDS.index(b.operand)]]
        n, m, width = len(self.rows.left), len(self.rows.right), self.rows.left.shape[1]
        left = np.repeat(np.arange(n) * width, m) + slot
        self.places[b.operand, b.child] = found = left, np.tile(np.arange(m) * width, n) + slot
        return found

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


def _add_read_only(hierarchy: Hierarchy, flow: _Flow, room: list[Floats], b: _Boundary, pick: _Picker) -> None:
    width, parent, child = hierarchy.word_bits(b.operand), b.parent, b.child
    distinct = pick.words(b, "U")
    flow.reads[parent] = flow.reads[parent] + _rounded(hierarchy, distinct * width, b, pick)
    if child < hierarchy.levels:
        copies = pick.words(b, "V") if b.spans else distinct
        flow.writes[child] = flow.writes[child] + copies * width
        room[child] = room[child] + pick.single(b, "tile") * (width * hierarchy.memories[child].buffers)
        if "first" in b.start:
            flow.heads[parent] = flow.heads[parent] + pick.single(b, "first") * width


def _rounded(hierarchy: Hierarchy, bits: Floats, b: _Boundary, pick: _Picker) -> Floats:
    if "fetches" not in b.start:
        return bits
    return np.maximum(bits, pick.words(b, "fetches") * hierarchy.memories[b.parent].access_bits)


def _add_sums(
    problem: LayerProblem, hierarchy: Hierarchy, flow: _Flow, room: list[Floats], pick: _Picker, bound: bool
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
            if outermost > 0 and not bound:
                room[outermost] = room[outermost] + np.where(once, 0, outputs * (psum - out))
        else:
            written = distinct * np.where(once, out, psum)
            # drained + fills, which cancels to what does not fall with more copies
            read = np.where(once, outputs * out, (distinct + fills_above) * psum)
            flow.reads[b.parent] = flow.reads[b.parent] + read
            width = out if bound else np.where(once, out, psum)
            buffers = hierarchy.memories[b.parent].buffers
            room[b.parent] = room[b.parent] + pick.single(above, "tile") * width * buffers
        flow.writes[b.parent] = flow.writes[b.parent] + _rounded(hierarchy, written, b, pick)
        if b.child < hierarchy.levels:
            flow.writes[b.child] = flow.writes[b.child] + fills * psum
            if "first" in b.start:
                width = np.where(once, out, psum) if above is not None else out
                flow.tails[b.parent] = flow.tails[b.parent] + pick.single(b, "first") * width
        copies = pick.words(b, "V") if "V" in b.start and not bound else distinct
        empty = copies - fills
        unknown = unknown or b.spans
        fills_above = fills
    flow.writes[outermost] = flow.writes[outermost] + float(problem.bias_only_words * out)
