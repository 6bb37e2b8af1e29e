"""From integer weights to what the columns of a crossbar conduct."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import Array, Integers
from accelsim.errors import AccelsimError
from accelsim.formats.affine import AffineInt
from accelsim.formats.binary import Binary
from accelsim.formats.number_format import WeightFormat
from accelsim.ir.crossbar_target import CellEffects, CrossbarTarget

Float64 = NDArray[np.float64]

FRACTION = 12
"""Conductances are whole numbers of 2**-12 level: sums of them are exact in floats, in whatever order."""
DRIVEN = 0.5
"""Fraction of the rows of a crossbar that carry current at a time, for the drop along its columns: bits of inputs are
as often 1 as 0."""
VARIATION, STUCK, NOISE = range(3)
"""What random numbers are drawn for: each has a stream of its own."""


@dataclass(frozen=True)
class Stored:
    """A weight matrix in levels `[rows, outputs, slices]`: weight = sum(significance * level) + rest."""

    levels: Integers
    significance: Integers
    rest: Integers
    """Per output."""


@dataclass(frozen=True)
class RowGroup:
    """The crossbars that consecutive rows `first` .. `last` of a matrix are in, all columns side by side.

    conductance: `[rows, outputs * slices]`, whole numbers of 2**-FRACTION level, float32 where that holds every sum.
    flipped: columns that hold the highest level minus the level.
    """

    first: int
    last: int
    conductance: Array
    flipped: NDArray[np.bool_]


def random_for(crossbar: CrossbarTarget, *place: int) -> np.random.Generator:
    """Random numbers of one place in one layer of one chip."""
    return np.random.default_rng((crossbar.cells.seed, crc32(crossbar.layer.encode()), *place))


def stored_levels(format: WeightFormat, codes: Array, factors: Array, crossbar: CrossbarTarget) -> Stored:
    """Cut a matrix `[rows, outputs]` of codes, and of the factors that inputs are multiplied with, into levels.

    offset: code + 2**(bits - 1), without a sign, is cut; differential: magnitudes of factors, in cells that count up
    and in others that count down. Binary factors are one bit, +1 or -1.

    Raises:
        AccelsimError: a weight that the slices do not hold.
    """
    slices = -(-format.factor_bits // crossbar.cell_bits)
    significance = np.int64(1) << crossbar.cell_bits * np.arange(slices)
    outputs = factors.shape[1]
    if crossbar.encoding == "differential":
        cut = [_cut(np.maximum(sign * factors, 0), slices, crossbar) for sign in (1, -1)]
        both = np.concatenate([significance, -significance])
        return Stored(np.concatenate(cut, axis=2), both, np.zeros(outputs, np.int64))
    if isinstance(format, Binary):
        return Stored(_cut((factors + 1) // 2, slices, crossbar), 2 * significance, np.full(outputs, -1))
    held = codes if isinstance(format, AffineInt) else factors
    unsigned = held + (1 << (format.factor_bits - 1))
    rest = (factors - unsigned)[0] if len(factors) else np.zeros(outputs, np.int64)
    return Stored(_cut(unsigned, slices, crossbar), significance, rest)


def _cut(unsigned: Integers, slices: int, crossbar: CrossbarTarget) -> Integers:
    if unsigned.size and not 0 <= unsigned.min() <= unsigned.max() < 1 << slices * crossbar.cell_bits:
        raise AccelsimError(
            f"layer {crossbar.layer}: weights reach {unsigned.min()} .. {unsigned.max()} in the cells, "
            f"which {slices} slices of {crossbar.cell_bits} bits do not hold"
        )
    shifts = crossbar.cell_bits * np.arange(slices)
    return np.asarray((unsigned[:, :, None] >> shifts) & crossbar.highest_level)


def row_groups(stored: Stored, crossbar: CrossbarTarget, number: int) -> list[RowGroup]:
    """Program matrix `number` of a layer into cells."""
    rows = len(stored.levels)
    levels = stored.levels.reshape(rows, -1)
    cuts = [(first, min(first + crossbar.rows, rows)) for first in range(0, rows, crossbar.rows)]
    flipped = [_flipped(levels[first:last], crossbar) for first, last in cuts]
    held = np.concatenate(
        [
            np.where(flip, crossbar.highest_level - levels[first:last], levels[first:last])
            for (first, last), flip in zip(cuts, flipped, strict=True)
        ]
    )
    made = _programmed(held.astype(np.float64), crossbar, number)
    return [
        RowGroup(first, last, _whole(_after_wires(made[first:last], crossbar), crossbar), flip)
        for (first, last), flip in zip(cuts, flipped, strict=True)
    ]


def _flipped(levels: Integers, crossbar: CrossbarTarget) -> NDArray[np.bool_]:
    if not crossbar.flips:
        return np.zeros(levels.shape[1], np.bool_)
    return np.asarray(2 * levels.sum(0) > len(levels) * crossbar.highest_level)


def _programmed(levels: Float64, crossbar: CrossbarTarget, number: int) -> Float64:
    """Conductance of each cell, in levels: as programmed, off state and variation, then cells that are stuck."""
    cells = crossbar.cells
    made = levels + cells.off_level
    if cells.sigma_relative:
        made = made * _spread(random_for(crossbar, VARIATION, number).standard_normal(levels.shape), cells)
    if cells.stuck_on or cells.stuck_off:
        drawn = random_for(crossbar, STUCK, number).random(levels.shape)
        made = np.where(drawn < cells.stuck_off, cells.off_level, made)
        made = np.where(drawn >= 1 - cells.stuck_on, crossbar.highest_level + cells.off_level, made)
    return made


def _spread(normals: Float64, cells: CellEffects) -> Float64:
    """Factors of mean 1 and standard deviation sigma_relative; normal ones stop at 0."""
    sigma = cells.sigma_relative
    if cells.variation == "normal":
        return np.maximum(1 + sigma * normals, 0)
    variance = np.log1p(sigma * sigma)
    return np.asarray(np.exp(np.sqrt(variance) * normals - variance / 2))


def _after_wires(made: Float64, crossbar: CrossbarTarget) -> Float64:
    """Conductances as the ADC sees them behind wires that resist, crossbar by crossbar.

    To first order a cell loses what the currents of all cells drop along the segments of wire that it shares with them,
    from the driver at the left and to the ADC at the bottom.
    """
    wire = crossbar.cells.wire_levels
    if not wire:
        return made
    return np.concatenate(
        [_dropped(made[:, first : first + crossbar.cols], wire) for first in range(0, made.shape[1], crossbar.cols)],
        axis=1,
    )


def _dropped(made: Float64, wire: float) -> Float64:
    along_rows = np.cumsum(np.cumsum(made[:, ::-1], axis=1)[:, ::-1], axis=1)
    along_columns = np.cumsum(np.cumsum(made, axis=0)[::-1], axis=0)[::-1]
    return np.asarray(made / (1 + wire * (along_rows + DRIVEN * along_columns)))


def _whole(made: Float64, crossbar: CrossbarTarget) -> NDArray[Any]:
    """Rounded to 2**-FRACTION level, in the narrowest float that adds them exactly with all rows driven."""
    units = np.rint(made * (1 << FRACTION))
    most = float(units.sum(0).max(initial=0.0)) * ((1 << crossbar.dac_bits) - 1)
    return units.astype(np.float32 if most < 1 << 24 else np.float64)
