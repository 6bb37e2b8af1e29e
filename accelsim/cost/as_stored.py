"""A step as it runs on a machine that makes use of zeros: what it moves off chip, how long that takes, what rests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from accelsim.cost.gating import gating_of, idle_share
from accelsim.cost.run_length import coded_traffic, stored_shares
from accelsim.cost.zeros import KnownZeros
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.spatial import SpatialArchitecture
from accelsim.mapping.residency import MemoryPlan
from accelsim.mapping.scheduled import ScheduledStep


@dataclass(frozen=True)
class StoredStep:
    """step: with its off-chip traffic and latency as stored. idle: part of its multiplies that rest.

    figures: columns of the layer table, none where the machine makes no use of zeros.
    """

    step: ScheduledStep
    idle: float = 0.0
    figures: Mapping[str, float | str | None] = field(default_factory=dict)


def uses_zeros(machine: Architecture) -> bool:
    """Whether zeros change what the machine costs."""
    return gating_of(machine) is not None or machine.memories[0].run_length is not None


def as_stored(
    steps: Sequence[ScheduledStep], kept: MemoryPlan, machine: Architecture, zeros: KnownZeros
) -> tuple[StoredStep, ...]:
    """Every step of a batch, under its memory plan."""
    if not uses_zeros(machine):
        return tuple(StoredStep(step) for step in steps)
    resident = frozenset(kept.resident)
    written = {step.task.writes for step in steps}
    seen: set[str] = set()
    found = []
    for step in steps:
        there = frozenset(name for name in resident if name in written or name in seen)
        found.append(_stored_step(step, machine, zeros, there))
        seen.update(step.task.reads)
    return tuple(found)


def _stored_step(step: ScheduledStep, machine: Architecture, zeros: KnownZeros, there: frozenset[str]) -> StoredStep:
    layout, idle = machine.memories[0].run_length, 0.0
    figures: dict[str, float | str | None] = {}
    if gating_of(machine) is not None:
        idle = idle_share(step, zeros)
        figures["zero_multiplies"] = None if step.mapping is None else idle
    if layout is not None:
        shares = stored_shares(step, layout, zeros)
        figures["stored_share"] = float(shares[step.task.writes])
        traffic = coded_traffic(step, shares, there)
        if traffic != step.traffic:
            latency = _latency(step, machine, shares, sum(r.read_bits + r.write_bits for r in traffic if r.level == 0))
            step = replace(step, traffic=traffic, latency_cycles=latency)
    source = step.task.reads[0] if step.task.reads else step.task.writes
    figures["input_zero_fraction"] = zeros.of(source).fraction
    figures["zeros_from"] = zeros.origin_of(source)
    return StoredStep(step, idle, figures)


def _latency(step: ScheduledStep, machine: Architecture, shares: Mapping[str, Fraction], offchip_bits: int) -> float:
    """Cycles of a step whose activations are stored in these shares of their bits."""
    task, mapped = step.task, step.mapping
    if mapped is None:
        return max(float(step.cycles), offchip_bits / machine.memories[0].bits_per_cycle(machine.clock_hz))
    assert task.pace is not None  # what is mapped has one
    of_operand = {"I": float(shares[task.reads[0]]), "O": float(shares[task.writes])}
    if task.is_product:
        of_operand["W"] = float(shares[task.reads[1]])
    saved = mapped.latency_cycles - mapped.latency_with(of_operand)
    return step.latency_cycles - saved * task.pace.cycles_per_step


def zero_sentences(machine: Architecture, zeros: KnownZeros) -> tuple[str, ...]:
    """What is taken for granted about zeros, for the report."""
    if not uses_zeros(machine):
        whole = f"{machine.name}: every multiply of the loops costs its full energy, and activations move uncompressed"
        return (whole,) if isinstance(machine, SpatialArchitecture) else ()
    gating, layout, name = gating_of(machine), machine.memories[0].run_length, machine.name
    sentences = [f"{name}: {_origin(zeros)}"]
    if gating is not None:
        resting = ["the multiplier"] * gating.multiplier + [f"the read of {memory}" for memory in gating.reads]
        sentences.append(
            f"{name}: where the input of a multiply is zero, {' and '.join(resting)} rest; inputs are taken to be "
            "multiplied equally often; accesses are those without gating, energies those with it"
        )
    if layout is not None:
        random = "" if zeros.origin == "run" else "; zeros are taken to lie at random"
        sentences.append(
            f"{name}: activations off chip are run-length coded where that is shorter, and a tile may begin anywhere "
            f"in the code{random}; accesses are those of plain words, bytes, energy and latency those of the code"
        )
    return tuple(sentences)


def _origin(zeros: KnownZeros) -> str:
    if zeros.origin == "run":
        return "zeros of activations are those that the run saw"
    if zeros.tensors or zeros.multiplied:
        return "zeros of activations are those that the workload states, of others none are counted"
    return "zeros of activations are not known without a run: none are counted but padded and inserted ones"
