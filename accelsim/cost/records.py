"""What a cost is made of: one record per step and the totals of one batch, the same for every kind of machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accelsim.cost.energy import Components, total
from accelsim.cost.fpga_resources import Resources
from accelsim.hardware.quantity import Quantity
from accelsim.mapping.scheduled import Schedule, ScheduledStep

OPERANDS = ("weights", "inputs", "outputs", "partial_sums")
Bound = Literal["compute", "memory"]
"""compute: the array is busy for most of the latency."""


@dataclass(frozen=True)
class StepCost:
    """One step. Accesses: memory -> kind -> (bits read, bits written), of plain words and without gating of zeros.
    Energy in J, latency in s. figures: columns of the layer table that only some machines have.
    """

    scheduled: ScheduledStep
    accesses: Mapping[str, Mapping[str, tuple[int, int]]]
    energy: Components
    latency_s: float
    utilisation: float | None
    bound: Bound
    figures: Mapping[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Exact for one cold batch: every weight is loaded once or as often as its mapping says."""

    steps: tuple[StepCost, ...]
    schedule: Schedule
    energy: Components
    latency_s: float
    offchip_read_bits: int
    offchip_write_bits: int
    offchip_bits_by_operand: Mapping[str, int]
    saved_bits: int
    """Off-chip weight bits that later batches do not read."""
    steady_energy: Quantity
    """J of a later batch, which finds pinned weights in place."""
    steady_s: float | None
    """From one batch to the next in a long run: of layers one after the other the latency of a later batch, of a
    pipeline its interval; None where that has no timing."""
    resources: Resources | None
    assumptions: tuple[str, ...]

    @property
    def energy_total(self) -> Quantity:
        """J of one batch, all components."""
        return total(self.energy.values())
