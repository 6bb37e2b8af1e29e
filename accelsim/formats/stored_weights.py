"""Weights as they are stored and as they are multiplied, for every format of integer weights."""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import AffineInt, ChannelScaling, Granularity
from accelsim.formats.binary import Binary, binary_scale, signs
from accelsim.formats.calibration import Calibration
from accelsim.formats.codebook import Codebook, clustered
from accelsim.formats.fitting import fitted_weights
from accelsim.formats.fixed import FixedPoint, coarsened
from accelsim.formats.level_table import LevelTable
from accelsim.formats.logarithmic import Logarithmic, powers_of_two
from accelsim.formats.number_format import WeightFormat
from accelsim.formats.quantize import along, quantize
from accelsim.formats.tanh_levels import TanhLevels, tanh_levels
from accelsim.formats.ternary import Ternary, ternarized

Integers = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class StoredWeights:
    """A weight tensor `[C, ...]`, output channels first; what a factor stands for is scaling.scale * factor.

    format: with its fraction, where that was open. codes: what memory holds. factors: what inputs are multiplied with:
    codes minus their zero points, or the levels that they choose. scaling: zero points are those of the codes.
    """

    format: WeightFormat
    codes: Integers
    factors: Integers
    scaling: ChannelScaling


def stored_weights(
    format: WeightFormat, weights: NDArray[np.float32], method: Calibration, finest: Float64
) -> StoredWeights:
    """Quantize float weights `[C, ...]`, with no scale below `finest` `[C]` (which see in `passes.quantize`)."""
    match format:
        case AffineInt():
            scaling = fitted_weights(format, weights, method)[1]
            scaling = ChannelScaling(_not_below(scaling.scale, finest), scaling.zero_point)
            codes = quantize(weights, format, scaling)
            return StoredWeights(format, codes, codes - along(scaling.zero_point, codes.ndim, 0), scaling)
        case FixedPoint():
            fixed = fitted_weights(format, weights, method)[0]
            assert isinstance(fixed, FixedPoint)
            if fixed != format:
                fixed = coarsened(fixed, float(finest.max(initial=0.0)))
            scaling = _scaling(np.array([fixed.unit]))
            codes = quantize(weights, fixed, scaling)
            return StoredWeights(fixed, codes, codes, scaling)
        case Ternary() | Binary() | Logarithmic():
            return _by_rows(format, weights, finest)
        case Codebook():
            table = clustered(format, weights.astype(np.float64))
            return _from_table(format, table.nearest(weights.astype(np.float64)), table, finest)
        case TanhLevels():
            codes, table = tanh_levels(format, weights.astype(np.float64))
            return _from_table(format, codes, table, finest)
        case _:
            assert_never(format)


def _by_rows(format: Ternary | Binary | Logarithmic, weights: NDArray[np.float32], finest: Float64) -> StoredWeights:
    """Formats that look at each output channel, or at the whole tensor, by itself."""
    rows = _rows(weights, format.granularity)
    match format:
        case Ternary():
            made = ternarized(format.rule, rows)
            codes, factors, scale = made.codes, made.factors, made.scale
        case Binary():
            codes = signs(rows)
            factors, scale = codes, binary_scale(format.rule, rows)
        case Logarithmic():
            codes, factors, scale = powers_of_two(format, rows)
    shape = weights.shape
    return StoredWeights(format, codes.reshape(shape), factors.reshape(shape), _scaling(_not_below(scale, finest)))


def _from_table(format: WeightFormat, codes: Integers, table: LevelTable, finest: Float64) -> StoredWeights:
    return StoredWeights(format, codes, table.levels[codes], _scaling(_not_below(np.array([table.scale]), finest)))


def _rows(weights: NDArray[np.float32], granularity: Granularity) -> Float64:
    return weights.reshape(len(weights) if granularity == "channel" else 1, -1).astype(np.float64)


def _scaling(scale: Float64) -> ChannelScaling:
    return ChannelScaling(scale, np.zeros(len(scale), np.int64))


def _not_below(scale: Float64, finest: Float64) -> Float64:
    floor = finest if len(scale) == len(finest) else finest.max(keepdims=True, initial=0.0)
    return np.maximum(scale, floor)
