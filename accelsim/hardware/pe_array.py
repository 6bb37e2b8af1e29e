"""The array of processing elements, and which loop dimension runs across which side."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from accelsim.hardware.dataflow import Stationary
from accelsim.hardware.quantity import Frozen, PositiveCount
from accelsim.hardware.technology import GivenArea
from accelsim.hardware.vocabulary import Dimension, Operand

Dataflow = Literal["weight_stationary", "output_stationary", "row_stationary", "free"]


class Across(Frozen):
    """A loop dimension that runs across some PEs: `lanes` of them, or as many as the layer has and are left."""

    dimension: Dimension
    lanes: PositiveCount | None = None


def _across(data: object) -> object:
    """`out_channels`, or a list of `out_channels` and `[out_channels, 4]`."""
    entries = data if isinstance(data, list | tuple) else [data]
    return tuple(_one_across(entry) for entry in entries)


def _one_across(entry: object) -> object:
    if isinstance(entry, str):
        return {"dimension": entry}
    if isinstance(entry, list | tuple) and len(entry) == 2:
        return {"dimension": entry[0], "lanes": entry[1]}
    if isinstance(entry, dict | Across):  # a machine that was written out again
        return entry
    raise PydanticCustomError("expected", "a dimension, or [dimension, lanes]")


Side = Annotated[tuple[Across, ...], BeforeValidator(_across), Field(min_length=1)]


class Unroll(Frozen):
    """The loop dimensions that run across the rows, and those across the columns, of the array, in order."""

    rows: Side
    cols: Side


class Array(Frozen):
    """rows x cols PEs. `latches`: operands that a PE keeps in its own operand register while they do not change,
    at no energy beyond that of the MAC. `stationary`: the one of them that the mapper must keep there until all that it
    takes part in is done; `dataflow` restricts nothing, it says what the array is built for. `pe_area_um2`: one PE
    without memories and what formats name."""

    rows: PositiveCount
    cols: PositiveCount
    unroll: Unroll
    dataflow: Dataflow = "free"
    latches: Annotated[tuple[Operand, ...], Field(strict=False)] = ()
    stationary: Stationary | None = None
    pe_area_um2: GivenArea | None = None

    @property
    def pes(self) -> int:
        """Number of PEs."""
        return self.rows * self.cols

    def copies(self, sizes: Mapping[Dimension, int] | None = None) -> dict[Dimension, int]:
        """How many PEs each dimension runs across in a layer of these sizes (default: large enough for all PEs)."""
        found: dict[Dimension, int] = {}
        for side, pes in ((self.unroll.rows, int(self.rows)), (self.unroll.cols, int(self.cols))):
            left = pes // math.prod(int(across.lanes or 1) for across in side)
            for across in side:
                size = pes if sizes is None else -(-sizes[across.dimension] // found.get(across.dimension, 1))
                taken = int(across.lanes or min(left, size))
                left //= 1 if across.lanes else taken
                found[across.dimension] = found.get(across.dimension, 1) * taken
        return found
