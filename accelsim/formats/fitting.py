"""From the values that a tensor takes to its format and scaling, by the calibration method.

The squared error of a scaling is that of values spread evenly inside each bin of their histogram: with the integral
E(x) of (t - Q(t))**2 over t from 0 to x, a bin [a, b] of n values adds n * (E(b) - E(a)) / (b - a).
"""

from dataclasses import replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import (
    AffineInt,
    ChannelScaling,
    Scaling,
    scaling_for_range,
    scaling_for_weights,
    weight_scaling,
)
from accelsim.formats.binary import Binary
from accelsim.formats.calibration import Calibration
from accelsim.formats.em_fit import em_fit
from accelsim.formats.fixed import FRACTION_LIMIT, FixedPoint, holding
from accelsim.formats.flexpoint import Flexpoint, frozen
from accelsim.formats.histogram import Histogram
from accelsim.formats.number_format import IntegerFormat, NumberFormat
from accelsim.formats.quantize import dequantize, quantize
from accelsim.formats.ternary import Ternary, activation_scale

Float64 = NDArray[np.float64]
POINTS = 2048
"""Values that the histogram is gathered into for `em_fit`."""
RATIOS = np.arange(100, 0, -1) / 100
"""Parts of the full range that `mse` tries; of equal errors the larger part wins."""


def fitted(format: IntegerFormat, seen: Histogram, method: Calibration) -> tuple[IntegerFormat, Scaling]:
    """Format, with its fraction where that was open, and scaling of an activation tensor."""
    match format:
        case AffineInt():
            return format, _fitted_affine(format, seen, method)
        case Flexpoint():
            flex = frozen(format, seen.peaks)
            return flex, Scaling(np.array([flex.unit]), 0)
        case FixedPoint():
            chosen = format if format.fraction is not None else _fitted_fixed(format, seen, method)
            return chosen, Scaling(np.array([chosen.unit]), 0)
        case Ternary():
            return format, Scaling(np.array([activation_scale(*_points(seen))]), 0)
        case Binary():
            values, counts = _points(seen)
            mean = float(np.average(np.abs(values), weights=counts)) if counts.sum() else 0.0
            return format, Scaling(np.array([mean or 1.0]), 0)
        case _:
            assert_never(format)


def needs_counts(format: NumberFormat, method: Calibration) -> bool:
    """Whether `fitted` looks at how often values occur, not only at their range."""
    return method.method != "minmax" or isinstance(format, Ternary | Binary) or getattr(format, "fitted", False)


def _points(seen: Histogram) -> tuple[Float64, NDArray[np.int64]]:
    """The middle of each bin and its count; zeros are one of them."""
    begin, end, counts = seen.occupied()
    return np.append((begin + end) / 2, 0.0), np.append(counts, seen.zeros)


def _gathered(values: Float64, counts: NDArray[np.int64]) -> tuple[Float64, Float64]:
    """The same in at most POINTS values, each the mean of its neighbours."""
    order = np.argsort(values, kind="stable")
    share = np.minimum(np.arange(len(order)) * POINTS // max(len(order), 1), POINTS - 1)
    total = np.asarray(np.bincount(share, counts[order]), np.float64)
    mean = np.bincount(share, values[order] * counts[order])
    kept = total > 0
    return mean[kept] / total[kept], total[kept]


def _fitted_affine(format: AffineInt, seen: Histogram, method: Calibration) -> Scaling:
    if format.fitted:
        values, counts = _gathered(*_points(seen))
        scaling = em_fit(format, values[None], counts[None])
        return Scaling(scaling.scale, int(scaling.zero_point[0]))
    match method.method:
        case "minmax":
            return scaling_for_range(format, seen.low, seen.high)
        case "percentile" if format.symmetric:
            reach = seen.magnitude(method.percentile)
            return scaling_for_range(format, -reach, reach)
        case "percentile":
            return scaling_for_range(format, *seen.tails(method.percentile))
        case "mse":
            scalings = [scaling_for_range(format, ratio * seen.low, ratio * seen.high) for ratio in RATIOS]
            errors = [_affine_error(format, scaling, seen) for scaling in scalings]
            return scalings[int(np.argmin(errors))]


def _fitted_fixed(format: FixedPoint, seen: Histogram, method: Calibration) -> FixedPoint:
    if method.method == "percentile":
        reach = seen.magnitude(method.percentile)
        return holding(format, max(seen.low, -reach), min(seen.high, reach))
    widest = holding(format, seen.low, seen.high)
    if method.method == "minmax" or format.overflow == "wrap":
        return widest  # a value that wraps is off by the whole range: never worth a finer step
    candidates = _finer(widest)
    return candidates[int(np.argmin([_fixed_error(candidate, seen) for candidate in candidates]))]


def _finer(format: FixedPoint) -> list[FixedPoint]:
    """The format and those with up to `bits` more bits behind the point."""
    assert format.fraction is not None
    last = min(format.fraction + format.bits, FRACTION_LIMIT)
    return [replace(format, fraction=fraction) for fraction in range(format.fraction, last + 1)]


def fitted_weights(
    format: AffineInt | FixedPoint, weights: NDArray[np.float32], method: Calibration
) -> tuple[AffineInt | FixedPoint, ChannelScaling]:
    """Format and scaling of a weight tensor, output channels first. Only `mse` leaves out any weight's value."""
    match format:
        case AffineInt() if format.fitted:
            rows = weights.reshape(len(weights) if format.granularity == "channel" else 1, -1)
            return format, em_fit(format, rows.astype(np.float64))
        case AffineInt() if method.method != "mse":
            return format, scaling_for_weights(format, weights, 0)
        case AffineInt():
            return format, _closest(format, weights)
        case Flexpoint():
            flex = frozen(format, [float(np.abs(weights).max(initial=0.0))])
            return flex, ChannelScaling(np.array([flex.unit]), np.zeros(1, np.int64))
        case FixedPoint():
            chosen = format if format.fraction is not None else _fitted_fixed_weights(format, weights, method)
            return chosen, ChannelScaling(np.array([chosen.unit]), np.zeros(1, np.int64))
        case _:
            assert_never(format)


def _closest(format: AffineInt, weights: NDArray[np.float32]) -> ChannelScaling:
    """The part of its range that gives each channel, or the tensor, the least squared error."""
    rows = weights.reshape(len(weights) if format.granularity == "channel" else 1, -1)
    low, high = (f(rows, axis=1, initial=0.0).astype(np.float64) for f in (np.min, np.max))
    best, least = np.ones(len(rows)), np.full(len(rows), np.inf)
    for ratio in RATIOS:
        scaling = weight_scaling(format, ratio * low, ratio * high)
        errors = _squared_errors(rows, format, scaling)
        best, least = np.where(errors < least, ratio, best), np.minimum(errors, least)
    return weight_scaling(format, best * low, best * high)


def _fitted_fixed_weights(format: FixedPoint, weights: NDArray[np.float32], method: Calibration) -> FixedPoint:
    widest = holding(format, float(weights.min(initial=0.0)), float(weights.max(initial=0.0)))
    if method.method != "mse":
        return widest
    candidates, zero = _finer(widest), np.zeros(1, np.int64)
    errors = [
        float(_squared_errors(weights.reshape(1, -1), one, ChannelScaling(np.array([one.unit]), zero))[0])
        for one in candidates
    ]
    return candidates[int(np.argmin(errors))]


def _squared_errors(rows: NDArray[np.float32], format: IntegerFormat, scaling: ChannelScaling) -> Float64:
    """Of each row `[C]`, quantized."""
    stored = dequantize(quantize(rows, format, scaling), scaling)
    return np.asarray(np.square(stored - rows).sum(axis=1))


# --- squared error of a histogram -----------------------------------------------------------------------------------


def _affine_error(format: AffineInt, scaling: Scaling, seen: Histogram) -> float:
    step = float(scaling.scale[0])
    low, high = (step * (code - scaling.zero_point) for code in (format.low, format.high))
    begin, end, counts = seen.occupied()
    return _total(_clamped(begin, step, low, high, 0.5), _clamped(end, step, low, high, 0.5), begin, end, counts)


def _fixed_error(format: FixedPoint, seen: Histogram) -> float:
    step = format.unit
    low, high = format.low * step, format.high * step
    begin, end, counts = seen.occupied()
    ends = []
    for x in (begin, end):
        inside = _clamped(x, step, low, high, 0.0 if format.rounding in ("trn", "trn_zero") else 0.5)
        if format.rounding == "trn_zero":
            inside = np.sign(x) * _clamped(np.abs(x), step, 0.0, np.where(x < 0, -low, high), 0.0)
        if format.overflow == "sat_zero":
            outside = x - np.clip(x, low, high)
            inside = inside + (x**3 - (x - outside) ** 3 - outside**3) / 3
        ends.append(inside)
    return _total(ends[0], ends[1], begin, end, counts)


def _clamped(x: Float64, step: float, low: float | Float64, high: float | Float64, nearest: float) -> Float64:
    """Integral of the squared error from 0 to x of steps of `step`, clamped; nearest 0.5, or 0 for downward."""
    inside = np.clip(x, low, high)
    whole = np.floor(inside / step + nearest)
    rest = inside - whole * step
    each = step**3 / 12 if nearest else step**3 / 3
    outside = x - inside
    integral: Float64 = whole * each + (rest * rest * rest + outside * outside * outside) / 3  # ** is far slower
    return integral


def _total(at_begin: Float64, at_end: Float64, begin: Float64, end: Float64, counts: NDArray[np.int64]) -> float:
    width = end - begin
    mean = np.divide(at_end - at_begin, width, out=np.zeros_like(width), where=width > 0)
    return float((counts * mean).sum())
