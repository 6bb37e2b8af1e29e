"""The points of a study: constants, times the grid's product, times the rows of `zip`, times the random draws."""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product

import numpy as np

from accelsim.yaml_file import Plain

MACHINE = "machine."
"""Prefix of a key that changes the machine: `machine.memories.bram.blocks`."""

Row = Mapping[str, Plain]


@dataclass(frozen=True)
class Point:
    """One run. images 0 only costs it. changes: dotted path below `machine.` -> value, in alphabetical order."""

    workload: str
    on: str
    precision: str = "int8"
    images: int = 0
    seed: int = 0
    calibration_images: int = 512
    batch: int = 1
    deadline_ms: float | None = None
    residency: bool = True
    changes: tuple[tuple[str, Plain], ...] = ()

    def settings(self) -> dict[str, Plain]:
        """The columns of the point's row, always in this order; lists and mappings as JSON text."""
        plain: dict[str, Plain] = {name: getattr(self, name) for name in SETTINGS}
        return plain | {f"{MACHINE}{path}": _cell(value) for path, value in self.changes}


SETTINGS = tuple(field.name for field in fields(Point) if field.name != "changes")


@dataclass(frozen=True)
class Choices:
    """One of these values, each as likely."""

    values: tuple[Plain, ...]


@dataclass(frozen=True)
class Range:
    """Uniform between low and high, both included; log: uniform in the logarithm; integer: rounded to whole numbers."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


Draw = Choices | Range


@dataclass(frozen=True)
class RandomDraws:
    """`count` draws of all keys. Each key has its own stream: one more key or draw leaves the others as they are."""

    count: int
    seed: int
    keys: Mapping[str, Draw]

    def rows(self) -> list[dict[str, Plain]]:
        """The draws in order; equal draws count once."""
        columns = {key: _drawn(draw, self.count, self.seed, key) for key, draw in self.keys.items()}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return list({json.dumps(row): row for row in rows}.values())


@dataclass(frozen=True)
class Space:
    """What a sweep file asks for. `zipped` lists are of equal length."""

    constants: Row
    grid: Mapping[str, Sequence[Plain]]
    zipped: Mapping[str, Sequence[Plain]]
    random: RandomDraws | None = None

    @property
    def size(self) -> int:
        """Number of points at most; equal random draws count once in `points`."""
        rows = len(next(iter(self.zipped.values()))) if self.zipped else 1
        return math.prod(map(len, self.grid.values())) * rows * (self.random.count if self.random else 1)

    def points(self) -> tuple[Point, ...]:
        """All points: the last key of the grid runs faster than the first, zip faster still, random the fastest."""
        grid = [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]
        rows = [dict(zip(self.zipped, values, strict=True)) for values in zip(*self.zipped.values(), strict=True)]
        draws = self.random.rows() if self.random else [{}]
        return tuple(_point({**self.constants, **a, **b, **c}) for a, b, c in product(grid, rows or [{}], draws))


def _point(row: Row) -> Point:
    changes = {key.removeprefix(MACHINE): value for key, value in row.items() if key.startswith(MACHINE)}
    settings = {key: value for key, value in row.items() if key in SETTINGS}
    return Point(**settings, changes=tuple(sorted(changes.items())))  # type: ignore[arg-type]  # checked on reading


def _cell(value: Plain) -> Plain:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _drawn(draw: Draw, count: int, seed: int, key: str) -> list[Plain]:
    stream = np.random.Generator(np.random.PCG64([seed, zlib.crc32(key.encode())])).random(count)
    if isinstance(draw, Choices):
        return [draw.values[int(u * len(draw.values))] for u in stream]
    low, high = (math.log(draw.low), math.log(draw.high)) if draw.log else (draw.low, draw.high)
    if draw.integer and not draw.log:  # every whole number is as likely, the ends too
        return [int(draw.low + math.floor(u * (draw.high - draw.low + 1))) for u in stream]
    reals = [low + float(u) * (high - low) for u in stream]
    reals = [math.exp(r) for r in reals] if draw.log else reals
    return [round(r) for r in reals] if draw.integer else [min(max(r, draw.low), draw.high) for r in reals]
