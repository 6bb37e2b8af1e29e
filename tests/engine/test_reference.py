"""The plain integer interpreter: sums equal to float64 convolutions, which hold them exactly below 2**53."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from accelsim.engine.linear_kernel import integers_of
from accelsim.engine.reference import ReferenceKernel, accumulate
from accelsim.errors import AccelsimError, GraphError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.requantize import Requantization
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
from accelsim.ir.shapes import result_shape

Array = np.ndarray[Any, Any]
EIGHT = AffineInt(8, "tensor", symmetric=False)


def stored(zero_point: int) -> Encoding:
    return Encoding(EIGHT, Scaling(np.ones(1), zero_point))


@st.composite
def operators(draw: st.DrawFn) -> tuple[Linear, Shape]:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    groups, each_in, each_out = (draw(st.integers(1, 3)) for _ in range(3))
    channels, image = (each_in * groups, each_out * groups), pair(1, 7)
    kind = draw(st.sampled_from([Dense, Conv2d, ConvTranspose2d]))
    if kind is Dense:
        return Dense(*channels, True), (*draw(st.lists(st.integers(1, 3), max_size=2)), channels[0])
    low = 0 if kind is Conv2d else -3
    op = kind(*channels, pair(1, 4), pair(1, 3), pair(1, 3), (*pair(low, 3), *pair(low, 3)), groups, True)
    try:
        result_shape(op, (channels[0], *image))
    except GraphError:
        assume(False)
    return op, (channels[0], *image)


def in_float64(op: Linear, x: Array, weights: Array) -> Array:
    values, kernel = torch.from_numpy(x).double(), torch.from_numpy(weights).double()
    if isinstance(op, Dense):
        return F.linear(values, kernel).numpy()
    if isinstance(op, Conv2d):
        top, bottom, left, right = op.padding
        padded = F.pad(values, (left, right, top, bottom))
        return F.conv2d(padded, kernel, None, op.stride, 0, op.dilation, op.groups).numpy()
    top, bottom, left, right = op.crop
    full = F.conv_transpose2d(values, kernel, None, op.stride, 0, 0, op.groups, op.dilation)
    return F.pad(F.pad(full, (3, 3, 3, 3)), (-3 - left, -3 - right, -3 - top, -3 - bottom)).numpy()


@settings(max_examples=200, deadline=None)
@given(
    case=operators(), seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([2, 8, 16]), batch=st.sampled_from([0, 1, 2])
)
def test_sums_are_exact(case: tuple[Linear, Shape], seed: int, bits: int, batch: int) -> None:
    op, shape = case
    rng = np.random.default_rng(seed)
    reach = 2**bits  # a code minus its zero point takes one bit more than the code
    x = rng.choice(np.array([-reach, reach - 1, 0, 1, 3]), (batch, *shape))
    weights = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), parameter_shapes(op)["weight"])
    sums = accumulate(op, x, weights)
    assert sums.dtype == np.int64 and sums.shape == (batch, *result_shape(op, shape))
    np.testing.assert_array_equal(sums, in_float64(op, x, weights))


def layer_of(op: Linear, rng: np.random.Generator, accumulator: int) -> LinearLayer:
    shapes = parameter_shapes(op)
    channels = shapes["bias"][0]
    codes = rng.integers(-127, 128, shapes["weight"]).astype(np.int8)
    bias = rng.integers(-(2 ** (accumulator - 1)), 2 ** (accumulator - 1), channels)
    constants = Requantization(rng.integers(2**30, 2**31, channels), rng.integers(36, 44, channels))
    integers = IntegerWeights(codes, Scaling(np.ones(channels), 0), bias, constants)
    return LinearLayer(AffineInt(8, "channel", True), Accumulator(accumulator), integers)


@settings(max_examples=100, deadline=None)
@given(
    case=operators(),
    seed=st.integers(0, 2**32 - 1),
    zero_point=st.integers(-128, 127),
    accumulator=st.sampled_from([8, 12, 16, 24, 32, 48]),
    relu=st.booleans(),
)
def test_codes_in_python_integers(
    case: tuple[Linear, Shape], seed: int, zero_point: int, accumulator: int, relu: bool
) -> None:
    op, shape = case
    rng = np.random.default_rng(seed)
    layer = layer_of(op, rng, accumulator)
    out_zero = int(rng.integers(-128, 128))
    x = rng.integers(-128, 128, (2, *shape)).astype(np.int8)
    sums = ReferenceKernel().sums(op, x, stored(zero_point), layer)
    codes = ReferenceKernel().codes(
        op, x, stored(zero_point), layer, Encoding(EIGHT, Scaling(np.ones(1), out_zero)), relu
    )
    integers = integers_of(layer)
    exact = in_float64(op, x.astype(np.int64) - zero_point, integers.codes.astype(np.int64)).astype(np.int64)
    axis = exact.ndim - 1 if isinstance(op, Dense) else 1
    assert sums.shape == codes.shape == exact.shape and integers.requantization is not None
    for where in np.ndindex(exact.shape):
        channel = where[axis]
        total = int(exact[where]) + int(integers.bias[channel])
        held = (total + 2 ** (accumulator - 1)) % 2**accumulator - 2 ** (accumulator - 1)
        assert sums[where] == held
        multiplier, shift = (
            int(a[channel]) for a in (integers.requantization.multiplier, integers.requantization.shift)
        )
        code = (held * multiplier + 2 ** (shift - 1)) // 2**shift + out_zero
        assert codes[where] == min(max(code, out_zero if relu else -128), 127)


def test_padding_is_the_zero_point() -> None:
    op = Conv2d(1, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True)
    layer = layer_of(op, np.random.default_rng(0), 32)
    for zero_point in (-128, -5, 0, 127):
        nothing = np.full((1, 1, 4, 4), zero_point, np.int8)
        sums = ReferenceKernel().sums(op, nothing, stored(zero_point), layer)
        assert (sums == integers_of(layer).bias[0]).all()


def test_what_is_not_quantized_or_not_linear_is_refused() -> None:
    op = Dense(2, 2, True)
    with pytest.raises(AccelsimError, match="holds no integer weights"):
        ReferenceKernel().sums(op, np.zeros((1, 2), np.int8), stored(0), LinearLayer(EIGHT, Accumulator(32)))
    with pytest.raises(TypeError, match="str does not accumulate"):
        accumulate("Dense", np.zeros((1, 2), np.int64), np.zeros((2, 2), np.int64))  # type: ignore[arg-type]
