"""The YAML of a sweep, schema `accelsim/sweep/1`: every mistake at once, as file:line: field: what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from accelsim.study.space import MACHINE, SETTINGS, Choices, Draw, Point, RandomDraws, Range, Space
from accelsim.study.sweep_checks import mistakes
from accelsim.yaml_file import Document, Mistake, Plain, read_yaml, validate

SCHEMA = "accelsim/sweep/1"
MOST_POINTS = 100_000


@dataclass(frozen=True)
class Study:
    """The points of a sweep, and the folder from which relative paths in it start."""

    points: tuple[Point, ...]
    folder: Path


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DrawSpec(_Frozen):
    """How one key is drawn: a list of choices, or a range."""

    choices: Annotated[list[Any], Field(min_length=1)] | None = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, data: object) -> object:
        if isinstance(data, list):
            data = {"choices": data}
        if not isinstance(data, Mapping):
            raise PydanticCustomError("expected", "a list of choices, or a mapping with low, high, log, integer")
        return data

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.choices is None) == (self.low is None and self.high is None):
            raise PydanticCustomError("draw", "give either a list of choices, or low and high")
        if self.choices is None:
            if self.low is None or self.high is None or self.low >= self.high:
                raise PydanticCustomError("draw", "a range needs low and high, low less than high")
            if self.log and self.low <= 0:
                raise PydanticCustomError("draw", "log: true needs low greater than 0")
            if self.integer and not (self.low.is_integer() and self.high.is_integer()):
                raise PydanticCustomError("draw", "integer: true needs whole numbers as low and high")
        return self

    def draw(self) -> Draw:
        """The draw as data."""
        if self.choices is not None:
            return Choices(tuple(self.choices))
        assert self.low is not None and self.high is not None
        return Range(self.low, self.high, self.log, self.integer)


class RandomSpec(_Frozen):
    """The random section."""

    count: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)] = 0
    keys: Annotated[dict[str, DrawSpec], Field(min_length=1)]


Values = Annotated[list[Any], Field(min_length=1)]


class SweepFile(_Frozen):
    """The sections of the file. Constants are checked apart, in `sweep_checks`, as the values of the sections are."""

    schema_: Annotated[Literal["accelsim/sweep/1"], Field(alias="schema")]
    workload: Any = None
    on: Any = None
    precision: Any = None
    images: Any = None
    seed: Any = None
    calibration_images: Any = None
    batch: Any = None
    deadline_ms: Any = None
    residency: Any = None
    grid: dict[str, Values] = {}
    zip: dict[str, Values] = {}
    random: RandomSpec | None = None


def read_sweep(source: Path | str | Mapping[str, Plain]) -> Study:
    """The study of a sweep file, or of the same content as a mapping.

    Raises:
        LocatedErrors: all mistakes of the file.
    """
    if isinstance(source, Mapping):
        document, folder = Document("sweep", dict(source)), Path()
    else:
        document, folder = read_yaml(source), Path(source).parent
    constants = {key: value for key, value in document.data.items() if key in SETTINGS or key.startswith(MACHINE)}
    sections = {key: value for key, value in document.data.items() if not key.startswith(MACHINE)}

    def checks(_: Mapping[str, Plain]) -> Iterator[Mistake]:
        yield from mistakes(document.data, folder)

    described = validate(Document(document.origin, sections, document.lines), SweepFile, [checks])
    drawn = described.random
    draws = None
    if drawn is not None:
        draws = RandomDraws(drawn.count, drawn.seed, {key: spec.draw() for key, spec in drawn.keys.items()})
    space = Space(constants, described.grid, described.zip, draws)
    if space.size > MOST_POINTS:
        what = f"{space.size:,} points; expected {MOST_POINTS:,} or fewer"
        raise document.errors([Mistake(("grid",), what)])
    return Study(space.points(), folder)
