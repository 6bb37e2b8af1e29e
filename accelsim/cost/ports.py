"""Cycles of a mapped layer whose activations take less room off chip than their words do.

The rule is that of `mapping.traffic`: heads + max(cycles + waiting, per port (bits - head - tail) / bandwidth) +
tails, with the bits through the outermost memory, its heads and tails and what is waited for, those of the stored code.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from accelsim.mapping.counts import fetch_words
from accelsim.mapping.mapper import Mapping as Mapped
from accelsim.mapping.traffic import Traffic, waiting_cycles

OPERAND_OF = {"weights": "W", "inputs": "I", "outputs": "O"}


def coded_latency(mapped: Mapped, shares: Mapping[str, Fraction]) -> float:
    """Cycles; shares: operand W, I or O -> stored over plain bits off chip."""
    hierarchy = mapped.hierarchy
    outermost = mapped.nest.wiring.path("O")[0]
    finished = {t.parent: t.parent_writes == mapped.problem.words["O"] for t in mapped.transfers if t.operand == "O"}
    parts = {operand: float(share) for operand, share in shares.items()}
    waiting = waiting_cycles(mapped.nest, hierarchy, mapped.transfers, mapped.cycles, parts)
    busiest, ends = mapped.cycles + waiting, 0.0
    for level, memory in enumerate(hierarchy.memories):
        head = tail = 0.0
        for t in mapped.transfers:
            if t.parent != level or t.child == hierarchy.levels:
                continue
            done = t.operand != "O" or finished[level] or level == outermost
            width = hierarchy.word_bits(t.operand) if done else hierarchy.partial_sum_bits
            share = shares.get(t.operand, 1) if level == 0 else 1
            bits = fetch_words(mapped.nest, t.operand, t.parent, t.child) * width * float(share)
            head, tail = (head, tail + bits) if t.operand == "O" else (head + bits, tail)
        read, written = _moved(mapped.traffic, level, shares)
        each_port = [(read, head, memory.read_bandwidth), (written, tail, memory.write_bandwidth)]
        for bits, end, bandwidth in (
            [(read + written, head + tail, memory.read_bandwidth)] if memory.shared_port else each_port
        ):
            if bandwidth > 0:
                busiest = max(busiest, (bits - end) / bandwidth)
                ends += end / bandwidth
    return busiest + ends


def _moved(traffic: Iterable[Traffic], level: int, shares: Mapping[str, Fraction]) -> tuple[float, float]:
    """Bits read and written."""
    rows = [row for row in traffic if row.level == level]
    share = [shares.get(OPERAND_OF.get(row.kind, ""), Fraction(1)) if level == 0 else Fraction(1) for row in rows]
    read = sum((row.read_bits * part for row, part in zip(rows, share, strict=True)), Fraction(0))
    written = sum((row.write_bits * part for row, part in zip(rows, share, strict=True)), Fraction(0))
    return float(read), float(written)
