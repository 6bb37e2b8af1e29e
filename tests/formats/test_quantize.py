"""Codes stay in range, zero is exact, the error is half a step, quantizing twice changes nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.formats.affine import AffineInt, Scaling, scaling_for_range, scaling_for_weights
from accelsim.formats.quantize import dequantize, quantize

MANY = settings(max_examples=300, deadline=None)
REALS = st.floats(width=32, allow_nan=False, allow_infinity=False)
FORMATS = st.builds(AffineInt, st.integers(2, 16), st.just("tensor"), st.booleans())


@MANY
@given(format=FORMATS, low=REALS, high=REALS, fractions=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_inside_the_range_the_error_is_half_a_step(
    format: AffineInt, low: float, high: float, fractions: list[float]
) -> None:
    low, high = sorted((low, high))
    scaling = scaling_for_range(format, low, high)
    scale = float(scaling.scale[0])
    assert scale > 0 and np.isfinite(scale) and format.low <= scaling.zero_point <= format.high
    assert scaling.zero_point == 0 or not format.symmetric
    values = np.array([low, high, 0.0, *(low + f * (high - low) for f in fractions)])
    codes = quantize(values, format, scaling)
    assert codes.min() >= format.low and codes.max() <= format.high
    back = dequantize(codes, scaling)
    assert np.abs(back - values).max() <= scale / 2 * (1 + 1e-9)
    assert back[2] == 0.0 and codes[2] == scaling.zero_point
    np.testing.assert_array_equal(quantize(back, format, scaling), codes)


@MANY
@given(format=FORMATS, low=REALS, high=REALS, values=st.lists(REALS, min_size=1, max_size=20))
def test_outside_the_range_codes_saturate_in_order(
    format: AffineInt, low: float, high: float, values: list[float]
) -> None:
    scaling = scaling_for_range(format, *sorted((low, high)))
    codes = quantize(np.sort(np.array(values, np.float32)), format, scaling)
    assert codes.min() >= format.low and codes.max() <= format.high
    assert (np.diff(codes) >= 0).all()


@given(format=FORMATS)
def test_every_code_is_its_own_value(format: AffineInt) -> None:
    codes = np.arange(format.low, format.high + 1)
    assert len(codes) == 2**format.bits - format.symmetric and codes.astype(format.dtype).tolist() == codes.tolist()
    for scaling in (Scaling(np.array([0.3]), 0 if format.symmetric else format.low), Scaling(np.array([1e-30]), 0)):
        np.testing.assert_array_equal(quantize(dequantize(codes, scaling), format, scaling), codes)


def test_a_tensor_of_zeros_has_scale_one() -> None:
    for symmetric in (False, True):
        scaling = scaling_for_range(AffineInt(8, "tensor", symmetric), 0.0, 0.0)
        assert scaling.scale.tolist() == [1.0]


def test_ties_go_to_even() -> None:
    got = quantize(np.array([0.5, 1.5, 2.5, -0.5, -1.5]), AffineInt(8, "tensor", True), Scaling(np.ones(1), 0))
    assert got.tolist() == [0, 2, 2, 0, -2]


@MANY
@given(
    bits=st.integers(2, 16),
    granularity=st.sampled_from(["channel", "tensor"]),
    seed=st.integers(0, 2**32 - 1),
    axis=st.integers(0, 2),
    magnitude=st.sampled_from([1e-38, 1e-6, 1.0, 1e30]),
)
def test_weights_reach_the_largest_code_of_their_slice(
    bits: int, granularity: Any, seed: int, axis: int, magnitude: float
) -> None:
    rng = np.random.default_rng(seed)
    weights = (rng.standard_normal(rng.integers(1, 5, 3)) * magnitude).astype(np.float32)
    silent = rng.integers(weights.shape[axis])
    index: tuple[Any, ...] = tuple(silent if a == axis else slice(None) for a in range(3))
    weights[index] = 0
    format = AffineInt(bits, granularity, symmetric=True)
    scaling = scaling_for_weights(format, weights, axis)
    assert not scaling.zero_point.any() and (scaling.scale > 0).all()
    assert scaling.scale.shape == ((weights.shape[axis],) if granularity == "channel" else (1,))
    codes = quantize(weights, format, scaling, axis)
    assert not codes[index].any()
    reach = np.abs(codes).max(tuple(a for a in range(3) if a != axis))
    loud = np.abs(weights).max(tuple(a for a in range(3) if a != axis)) > 0
    assert (reach[loud] == format.high).all() if granularity == "channel" else reach.max() in (0, format.high)
    steps = np.abs(dequantize(codes, scaling, axis) - weights) / scaling.scale.max()
    assert steps.max() <= 0.5 + 1e-6


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_axis_is_the_one_named(axis: int) -> None:
    shape = [2, 2, 2]
    values = np.ones(shape)
    codes = quantize(values, AffineInt(8, "channel", True), Scaling(np.array([1.0, 0.1]), 0), axis)
    assert np.take(codes, 0, axis).tolist() == [[1, 1], [1, 1]]
    assert np.take(codes, 1, axis).tolist() == [[10, 10], [10, 10]]
