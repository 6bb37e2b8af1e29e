"""What a multiplication costs by number format, and which listed format stands in for one that is not listed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from accelsim.hardware.quantity import Frozen, PositiveCount, Quantity
from accelsim.hardware.vocabulary import Dimension

FLOAT32 = "float32"
_KEY = re.compile(r"int(\d+)(?:xint(\d+))?")


def operand_bits(key: str) -> tuple[int, int]:
    """(weight bits, activation bits) of a key of `formats`: `int8` is (8, 8), `int4xint8` (4, 8), `float32` (32, 32).

    Raises ValueError for another spelling.
    """
    if key == FLOAT32:
        return 32, 32
    parsed = _KEY.fullmatch(key)
    if parsed is None:
        raise ValueError(f"format key {key!r} is neither intN, intWxintA nor float32")
    weights, activations = parsed.groups()
    return int(weights), int(activations or weights)


def _known_key(key: str) -> str:
    if key == FLOAT32:
        return key
    if not _KEY.fullmatch(key) or not all(1 <= bits <= 64 for bits in operand_bits(key)):
        raise PydanticCustomError(
            "expected", "spelled int8 (both operands) or int4xint8 (weights x activations), or float32"
        )
    return key


FormatKey = Annotated[str, AfterValidator(_known_key)]


class FormatCost(Frozen):
    """Rate and energy of one format. `energy_pj` is per MAC. `lanes` says which loop dimensions the MACs of one PE and
    cycle belong to (empty: the dimension across the columns)."""

    macs_per_cycle_per_pe: PositiveCount
    energy_pj: Quantity
    lanes: Annotated[dict[Dimension, PositiveCount], Field(default_factory=dict)]

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
    machine: str, formats: Mapping[str, FormatCost], weight_bits: int, activation_bits: int, floating: bool
) -> FormatMatch | NoFormat:
    """The narrowest listed format (least weight bits x activation bits) that holds both operands.

    `float32` holds floating-point operands and no others.
    """
    asked = f"{weight_bits}-bit weights x {activation_bits}-bit activations"
    if floating and FLOAT32 in formats:
        return FormatMatch(FLOAT32, formats[FLOAT32], None)
    if floating:
        return NoFormat(f"{machine} lists {', '.join(formats)}: none holds floating-point {asked}")
    holding = {
        key: bits
        for key in formats
        if key != FLOAT32 and (bits := operand_bits(key))[0] >= weight_bits and bits[1] >= activation_bits
    }
    if not holding:
        return NoFormat(f"{machine} lists {', '.join(formats)}: none holds {asked}")
    key = min(holding, key=lambda k: (holding[k][0] * holding[k][1], holding[k]))
    exact = holding[key] == (weight_bits, activation_bits)
    sentence = f"{machine} does not list {asked}: stored and moved at their own width, computed at the cost of {key}"
    return FormatMatch(key, formats[key], None if exact else sentence)
