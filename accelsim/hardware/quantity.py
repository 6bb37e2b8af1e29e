"""Physical constants that know how sure they are.

In YAML `15`, or `{value: 15, low: 5.7, high: 28, source: "...", status: recalled}`.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Status = Literal["verified", "secondary", "derived", "choice", "recalled", "estimate"]
"""verified: the primary source was read; secondary: seen quoted; derived: computed from those, method given; choice: a
parameter of the design that the file describes; recalled: source named, not re-read; estimate: a judgement."""

UNSURE: frozenset[str] = frozenset({"recalled", "estimate"})
Source = Annotated[str, Field(min_length=1)]
LATER = frozenset(
    (
        *("arithmetic", "cacti", "leakage_mw", "area_mm2", "area_um2", "pe_area_um2", "at_node_nm", "at_vdd_v"),
        *("run_length", "zero_gating", "dataflow", "stationary"),
    )
)
"""Keys that hashes leave out where a file does: machines keep the hash that they had before there were such keys."""


class Frozen(BaseModel):
    """Base of all machine models: immutable, no unknown keys, no silent conversion of text to numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Quantity(Frozen):
    """A number >= 0 in the unit that its key names, with the interval that the truth is believed to lie in.

    Without `low`/`high` the interval is the value itself. Sums and multiples keep the interval and drop the source.
    """

    value: float = Field(ge=0)
    low: float = Field(default=0.0, ge=0)
    high: float = Field(default=0.0, ge=0)
    source: Source | None = None
    status: Status | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, data: object) -> object:
        if _is_number(data):
            data = {"value": data}
        if not isinstance(data, Mapping):
            raise PydanticCustomError("expected", "a number, or a mapping with value, low, high, source, status")
        value = data.get("value")
        closed = {"low": value, "high": value} if _is_number(value) and 0 <= value < math.inf else {}
        return {**closed, **data}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            given = f"{self.low:g}, {self.value:g}, {self.high:g}"
            raise PydanticCustomError("interval", "needs low <= value <= high, not {given}", {"given": given})
        return self

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(value=self.value + other.value, low=self.low + other.low, high=self.high + other.high)

    def __mul__(self, factor: float) -> "Quantity":
        """The quantity times a number >= 0."""
        return Quantity(value=self.value * factor, low=self.low * factor, high=self.high * factor)

    __rmul__ = __mul__

    def __str__(self) -> str:
        return f"{self.value:g}" if self.low == self.high else f"{self.value:g} ({self.low:g} to {self.high:g})"


class Count(int):
    """A whole number >= 0 that may carry its source; it computes like the int it is.

    In YAML `1728`, or `{value: 1728, source: "...", status: verified}`.
    """

    source: str | None
    status: Status | None

    def __new__(cls, value: int, source: str | None = None, status: Status | None = None) -> Self:
        """The number and where it comes from."""
        self = super().__new__(cls, value)
        self.source, self.status = source, status
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        spelled_out = core_schema.no_info_before_validator_function(_count_spelled_out, handler(_CountParts))
        return core_schema.no_info_after_validator_function(
            lambda parts: cls(parts.value, parts.source, parts.status),
            spelled_out,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda count: {"value": int(count), "source": count.source, "status": count.status}
            ),
        )


class _CountParts(Frozen):
    value: int = Field(ge=0)
    source: Source | None = None
    status: Status | None = None


def _count_spelled_out(data: object) -> object:
    if isinstance(data, Count):
        return {"value": int(data), "source": data.source, "status": data.status}
    if isinstance(data, int) and not isinstance(data, bool):
        return {"value": data}
    if not isinstance(data, Mapping):
        raise PydanticCustomError("expected", "a whole number, or a mapping with value, source, status")
    return data


def _is_number(data: object) -> TypeGuard[int | float]:
    return isinstance(data, int | float) and not isinstance(data, bool)


def _given(data: object) -> object:
    return data.get("value") if isinstance(data, Mapping) else data


def _more_than_zero(data: object) -> object:
    """Before the number is looked at as one >= 0, so that there is one bound to read about."""
    value = data.value if isinstance(data, Quantity) else _given(data)
    if _is_number(value) and value <= 0:
        raise PydanticCustomError("positive", "must be greater than 0, not {given}", {"given": f"{value:g}"})
    return data


def _low_above_zero(quantity: Quantity) -> Quantity:
    if quantity.low <= 0:
        raise PydanticCustomError("positive", "must be greater than 0, not {given}", {"given": str(quantity)})
    return quantity


def _at_least_one(data: object) -> object:
    value = _given(data)
    if isinstance(value, int) and not isinstance(value, bool) and value < 1:
        raise PydanticCustomError("positive", "must be at least 1, not {given}", {"given": value})
    return data


PositiveQuantity = Annotated[Quantity, BeforeValidator(_more_than_zero), AfterValidator(_low_above_zero)]
PositiveCount = Annotated[Count, BeforeValidator(_at_least_one)]


def numbers(part: object, path: str = "") -> Iterator[tuple[str, Quantity | Count]]:
    """Every number of a model that can carry a source, with its path as the file spells it."""
    if isinstance(part, Quantity | Count):
        yield path, part
    elif isinstance(part, Frozen):
        for name, field in type(part).model_fields.items():
            yield from numbers(getattr(part, name), f"{path}.{field.alias or name}".lstrip("."))
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from numbers(value, f"{path}.{key}")
    elif isinstance(part, tuple):
        for entry in part:
            yield from numbers(entry, f"{path}.{getattr(entry, 'name', '')}")


def without_later(data: object) -> object:
    """Dumped data without those of the later keys that are not set."""
    if isinstance(data, dict):
        return {k: without_later(v) for k, v in data.items() if k not in LATER or v is not None}
    return [without_later(entry) for entry in data] if isinstance(data, list) else data
