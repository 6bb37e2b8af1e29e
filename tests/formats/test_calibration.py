"""Histograms that do not depend on batches, ranges by percentile, scales of least squared error."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.formats.affine import AffineInt, scaling_for_range, scaling_for_weights
from accelsim.formats.calibration import MINMAX, Calibration, parse_calibration
from accelsim.formats.fitting import RATIOS, fitted, fitted_weights
from accelsim.formats.fixed import FixedPoint, holding
from accelsim.formats.histogram import SIDE, Histogram
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.quantize import dequantize, quantize

MSE = Calibration("mse")
FEW = settings(max_examples=40, deadline=None)


def histogram_of(*pieces: Any) -> Histogram:
    made = Histogram()
    for piece in pieces:
        made.add(np.asarray(piece, np.float32))
    return made


def squared_error(values: Any, format: IntegerFormat, scaling: Any) -> float:
    back = dequantize(quantize(values, format, scaling), scaling)
    return float(np.square(back - values).sum())


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    seed=st.integers(0, 100),
)
def test_counts_depend_on_the_values_alone(values: list[float], cuts: list[int], seed: int) -> None:
    whole = histogram_of(values)
    shuffled = np.random.default_rng(seed).permutation(np.array(values, np.float32))
    pieces = histogram_of(*(piece for piece in np.split(shuffled, sorted(cuts)) if len(piece)))
    np.testing.assert_array_equal(whole.counts, pieces.counts)
    assert (whole.low, whole.high, whole.zeros) == (pieces.low, pieces.high, pieces.zeros)
    assert whole.exponent == pieces.exponent
    assert whole.counts.sum() + whole.zeros == len(values)
    begin, end, counts = whole.occupied()
    assert (begin < end).all() or not counts.size
    for value in values:
        if value:
            inside = (begin <= value) & ((value < end) | (value == whole.high) & (value == end))
            assert inside.sum() == 1
    if counts.size:
        assert max(-whole.low, whole.high) / whole.width >= SIDE / 2 * (1 - 1e-9)


@FEW
@given(
    seed=st.integers(0, 1000), percentile=st.sampled_from([60.0, 90.0, 99.0, 99.9, 100.0]), zeros=st.integers(0, 900)
)
def test_percentiles_leave_out_what_they_say(seed: int, percentile: float, zeros: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.standard_t(3, 1000) + rng.normal(), np.zeros(zeros)]).astype(np.float32)
    seen = histogram_of(values)
    low, high = seen.tails(percentile)
    allowed = len(values) * (100 - percentile) / 200
    for outside, edge in (
        (values < low, values < low + 2 * seen.width),
        (values > high, values > high - 2 * seen.width),
    ):
        assert outside.sum() <= allowed < edge.sum() + 1e-9 or (not allowed and not outside.any())
    reach = seen.magnitude(percentile)
    assert (np.abs(values) > reach).sum() <= 2 * allowed <= (np.abs(values) > reach - 2 * seen.width).sum() + 1e-9
    if percentile == 100:
        assert (low, high) == (seen.low, seen.high) and reach == max(-seen.low, seen.high)


FORMATS: list[IntegerFormat] = [
    AffineInt(4, "tensor", False), AffineInt(8, "tensor", True), AffineInt(3, "tensor", True),
    FixedPoint(6, None), FixedPoint(4, None, "trn"), FixedPoint(5, None, "trn_zero"),
    FixedPoint(5, None, "rnd", "sat_zero"), FixedPoint(8, None, "rnd_zero", "wrap"), FixedPoint(4, 2, "rnd", "sat_sym"),
]  # fmt: skip


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("shape", ["normal", "heavy", "relu", "uniform"])
def test_least_error_is_the_least_of_all_that_are_tried(format: IntegerFormat, shape: str) -> None:
    """By the values themselves, each candidate quantized: the histogram may only confuse nearly equal ones."""
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.standard_normal(10000),
        "heavy": rng.standard_t(2.5, 10000) + 0.3,
        "relu": np.maximum(rng.standard_normal(10000), 0),
        "uniform": rng.uniform(-1, 1, 10000),
    }[shape].astype(np.float32)
    seen = histogram_of(values)
    chosen, scaling = fitted(format, seen, MSE)
    error = squared_error(values, chosen, scaling)
    if isinstance(format, AffineInt):
        candidates = [scaling_for_range(format, r * seen.low, r * seen.high) for r in RATIOS]
        best = min(squared_error(values, format, one) for one in candidates)
    elif format.fraction is not None:
        assert chosen == format
        return
    else:
        assert isinstance(chosen, FixedPoint)
        errors = []
        for fraction in range(-4, 12):
            one = FixedPoint(format.bits, fraction, format.rounding, format.overflow)
            errors.append(squared_error(values, one, fitted(one, seen, MINMAX)[1]))
        best = min(errors)
    assert error <= best * 1.01 + 1e-9
    widest = fitted(format, seen, MINMAX)
    assert error <= squared_error(values, *widest) * 1.01


def test_methods_on_a_tensor_with_an_outlier() -> None:
    values = np.append(np.random.default_rng(0).standard_normal(10000), 40.0)
    seen, eight = histogram_of(values), AffineInt(8, "tensor", False)
    scales = {str(m): float(fitted(eight, seen, m)[1].scale[0]) for m in (MINMAX, Calibration("percentile", 99.9), MSE)}
    assert scales["percentile:99.9"] < scales["mse"] < scales["minmax"]
    points = [fitted(FixedPoint(8, None), seen, m)[0] for m in (MINMAX, Calibration("percentile", 99.9))]
    assert [str(p) for p in points] == ["fixed8.1:rnd_conv:sat", "fixed8.5:rnd_conv:sat"]


def test_tensors_of_zeros_and_of_one_value() -> None:
    for method in (MINMAX, MSE, Calibration("percentile", 99.0)):
        format, scaling = fitted(FixedPoint(8, None), histogram_of(np.zeros(5)), method)
        assert str(format) == "fixed8.7:rnd_conv:sat" and scaling.scale.tolist() == [2.0**-7]
        _, scaling = fitted(AffineInt(8, "tensor", False), histogram_of(np.zeros(5)), method)
        assert scaling.scale.tolist() == [1.0]
        for value in (3.0, -1e-20, 5e30):
            for one in (AffineInt(8, "tensor", False), AffineInt(8, "tensor", True), FixedPoint(8, None)):
                constant = np.full(100, value, np.float32)
                chosen = fitted(one, histogram_of(constant), method)
                assert squared_error(constant, *chosen) <= 100 * (value / 64) ** 2


@FEW
@given(
    seed=st.integers(0, 1000),
    bits=st.integers(2, 8),
    granularity=st.sampled_from(["channel", "tensor"]),
    symmetric=st.booleans(),
)
def test_weights_of_least_error(seed: int, bits: int, granularity: Any, symmetric: bool) -> None:
    weights = np.random.default_rng(seed).standard_t(4, (3, 5, 7)).astype(np.float32)
    format = AffineInt(bits, granularity, symmetric)
    _, best = fitted_weights(format, weights, MSE)
    widest = scaling_for_weights(format, weights, 0)
    assert best.scale.shape == widest.scale.shape == best.zero_point.shape

    def errors(scaling: Any) -> Any:
        return np.square(dequantize(quantize(weights, format, scaling), scaling) - weights).sum(axis=(1, 2))

    assert errors(best).sum() <= errors(widest).sum() * (1 + 1e-9)
    if granularity == "channel":
        assert (errors(best) <= errors(widest) * (1 + 1e-9)).all()
    for method in (MINMAX, Calibration("percentile", 90.0)):
        np.testing.assert_array_equal(fitted_weights(format, weights, method)[1].scale, widest.scale)


def test_fixed_point_weights() -> None:
    weights = np.append(np.random.default_rng(0).standard_normal(1000) * 0.05, 0.5)
    weights = weights.astype(np.float32).reshape(7, 11, 13)
    four = FixedPoint(4, None)
    assert fitted_weights(four, weights, MINMAX)[0] == holding(four, float(weights.min()), 0.5)
    closest, scaling = fitted_weights(four, weights, MSE)
    assert isinstance(closest, FixedPoint) and closest.fraction == 5 and scaling.scale.tolist() == [2.0**-5]
    assert fitted_weights(FixedPoint(4, 1), weights, MSE)[0] == FixedPoint(4, 1)


@FEW
@given(seed=st.integers(0, 1000), bits=st.integers(2, 15), granularity=st.sampled_from(["channel", "tensor"]))
def test_asymmetric_weights_hold_zero_and_their_range(seed: int, bits: int, granularity: Any) -> None:
    rng = np.random.default_rng(seed)
    weights = (rng.standard_normal((4, 6)) + rng.normal(0, 3, (4, 1))).astype(np.float32)
    weights[2] = 0
    format = AffineInt(bits, granularity, False)
    scaling = scaling_for_weights(format, weights, 0)
    assert (scaling.zero_point >= format.low).all() and (scaling.zero_point <= format.high).all()
    codes = quantize(weights, format, scaling)
    assert (codes[2] == np.broadcast_to(scaling.zero_point, 4)[2]).all()
    steps = np.abs(dequantize(codes, scaling) - weights) / scaling.scale.reshape(-1, 1)
    assert steps.max() <= 0.5 + 1e-6
    if granularity == "channel":
        used = np.delete(codes, 2, 0)
        ends = np.sort(np.concatenate([used, np.delete(scaling.zero_point, 2)[:, None]], axis=1))
        assert (ends[:, -1] - ends[:, 0] >= 2**bits - 2).all()


def test_spellings() -> None:
    for text in ("minmax", "mse", "percentile:99.9", "percentile:99.99", "percentile:100", "percentile:50.5"):
        assert str(parse_calibration(text)) == text


@pytest.mark.parametrize(("text", "message"), [
    ("mes", "calibration=mes: expected one of minmax, percentile:P, mse"),
    ("percentil:99", "(did you mean 'percentile'?)"),
    ("percentile", "expected one of minmax, percentile:P, mse"),
    ("percentile:50", "expected a percentage above 50 and up to 100"),
    ("percentile:100.1", "expected a percentage above 50 and up to 100"),
    ("percentile:99.123456789", "of 6 digits at most"),
    ("percentile:1e2", "expected one of minmax"),
])  # fmt: skip
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(AccelsimError, match=re.escape(message)):
        parse_calibration(text)
