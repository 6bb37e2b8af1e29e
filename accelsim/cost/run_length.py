"""Bits that activations take off chip where the memory stores them run-length coded.

Bits of a tensor = words x word_bits, words = ceil(pairs / pairs of a word). Where a run saw the codes, the pairs are
those of these very codes, all samples in one stream. Else the zeros are taken to lie at random: with a fraction z of
them, a pair of a span of s values at most stands for 1 + z + ... + z^(s-1) values on average.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import ceil

from accelsim.cost.zeros import KnownZeros, TensorZeros
from accelsim.engine.zero_runs import ZeroRuns
from accelsim.hardware.run_length import RunLength
from accelsim.mapping.scheduled import ScheduledStep
from accelsim.mapping.traffic import Traffic

PLAIN = Fraction(1)


def coded_bits(runs: ZeroRuns, value_bits: int, layout: RunLength) -> int:
    """Bits of the code of these values; ValueError where none fits into a word."""
    each = layout.pairs_per_word(value_bits)
    if each == 0:
        raise ValueError(f"a value of {value_bits} bits does not fit into a word of {int(layout.word_bits)}")
    return -(-runs.pairs(layout.span) // each) * int(layout.word_bits)


@lru_cache(maxsize=1024)
def expected_share(fraction: float, value_bits: int, layout: RunLength) -> float:
    """Coded over plain bits of a long tensor with a fraction of zeros that lie at random; may be above 1."""
    values_per_pair = sum(fraction**n for n in range(layout.span))
    return int(layout.word_bits) / (layout.pairs_per_word(value_bits) * value_bits * values_per_pair)


def stored_share(zeros: TensorZeros, value_bits: int, layout: RunLength) -> Fraction:
    """Stored over plain bits of one tensor: coded, or plain where that is no longer."""
    if layout.pairs_per_word(value_bits) == 0:
        return PLAIN
    if zeros.runs is None:
        return min(PLAIN, Fraction(expected_share(zeros.fraction, value_bits, layout)))
    if zeros.runs.codes == 0:
        return PLAIN
    return min(PLAIN, Fraction(coded_bits(zeros.runs, value_bits, layout), zeros.runs.codes * value_bits))


def stored_shares(step: ScheduledStep, layout: RunLength, zeros: KnownZeros) -> dict[str, Fraction]:
    """Share of every tensor that a step reads or writes, by name."""
    task = step.task
    widths = {**dict(zip(task.reads, task.read_bits, strict=True)), task.writes: task.write_bits}
    return {name: stored_share(zeros.of(name), bits, layout) for name, bits in widths.items()}


def coded_traffic(step: ScheduledStep, shares: Mapping[str, Fraction], there: frozenset[str]) -> tuple[Traffic, ...]:
    """The traffic of a step with what moves off chip as it is stored; weights and unfinished sums are plain.

    there: tensors that are on the chip when the step starts.
    """
    rows = zip(step.traffic, _tensors(step, there), strict=True)
    return tuple(row if name is None else _coded(row, shares[name]) for row, name in rows)


def _coded(row: Traffic, share: Fraction) -> Traffic:
    if share == PLAIN:
        return row
    return replace(row, read_bits=ceil(row.read_bits * share), write_bits=ceil(row.write_bits * share))


def _tensors(step: ScheduledStep, there: frozenset[str]) -> list[str | None]:
    """Of each row of traffic, the stored activations that move off chip; None for all else."""
    task = step.task
    if step.mapping is None:
        fetched = iter([name for name in task.reads if name not in there])
        names = [next(fetched) if row.level == 0 and row.kind == "inputs" else None for row in step.traffic]
        ends = [row.level == 0 and row.kind == "outputs" for row in step.traffic]
        return [task.writes if end else name for name, end in zip(names, ends, strict=True)]
    of_kind = {"inputs": task.reads[0], "outputs": task.writes} | (
        {"weights": task.reads[1]} if task.is_product else {}
    )
    loaded: list[str | None] = [None] * (len(step.traffic) - len(step.mapping.traffic))
    return [of_kind.get(row.kind) if row.level == 0 else None for row in step.mapping.traffic] + loaded
