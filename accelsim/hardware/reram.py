"""A machine that multiplies in ReRAM crossbars: inputs drive rows bit by bit, columns add currents, ADCs read them.

Tiles of IMAs (in-situ multiply-accumulate units) of crossbars, after ISAAC (Shafiee et al., ISCA 2016). Each action has
its energy; how often it happens is counted by `accelsim.mapping.crossbar`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from accelsim.hardware.architecture import PICO, Machine, Name
from accelsim.hardware.crossbar_area import CrossbarArea
from accelsim.hardware.integrator import Integrator, Readout, bit_serial, integrated
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.quantity import Frozen, PositiveCount, PositiveQuantity, Quantity
from accelsim.yaml_file import Check, Mistake, Plain

Encoding = Literal["offset", "differential"]
"""offset: a weight w of b bits is stored as w + 2**(b - 1). differential: a positive and a negative column."""


Variation = Literal["lognormal", "normal"]
AdcRange = Literal["covering", "clipping"]
Amount = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _resolution(key: str) -> str:
    if not key.isdecimal() or not 1 <= int(key) <= 16:
        raise PydanticCustomError("expected", "a resolution of 1 to 16 bits")
    return key


def _two(size: object) -> object:
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise PydanticCustomError("expected", "[rows, columns]")
    return size


Resolution = Annotated[str, AfterValidator(_resolution)]
Size = Annotated[tuple[PositiveCount, PositiveCount], Field(strict=False), BeforeValidator(_two)]


class Dac(Frozen):
    """One a row. `energy_pj`: driving one row for one cycle."""

    bits: PositiveCount
    energy_pj: Quantity


class Adc(Frozen):
    """Shared by `columns_per_adc` columns in turn. `energy_pj`: one conversion, by resolution.

    `range`, with fewer bits than a column needs: `covering` makes steps coarser until they cover all sums; `clipping`
    keeps steps of one level and clips what is larger. `rate_gs_per_s`: conversions; with an `integrator`, bits decided.
    """

    bits: PositiveCount
    range: AdcRange = "covering"
    columns_per_adc: PositiveCount
    rate_gs_per_s: PositiveQuantity
    energy_pj: Annotated[dict[Resolution, Quantity], Field(min_length=1)]
    integrator: Integrator | None = None


class Action(Frozen):
    """Something that happens once per count."""

    energy_pj: Quantity


class PerBit(Frozen):
    """Something that moves bits."""

    energy_pj_per_bit: Quantity


class PerAccess(Frozen):
    """Something that moves words of `access_bits`."""

    access_bits: PositiveCount
    energy_pj: Quantity

    @property
    def energy_j_per_bit(self) -> Quantity:
        """Energy of one bit of a full word, J."""
        return self.energy_pj * (PICO / self.access_bits)


class Edram(PerAccess):
    """The buffer of one tile; reads and writes cost the same."""

    size_kib: PositiveCount


class Cell(Frozen):
    """One ReRAM cell. `read_energy_fj`: one cell in a driven row and a used column, one cycle. `write_*`: programming
    it; without them programming is counted but not costed.

    What follows acts on values alone, and is absent unless given (docs/crossbar.md). `sigma_relative`: standard
    deviation of what is programmed, by `variation`. `stuck_on`, `stuck_off`: fractions of cells. `read_noise_levels`:
    standard deviation of a column's current at each conversion, in levels of a cell. `off_current`: the lowest level
    conducts 1 / (r_off + access). `wire_ohm`: resistance of a wire from one cell to the next. `seed`: which chip.
    """

    r_on_ohm: PositiveQuantity
    r_off_ohm: PositiveQuantity
    access_ohm: Quantity | None = None
    read_v: PositiveQuantity
    read_ns: PositiveQuantity
    read_energy_fj: Quantity
    write_v: PositiveQuantity | None = None
    write_ns: PositiveQuantity | None = None
    write_energy_pj: Quantity | None = None
    sigma_relative: Amount = 0.0
    variation: Variation = "lognormal"
    stuck_on: Fraction = 0.0
    stuck_off: Fraction = 0.0
    read_noise_levels: Amount = 0.0
    off_current: bool = False
    wire_ohm: Amount = 0.0
    seed: Annotated[int, Field(ge=0)] = 0


class Tile(Frozen):
    """IMAs around one buffer. `peak_power_mw`: published power of the parts whose rate the crossbars do not set; it
    enters the power roll-up alone, never the energy of a network."""

    imas: PositiveCount
    crossbars_per_ima: PositiveCount
    edram: Edram
    bus: PerBit
    router: PerAccess
    peak_power_mw: Annotated[dict[Name, Quantity], Field(default_factory=dict)]


class OffChip(Frozen):
    """The link to the memory of the host, both directions together."""

    bandwidth_gb_per_s: PositiveQuantity
    energy_pj_per_bit: Quantity
    peak_power_w: Quantity | None = None


class Reram(Frozen):
    """The section `reram`. `cycle_ns`: one read of a crossbar; `pipeline_cycles`: cycles of an operation before its
    first and after its last input bit. `flip_encoding`: columns are stored so that their sum needs one ADC bit less."""

    crossbar: Size
    cell_bits: PositiveCount
    encoding: Encoding
    flip_encoding: bool = False
    cycle_ns: PositiveQuantity
    pipeline_cycles: Annotated[int, Field(ge=0)] = 0
    weight_bits: PositiveCount
    activation_bits: PositiveCount
    dac: Dac
    adc: Adc
    sample_hold: Action
    shift_add: Action
    input_register: PerBit
    output_register: Action
    cell: Cell
    tile: Tile
    tiles: PositiveCount
    offchip: OffChip
    area: CrossbarArea | None = None

    @property
    def rows(self) -> int:
        """Rows of a crossbar: inputs of one column."""
        return int(self.crossbar[0])

    @property
    def cols(self) -> int:
        """Columns of a crossbar."""
        return int(self.crossbar[1])

    @property
    def crossbars_per_tile(self) -> int:
        """Crossbars around one buffer."""
        return int(self.tile.imas * self.tile.crossbars_per_ima)

    @property
    def crossbars(self) -> int:
        """Crossbars of the chip."""
        return int(self.tiles) * self.crossbars_per_tile

    @property
    def edram_bytes(self) -> int:
        """All buffers together."""
        return int(self.tiles) * 1024 * int(self.tile.edram.size_kib)

    @property
    def cycle_s(self) -> float:
        """One cycle, s: a read of the crossbar, or as long as an ADC takes for its columns if that is longer.

        1 ns where columns integrate.
        """
        if self.adc.integrator is not None:
            return 1e-9
        conversions_ns = self.adc.columns_per_adc / self.adc.rate_gs_per_s.value
        return 1e-9 * max(self.cycle_ns.value, conversions_ns)

    @property
    def offchip_bits_per_cycle(self) -> float:
        """Bits that the link carries in one cycle."""
        return self.offchip.bandwidth_gb_per_s.value * 8e9 * self.cycle_s

    @property
    def level_siemens(self) -> float:
        """Conductance from one level of a cell to the next: (1 / R_on - 1 / R_off) / (levels - 1), with access."""
        on, off = self._conductances
        return (on - off) / ((1 << self.cell_bits) - 1)

    @property
    def off_levels(self) -> float:
        """Conductance of a cell at level 0, in levels."""
        return self._conductances[1] / self.level_siemens

    @property
    def _conductances(self) -> tuple[float, float]:
        access = 0.0 if self.cell.access_ohm is None else self.cell.access_ohm.value
        return 1 / (self.cell.r_on_ohm.value + access), 1 / (self.cell.r_off_ohm.value + access)

    @property
    def adc_energy_j(self) -> Quantity:
        """Energy of one conversion at the resolution of this machine, J."""
        return self.adc.energy_pj[str(int(self.adc.bits))] * PICO

    @property
    def largest_sum(self) -> int:
        """Of a column, in levels: rows x (2**dac - 1) x (2**cell - 1), half of that with flip encoding."""
        largest: int = self.rows * ((1 << self.dac.bits) - 1) * ((1 << self.cell_bits) - 1)
        return largest // 2 if self.flip_encoding else largest

    @property
    def lossless_adc_bits(self) -> int:
        """Bits that hold every sum of a column."""
        return self.largest_sum.bit_length()

    @property
    def adc_step(self) -> int:
        """Levels of one step of an ADC, a power of two."""
        return 1 if self.adc.range == "clipping" else 1 << max(0, self.lossless_adc_bits - self.adc.bits)

    def slices(self, weight_bits: int) -> int:
        """Columns that one weight takes."""
        return math.ceil(weight_bits / self.cell_bits) * (2 if self.encoding == "differential" else 1)

    def readout(self, activation_bits: int) -> Readout:
        """How a column reads one input vector, `dac.bits` bits at a time or integrated."""
        adc = self.adc
        if adc.integrator is None:
            return bit_serial(activation_bits, int(self.dac.bits), int(adc.bits))
        step_ns = 1 / adc.rate_gs_per_s.value
        return integrated(adc.integrator, activation_bits, int(adc.bits), self.cycle_ns.value, step_ns)

    def peak_macs_per_s(self, slices: int, cycles: int) -> float:
        """MACs a second with all rows driven and all columns used, for weights of `slices` columns and input vectors
        that take `cycles`."""
        return self.crossbars * self.rows * self.cols / (slices * cycles * self.cycle_s)


VALUES_ALONE = frozenset(
    (
        "range",
        "sigma_relative",
        "variation",
        "stuck_on",
        "stuck_off",
        "read_noise_levels",
        "off_current",
        "wire_ohm",
        "seed",
    )
)
"""Keys of `cell` and `adc` that change values and no cost."""


class ReramArchitecture(Machine):
    """A chip of ReRAM crossbars. It has no array of PEs and no list of formats: bits become columns and cycles."""

    kind: Literal["reram"]
    reram: Reram

    def content_hash(self) -> str:
        """As of any machine; what acts on values alone, or is absent, counts only where it is not at its default."""
        data = self.model_dump(mode="json", by_alias=True, exclude={"validated"})
        if self.reram.area is None:
            del data["reram"]["area"]
        for section, model in (("cell", Cell), ("adc", Adc)):
            given = data["reram"][section]
            for key in (VALUES_ALONE | {"integrator"}) & given.keys():
                if given[key] == model.model_fields[key].default:
                    del given[key]
        return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def summary(self) -> str:
        """Kind, crossbars, converters and buffers."""
        chip = self.reram
        return (
            f"{self.kind}, {chip.crossbars:,} crossbars of {chip.rows}x{chip.cols} in {int(chip.tiles)} tiles, "
            f"{int(chip.cell_bits)}-bit cells, {int(chip.adc.bits)}-bit ADCs, edram {chip.edram_bytes // 1024:,} KiB; "
            f"int2 to int{int(chip.weight_bits)}"
        )

    def refusal(self, weight_bits: int, activation_bits: int, floating: bool = False) -> NoFormat | None:
        """Why operands of these widths have no cost; None where they have one."""
        chip = self.reram
        if not floating and weight_bits <= chip.weight_bits and activation_bits <= chip.activation_bits:
            return None
        widest = f"{int(chip.weight_bits)}-bit weights x {int(chip.activation_bits)}-bit activations"
        asked = f"{'floating-point ' if floating else ''}{weight_bits} x {activation_bits} bits"
        return NoFormat(f"{self.name} multiplies integers up to {widest} in its crossbars, not {asked}")


def adc_resolution(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """The ADC's energy is given at its own resolution, and it serves no more columns than a crossbar has."""
    chip = _mapping(data.get("reram"))
    adc, crossbar = _mapping(chip.get("adc")), chip.get("crossbar")
    bits, energies = _number(adc.get("bits")), _mapping(adc.get("energy_pj"))
    if bits is not None and energies and f"{bits:g}" not in energies:
        listed = ", ".join(energies)
        yield Mistake(("reram", "adc", "bits"), f"{bits:g}, but energy_pj is given for {listed} bits")
    columns = _number(adc.get("columns_per_adc"))
    cols = _number(crossbar[1]) if isinstance(crossbar, list) and len(crossbar) == 2 else None
    if columns is not None and cols and columns > cols:
        what = f"{columns:g} columns share an ADC, but a crossbar has {cols:g}"
        yield Mistake(("reram", "adc", "columns_per_adc"), what)


def cell_values(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """A cell conducts better when on, and its read fits into the cycle."""
    chip = _mapping(data.get("reram"))
    cell = _mapping(chip.get("cell"))
    on, off = _number(cell.get("r_on_ohm")), _number(cell.get("r_off_ohm"))
    if on is not None and off is not None and on >= off:
        yield Mistake(("reram", "cell", "r_on_ohm"), f"{on:g} ohm is not below r_off_ohm, {off:g} ohm")
    read, cycle = _number(cell.get("read_ns")), _number(chip.get("cycle_ns"))
    if read is not None and cycle is not None and read > cycle:
        yield Mistake(("reram", "cell", "read_ns"), f"{read:g} ns is longer than cycle_ns, {cycle:g} ns")


def stuck_cells(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """No more cells are stuck than there are."""
    cell = _mapping(_mapping(data.get("reram")).get("cell"))
    on, off = _number(cell.get("stuck_on")) or 0, _number(cell.get("stuck_off")) or 0
    if on + off > 1:
        yield Mistake(("reram", "cell", "stuck_on"), f"{on:g} and stuck_off {off:g} are more than all cells")


def integrating(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Columns that integrate read signed pulses of pairs of cells; their values are exact, whatever cells do."""
    chip = _mapping(data.get("reram"))
    if _mapping(chip.get("adc")).get("integrator") is None:
        return
    if chip.get("encoding") == "offset":
        yield Mistake(("reram", "encoding"), "offset, but adc.integrator needs differential")
    if (_number(_mapping(chip.get("dac")).get("bits")) or 1) > 1:
        yield Mistake(("reram", "dac", "bits"), "more than the 1 bit that adc.integrator adds at a time")
    for section, model in (("adc", Adc), ("cell", Cell)):
        for key in sorted(VALUES_ALONE & model.model_fields.keys()):
            default = model.model_fields[key].default
            if _mapping(chip.get(section)).get(key, default) != default:
                what = f"must stay {default}: how columns with adc.integrator change values is not modelled"
                yield Mistake(("reram", section, key), what)


def converter_widths(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Cells and DACs are no wider than the operands that they hold parts of."""
    chip = _mapping(data.get("reram"))
    for part, path, whole in (
        (chip.get("cell_bits"), ("cell_bits",), "weight_bits"),
        (_mapping(chip.get("dac")).get("bits"), ("dac", "bits"), "activation_bits"),
    ):
        bits, most = _number(part), _number(chip.get(whole))
        if bits is not None and most is not None and bits > most:
            yield Mistake(("reram", *path), f"{bits:g} bits, but {whole} is {most:g}")


def _mapping(value: Plain) -> dict[str, Plain]:
    return value if isinstance(value, dict) else {}


def _number(value: Plain) -> float | None:
    if isinstance(value, dict):
        value = value.get("value")
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


CROSSBAR_CHECKS: tuple[Check, ...] = (adc_resolution, cell_values, stuck_cells, integrating, converter_widths)
