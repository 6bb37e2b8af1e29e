"""Affine scales of least squared error, by expectation-maximisation (QGAN, Wang et al. 2019, arXiv 1901.08263).

E step: the nearest code of every value under the present scale and zero point. M step: for those codes, the scale and
zero point of least squared error, in closed form. Neither step raises the error, but the end depends on the start; so
several parts of the range are tried as starts and the best end is taken. QGAN's offset is any real number; hardware
adds whole codes, so here it is rounded to a zero point and the scale is solved for once more.
"""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import AffineInt, ChannelScaling, weight_scaling

STARTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Parts of the range, and of the symmetric range about 0, that the search begins with."""
ITERATIONS = 60

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class _Step:
    scaling: ChannelScaling
    error: Float64


def em_fit(format: AffineInt, rows: Float64, counts: Float64 | None = None) -> ChannelScaling:
    """Scaling `[C]` of rows `[C, K]`, whose values count `counts` times each (once without)."""
    weight = np.ones_like(rows) if counts is None else np.broadcast_to(counts, rows.shape)
    low, high = rows.min(axis=1, initial=0.0), rows.max(axis=1, initial=0.0)
    starts = [weight_scaling(format, part * low, part * high) for part in STARTS]
    if not format.symmetric:  # as if the range were symmetric about 0: its zero point is 0
        even = replace(format, symmetric=True)
        starts += [weight_scaling(even, part * low, part * high) for part in STARTS]
    return reduce(_better, (_descend(format, rows, weight, start) for start in starts)).scaling


def _descend(format: AffineInt, rows: Float64, weight: Float64, start: ChannelScaling) -> _Step:
    """From one start until no channel gets better."""
    codes = _codes(format, rows, start)
    best = _Step(start, _error(rows, weight, codes, start))
    for _ in range(ITERATIONS):
        scaling = _solved(format, rows, weight, codes, best.scaling)
        codes = _codes(format, rows, scaling)
        after = _better(best, _Step(scaling, _error(rows, weight, codes, scaling)))
        if not (after.error < best.error).any():
            break
        best = after
    return best


def _codes(format: AffineInt, rows: Float64, scaling: ChannelScaling) -> Float64:
    codes = np.rint(rows / scaling.scale[:, None]) + scaling.zero_point[:, None]
    return np.asarray(np.clip(codes, format.low, format.high))


def _solved(
    format: AffineInt, rows: Float64, weight: Float64, codes: Float64, before: ChannelScaling
) -> ChannelScaling:
    """Scale and zero point of least squared error for these codes; as before where they have no spread."""
    zero = before.zero_point.astype(np.float64)
    if not format.symmetric:
        total = weight.sum(axis=1)
        code_mean, row_mean = ((weight * part).sum(axis=1) / total for part in (codes, rows))
        spread = codes - code_mean[:, None]
        variance = (weight * spread * spread).sum(axis=1)
        slope = np.divide((weight * spread * rows).sum(axis=1), variance, out=before.scale.copy(), where=variance > 0)
        slope = np.where(slope > 0, slope, before.scale)
        zero = np.clip(np.rint(code_mean - row_mean / slope), format.low, format.high)
    centred = codes - zero[:, None]
    power = (weight * centred * centred).sum(axis=1)
    scale = np.divide((weight * centred * rows).sum(axis=1), power, out=before.scale.copy(), where=power > 0)
    return ChannelScaling(np.where(scale > 0, scale, before.scale), zero.astype(np.int64))


def _error(rows: Float64, weight: Float64, codes: Float64, scaling: ChannelScaling) -> Float64:
    stored = (codes - scaling.zero_point[:, None]) * scaling.scale[:, None]
    return np.asarray((weight * np.square(stored - rows)).sum(axis=1))


def _better(one: _Step, other: _Step) -> _Step:
    """The smaller error of each channel, of equal ones the first."""
    wins = other.error < one.error
    scaling = ChannelScaling(
        np.where(wins, other.scaling.scale, one.scaling.scale),
        np.where(wins, other.scaling.zero_point, one.scaling.zero_point),
    )
    return _Step(scaling, np.where(wins, other.error, one.error))
