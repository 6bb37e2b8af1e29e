"""An array of processing elements that have memories of their own, fed by a network on the chip."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from accelsim.hardware.architecture import PICO, Architecture, Name
from accelsim.hardware.quantity import Frozen, Quantity, Source, Status


class ZeroGating(Frozen):
    """What rests in a PE while the input that it multiplies is zero.

    multiplier: whether it does. reads: memories of the PE, of weights or inputs, that are not read for that multiply.
    """

    multiplier: bool
    reads: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    source: Source | None = None
    status: Status | None = None


class Spatial(Frozen):
    """`network_energy_pj_per_bit`: of every bit delivered to a PE, and of every bit that a PE sends out."""

    network_energy_pj_per_bit: Quantity
    zero_gating: ZeroGating | None = None

    @property
    def network_energy_j_per_bit(self) -> Quantity:
        """Energy of one bit across the network, J."""
        return self.network_energy_pj_per_bit * PICO


class SpatialArchitecture(Architecture):
    """Shared memories, a network, and PEs with register files (the memories from the first `per_pe` on)."""

    kind: Literal["spatial"]
    spatial: Spatial

    @model_validator(mode="after")
    def _gated_memories(self) -> Self:
        gating, own = self.spatial.zero_gating, self.memories[len(self.shared_memories) :]
        readable = [memory.name for memory in own if "partial_sums" not in memory.holds]
        for name in gating.reads if gating else ():
            if name not in readable:
                what = "spatial.zero_gating.reads: {name} is no memory of a PE for weights or inputs alone: {known}"
                raise PydanticCustomError(
                    "gated", what, {"name": repr(name), "known": ", ".join(readable) or "there is none"}
                )
        return self
