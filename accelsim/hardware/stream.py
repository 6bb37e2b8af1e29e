"""An FPGA on which every layer has hardware of its own and images stream through: a pipeline in the style of FINN."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from accelsim.hardware.architecture import PICO, Fpga, Machine, Name
from accelsim.hardware.number_formats import Factor, FormatCost, FormatKey, FormatMatch, NoFormat, match_format
from accelsim.hardware.quantity import Count, Frozen, PositiveCount, PositiveQuantity, Quantity, Source

FifoSize = Annotated[tuple[PositiveCount, PositiveCount], Field(strict=False)]
"""Words, and bits of a word."""
Resource = Literal["dsp", "lut", "ff", "bram36", "uram"]


class StreamFormat(FormatCost):
    """Energy of a MAC, and how many one DSP slice does in a cycle (0: multipliers are built of LUTs)."""

    macs_per_cycle_per_pe: PositiveCount = Count(1)
    macs_per_dsp: Count = Count(0)


class Fold(Frozen):
    """How one layer is folded: `pe` results and `simd` products of each in a cycle.

    fifo: of the stream in front of it. weights: where they lie; `auto` leaves that to their size.
    """

    pe: PositiveCount
    simd: PositiveCount
    fifo: FifoSize | None = None
    weights: Literal["auto", "lutram", "block"] = "auto"


class Folding(Frozen):
    """The folding of one network in formats of these widths, by the names of its layers."""

    network: Name
    weight_bits: PositiveCount
    activation_bits: PositiveCount
    source: Source
    layers: Annotated[dict[str, Fold], Field(min_length=1)]
    output_fifo: FifoSize | None = None


class Link(Frozen):
    """To the memory of the host. `port_bits`: the width of the stream of inputs, and of outputs, in a cycle."""

    bandwidth_gb_per_s: PositiveQuantity
    port_bits: PositiveCount
    energy_pj_per_bit: Quantity


class Stream(Frozen):
    """The section `stream`.

    weight_memories: `per_pe`, or `merged` into one wide memory a layer. loaded: weights and thresholds are written by
    the host instead of coming with the bitstream. block_ram_from_bits: larger memories are blocks, smaller ones LUTs.
    images_per_s: what a searched folding aims at (0: as many as fit). usable: shares of the device that it may take.
    board_power_w: of everything on the board beside the device.
    """

    link: Link
    weight_memories: Literal["per_pe", "merged"]
    loaded: bool
    block_ram_from_bits: PositiveCount
    block_ram_energy_pj_per_bit: Quantity
    lut_ram_energy_pj_per_bit: Quantity
    images_per_s: Quantity = Quantity(value=0.0)
    usable: dict[Resource, PositiveQuantity]
    board_power_w: Quantity
    formats: Annotated[dict[FormatKey, StreamFormat], Field(min_length=1)]
    foldings: dict[Name, Folding] = {}

    @model_validator(mode="after")
    def _shares(self) -> "Stream":
        for name, share in self.usable.items():
            if share.value > 1:
                given = {"name": name, "share": f"{share.value:g}"}
                what = "usable.{name}: a share of the device, so 1 at most, not {share}"
                raise PydanticCustomError("share", what, given)
        return self


class StreamArchitecture(Machine):
    """A device, its link to the host, and how pipelines are built on it."""

    kind: Literal["stream"]
    fpga: Fpga
    stream: Stream

    @property
    def summary(self) -> str:
        """Kind, device, foldings that it has and formats."""
        given = f"; folded for {', '.join(self.stream.foldings)}" if self.stream.foldings else ""
        return f"{self.kind} on {self.fpga.device} at {self.clock_mhz} MHz{given}; {', '.join(self.stream.formats)}"

    def format_for(self, weights: Factor, activations: Factor) -> FormatMatch | NoFormat:
        """At which listed format's cost these operands are multiplied, or why there is no cost."""
        return match_format(self.name, self.stream.formats, weights, activations)

    def macs_per_dsp(self, match: FormatMatch) -> int:
        """MACs of one DSP slice in a cycle; 0 where multipliers are built of LUTs."""
        return int(self.stream.formats[match.key].macs_per_dsp)

    def folding_for(self, network: str, weight_bits: int, activation_bits: int) -> Folding | None:
        """The folding that the file gives for this network in these widths."""
        wanted = (network, weight_bits, activation_bits)
        for folding in self.stream.foldings.values():
            if (folding.network, int(folding.weight_bits), int(folding.activation_bits)) == wanted:
                return folding
        return None

    def usable(self, resource: Resource) -> int:
        """How much of a resource a searched folding may take."""
        share = self.stream.usable.get(resource)
        return int(int(getattr(self.fpga, resource)) * (1.0 if share is None else share.value))

    @property
    def port_bits_per_cycle(self) -> float:
        """Bits of input, or of output, that arrive in a cycle."""
        link = self.stream.link
        return min(float(link.port_bits), link.bandwidth_gb_per_s.value * 8e9 / self.clock_hz)

    @property
    def link_energy_j_per_bit(self) -> Quantity:
        """Of the memory of the host and the way to it, J."""
        return self.stream.link.energy_pj_per_bit * PICO
