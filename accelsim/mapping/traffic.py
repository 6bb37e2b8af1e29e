"""Bits through every memory, and from them energy, latency and room: the cost rules on exact counts.

width      a memory's partial sums have the output's width where each is written there once, else the accumulator's;
           in the outermost memory the last write of each word is finished, the others are partial sums
rounding   a memory moves in accesses of `access_bits`. Tiles lie in it in the order in which they are fetched, so
           that one fetch goes on in the access in which the last one ended; but a fetch from it, or a drain into it,
           that moves anything takes at least one. Sums come back in accesses as full as those that wrote them
energy     sum of read bits * pJ + written bits * pJ, plus multiplies * pJ, plus latency * pJ drawn all the time
latency    heads + max(cycles + waiting, per port (bits - head - tail) / bandwidth) + tails
           head / tail of a port: its largest single fetch / drain, in bits / bandwidth, before / after all work
           waiting: see `waiting_cycles`
room       sum over the operands held of largest tile * width * buffers, plus what is reserved. A tensor that
           starts or ends in a memory is among the reserved; should its sums go there unfinished, their extra
           width is added
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from accelsim.mapping.counts import Transfer, cycles, fetch_words, tile_words, transfers
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.nest import Nest

OPERAND_OF = {"weights": "W", "inputs": "I", "outputs": "O"}
"""Of a kind of data; partial sums are of none."""
PLAIN: Mapping[str, float] = {}
"""No operand moves less than its words."""


@dataclass(frozen=True)
class Traffic:
    """Bits of one kind of data through one memory over the whole layer."""

    level: int
    memory: str
    kind: str
    """weights, inputs, outputs (finished words) or partial_sums."""
    read_bits: int = 0
    write_bits: int = 0


@dataclass(frozen=True)
class Costs:
    """What a nest costs on a hierarchy, from its exact counts."""

    transfers: tuple[Transfer, ...]
    traffic: tuple[Traffic, ...]
    cycles: int
    latency_cycles: float
    energy_pj: float
    tile_bits: tuple[tuple[int, str, int], ...]
    """(level, operand, bits) of the largest tile in one copy, without double buffering."""
    used_bits: tuple[int, ...]
    """Per memory, what its tiles and what is reserved take."""


def costs(nest: Nest, hierarchy: Hierarchy) -> Costs:
    """All of it. The bias-only words of the problem are written to the outermost memory of the outputs."""
    moved = transfers(nest)
    traffic = _traffic(nest, hierarchy, moved)
    steps = cycles(nest)
    energy = nest.problem.macs * hierarchy.mac_pj
    for row in traffic:
        memory = hierarchy.memories[row.level]
        energy += row.read_bits * memory.read_pj_per_bit + row.write_bits * memory.write_pj_per_bit
    tiles, lasts = _tile_bits(nest, hierarchy, moved), latency(nest, hierarchy, moved, traffic, steps)
    return Costs(
        transfers=moved,
        traffic=traffic,
        cycles=steps,
        latency_cycles=lasts,
        energy_pj=energy + lasts * hierarchy.static_pj,
        tile_bits=tiles,
        used_bits=_used_bits(nest, hierarchy, moved, tiles),
    )


def _finished(nest: Nest, moved: tuple[Transfer, ...]) -> dict[int, bool]:
    """Level -> whether each of its partial sums is written there once."""
    return {t.parent: t.parent_writes == nest.problem.words["O"] for t in moved if t.operand == "O"}


def _traffic(nest: Nest, hierarchy: Hierarchy, moved: tuple[Transfer, ...]) -> tuple[Traffic, ...]:
    reads: defaultdict[tuple[int, str], int] = defaultdict(int)
    writes: defaultdict[tuple[int, str], int] = defaultdict(int)
    for t in moved:
        if t.operand != "O":
            kind = "weights" if t.operand == "W" else "inputs"
            reads[t.parent, kind] += _fetched_bits(t, hierarchy)
            writes[t.child, kind] += t.child_writes * hierarchy.word_bits(t.operand)
    finished, outermost = _finished(nest, moved), nest.wiring.path("O")[0]
    out, psum = hierarchy.output_bits, hierarchy.partial_sum_bits
    for t in [t for t in moved if t.operand == "O"]:
        done = t.final_writes if t.parent == outermost else t.parent_writes if finished[t.parent] else 0
        under_way = t.parent_writes - done
        least = t.fetches * hierarchy.memories[t.parent].access_bits
        rounding = max(0, least - done * out - under_way * psum)
        writes[t.parent, "outputs"] += done * out + (0 if under_way else rounding)
        writes[t.parent, "partial_sums"] += under_way * psum + (rounding if under_way else 0)
        reads[t.parent, "partial_sums"] += _returned_bits(t, hierarchy)
        writes[t.child, "partial_sums"] += t.child_writes * psum
        drained = finished.get(t.child, False)
        reads[t.child, "outputs" if drained else "partial_sums"] += t.child_reads * (out if drained else psum)
    writes[outermost, "outputs"] += nest.problem.bias_only_words * out
    kinds = ("weights", "inputs", "outputs", "partial_sums")
    return tuple(
        Traffic(level, memory.name, kind, reads[level, kind], writes[level, kind])
        for level, memory in enumerate(hierarchy.memories)
        for kind in kinds
        if reads[level, kind] or writes[level, kind]
    )


def _fetched_bits(t: Transfer, hierarchy: Hierarchy) -> int:
    """Of weights or inputs, from the parent."""
    bits = t.parent_reads * hierarchy.word_bits(t.operand)
    return max(bits, t.fetches * hierarchy.memories[t.parent].access_bits)


def _returned_bits(t: Transfer, hierarchy: Hierarchy) -> int:
    """Of partial sums that the parent gives back."""
    least = t.fetches * hierarchy.memories[t.parent].access_bits
    return max(t.parent_reads * hierarchy.partial_sum_bits, -(-least * t.parent_reads // t.parent_writes))


def latency(
    nest: Nest,
    hierarchy: Hierarchy,
    moved: tuple[Transfer, ...],
    traffic: tuple[Traffic, ...],
    steps: int,
    shares: Mapping[str, float] = PLAIN,
) -> float:
    """Cycles of the layer, see the module. shares: operand -> bits that move off chip over those of its words."""
    finished, outermost = _finished(nest, moved), nest.wiring.path("O")[0]
    busiest, ends = steps + waiting_cycles(nest, hierarchy, moved, steps, shares), 0.0
    for level, memory in enumerate(hierarchy.memories):
        head = tail = 0.0
        for t in moved:
            if t.parent != level or t.child == hierarchy.levels:
                continue
            bits = fetch_words(nest, t.operand, t.parent, t.child) * _share(t.operand, level, shares)
            if t.operand != "O":
                head += bits * hierarchy.word_bits(t.operand)
            else:
                done = finished[level] or level == outermost
                tail += bits * (hierarchy.output_bits if done else hierarchy.partial_sum_bits)
        here = [(row, _share(OPERAND_OF.get(row.kind, ""), level, shares)) for row in traffic if row.level == level]
        read, written = (sum(row.read_bits * s for row, s in here), sum(row.write_bits * s for row, s in here))
        each_port = [(read, head, memory.read_bandwidth), (written, tail, memory.write_bandwidth)]
        for bits, end, bandwidth in (
            [(read + written, head + tail, memory.read_bandwidth)] if memory.shared_port else each_port
        ):
            if bandwidth > 0:
                busiest = max(busiest, (bits - end) / bandwidth)
                ends += end / bandwidth
    return busiest + ends


def _share(operand: str, level: int, shares: Mapping[str, float]) -> float:
    return shares.get(operand, 1) if level == 0 else 1


def waiting_cycles(
    nest: Nest,
    hierarchy: Hierarchy,
    moved: tuple[Transfer, ...],
    steps: int,
    shares: Mapping[str, float] = PLAIN,
) -> float:
    """Cycles in which nothing is multiplied because tiles of a memory that waits come or go, first and last ones aside.

    A tile of weights or inputs comes in while the memory behind works on the last tile that it took from the one
    before: fetches - 1 times steps / fetches of that memory. Sums leave when all of them are there, and the next ones
    start when they have left. shares: operand -> stored over plain bits in the outermost memory; sums are plain there.
    """
    finished, outermost = _finished(nest, moved), nest.wiring.path("O")[0]
    behind = {(t.operand, t.parent): t for t in moved}
    waiting = 0.0
    for t in moved:
        if t.child == hierarchy.levels or not hierarchy.memories[t.child].waits:
            continue
        parent, share = hierarchy.memories[t.parent], _share(t.operand, t.parent, shares)
        edge = fetch_words(nest, t.operand, t.parent, t.child)
        if t.operand != "O":
            bits = (_fetched_bits(t, hierarchy) - edge * hierarchy.word_bits(t.operand)) * share
            hidden = max(0, t.fetches - 1) * steps / max(1, behind[t.operand, t.child].fetches)
            waiting += max(0.0, parent.port_cycles(bits, 0) - hidden)
            continue
        done = t.final_writes if t.parent == outermost else t.parent_writes if finished[t.parent] else 0
        width = hierarchy.output_bits if finished[t.parent] or t.parent == outermost else hierarchy.partial_sum_bits
        under_way = (t.parent_writes - done) * hierarchy.partial_sum_bits
        written = max(done * hierarchy.output_bits + under_way, t.fetches * parent.access_bits)
        results = done * hierarchy.output_bits if under_way else written
        bits = results * share + (written - results) - edge * width * share
        waiting += parent.port_cycles(_returned_bits(t, hierarchy), max(0, bits))
    return waiting


def _tile_bits(nest: Nest, hierarchy: Hierarchy, moved: tuple[Transfer, ...]) -> tuple[tuple[int, str, int], ...]:
    finished, found = _finished(nest, moved), []
    for operand, _, level in hierarchy.boundaries:
        if level < hierarchy.levels:
            under_way = operand == "O" and not finished[level]
            width = hierarchy.partial_sum_bits if under_way else hierarchy.word_bits(operand)
            found.append((level, operand, tile_words(nest, operand, level) * width))
    return tuple(found)


def _used_bits(
    nest: Nest, hierarchy: Hierarchy, moved: tuple[Transfer, ...], tiles: tuple[tuple[int, str, int], ...]
) -> tuple[int, ...]:
    used = [memory.reserved_bits for memory in hierarchy.memories]
    for level, _, bits in tiles:
        used[level] += bits * hierarchy.memories[level].buffers
    outermost = nest.wiring.path("O")[0]
    if outermost > 0 and not _finished(nest, moved)[outermost]:
        used[outermost] += nest.problem.words["O"] * (hierarchy.partial_sum_bits - hierarchy.output_bits)
    return tuple(used)
