"""ZigZag's mappings on our counter: under its own bookkeeping, and under our rules.

ZigZag lets operands leave a shared memory at different loops ("uneven"), which one Nest cannot say. Counts are per
operand, so each operand gets a Nest of its own: the same loops, cut by the memories on its own path.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod
from typing import Any

import numpy as np
from zigzag_layers import Axis, Layer
from zigzag_machines import DIMS, MEMORIES, Ported, hierarchy

from accelsim.mapping.counts import Transfer, cycles, fetch_words, tile_words, transfers
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.nest import Loop, Nest
from accelsim.mapping.spaces import POINT, Space, conv_space
from accelsim.mapping.traffic import costs

OPERANDS = "WIO"
KINDS = {"W": ("weights",), "I": ("inputs",), "O": ("outputs", "partial_sums")}


def layer_of(stored: dict[str, Any]) -> Layer:
    """The layer of a stored result."""
    one = stored["layer"]
    h, w = Axis(**one["h"]), Axis(**one["w"])
    return Layer(one["network"], one["name"], one["K"], one["C"], h, w, one["times"])


def problem_of(layer: Layer, padded: str = "") -> LayerProblem:
    """The layer's loops. Axes named in `padded` ("h", "w") count their padding as inputs that are stored and read."""
    return LayerProblem(K=layer.K, C=layer.C, h=_space(layer.h, "h" in padded), w=_space(layer.w, "w" in padded))


def _space(axis: Axis, padded: bool) -> Space:
    if padded:
        return conv_space((axis.outputs - 1) * axis.stride + axis.taps, axis.taps, axis.stride)
    whole = conv_space(axis.size, axis.taps, axis.stride, 1, (axis.pad, max(axis.pad_behind, 0)))
    kept = replace(whole, in_index=whole.in_index[: axis.outputs], out_index=whole.out_index[: axis.outputs])
    return replace(kept, out_size=axis.outputs)


# --- ZigZag's loops as nests -----------------------------------------------------------------------------------------


def path_of(machine: str, operand: str) -> tuple[Ported, ...]:
    """The memories of an operand, outermost first."""
    return tuple(memory for memory in MEMORIES[machine] if operand in memory.holds)


def nest_of(machine: str, stored: dict[str, Any], operand: str, problem: LayerProblem) -> Nest:
    """One operand's loops. An unrolling by a fraction (5 turns of 12.8 lanes) is one by the next whole number."""
    levels = stored["operands"][operand]
    inner, reversed_loops = dict.fromkeys(problem.size, Fraction(1)), []
    last = len(levels["temporal"]) - 1
    for i, temporal in enumerate(levels["temporal"]):
        for spatial, loops in ((True, levels["spatial"][i]), (False, temporal)):
            for name, turns in loops:
                dim = DIMS[name]
                reversed_loops.append(Loop(dim, ceil(inner[dim]), last - i, spatial))
                inner[dim] *= Fraction(turns).limit_denominator(4096)
    return Nest(problem, own_hierarchy(machine, layer_of(stored), operand).wiring, tuple(reversed(reversed_loops)))


def own_hierarchy(machine: str, layer: Layer, operand: str) -> Hierarchy:
    """The memories on one operand's path, holding it alone; the others stay in the outermost."""
    whole, path = hierarchy(machine, layer), path_of(machine, operand)
    kept = [memory.as_memory() for memory in path]
    own = [replace(memory, holds=operand if i else "WIO") for i, memory in enumerate(kept)]
    fan = sum(not memory.per_unit for memory in path) - 1
    return replace(whole, memories=tuple(own), fan_level=fan)


# --- under ZigZag's bookkeeping --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Booking:
    """What of ZigZag's bookkeeping is followed; all of it by default. Dropping one shows what it makes."""

    padding: bool = True
    """Padding is read, except where a fetch would be longer than the whole axis."""
    first_visits: bool = True
    """Sums are read at their first visit too, and at every copy."""
    wide_last: bool = True
    """The last write of a sum that went out unfinished is as wide as the others."""
    ports: bool = True
    """Each period's words of a unit are rounded up to the port's smallest width, at both ends."""
    units: bool = True
    """A fraction of units (256 rows in 19 turns of 13.47) is rounded to a whole number in every turn."""


ALL = Booking()
Bits = dict[tuple[str, str, str], float]
"""(memory, operand, way) -> bits. Ways: to_below, from_below, to_above, from_above."""


def booked_pj(machine: str, stored: dict[str, Any], rules: Booking = ALL) -> float:
    """Energy of ZigZag's mapping, from our counts by its bookkeeping."""
    layer = layer_of(stored)
    return energy_of(machine, layer, booked_bits(machine, stored, rules))


def energy_of(machine: str, layer: Layer, bits: Bits) -> float:
    """Energy of all multiplies and of these bits."""
    cost = {memory.name: memory for memory in MEMORIES[machine]}
    energy = problem_of(layer).macs * hierarchy(machine, layer).mac_pj
    for (name, _, way), amount in bits.items():
        writes = way.startswith("from")
        energy += amount * (cost[name].write_pj if writes else cost[name].read_pj) / cost[name].widest
    return energy


def booked_bits(machine: str, stored: dict[str, Any], rules: Booking = ALL) -> Bits:
    """The bits that ZigZag would book for what our counter counts."""
    found: Bits = {}
    layer = layer_of(stored)
    for operand in OPERANDS:
        plain, padded = (transfers(nest_of(machine, stored, operand, problem_of(layer, axes))) for axes in ("", "hw"))
        for t, every in [pair for pair in zip(plain, padded, strict=True) if pair[0].operand == operand]:
            t = replace(t, fetches=every.fetches)  # tiles of padding alone are periods too
            for (memory, way), amount in _Boundary(machine, stored, t, rules).bits().items():
                found[memory, operand, way] = found.get((memory, operand, way), 0.0) + float(amount)
    return found


@dataclass(frozen=True)
class _Boundary:
    """One boundary of one operand, booked as periods x units x words of a unit."""

    machine: str
    stored: dict[str, Any]
    plain: Transfer
    rules: Booking

    def bits(self) -> dict[tuple[str, str], Fraction]:
        """(memory, way) -> bits."""
        path, t = path_of(self.machine, self.plain.operand), self.plain
        parent, child = path[t.parent], path[t.child] if t.child < len(path) else None
        above, below = self._counted(at_parent=True), self._counted(at_parent=False)
        if t.operand != "O":
            found = {(parent.name, "to_below"): self._booked(parent, above.parent_reads, 8, above, below)}
            if child is not None:
                found[child.name, "from_above"] = self._booked(child, below.child_writes, 8, below)
            return found
        under_way = t.parent_writes > problem_of(layer_of(self.stored)).words["O"]
        width, narrow_last = 16 if under_way else 8, t.final_writes if under_way and not self.rules.wide_last else 0
        found = {(parent.name, "from_below"): self._booked(parent, t.parent_writes, width, t, t) - 8 * narrow_last}
        if child is not None:
            found[child.name, "to_above"] = self._booked(child, t.child_reads, width, t)
        if under_way:
            reads, writes = (
                (t.parent_writes, t.child_reads) if self.rules.first_visits else (t.parent_reads, t.child_writes)
            )
            found[parent.name, "to_below"] = self._booked(parent, reads, 16, t, t)
            if child is not None:
                found[child.name, "from_above"] = self._booked(child, writes, 16, t)
        return found

    def _booked(self, memory: Ported, words: int, bits: int, t: Transfer, below: Transfer | None = None) -> Fraction:
        """Bits of `words` at one end. below: the child's view, given for the parent's end."""
        units = self._units(t.parent if below else t.child)
        periods = t.fetches / self._units(t.parent)
        amount, whole = words / (periods * units), Fraction(round(units))
        if below and self.rules.units:
            at_child = below.child_reads if t.operand == "O" else below.child_writes or below.parent_reads
            tile = at_child / (below.fetches / self._units(t.parent) * self._units(t.child))
            amount = tile * round(amount / tile) if tile else amount
        amount *= bits
        if self.rules.ports:
            amount = Fraction(ceil(amount / memory.narrowest) * memory.narrowest)
        return amount * periods * (whole if self.rules.units else units)

    def _units(self, level: int) -> Fraction:
        """Copies of a memory of the path; the arithmetic is one more level."""
        spatial = self.stored["operands"][self.plain.operand]["spatial"]
        outermost = len(spatial) - 2
        below = [loop for i in range(len(spatial)) if outermost - i < level for loop in spatial[i]]
        return prod((Fraction(lanes).limit_denominator(4096) for _, lanes in below), start=Fraction(1))

    def _counted(self, at_parent: bool) -> Transfer:
        """The boundary as seen from one end: with padding, save along an axis that one fetch there takes whole."""
        t, layer = self.plain, layer_of(self.stored)
        if t.operand != "I" or not self.rules.padding:
            return t
        whole = nest_of(self.machine, self.stored, "I", problem_of(layer, "hw"))
        padded = "".join(name for name in "hw" if _reach(whole, name, t, at_parent) <= getattr(layer, name).size)
        nest = nest_of(self.machine, self.stored, "I", problem_of(layer, padded))
        counted = next(u for u in transfers(nest) if (u.operand, u.parent) == ("I", t.parent))
        return replace(counted, fetches=t.fetches)


def _reach(nest: Nest, axis: str, t: Transfer, at_parent: bool) -> int:
    """Inputs along one axis of the largest fetch, all copies together, or of one copy's largest tile."""
    h, w, dims = (nest.problem.h, POINT, "PR") if axis == "h" else (POINT, nest.problem.w, "QS")
    line = LayerProblem(h=h, w=w)
    alone = Nest(line, nest.wiring, tuple(loop for loop in nest.loops if loop.dim in dims))
    return fetch_words(alone, "I", t.parent, t.child) if at_parent else tile_words(alone, "I", t.child)


def reported_bits(machine: str, stored: dict[str, Any]) -> dict[tuple[str, str, str], float]:
    """What ZigZag reports, in the same keys."""
    widest = {memory.name: memory.widest for memory in MEMORIES[machine]}
    ways = {"rd_out_to_low": "to_below", "wr_in_by_low": "from_below"} | {
        "rd_out_to_high": "to_above",
        "wr_in_by_high": "from_above",
    }
    return {
        (name, operand, ways[way]): words * widest[name]
        for operand, levels in stored["operands"].items()
        for name, accesses in zip(levels["memories"], levels["accesses"], strict=True)
        for way, words in accesses.items()
    }


# --- under our rules -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Of a mapping under our rules: pJ, cycles, bytes through the outermost memory."""

    energy_pj: float
    cycles: float
    offchip_bytes: float

    @property
    def edp(self) -> float:
        """pJ x cycles."""
        return self.energy_pj * self.cycles


def our_cost(machine: str, nests: dict[str, Nest], layer: Layer) -> Cost:
    """Of a mapping given as a Nest an operand; the rules are those of accelsim/mapping/traffic.py."""
    energy = float(nests["O"].problem.macs * hierarchy(machine, layer).mac_pj)
    read: dict[str, float] = {memory.name: 0.0 for memory in MEMORIES[machine]}
    written, heads, tails = dict(read), dict(read), dict(read)
    for operand, nest in nests.items():
        own = own_hierarchy(machine, layer, operand)
        cost = costs(nest, own)
        for row in [row for row in cost.traffic if row.kind in KINDS[operand]]:
            read[row.memory] += row.read_bits
            written[row.memory] += row.write_bits
            memory = own.memories[row.level]
            energy += row.read_bits * memory.read_pj_per_bit + row.write_bits * memory.write_pj_per_bit
        for t in [t for t in cost.transfers if t.operand == operand and t.child < own.levels]:
            end = fetch_words(nest, operand, t.parent, t.child) * 8
            if operand == "O":
                unfinished = t.parent > 0 and t.parent_writes != nest.problem.words["O"]
                tails[own.memories[t.parent].name] += end * (2 if unfinished else 1)
            else:
                heads[own.memories[t.parent].name] += end
    busiest, ends = float(cycles(nests["O"])), 0.0
    for memory in hierarchy(machine, layer).memories:
        r, w, head, tail = (by[memory.name] for by in (read, written, heads, tails))
        ports = [(r, head, memory.read_bandwidth), (w, tail, memory.write_bandwidth)]
        for bits, first_last, width in [(r + w, head + tail, memory.read_bandwidth)] if memory.shared_port else ports:
            if width > 0:
                busiest, ends = max(busiest, (bits - first_last) / width), ends + first_last / width
    return Cost(energy, busiest + ends, (read["dram"] + written["dram"]) / 8)


def their_cost(machine: str, stored: dict[str, Any]) -> Cost:
    """ZigZag's mapping under our rules."""
    layer = layer_of(stored)
    problem = problem_of(layer)
    return our_cost(machine, {o: nest_of(machine, stored, o, problem) for o in OPERANDS}, layer)


def split(machine: str, nest: Nest, layer: Layer) -> dict[str, Nest]:
    """A mapping of ours as a Nest an operand, to be costed as ZigZag's are."""
    names, found = [memory.name for memory in MEMORIES[machine]], {}
    for operand in OPERANDS:
        own = [names.index(memory.name) for memory in path_of(machine, operand)]
        level = {i: sum(o <= i for o in own) - 1 for i in range(len(names))}
        loops = tuple(replace(loop, level=level[loop.level]) for loop in nest.loops)
        found[operand] = Nest(nest.problem, own_hierarchy(machine, layer, operand).wiring, loops)
    return found


# --- is it in our space? ---------------------------------------------------------------------------------------------


def is_even(machine: str, stored: dict[str, Any]) -> bool:
    """Whether one Nest can say the mapping: each memory is left at one place, and memories in the machine's order.

    A memory's place may move over loops that do not move its operand: the tile stays the same.
    """
    problem, least = problem_of(layer_of(stored)), 0
    order = [DIMS[name] for level in stored["operands"]["O"]["temporal"] for name, _ in level]
    for memory in MEMORIES[machine][1:]:
        spans = [_span(stored, memory.name, operand, order, problem) for operand in memory.holds]
        least = max(least, *(len(order) - outermost for _, outermost in spans))
        if least > min(len(order) - innermost for innermost, _ in spans):
            return False
    return True


def _span(stored: dict[str, Any], name: str, operand: str, order: list[str], problem: LayerProblem) -> tuple[int, int]:
    """(fewest, most) loops inside the memory for the same tile of the operand."""
    levels = stored["operands"][operand]
    index = levels["memories"].index(name)
    inside = sum(len(level) for level in levels["temporal"][: index + 1])
    moves = np.array([dim in problem.moved_by[operand] for dim in order], dtype=bool)
    within, beyond = np.flatnonzero(moves[:inside]), np.flatnonzero(moves[inside:])
    return int(within[-1]) + 1 if len(within) else 0, inside + int(beyond[0]) if len(beyond) else len(order)
