"""A processor with several cores, each a PE of the array: caches, vector instructions, codes packed below a byte."""

from typing import Annotated, Literal

from pydantic import Field

from accelsim.hardware.architecture import PICO, Architecture
from accelsim.hardware.number_formats import FormatKey
from accelsim.hardware.quantity import Frozen, PositiveCount, PositiveQuantity, Quantity
from accelsim.hardware.vocabulary import Dimension


class Repack(Frozen):
    """What it costs to turn one vector of packed codes into integers that the core can multiply, or back."""

    cycles_per_vector: Quantity
    energy_pj_per_vector: Quantity

    @property
    def energy_j_per_vector(self) -> Quantity:
        """Energy of one vector, J."""
        return self.energy_pj_per_vector * PICO


class Unpack(Frozen):
    """`within_byte`: codes of 1, 2 or 4 bits. `across_bytes`: all other widths that are no 8, 16 or 32."""

    within_byte: Repack
    across_bytes: Repack


class Result(Frozen):
    """What one result costs a core beside its multiplications: loads that hide behind none, sums set up, added across
    lanes, rescaled, clamped and stored."""

    cycles: Quantity
    energy_pj: Quantity


class Results(Frozen):
    """`dense`: of a layer that adds over channels. `depthwise`: of one with a channel a group."""

    dense: Result
    depthwise: Result


class Cpu(Frozen):
    """`kernel`: the block of results that a core keeps in its registers, by dimension. `issue_efficiency`: share of the
    peak rate that real kernels reach, by listed format. `results`: what a result costs besides, by listed format;
    nothing where a format is left out."""

    cores: PositiveCount
    simd_bits: PositiveCount
    line_bytes: PositiveCount
    kernel: Annotated[dict[Dimension, PositiveCount], Field(min_length=1)]
    issue_efficiency: dict[FormatKey, PositiveQuantity]
    unpack: Unpack
    results: dict[FormatKey, Results] = {}

    def result(self, key: str, depthwise: bool) -> Result | None:
        """What one result in this listed format costs beside its multiplications; None: nothing."""
        listed = self.results.get(key)
        return None if listed is None else listed.depthwise if depthwise else listed.dense

    def repack(self, bits: int) -> Repack | None:
        """What words of this width cost on their way into and out of vector registers; None: nothing."""
        if bits in (8, 16, 32):
            return None
        return self.unpack.within_byte if bits in (1, 2, 4) else self.unpack.across_bytes

    def words_per_vector(self, bits: int) -> int:
        """How many words of this width one vector register holds once they are bytes or 16-bit integers."""
        return max(1, int(self.simd_bits) // (8 if bits <= 8 else 16))


class CpuArchitecture(Architecture):
    """Cores that share the outer memories; `macs_per_cycle_per_pe` of a format is per core."""

    kind: Literal["cpu"]
    cpu: Cpu

    def lanes(self, key: str) -> dict[Dimension, int]:
        """What a vector instruction of one core multiplies: by default as many output channels."""
        cost = self.formats[key]
        named: dict[Dimension, int] = {dimension: int(count) for dimension, count in cost.lanes.items()}
        return named or {"out_channels": int(cost.macs_per_cycle_per_pe)}
