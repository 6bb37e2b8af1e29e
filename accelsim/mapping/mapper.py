"""The mapper: the best loop nest of a layer on a hierarchy of memories."""

from collections.abc import Mapping as Sizes
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil, prod

from accelsim.errors import DoesNotFit
from accelsim.mapping.counts import Transfer
from accelsim.mapping.given_loops import loops_by_hand
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import AXES, DIMS, LayerProblem
from accelsim.mapping.nest import Loop, Nest
from accelsim.mapping.prune import without_dominated
from accelsim.mapping.refine import tree_of
from accelsim.mapping.refusal import refusal
from accelsim.mapping.score import Goal, orders_of
from accelsim.mapping.search import Found, better, search
from accelsim.mapping.tables import AxisTable, Tiles, axis_tables, columns_of, limits_of, skeleton
from accelsim.mapping.traffic import Costs, Traffic, costs, latency
from accelsim.mapping.unfold import Unfolded, unfolded

__all__ = ["Goal", "Mapping", "best_mapping", "least_bytes"]


@dataclass(frozen=True)
class Mapping:
    """A loop nest with its exact counts and what they cost. `str` prints the loops."""

    hierarchy: Hierarchy
    goal: Goal
    nest: Nest
    costs: Costs

    @property
    def problem(self) -> LayerProblem:
        """The layer."""
        return self.nest.problem

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """Words over every boundary, exact."""
        return self.costs.transfers

    @property
    def traffic(self) -> tuple[Traffic, ...]:
        """Bits through every memory by kind of data."""
        return self.costs.traffic

    @property
    def cycles(self) -> int:
        """Steps of the array."""
        return self.costs.cycles

    @property
    def latency_cycles(self) -> float:
        """Cycles with fill, drain and bandwidth stalls."""
        return self.costs.latency_cycles

    def latency_with(self, shares: Sizes[str, float]) -> float:
        """Cycles where of operands less moves off chip than their words: stored in a code, or there in part.

        shares: operand W, I or O -> bits that move off chip over those of its words.
        """
        return latency(self.nest, self.hierarchy, self.transfers, self.traffic, self.cycles, shares)

    @property
    def energy_pj(self) -> float:
        """Energy of all traffic and multiplies, and what is drawn all the time meanwhile."""
        return self.costs.energy_pj

    @property
    def utilisation(self) -> float:
        """Multiplies over lanes x cycles, 0 to 1."""
        return self.problem.macs / (self.cycles * self.hierarchy.lanes_total)

    @property
    def offchip_bytes(self) -> dict[str, int]:
        """Bytes through the outermost memory, both ways, by kind of data; each kind rounded up."""
        bits = dict.fromkeys(("weights", "inputs", "outputs", "partial_sums"), 0)
        for row in self.traffic:
            if row.level == 0:
                bits[row.kind] += row.read_bits + row.write_bits
        return {kind: -(-amount // 8) for kind, amount in bits.items()}

    @property
    def tile_bytes(self) -> dict[tuple[str, str], int]:
        """(memory, operand) -> bytes of its largest tile in one copy, rounded up."""
        return {(self.hierarchy.memories[level].name, o): -(-bits // 8) for level, o, bits in self.costs.tile_bits}

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        lines, indent = [f"before all loops:{fetched}" for fetched in [self._fetched(-1)] if fetched], 0
        for level, memory in enumerate(self.hierarchy.memories):
            lines.append(f"{'  ' * indent}{memory.name} [{memory.holds or '-'}]")
            for i, loop in enumerate(self.nest.running):
                if loop.level == level:
                    indent += 1
                    lines.append("  " * indent + self._line(i, loop))
        return "\n".join([*lines, f"{'  ' * (indent + 1)}multiply"])

    def _line(self, index: int, loop: Loop) -> str:
        outside = [o.step for o in self.nest.running[:index] if o.dim == loop.dim]
        turns = ceil(min([self.problem.size[loop.dim], *outside]) / loop.step)
        kind = "lanes" if loop.spatial else "for"
        return f"{kind} {loop.dim} in {turns} x {loop.step}{self._fetched(index)}"

    def _fetched(self, index: int) -> str:
        fetched = [
            f"{operand} -> {self.hierarchy.memories[child].name}"
            for operand, _, child in self.hierarchy.boundaries
            if child < self.hierarchy.levels and self.nest.fetch_at(operand, child) == index
        ]
        return f"    fetch {', '.join(fetched)}" if fetched else ""


@lru_cache(maxsize=4096)
def best_mapping(
    problem: LayerProblem, hierarchy: Hierarchy, goal: Goal = "energy", tiles: Tiles = "divisors"
) -> Mapping:
    """The best mapping for a goal: energy (pJ), latency (cycles), edp (pJ x cycles) or offchip (outermost bits).

    Exact over its space: tiles of each dim that divide ("divisors") or of every number of turns ("near"), one
    stationary operand a level, the fan-out of the hierarchy. No other loop order would be better, unless two memories
    below the fan-out hold sums: then more copies mean more free first visits, and the mapping found is a good one with
    exact counts. Ties go to lower energy, then latency, then the first in a fixed order. Remembered by the loops, the
    widths and the machine's numbers and restrictions; a layer on its side is the same one where the machine treats rows
    and columns alike. The dataflow of each memory is kept to; loops that the hierarchy gives are taken as they are.
    Raises DoesNotFit where no tiling fits, or none keeps to the dataflow.
    """
    if hierarchy.by_hand is not None:
        return _by_hand(problem, hierarchy, goal)
    tables = _tables(problem, hierarchy, tiles)  # a refusal names the dimensions of this layer, not of the turned one
    if _on_its_side(problem) and _alike(hierarchy):
        upright = best_mapping(replace(problem, h=problem.w, w=problem.h), hierarchy, goal, tiles)
        return replace(upright, nest=_turned(upright.nest, problem))
    _check_room(problem, hierarchy, tables, certain=False)
    best: tuple[Found, tuple[Loop, ...]] | None = None
    for way in unfolded(problem, hierarchy):
        found = _best_of(problem, way, goal, tiles)
        if found is not None and (best is None or better(found[0], best[0])):
            best = found
    if best is None:
        _check_room(problem, hierarchy, axis_tables(problem, hierarchy, tiles), certain=True)
        raise DoesNotFit(f"mapper: no tiling fits all memories at once{_restrictions(hierarchy)}")
    nest = Nest(problem, hierarchy.wiring, best[1])
    return Mapping(hierarchy, goal, nest, costs(nest, hierarchy))


def _best_of(problem: LayerProblem, way: Unfolded, goal: Goal, tiles: Tiles) -> tuple[Found, tuple[Loop, ...]] | None:
    """The best mapping of the levels and its loops on the memories; None where there is none."""
    levels = way.levels
    if levels.restricted and refusal(problem, levels, tiles):
        return None
    bare = skeleton(levels)
    trees = [tree_of(without_dominated(table, bare)) for table in axis_tables(problem, levels, tiles)]
    found = search(problem, levels, goal, trees)
    if found is None:
        return None
    chosen = {
        dim: tuple(int(tile) for tile in tree.table.chains[row][i])
        for axis, tree, row in zip(AXES, trees, found.chains, strict=True)
        for i, dim in enumerate(axis)
    }
    loops = _loops(problem, levels, chosen, orders_of(levels)[found.order])
    return found, tuple(replace(loop, level=way.memory_of[loop.level]) for loop in loops)


def _tables(problem: LayerProblem, hierarchy: Hierarchy, tiles: Tiles) -> list[AxisTable]:
    """Every chain that keeps to what each memory restricts by itself; raises DoesNotFit where none does."""
    if hierarchy.restricted and (reason := refusal(problem, hierarchy, tiles)):
        raise DoesNotFit(reason)
    return axis_tables(problem, hierarchy, tiles)


def _restrictions(hierarchy: Hierarchy) -> str:
    return f", as {hierarchy.restrictions or 'the dataflow'} restricts them" if hierarchy.restricted else ""


def _by_hand(problem: LayerProblem, hierarchy: Hierarchy, goal: Goal) -> Mapping:
    nest = Nest(problem, hierarchy.wiring, loops_by_hand(problem, hierarchy))
    made = costs(nest, hierarchy)
    for memory, used in list(zip(hierarchy.memories, made.used_bits, strict=True))[1:]:
        if used > memory.size_bits:
            raise DoesNotFit(
                f"memory {memory.name!r}: the loops given by hand need {-(-used // 8)} bytes with what lives through, "
                f"the memory has {memory.size_bits // 8}"
            )
    return Mapping(hierarchy, goal, nest, made)


def _on_its_side(problem: LayerProblem) -> bool:
    """Of a layer and the same one with rows and columns exchanged, whether this is the one that is not searched."""
    h, w = ((s.positions, s.taps, s.in_size, s.out_size, s.in_index, s.out_index) for s in (problem.h, problem.w))
    return h > w


def _alike(hierarchy: Hierarchy) -> bool:
    """Whether rows and columns of a layer are the same to the machine."""
    if any(memory.dataflow.ordered and memory.dataflow.loops for memory in hierarchy.memories):
        return False
    return all(
        hierarchy.fan_out(one) == hierarchy.fan_out(other) and limits_of(hierarchy, one) == limits_of(hierarchy, other)
        for one, other in ("PQ", "RS")
    )


def _turned(nest: Nest, problem: LayerProblem) -> Nest:
    """The nest of a layer on its side."""
    loops = (replace(loop, dim=loop.dim.translate(_TURN)) for loop in nest.loops)
    return Nest(problem, nest.wiring, tuple(loops))


_TURN = str.maketrans("PQRS", "QPSR")


def least_bytes(problem: LayerProblem, hierarchy: Hierarchy) -> tuple[int, ...]:
    """Per memory, bytes of tiles that always suffice for some mapping: every tile at its smallest, double buffers and
    unfinished sums included, reserved bytes not. A hint where tiles are restricted: the smallest of one memory may not
    go with those of another.
    """
    tables = _tables(problem, hierarchy, "divisors")
    return tuple(-(-bits // 8) for bits in _least_bits(problem, hierarchy, tables, certain=True))


def _loops(
    problem: LayerProblem, levels: Hierarchy, chosen: dict[str, tuple[int, ...]], stationary: tuple[str, ...]
) -> list[Loop]:
    """At each level those that move its stationary operand outside, the others inside; or as its order says."""
    loops = []
    for level, operand in enumerate(stationary):
        fan, given = level == levels.fan_level, levels.memories[level].dataflow
        dims = sorted(DIMS, key=lambda dim: dim not in problem.moved_by.get(operand, DIMS))
        if given.ordered:
            dims.sort(key=lambda dim: (given.loops or "").find(dim))
        loops += [Loop(dim, chosen[dim][level] * (levels.fan_out(dim) if fan else 1), level) for dim in dims]
        if fan:
            loops += [Loop(dim, chosen[dim][level], level, spatial=True) for dim, _ in levels.lanes]
    return loops


def _least_bits(problem: LayerProblem, hierarchy: Hierarchy, tables: list[AxisTable], certain: bool) -> list[int]:
    """Bits of the smallest tiles per memory; certain: sums at the accumulator's width, else at the output's."""
    need = [0] * hierarchy.levels
    for i, column in enumerate(columns_of(hierarchy)):
        if column.kind == "tile":
            wide = certain and column.operand == "O"
            width = hierarchy.partial_sum_bits if wide else hierarchy.word_bits(column.operand)
            words = prod(int(table.least[i]) for table in tables)
            need[column.child] += words * width * hierarchy.memories[column.child].buffers
    outermost = hierarchy.wiring.path("O")[0]
    if certain and outermost > 0:
        need[outermost] += problem.words["O"] * (hierarchy.partial_sum_bits - hierarchy.output_bits)
    return need


def _check_room(problem: LayerProblem, hierarchy: Hierarchy, tables: list[AxisTable], certain: bool) -> None:
    needs = _least_bits(problem, hierarchy, tables, certain)
    for memory, bits in list(zip(hierarchy.memories, needs, strict=True))[1:]:
        if bits + memory.reserved_bits > memory.size_bits:
            taken = f" beside the {memory.reserved_bits // 8} bytes that live through" if memory.reserved_bits else ""
            raise DoesNotFit(
                f"memory {memory.name!r}: the smallest tiles need {-(-bits // 8)} bytes{taken}, "
                f"the memory has {memory.size_bits // 8}{_restrictions(hierarchy)}"
            )
