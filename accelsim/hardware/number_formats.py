"""What a multiplication costs by number format, and which listed format stands in for one that is not listed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from accelsim.formats.binary import Binary
from accelsim.formats.block import BLOCKS, SCALE_BITS, BlockFormat
from accelsim.formats.float32 import Float32
from accelsim.formats.minifloat import MINIFLOATS, MiniFloat
from accelsim.formats.number_format import NumberFormat
from accelsim.formats.ternary import Ternary
from accelsim.hardware.arithmetic import Arithmetic
from accelsim.hardware.quantity import Frozen, PositiveCount, Quantity
from accelsim.hardware.technology import GivenArea, GivenEnergy, Technology, scaled_area, scaled_energy
from accelsim.hardware.vocabulary import Dimension

INTEGER = "int"
_FEW_LEVELS = {"ternary": 2, "binary": 1}
_FLOATS = {"float32": (8, 23, 32)}
"""Exponent bits, mantissa bits, bits. A block's exponents are its elements' and the shared one together."""
_FLOATS |= {format.name: (format.exponent_bits, format.grid.mantissa_bits, format.bits) for format in MINIFLOATS}
_FLOATS |= {format.name: (SCALE_BITS, format.grid.mantissa_bits, format.bits) for format in BLOCKS}
_BLOCKS = {format.name for format in BLOCKS}
_PART = "|".join((r"int\d+", *_FEW_LEVELS, *_FLOATS))
_KEY = re.compile(f"({_PART})(?:x({_PART}))?")
WIDEST = 64
"""Bits of the widest integer that a machine file may list."""
EXPECTED = (
    "int8 (both operands) or int4xint8 (weights x activations), ternary, binary, or a floating format such as float32, "
    "fp16 or fp8e4m3"
)


@dataclass(frozen=True)
class Factor:
    """What is multiplied: `int` of so many bits, `ternary`, `binary`, or a floating format by its name."""

    kind: str
    bits: int

    @property
    def floating(self) -> bool:
        """Whether it is a floating-point number."""
        return self.kind in _FLOATS

    def holds(self, other: "Factor") -> bool:
        """Whether a multiplier of this operand multiplies the other one exactly.

        Integers hold ternary and binary ones, ternary binary ones. A floating format holds those of no more exponent
        and mantissa bits; what is cut into blocks holds its like alone. Power-of-two scales are no part of a factor.
        """
        if self.kind == other.kind:
            return self.bits >= other.bits
        if self.floating or other.floating:
            if not (self.floating and other.floating) or self.kind in _BLOCKS:
                return False
            (mine, fine, _), (theirs, finer, _) = _FLOATS[self.kind], _FLOATS[other.kind]
            return mine >= theirs and fine >= finer
        return (self.kind == INTEGER and self.bits >= other.bits) or (self.kind, other.kind) == ("ternary", "binary")

    def __str__(self) -> str:
        return f"{self.bits}-bit" if self.kind == INTEGER else self.kind


def integer(bits: int) -> Factor:
    """An integer of so many bits."""
    return Factor(INTEGER, bits)


def factor(format: NumberFormat) -> Factor:
    """What a number of this format is when it is multiplied."""
    match format:
        case Float32() | MiniFloat() | BlockFormat():
            return Factor(str(format), format.bits)
        case Ternary() if format.factor_bits == format.bits:
            return Factor("ternary", format.bits)
        case Binary():
            return Factor("binary", format.bits)
        case _:
            return integer(format.factor_bits)


def factors(key: str) -> tuple[Factor, Factor]:
    """Weight and activation of a key of `formats`: `int4xint8` multiplies 4-bit weights with 8-bit activations.

    Raises ValueError for another spelling.
    """
    parsed = _KEY.fullmatch(key)
    if parsed is None:
        raise ValueError(f"format key {key!r} is not spelled like {EXPECTED}")
    weights, activations = parsed.groups()
    return _factor(weights), _factor(activations or weights)


def _factor(part: str) -> Factor:
    if part in _FLOATS:
        return Factor(part, _FLOATS[part][2])
    return Factor(part, _FEW_LEVELS[part]) if part in _FEW_LEVELS else integer(int(part.removeprefix(INTEGER)))


def operand_bits(key: str) -> tuple[int, int]:
    """(weight bits, activation bits) of a key of `formats`; raises ValueError for another spelling."""
    weights, activations = factors(key)
    return weights.bits, activations.bits


def _known_key(key: str) -> str:
    if _KEY.fullmatch(key):
        weights, activations = factors(key)
        bits = weights.bits, activations.bits
        if min(bits) >= 1 and max(bits) <= WIDEST and weights.floating == activations.floating:
            return key
    raise PydanticCustomError("expected", "spelled {expected}", {"expected": EXPECTED})


FormatKey = Annotated[str, AfterValidator(_known_key)]


class FormatCost(Frozen):
    """Rate and energy of one format. `energy_pj` is per MAC. `lanes` says which loop dimensions the MACs of one PE and
    cycle belong to (empty: the dimension across the columns). `area_um2`: the multipliers and adders of one PE."""

    macs_per_cycle_per_pe: PositiveCount
    given_energy_pj: GivenEnergy | None = Field(default=None, alias="energy_pj")
    area_um2: GivenArea | None = None
    lanes: Annotated[dict[Dimension, PositiveCount], Field(default_factory=dict)]

    @property
    def energy_pj(self) -> GivenEnergy:
        """Energy of one MAC, pJ; of a cost that is `settled`, or whose file gives it."""
        assert self.given_energy_pj is not None
        return self.given_energy_pj

    def settled(self, key: str, arithmetic: Arithmetic | None, technology: Technology) -> "FormatCost":
        """With energy and area in the process of the machine; `arithmetic` makes up an energy that is left out."""
        found: dict[str, Quantity] = {}
        if self.given_energy_pj is not None:
            found["given_energy_pj"] = scaled_energy(self.given_energy_pj, technology)
        elif arithmetic is not None:
            found["given_energy_pj"] = arithmetic.energy_pj(*operand_bits(key), technology)
        if self.area_um2 is not None:
            found["area_um2"] = scaled_area(self.area_um2, technology)
        return self.model_copy(update=found)

    @property
    def energy_j(self) -> Quantity:
        """Energy of one MAC, J."""
        return self.energy_pj * 1e-12


@dataclass(frozen=True)
class FormatMatch:
    """The listed format that multiplies the operands; `assumption` is a sentence where it is not their own."""

    key: str
    cost: FormatCost
    assumption: str | None


@dataclass(frozen=True)
class NoFormat:
    """No listed format holds the operands; cost fields are null for this reason."""

    reason: str


def match_format(
    machine: str, formats: Mapping[str, FormatCost], weights: Factor, activations: Factor
) -> FormatMatch | NoFormat:
    """The listed format that both operands are, else the narrowest (least product of bits) that holds both.

    Of equally narrow ones the one of least energy.
    """
    kind = "floating-point " if weights.floating else ""
    asked = f"{weights} weights x {activations} activations"
    holding: dict[str, tuple[Factor, Factor]] = {}
    for key in formats:
        listed = factors(key)
        if listed[0].holds(weights) and listed[1].holds(activations):
            holding[key] = listed
    if not holding:
        return NoFormat(f"{machine} lists {', '.join(formats)}: none holds {kind}{asked}")

    def price(key: str) -> tuple[bool, int, float, int]:
        w, a = holding[key]
        return (w, a) != (weights, activations), w.bits * a.bits, formats[key].energy_pj.value, w.bits

    key = min(holding, key=price)
    exact = holding[key] == (weights, activations)
    sentence = f"{machine} does not list {asked}: stored and moved at their own width, computed at the cost of {key}"
    return FormatMatch(key, formats[key], None if exact else sentence)
