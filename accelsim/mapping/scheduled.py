"""A program as it runs on a machine: its steps in the first batch and in later ones, and the memory plan."""

from dataclasses import dataclass
from functools import cached_property

from accelsim.mapping.mapper import Mapping
from accelsim.mapping.pace import Repacked
from accelsim.mapping.residency import MemoryPlan
from accelsim.mapping.score import Goal
from accelsim.mapping.tasks import Task, Tasks
from accelsim.mapping.traffic import Traffic


@dataclass(frozen=True)
class ScheduleOptions:
    """goal: what each mapping minimises. residency: whether tensors and weights may stay on chip between layers."""

    goal: Goal = "energy"
    residency: bool = True


@dataclass(frozen=True)
class ScheduledStep:
    """One step as it runs in the first or in a later batch: its mapping (None where it only streams), what it moves,
    clock cycles.
    """

    task: Task
    mapping: Mapping | None
    traffic: tuple[Traffic, ...]
    cycles: int
    latency_cycles: float
    weight_reads: int
    """Times a batch reads all weights from off chip when they are not pinned."""
    saved_bits: int
    """Off-chip weight bits that a later batch does not read again."""
    repacked: tuple[Repacked, ...] = ()

    @property
    def macs(self) -> int:
        """Multiplies that the step executes."""
        return 0 if self.mapping is None else self.mapping.problem.macs

    @property
    def mapping_text(self) -> str | None:
        """How the multiplies are laid out, for a person; None where there are none."""
        return None if self.mapping is None else str(self.mapping)

    @property
    def figures(self) -> dict[str, int]:
        """Columns of the layer table that only this kind of machine has."""
        return {}

    @cached_property
    def offchip(self) -> tuple[Traffic, ...]:
        """Off-chip traffic, one row per kind, each direction in whole bytes so that sums over steps are exact."""
        rows = merged_traffic(tuple(row for row in self.traffic if row.level == 0))
        return tuple(Traffic(r.level, r.memory, r.kind, _whole(r.read_bits), _whole(r.write_bits)) for r in rows)


@dataclass(frozen=True)
class Schedule:
    """Steps in order and the memory plan that they keep to. later: the steps of a batch that finds pinned weights in
    place; of an array, the others know theirs by themselves.
    """

    steps: tuple[ScheduledStep, ...]
    plan: MemoryPlan
    on_chip: str
    tasks: Tasks
    weights_in: str | None = None
    """Where pinned weights live if not in the memory of the plan."""
    later: tuple[ScheduledStep, ...] = ()


def _whole(bits: int) -> int:
    return -(-bits // 8) * 8


def merged_traffic(rows: tuple[Traffic, ...]) -> tuple[Traffic, ...]:
    """One row per memory and kind of data."""
    found: dict[tuple[int, str], list[Traffic]] = {}
    for row in rows:
        found.setdefault((row.level, row.kind), []).append(row)
    return tuple(_sum_of(found[key]) for key in sorted(found))


def _sum_of(rows: list[Traffic]) -> Traffic:
    first, *more = rows
    if not more:
        return first
    read, write = sum(row.read_bits for row in rows), sum(row.write_bits for row in rows)
    return Traffic(first.level, first.memory, first.kind, read, write)
