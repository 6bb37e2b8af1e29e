"""What is proven about accumulators: as tight as some inputs reach, and true in every overflow mode."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.bounds import accumulator_is_proven, proven_channels, reach
from accelsim.engine.linear_kernel import Overflows
from accelsim.engine.reference import ReferenceKernel
from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.fixed import FixedPoint
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

Array = np.ndarray[Any, Any]
CASES: tuple[tuple[Linear, Shape], ...] = (
    (Dense(5, 3, True), (5,)),
    (Conv2d(4, 6, (2, 3), (1, 1), (1, 1), (1, 1, 0, 2), 2, True), (4, 3, 4)),
    (ConvTranspose2d(4, 6, (3, 3), (2, 1), (1, 1), (0, 1, 1, 0), 2, True), (4, 3, 2)),
)
SOURCES = st.one_of(
    st.builds(
        lambda bits, zero: Encoding(AffineInt(bits, "tensor", symmetric=False), Scaling(np.ones(1), zero)),
        st.integers(6, 8),
        st.sampled_from([-32, -5, 0, 31]),
    ),
    st.just(Encoding(AffineInt(8, "tensor", symmetric=True), Scaling(np.ones(1), 0))),
    st.just(Encoding(FixedPoint(8, 4, "rnd", "sat_sym"), Scaling(np.ones(1), 0))),
)


def layer_of(op: Linear, rng: np.random.Generator, accumulator: Accumulator) -> LinearLayer:
    shapes = parameter_shapes(op)
    codes = rng.integers(-127, 128, shapes["weight"]).astype(np.int8)
    bias = rng.integers(-1000, 1000, shapes["bias"])
    return LinearLayer(
        AffineInt(8, "channel", True), accumulator, IntegerWeights(codes, Scaling(np.ones(1), 0), bias, None)
    )


def sums(op: Linear, x: Array, source: Encoding, layer: LinearLayer) -> tuple[Array, int]:
    overflows = Overflows()
    return ReferenceKernel().sums(op, x, source, layer, overflows), overflows.outputs


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from(CASES),
    source=SOURCES,
    overflow=st.sampled_from(["wrap", "sat", "sat_sym", "sat_zero"]),
    tree=st.sampled_from([1, 2, 64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_proven_is_exact_in_every_mode(
    case: tuple[Linear, Shape], source: Encoding, overflow: Any, tree: int, seed: int
) -> None:
    op, shape = case
    rng = np.random.default_rng(seed)
    layer = layer_of(op, rng, Accumulator(48))
    lowest, highest = reach(op, layer, source)
    assert layer.integers is not None and (lowest <= 0).all() and (highest >= 0).all()
    bias = layer.integers.bias
    widest = int(np.median(np.maximum(np.abs(bias + lowest), np.abs(bias + highest)))).bit_length() + 1
    layer = replace(layer, accumulator=Accumulator(widest, overflow, tree))
    proven = proven_channels(op, layer, source)
    assert proven.shape == bias.shape and proven.dtype == np.bool_
    format = source.format
    assert isinstance(format, AffineInt | FixedPoint)
    x = rng.choice(np.array([format.low, format.high]), (4, *shape)).astype(np.int8)
    exact, none = sums(op, x, source, replace(layer, accumulator=Accumulator(48)))
    held, overflowed = sums(op, x, source, layer)
    axis = 1
    np.testing.assert_array_equal(np.compress(proven, held, axis), np.compress(proven, exact, axis))
    assert none == 0 and (overflowed == 0 or not proven.all())
    assert accumulator_is_proven(op, layer, source) is bool(proven.all())


@settings(max_examples=60, deadline=None)
@given(source=SOURCES, seed=st.integers(0, 2**32 - 1), sign=st.sampled_from([-1, 1]))
def test_the_bound_is_reached(source: Encoding, seed: int, sign: int) -> None:
    """The inputs that push one channel of a dense layer furthest overflow a register that is a bit too narrow."""
    op = Dense(6, 2, True)
    layer = layer_of(op, np.random.default_rng(seed), Accumulator(48))
    format, integers = source.format, layer.integers
    assert isinstance(format, AffineInt | FixedPoint) and integers is not None
    x = np.where(sign * integers.codes[:1] > 0, format.high, format.low).astype(np.int8)
    lowest, highest = reach(op, layer, source)
    end = int(integers.bias[0] + (highest if sign > 0 else lowest)[0])
    assert sums(op, x, source, layer)[0][0, 0] == end
    for bits in range(8, 24):
        narrow = replace(layer, accumulator=Accumulator(bits))
        fits = -(2 ** (bits - 1)) <= end < 2 ** (bits - 1)
        if not fits:
            assert not proven_channels(op, narrow, source)[0]
            assert sums(op, x, source, narrow)[1] >= 1


def test_symmetric_registers_hold_one_number_less() -> None:
    op, source = Dense(1, 1, True), Encoding(AffineInt(8, "tensor", symmetric=False), Scaling(np.ones(1), 0))
    integers = IntegerWeights(np.ones((1, 1), np.int8), Scaling(np.ones(1), 0), np.zeros(1, np.int64), None)
    for overflow, proven in (("wrap", True), ("sat", True), ("sat_zero", True), ("sat_sym", False)):
        layer = LinearLayer(AffineInt(8, "channel", True), Accumulator(8, overflow), integers)  # type: ignore[arg-type]
        assert accumulator_is_proven(op, layer, source) is proven


def test_what_is_not_quantized_is_refused() -> None:
    layer = LinearLayer(AffineInt(8, "channel", True), Accumulator(32))
    with pytest.raises(AccelsimError, match="holds no integer weights"):
        proven_channels(Dense(1, 1, True), layer, Encoding(AffineInt(8, "tensor", True), Scaling(np.ones(1), 0)))
