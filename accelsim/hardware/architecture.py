"""A machine as its YAML file describes it: memories outermost first, an array of processing elements (PEs), formats.

Memories are shared by the whole array up to the first that is `per_pe`; from there on each PE has its own, and the
spatial fan-out lies before it (or between the last memory and the PEs). Field names carry the unit of the file; the
properties without one in their name are in SI units, bits and exact integers.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from functools import cached_property
from itertools import takewhile
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from accelsim.hardware.arithmetic import Arithmetic
from accelsim.hardware.dataflow import MemoryDataflow
from accelsim.hardware.number_formats import (
    Factor,
    FormatCost,
    FormatKey,
    FormatMatch,
    NoFormat,
    match_format,
    operand_bits,
)
from accelsim.hardware.pe_array import Array as Array
from accelsim.hardware.quantity import (
    UNSURE,
    Count,
    Frozen,
    PositiveCount,
    PositiveQuantity,
    Quantity,
    Source,
    numbers,
    without_later,
)
from accelsim.hardware.run_length import RunLength, coded_off_chip
from accelsim.hardware.sram_fit import Bank, GivenCacti, sram_figures
from accelsim.hardware.technology import (
    GivenArea,
    GivenEnergy,
    Technology,
    area_sentence,
    energy_sentence,
    scaled_area,
    scaled_energy,
)
from accelsim.hardware.vocabulary import Dimension, Operand

OFF_CHIP = frozenset({"ddr3", "ddr4", "lpddr4", "hbm2", "flash"})
"""Outermost kinds. `flash` is that of a microcontroller: on its die, but outside of what is planned as on chip."""
BLOCK_BITS = {"bram36": 36_864, "uram": 294_912}
"""Bits of a block, parity included: RAMB36 is 1K x 36, URAM288 is 4K x 72 (UG573)."""

MemoryKind = Literal[
    "ddr3", "ddr4", "lpddr4", "hbm2", "flash", "bram36", "uram", "flip_flop", "sram", "cache", "register_file"
]
TransposedConv = Literal["zero_insert", "scatter", "phase", "phase_layers"]
PICO, MILLI = 1e-12, 1e-3
NOTHING = Quantity(value=0.0)
ENERGIES = ("energy_pj_per_bit", "read_energy_pj_per_bit", "write_energy_pj_per_bit")
FITTED = ("leakage_mw", "area_mm2")
EVERYTHING: tuple[Operand, ...] = ("weights", "activations", "partial_sums")


def _plain_name(name: str) -> str:
    if not name.replace("_", "").replace("-", "").isalnum():
        raise PydanticCustomError("expected", "a name of letters, digits, _ and -")
    return name


Name = Annotated[str, AfterValidator(_plain_name)]


def _ids(text: str) -> str:
    if text != "no" and not all(entry.strip().isalnum() for entry in text.split(",")):
        raise PydanticCustomError("expected", "no, or the targets that judge the machine, as in: C1, C2")
    return text


Validated = Annotated[str, AfterValidator(_ids)]


class Memory(Frozen):
    """One memory. Its size is given in exactly one way; energies are per bit moved through its port.

    per_pe: each PE has a copy of this memory and of all after it; size, bandwidth, area, leakage are of one copy.
    cacti: energies, leakage and area that the file leaves out are those of a fit to CACTI 7.
    run_length: off chip alone, how activations are stored there.
    dataflow: what the mapper must keep to here.
    """

    name: Name
    kind: MemoryKind
    size_mib: PositiveCount | None = None
    size_kib: PositiveCount | None = None
    size_bytes: PositiveCount | None = None
    blocks: PositiveCount | None = None
    holds: Annotated[tuple[Operand, ...], Field(strict=False, min_length=1)] = EVERYTHING
    per_pe: bool = False
    double_buffered: bool = False
    access_bits: PositiveCount | None = None
    burst_bytes: PositiveCount | None = None
    bandwidth_gb_per_s: PositiveQuantity | None = None
    bandwidth_bits_per_cycle: PositiveCount | None = None
    energy_pj_per_bit: GivenEnergy | None = None
    read_energy_pj_per_bit: GivenEnergy | None = None
    write_energy_pj_per_bit: GivenEnergy | None = None
    cacti: GivenCacti | None = None
    leakage_mw: Quantity | None = None
    area_mm2: GivenArea | None = None
    run_length: RunLength | None = None
    dataflow: MemoryDataflow | None = None

    _coded = model_validator(mode="after")(coded_off_chip)

    @property
    def off_chip(self) -> bool:
        """Whether the memory is DRAM outside the chip."""
        return self.kind in OFF_CHIP

    @property
    def size_bits(self) -> int:
        """Capacity in bits, both halves of a double buffer together."""
        if self.blocks is not None:
            return self.blocks * BLOCK_BITS[self.kind]
        return 8 * ((self.size_mib or 0) * 2**20 + (self.size_kib or 0) * 2**10 + (self.size_bytes or 0))

    @property
    def usable_bits(self) -> int:
        """Capacity for a tile: half of the size where the memory is double buffered."""
        return self.size_bits // 2 if self.double_buffered else self.size_bits

    @property
    def transfer_bits(self) -> int:
        """The least that one access moves, in bits: a burst, a port width, or 1 where the file names neither."""
        return 8 * self.burst_bytes if self.burst_bytes else int(self.access_bits or 1)

    def bits_per_cycle(self, clock_hz: float) -> float:
        """Bandwidth of the port in bits per clock cycle; infinite for registers that keep up with the array."""
        if self.bandwidth_gb_per_s is not None:
            return self.bandwidth_gb_per_s.value * 8e9 / clock_hz
        return math.inf if self.bandwidth_bits_per_cycle is None else float(self.bandwidth_bits_per_cycle)

    def bank(self, node_nm: float) -> Bank | None:
        """What the fit to CACTI is asked for; None where the file does not ask it."""
        if self.cacti is None:
            return None
        size = self.size_bits / (8 * self.cacti.banks)
        return Bank(self.cacti.transistors, node_nm, size, int(self.access_bits or 0))

    @property
    def left_to_the_fit(self) -> tuple[str, ...]:
        """Keys that the file leaves to the fit to CACTI."""
        keys = () if self.cacti is None else (*(ENERGIES[1:] if self.energy_pj_per_bit is None else ()), *FITTED)
        return tuple(key for key in keys if getattr(self, key) is None)

    def settled(self, technology: Technology) -> "Memory":
        """With every figure in the process of the machine, and those of the fit where the file leaves them out."""
        found: dict[str, Quantity] = {}
        for key in ENERGIES:
            if (energy := getattr(self, key)) is not None:
                found[key] = scaled_energy(energy, technology)
        if self.area_mm2 is not None:
            found["area_mm2"] = scaled_area(self.area_mm2, technology)
        bank = self.bank(technology.node_nm.value)
        if bank is not None and bank.refusal is None and self.cacti is not None:
            figures = sram_figures(bank, int(self.cacti.banks))
            found |= {key: figures[key] for key in self.left_to_the_fit}
        return self.model_copy(update=found)

    @property
    def read_energy_j_per_bit(self) -> Quantity:
        """Energy of reading one bit, J."""
        return _given(self.read_energy_pj_per_bit, self.energy_pj_per_bit) * PICO

    @property
    def write_energy_j_per_bit(self) -> Quantity:
        """Energy of writing one bit, J."""
        return _given(self.write_energy_pj_per_bit, self.energy_pj_per_bit) * PICO


class Machine(Frozen):
    """What all kinds of machine share; each kind is a subclass with its own typed section.

    validated: `no`, or the targets of `accelsim validate` that judge the machine (`C1, C2`); it changes no figure.
    """

    schema_: Literal["accelsim/hardware/1"] = Field(alias="schema")
    name: Name
    kind: str
    sources: Annotated[tuple[Source, ...], Field(strict=False, min_length=1)]
    clock_mhz: PositiveQuantity
    technology: Technology
    transposed_conv: TransposedConv
    given_static_power_w: Quantity | None = Field(default=None, alias="static_power_w")
    validated: Validated | None = None

    @property
    def static_power_w(self) -> Quantity:
        """What the machine draws all the time, W: as the file says, else the leakage of its memories."""
        return NOTHING if self.given_static_power_w is None else self.given_static_power_w

    @property
    def clock_hz(self) -> float:
        """Clock of the digital logic, Hz."""
        return self.clock_mhz.value * 1e6

    @property
    def summary(self) -> str:
        """The machine in a few words, for `accelsim list hardware`."""
        return f"{self.kind} at {self.clock_mhz} MHz"

    @property
    def judged(self) -> str:
        """By which measurements of the machine this file is judged; empty where it does not say."""
        if self.validated is None:
            return ""
        return "not validated" if self.validated == "no" else f"validated by {self.validated}"

    def content_hash(self) -> str:
        """SHA-256 of what the file says: the same for another spelling, order or comment, another for any change."""
        data = without_later(self.model_dump(mode="json", by_alias=True, exclude={"validated"}))
        canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def assumptions(self) -> tuple[str, ...]:
        """One sentence for each constant that is recalled or an estimate, for the report; before them whether nothing
        measured on the machine has judged it."""
        unjudged = f"{self.name}: not validated: nothing measured on this machine was compared with what is computed"
        return ((unjudged,) if self.validated == "no" else ()) + tuple(
            f"{self.name}: {path} = {number} is {'an estimate' if number.status == 'estimate' else 'recalled'}"
            + (f": {number.source}" if number.source else "")
            for path, number in numbers(self)
            if number.status in UNSURE
        )


class Architecture(Machine):
    """A machine that multiplies in an array of PEs behind a hierarchy of memories."""

    given_memories: Annotated[tuple[Memory, ...], Field(strict=False, min_length=1, alias="memories")]
    array: Array
    given_formats: Annotated[dict[FormatKey, FormatCost], Field(min_length=1, alias="formats")]
    arithmetic: Arithmetic | None = None

    @cached_property
    def memories(self) -> tuple[Memory, ...]:
        """Outermost first, with every figure in the process of the machine."""
        return tuple(memory.settled(self.technology) for memory in self.given_memories)

    @cached_property
    def formats(self) -> dict[str, FormatCost]:
        """Rate and energy by format, in the process of the machine."""
        return {key: cost.settled(key, self.arithmetic, self.technology) for key, cost in self.given_formats.items()}

    @property
    def static_power_w(self) -> Quantity:
        """As of any machine; without a figure in the file the leakage of all copies of its memories."""
        if self.given_static_power_w is not None:
            return self.given_static_power_w
        leaking = [(m.leakage_mw, self.copies_of(m)) for m in self.memories if m.leakage_mw is not None]
        return sum((leakage * (MILLI * copies) for leakage, copies in leaking), NOTHING)

    def copies_of(self, memory: Memory) -> int:
        """How many of a memory there are: one, or one for each PE from the first `per_pe` on."""
        shared = memory.name in {shared.name for shared in self.shared_memories}
        return 1 if shared else self.array.pes

    def assumptions(self) -> tuple[str, ...]:
        """As of any machine, and one sentence for each figure that is scaled or fitted, and for what leaks."""
        return (*super().assumptions(), *(f"{self.name}: {sentence}" for sentence in self._derived()))

    def _derived(self) -> Iterator[str]:
        for path, given in numbers(self):
            if isinstance(given, GivenEnergy) and (said := energy_sentence(path, given, self.technology)):
                yield said
            if isinstance(given, GivenArea) and (said := area_sentence(path, given, self.technology)):
                yield said
        for key, cost in self.given_formats.items():
            if cost.given_energy_pj is None and self.arithmetic is not None:
                yield f"formats.{key}.energy_pj = {self.arithmetic.sentence(*operand_bits(key), self.technology)}"
        for memory in self.given_memories:
            if (bank := memory.bank(self.technology.node_nm.value)) is not None and memory.left_to_the_fit:
                yield f"memories.{memory.name}: {', '.join(memory.left_to_the_fit)} by a {bank}"
        yield from self._never_coded()
        restricted = [memory for memory in self.given_memories if memory.dataflow is not None]
        yield from (f"memories.{m.name}.dataflow restricts what the mapper finds: {m.dataflow}" for m in restricted)
        if self.array.stationary is not None:
            yield f"array.stationary restricts what the mapper finds: {self.array.stationary} stay in the PEs"
        yield from self._leaking()

    def _never_coded(self) -> Iterator[str]:
        for memory in self.given_memories:
            wide = [key for key in self.given_formats if not _codes(memory, operand_bits(key)[1])]
            if wide:
                where = f"memories.{memory.name}.run_length"
                yield f"{where} codes no activations of {', '.join(wide)}: no pair fits a word"

    def _leaking(self) -> Iterator[str]:
        leaking = [memory.name for memory in self.memories if memory.leakage_mw is not None]
        if leaking and self.given_static_power_w is None:
            yield f"static power is the leakage of {', '.join(leaking)} alone: that of logic and wires is not counted"
        elif leaking:
            power, names = self.given_static_power_w, ", ".join(leaking)
            yield f"static power is {power} W as the file gives it; the leakage of {names} is taken to be in it"

    @property
    def summary(self) -> str:
        """Kind, array, memories on the chip and formats."""
        shared = " + ".join(f"{m.name} {_size(m)}" for m in self.shared_memories if not m.off_chip)
        own = " + ".join(f"{m.name} {_size(m)}" for m in self.memories[len(self.shared_memories) :])
        chip = f"{shared}, in each {own}" if own else shared
        pes = f"{self.array.rows}x{self.array.cols} PEs at {self.clock_mhz} MHz"
        return f"{self.kind}, {pes}, {chip}; {', '.join(self.formats)}"

    @property
    def shared_memories(self) -> tuple[Memory, ...]:
        """The memories before the fan-out: all before the first per-PE one."""
        return tuple(takewhile(lambda memory: not memory.per_pe, self.memories))

    def memory(self, name: str) -> Memory:
        """The memory called `name`; raises KeyError."""
        return {memory.name: memory for memory in self.memories}[name]

    def format_for(self, weights: Factor, activations: Factor) -> FormatMatch | NoFormat:
        """At which listed format's cost these operands are multiplied, or why there is no cost."""
        return match_format(self.name, self.formats, weights, activations)

    def lanes(self, key: str) -> dict[Dimension, int]:
        """How many values of each dimension one PE works on at once in this format; the product is its MACs a cycle."""
        cost = self.formats[key]
        named: dict[Dimension, int] = {dimension: int(count) for dimension, count in cost.lanes.items()}
        return named or {self.array.unroll.cols[0].dimension: int(cost.macs_per_cycle_per_pe)}


class Fpga(Frozen):
    """What the device has: DSP slices, 6-input LUTs, flip-flops, RAMB36 and URAM288 blocks; DSPs that one PE takes."""

    device: str
    dsp: Count
    lut: Count
    ff: Count
    bram36: Count
    uram: Count
    dsp_per_pe: Count = Count(1)


class FpgaArchitecture(Architecture):
    """An array of DSP slices on an FPGA."""

    kind: Literal["fpga"]
    fpga: Fpga


def _codes(memory: Memory, bits: int) -> bool:
    """Whether activations of this width are coded where the memory codes any."""
    return memory.run_length is None or memory.run_length.pairs_per_word(bits) > 0


def _size(memory: Memory) -> str:
    size = memory.size_bits / 8
    return f"{size / 1024:,.0f} KiB" if size >= 1024 else f"{size:,.0f} B"


def _given(*candidates: Quantity | None) -> Quantity:
    return next(quantity for quantity in candidates if quantity is not None)
