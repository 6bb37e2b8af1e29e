"""Compiled kernels against the plain interpreter, and against float64 convolutions of another library."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.linear_kernel import Array, affine_of
from accelsim.engine.reference import ReferenceKernel
from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator, wrap
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.quantize import along
from accelsim.formats.requantize import Requantization, requantize
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
from accelsim.ir.shapes import result_shape

EXAMPLES = settings(max_examples=100, deadline=None)


@dataclass(frozen=True)
class Case:
    op: Linear
    layer: LinearLayer
    x: Array
    zero_point: int
    out: Encoding
    relu: bool


def stored(x: Array, zero_point: int) -> Encoding:
    return Encoding(AffineInt(8 * x.dtype.itemsize, "tensor", symmetric=False), Scaling(np.ones(1), zero_point))


def random_codes(rng: np.random.Generator, format: AffineInt, shape: Shape, extreme: bool) -> Array:
    choices = [format.low, format.high] if extreme else range(format.low, format.high + 1)
    return rng.choice(np.array(choices), shape).astype(format.dtype)


def make_layer(rng: np.random.Generator, op: Linear, bits: int, accumulator: int, extreme: bool) -> LinearLayer:
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    format = AffineInt(bits, "channel", symmetric=True)
    limit = 1 << (accumulator - 1)
    constants = Requantization(rng.integers(0, 1 << 31, channels), rng.integers(1, 63, channels))
    integers = IntegerWeights(
        random_codes(rng, format, parameter_shapes(op)["weight"], extreme),
        Scaling(np.ones(channels), 0),
        rng.integers(-limit, limit, channels),
        constants,
    )
    return LinearLayer(format, Accumulator(accumulator), integers)


@st.composite
def operators(draw: st.DrawFn) -> tuple[Linear, Shape]:
    def some(low: int, high: int, count: int = 2) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    kind = draw(st.sampled_from([Dense, Conv2d, ConvTranspose2d]))
    if kind is Dense:
        features, out = some(1, 70)
        return Dense(features, out, True), (*some(1, 3, draw(st.integers(0, 2))), features)
    groups = draw(st.integers(1, 3))
    each_in, each_out = some(1, 5)
    low = 0 if kind is Conv2d else -4
    op = kind(each_in * groups, each_out * groups, some(1, 4), some(1, 3), some(1, 3), some(low, 4, 4), groups, True)
    return op, (each_in * groups, *some(1, 6))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    op, sample = draw(operators())
    try:
        result_shape(op, sample)
    except AccelsimError:
        assume(False)
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    activations = AffineInt(draw(st.integers(2, 16)), "tensor", symmetric=False)
    out = AffineInt(draw(st.integers(2, 16)), "tensor", symmetric=draw(st.booleans()))
    extreme = draw(st.booleans())
    return Case(
        op,
        make_layer(rng, op, draw(st.integers(2, 16)), draw(st.integers(8, 48)), extreme),
        random_codes(rng, activations, (draw(st.integers(0, 3)), *sample), extreme),
        draw(st.sampled_from([activations.low, 0, 1, activations.high])),
        Encoding(out, Scaling(np.ones(1), draw(st.sampled_from([out.low, 0, out.high])))),
        draw(st.booleans()),
    )


def assert_same(case: Case, kernel: FastKernel, expected: Array, expected_codes: Array) -> None:
    sums = kernel.sums(case.op, case.x, stored(case.x, case.zero_point), case.layer)
    assert sums.dtype == np.int64 and sums.shape == expected.shape
    np.testing.assert_array_equal(sums, expected)
    codes = kernel.codes(case.op, case.x, stored(case.x, case.zero_point), case.layer, case.out, case.relu)
    assert isinstance(case.out.format, AffineInt) and codes.dtype == case.out.format.dtype
    np.testing.assert_array_equal(codes, expected_codes)


@EXAMPLES
@given(case=cases(), threads=st.sampled_from([1, 2]))
def test_fast_equals_reference(case: Case, threads: int) -> None:
    if isinstance(
        case.op, ConvTranspose2d
    ):  # the definition scatters into the full result: nothing before it, no empty batch
        assume(min(case.op.crop[0], case.op.crop[2]) >= 0 and len(case.x) > 0)
    plain = ReferenceKernel()
    expected = plain.sums(case.op, case.x, stored(case.x, case.zero_point), case.layer)
    expected_codes = plain.codes(case.op, case.x, stored(case.x, case.zero_point), case.layer, case.out, case.relu)
    assert_same(case, FastKernel(threads), expected, expected_codes)


@pytest.mark.parametrize("activations", [8, 16])
@pytest.mark.parametrize("weights", [8, 12, 16])
@pytest.mark.parametrize("accumulator", [16, 32, 33, 48])
@pytest.mark.parametrize("features", [511, 512, 513, 3000])
def test_long_reductions_of_the_largest_codes(activations: int, weights: int, accumulator: int, features: int) -> None:
    op = Dense(features, 2, bias=True)
    rng = np.random.default_rng(features)
    layer = make_layer(rng, op, weights, accumulator, extreme=True)
    format = AffineInt(activations, "tensor", symmetric=False)
    worst = np.full((1, features), format.low, format.dtype)
    x = np.concatenate([worst, random_codes(rng, format, (3, features), extreme=True)])
    assert layer.integers is not None
    layer.integers.codes[0] = layer.weights.low if isinstance(layer.weights, AffineInt) else 0
    for zero_point in (format.low, 0, format.high):
        expected = ReferenceKernel().sums(op, x, stored(x, zero_point), layer)
        np.testing.assert_array_equal(FastKernel().sums(op, x, stored(x, zero_point), layer), expected)


def float64_sums(op: Linear, x: Array, weight: Array) -> Array:
    """Sums without bias by another library; float64 holds them exactly, below 2**53."""
    functional, values, kernel = torch.nn.functional, torch.from_numpy(x), torch.from_numpy(weight)
    if isinstance(op, Dense):
        return functional.linear(values, kernel).numpy()
    if isinstance(op, Conv2d):
        top, bottom, left, right = op.padding
        padded = functional.pad(values, (left, right, top, bottom))
        return functional.conv2d(padded, kernel, None, op.stride, 0, op.dilation, op.groups).numpy()
    top, bottom, left, right = op.crop
    full = functional.conv_transpose2d(values, kernel, None, op.stride, 0, 0, op.groups, op.dilation)
    roomy = functional.pad(full, (4, 4, 4, 4))
    return functional.pad(roomy, (-4 - left, -4 - right, -4 - top, -4 - bottom)).numpy()


@EXAMPLES
@given(case=cases(), threads=st.sampled_from([1, 2]))
def test_fast_equals_float64_convolutions(case: Case, threads: int) -> None:
    assume(len(case.x) > 0)
    integers, accumulator = case.layer.integers, case.layer.accumulator
    assert integers is not None and accumulator is not None and integers.requantization is not None
    exact = float64_sums(case.op, case.x.astype(np.float64) - case.zero_point, integers.codes.astype(np.float64))
    channels = exact.ndim - 1 if isinstance(case.op, Dense) else 1
    sums = wrap(exact.astype(np.int64) + along(integers.bias, exact.ndim, channels), accumulator)
    format, scaling = affine_of(case.out)
    low = max(format.low, scaling.zero_point) if case.relu else format.low
    codes = requantize(sums, integers.requantization, scaling.zero_point, low, format.high, channels)
    assert_same(case, FastKernel(threads), sums, codes)


@settings(max_examples=30, deadline=None)
@given(case=cases(), threads=st.sampled_from([1, 2]))
def test_an_empty_batch_keeps_its_shape(case: Case, threads: int) -> None:
    kernel, nothing = FastKernel(threads), case.x[:0]
    shape = (0, *result_shape(case.op, case.x.shape[1:]))
    assert kernel.sums(case.op, nothing, stored(case.x, case.zero_point), case.layer).shape == shape
    assert (
        kernel.codes(case.op, nothing, stored(case.x, case.zero_point), case.layer, case.out, case.relu).shape == shape
    )


def test_negative_crop_rows_hold_only_the_bias() -> None:
    rng = np.random.default_rng(0)
    op = ConvTranspose2d(3, 2, (3, 3), (2, 2), (1, 1), (-4, -3, -2, -5), 1, bias=True)
    layer = make_layer(rng, op, 8, 32, extreme=False)
    x = rng.integers(-128, 128, (2, 3, 2, 2)).astype(np.int8)
    sums = FastKernel().sums(op, x, stored(x, -7), layer)
    assert layer.integers is not None
    bias = np.broadcast_to(layer.integers.bias[:, None, None], (2, 2, 4, 12))
    assert sums.shape == (2, 2, 12, 12)
    np.testing.assert_array_equal(sums[:, :, :4], bias)
    np.testing.assert_array_equal(sums[:, :, 9:], bias[:, :, :3])
    assert (sums[:, :, 4:9, 2:7] != bias[:, :, :1, :1]).any()


def test_one_kernel_object_serves_many_layers_and_sizes() -> None:
    rng = np.random.default_rng(0)
    op = Conv2d(3, 4, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, bias=True)
    layers = [make_layer(rng, op, bits, 32, extreme=False) for bits in (4, 8, 8)]
    kernel = FastKernel()
    for size, dtype in ((5, np.int8), (5, np.int16), (7, np.int8), (5, np.int8)):
        x = rng.integers(-128, 128, (2, 3, size, size)).astype(dtype)
        for layer in layers:
            np.testing.assert_array_equal(
                kernel.sums(op, x, stored(x, 3), layer), ReferenceKernel().sums(op, x, stored(x, 3), layer)
            )


def test_more_windows_and_channels_than_a_tile() -> None:
    rng = np.random.default_rng(0)
    op = Conv2d(10, 260, (3, 3), (1, 2), (1, 1), (1, 0, 0, 2), 2, bias=True)
    layer = make_layer(rng, op, 8, 32, extreme=False)
    x = rng.integers(-128, 128, (3, 10, 9, 11)).astype(np.int8)
    np.testing.assert_array_equal(
        FastKernel().sums(op, x, stored(x, 5), layer), ReferenceKernel().sums(op, x, stored(x, 5), layer)
    )


def test_results_do_not_depend_on_the_split() -> None:
    rng = np.random.default_rng(0)
    op = ConvTranspose2d(8, 3, (5, 5), (2, 2), (1, 1), (2, 1, 2, 1), 1, bias=True)
    layer = make_layer(rng, op, 8, 32, extreme=False)
    x = rng.integers(-128, 128, (9, 8, 7, 5)).astype(np.int8)
    results = [FastKernel(threads).sums(op, x, stored(x, 5), layer) for threads in (1, 2, 3, 7)]
    for a, b in pairwise(results):
        np.testing.assert_array_equal(a, b)


def test_threads_below_one_are_refused() -> None:
    with pytest.raises(AccelsimError, match="threads=0"):
        FastKernel(0)
