"""Every inner product, native and portable, against the plain interpreter: bit planes, digits, saturating registers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.linear_kernel import Overflows
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.requantize import Requantization
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

Array = np.ndarray[Any, Any]
ONE, BOTH = (1, 1), pytest.mark.parametrize("is_native", [True, False])
LAYERS: tuple[tuple[Linear, Shape], ...] = (
    (Dense(70, 35, True), (70,)),
    (Dense(33, 1, True), (3, 2, 33)),
    (Conv2d(5, 3, (3, 3), ONE, ONE, (1, 1, 1, 1), 1, True), (5, 6, 11)),
    (Conv2d(70, 34, (2, 3), (2, 1), (1, 2), (0, 0, 0, 0), 1, True), (70, 5, 7)),
    (Conv2d(6, 6, (3, 3), ONE, ONE, (1, 0, 1, 1), 6, True), (6, 5, 4)),
    (ConvTranspose2d(40, 3, (5, 5), (2, 2), ONE, (2, 1, 2, 1), 1, True), (40, 3, 4)),
    (ConvTranspose2d(8, 36, (4, 3), (2, 3), (1, 2), (1, 1, 0, 2), 2, True), (8, 3, 4)),
)
REGISTERS = (
    Accumulator(32),
    Accumulator(12),
    Accumulator(48),
    Accumulator(20, "sat"),
    Accumulator(11, "sat", 4),
    Accumulator(13, "sat_sym", 3),
    Accumulator(12, "sat_zero", 16),
    Accumulator(40, "sat", 2),
)


def layer_of(rng: np.random.Generator, op: Linear, weights: Array, accumulator: Accumulator) -> LinearLayer:
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    bias = rng.integers(-(1 << (accumulator.bits - 2)), 1 << (accumulator.bits - 2), channels)
    bias[::2] = rng.integers(-9, 9, len(bias[::2]))
    constants = Requantization(rng.integers(1 << 30, 1 << 31, channels), rng.integers(33, 45, channels))
    integers = IntegerWeights(weights, Scaling(np.ones(channels), 0), bias, constants)
    return LinearLayer(AffineInt(8, "channel", True), accumulator, integers)


def assert_equal(op: Linear, x: Array, source: Encoding, layer: LinearLayer, kernel: FastKernel) -> None:
    out = Encoding(AffineInt(8, "tensor", symmetric=False), Scaling(np.ones(1), -5))
    plain, counted, wanted = ReferenceKernel(), Overflows(), Overflows()
    sums, codes = plain.sums(op, x, source, layer), plain.codes(op, x, source, layer, out, True, wanted)
    np.testing.assert_array_equal(kernel.sums(op, x, source, layer), sums)
    np.testing.assert_array_equal(kernel.codes(op, x, source, layer, out, True), codes)
    np.testing.assert_array_equal(kernel.codes(op, x, source, layer, out, True, counted), codes)
    assert counted.outputs == wanted.outputs


@BOTH
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    case=st.sampled_from(LAYERS),
    register=st.sampled_from(REGISTERS),
    activations=st.sampled_from([2, 8, 12, 16]),
    weights=st.sampled_from([2, 8, 9, 12, 16]),
)
def test_every_register_and_width(
    is_native: bool, seed: int, case: tuple[Linear, Shape], register: Accumulator, activations: int, weights: int
) -> None:
    (op, sample), rng = case, np.random.default_rng(seed)
    format = AffineInt(activations, "tensor", symmetric=activations == 2)
    reach = (1 << (weights - 1)) - 1
    values = rng.integers(-reach, reach + 1, parameter_shapes(op)["weight"])
    x = rng.integers(format.low, format.high + 1, (2, *sample)).astype(format.dtype)
    zero_point = 0 if activations == 2 else int(rng.integers(format.low, format.high + 1))
    layer = layer_of(rng, op, values.astype(np.int8 if weights <= 8 else np.int16), register)
    kernel = FastKernel(int(rng.integers(1, 3)), is_native)
    assert_equal(op, x, Encoding(format, Scaling(np.ones(1), zero_point)), layer, kernel)


@BOTH
@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("zeros", [False, True])
def test_signs_and_trits(is_native: bool, case: tuple[Linear, Shape], zeros: bool) -> None:
    (op, sample), rng = case, np.random.default_rng(1)
    codes = np.array([-1, 0, 1] if zeros else [-1, 1], np.int8)
    layer = layer_of(rng, op, rng.choice(codes, parameter_shapes(op)["weight"]), Accumulator(32))
    source = Encoding(AffineInt(2, "tensor", symmetric=True), Scaling(np.ones(1), 0))
    kernel = FastKernel(1, is_native)
    for values in (codes, np.array([-1, 0, 1], np.int8)):  # the second time the same weights meet zeros
        assert_equal(op, rng.choice(values, (3, *sample)), source, layer, kernel)


@BOTH
def test_only_channels_that_may_overflow_take_the_slow_way(is_native: bool) -> None:
    rng = np.random.default_rng(2)
    op = Conv2d(16, 96, (3, 3), ONE, ONE, (1, 1, 1, 1), 1, True)
    weights = rng.integers(-127, 128, parameter_shapes(op)["weight"]).astype(np.int8)
    weights[32:64] = rng.integers(-1, 2, weights[32:64].shape)
    layer = layer_of(rng, op, weights, Accumulator(18, "sat", 4))
    assert layer.integers is not None
    layer.integers.bias[32:64] = 5
    source = Encoding(AffineInt(8, "tensor", symmetric=False), Scaling(np.ones(1), 7))
    x = rng.integers(-128, 128, (2, 16, 6, 7)).astype(np.int8)
    assert_equal(op, x, source, layer, FastKernel(2, is_native))


@BOTH
@pytest.mark.parametrize("rounding", ["rnd", "trn", "rnd_conv"])
def test_fixed_point_results(is_native: bool, rounding: Any) -> None:
    rng = np.random.default_rng(3)
    op = Dense(20, 9, True)
    layer = layer_of(rng, op, rng.integers(-127, 128, (9, 20)).astype(np.int8), Accumulator(32))
    source = Encoding(AffineInt(8, "tensor", symmetric=False), Scaling(np.ones(1), 0))
    out = Encoding(FixedPoint(8, 3, rounding), Scaling(np.ones(1), 0))
    x = rng.integers(-128, 128, (5, 20)).astype(np.int8)
    wanted = ReferenceKernel().codes(op, x, source, layer, out, False)
    np.testing.assert_array_equal(FastKernel(1, is_native).codes(op, x, source, layer, out, False), wanted)


@BOTH
@pytest.mark.parametrize("op", [Dense(4097, 4097, True), Conv2d(4097, 2, ONE, ONE, ONE, (0, 0, 0, 0), 1, True)])
def test_many_channels_and_single_pixels(is_native: bool, op: Linear) -> None:
    rng = np.random.default_rng(4)
    layer = layer_of(rng, op, rng.integers(-127, 128, parameter_shapes(op)["weight"]).astype(np.int8), Accumulator(32))
    source = Encoding(AffineInt(8, "tensor", symmetric=False), Scaling(np.ones(1), -128))
    x = rng.integers(-128, 128, (1, 4097) if isinstance(op, Dense) else (1, 4097, 1, 1)).astype(np.int8)
    np.testing.assert_array_equal(
        FastKernel(1, is_native).sums(op, x, source, layer), ReferenceKernel().sums(op, x, source, layer)
    )
