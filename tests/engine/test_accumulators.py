"""Narrow registers: the plain interpreter against scalar loops over inputs, and what holds for any sum."""

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
from apytypes import APyFixed, OverflowMode
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.engine.linear_kernel import Overflows, integers_of
from accelsim.engine.reference import ReferenceKernel
from accelsim.errors import GraphError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.rounding import Overflow
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
from accelsim.ir.shapes import result_shape

Array = np.ndarray[Any, Any]
EIGHT = AffineInt(8, "tensor", symmetric=False)
MODES = st.sampled_from(get_args(Overflow))
SATURATING = st.sampled_from(["sat", "sat_sym", "sat_zero"])
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def operators(draw: st.DrawFn) -> tuple[Linear, Shape]:
    def some(low: int, high: int, count: int = 2) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    kind, groups = draw(st.sampled_from([Dense, Conv2d, ConvTranspose2d])), draw(st.integers(1, 2))
    if kind is Dense:
        features, out = some(1, 12)
        return Dense(features, out, True), (*some(1, 2, draw(st.integers(0, 1))), features)
    each_in, each_out = some(1, 3)
    low = 0 if kind is Conv2d else -2
    op = kind(each_in * groups, each_out * groups, some(1, 3), some(1, 3), some(1, 2), some(low, 3, 4), groups, True)
    shape = (each_in * groups, *some(1, 4))
    try:
        result_shape(op, shape)
    except GraphError:
        assume(False)
    return op, shape


def layer_of(op: Linear, rng: np.random.Generator, accumulator: Accumulator) -> LinearLayer:
    shapes = parameter_shapes(op)
    bias = rng.integers(accumulator.low, accumulator.high + 1, shapes["bias"])
    codes = rng.integers(-127, 128, shapes["weight"]).astype(np.int8)
    return LinearLayer(EIGHT, accumulator, IntegerWeights(codes, Scaling(np.ones(1), 0), bias, None))


def run(op: Linear, x: Array, layer: LinearLayer, zero_point: int = 0) -> tuple[Array, int]:
    overflows = Overflows()
    source = Encoding(EIGHT, Scaling(np.ones(1), zero_point))
    return ReferenceKernel().sums(op, x, source, layer, overflows), overflows.outputs


def held(exact: int, accumulator: Accumulator) -> int:
    """One addition in another library, which has neither symmetric saturation nor saturation to 0."""
    bits, low, high = accumulator.bits, accumulator.low, accumulator.high
    mode = OverflowMode.WRAP if accumulator.overflow == "wrap" else OverflowMode.SAT
    cast = int(float(APyFixed(exact % 2**40, bits=40, int_bits=40).cast(int_bits=bits, frac_bits=0, overflow=mode)))
    if accumulator.overflow == "sat_zero" and not low <= exact <= high:
        return 0
    return max(cast, low)


def reaching(op: Linear, shape: Shape, output: tuple[int, ...]) -> list[tuple[Shape, Shape]]:
    """The input positions that an output position reads, rising, each with the tap that it meets: no zeros."""
    if isinstance(op, Dense):
        return [(output, ())]
    found = []
    for position in np.ndindex(*shape[1:]):
        taps = []
        for axis in range(2):
            if isinstance(op, Conv2d):
                steps = position[axis] + op.padding[2 * axis] - output[axis] * op.stride[axis]
            else:
                steps = output[axis] + op.crop[2 * axis] - position[axis] * op.stride[axis]
            tap, rest = divmod(steps, op.dilation[axis])
            taps += [tap] if rest == 0 and 0 <= tap < op.kernel[axis] else []
        if len(taps) == 2:
            found.append((position, tuple(taps)))
    return found


def one_output(op: Linear, x: Array, layer: LinearLayer, channel: int, output: Shape) -> tuple[int, bool]:
    """One register, addition by addition: x `[...]` of one sample, minus the zero point."""
    integers, accumulator = integers_of(layer), layer.accumulator
    assert accumulator is not None
    groups = 1 if isinstance(op, Dense) else op.groups
    outputs = len(integers.bias) // groups
    inputs = (x.shape[-1] if isinstance(op, Dense) else x.shape[0]) // groups
    group, of_group = divmod(channel, outputs)
    register, over = held(int(integers.bias[channel]), accumulator), False
    exact = int(integers.bias[channel])
    for position, taps in reaching(op, x.shape, output):
        products = []
        for c in range(group * inputs, (group + 1) * inputs):
            value = x[(*position, c)] if isinstance(op, Dense) else x[(c, *position)]
            of_weight = (c, of_group) if isinstance(op, ConvTranspose2d) else (channel, c - group * inputs)
            products.append(int(value) * int(integers.codes[(*of_weight, *taps)]))
        exact += sum(products)
        for first in range(0, inputs, accumulator.tree):
            total = register + sum(products[first : first + accumulator.tree])
            register = held(total, accumulator)
            over |= register != total
    return register, register != exact if accumulator.overflow == "wrap" else over


@settings(max_examples=60, deadline=None)
@given(
    case=operators(),
    overflow=MODES,
    bits=st.integers(8, 20),
    tree=st.sampled_from([1, 2, 3, 5, 64]),
    zero_point=st.integers(-128, 127),
    seed=SEEDS,
)
def test_registers_in_scalar_loops_over_the_inputs(
    case: tuple[Linear, Shape], overflow: Overflow, bits: int, tree: int, zero_point: int, seed: int
) -> None:
    op, shape = case
    rng = np.random.default_rng(seed)
    layer = layer_of(op, rng, Accumulator(bits, overflow, tree))
    x = rng.integers(-128, 128, (1, *shape)).astype(np.int8)
    sums, overflowed = run(op, x, layer, zero_point)
    assert sums.dtype == np.int64 and sums.shape == (1, *result_shape(op, shape))
    counted = 0
    for where in np.ndindex(*sums.shape[1:]):
        output, channel = (where[:-1], where[-1]) if isinstance(op, Dense) else (where[1:], where[0])
        register, over = one_output(op, x[0].astype(np.int64) - zero_point, layer, channel, output)
        assert sums[(0, *where)] == register
        counted += over
    assert overflowed == counted


def dense(products: list[int], accumulator: Accumulator, bias: int = 0) -> tuple[int, int]:
    """One register that adds products, which are input codes times 1."""
    op = Dense(len(products), 1, True)
    integers = IntegerWeights(np.ones((1, len(products)), np.int8), Scaling(np.ones(1), 0), np.array([bias]), None)
    sums, overflowed = run(op, np.array([products], np.int16), LinearLayer(EIGHT, accumulator, integers))
    return int(sums[0, 0]), overflowed


@pytest.mark.parametrize(
    ("products", "accumulator", "bias", "expected"),
    [
        ([100, 100, -100], Accumulator(8, "sat"), 0, (27, 1)),
        ([100, 100, -100], Accumulator(8, "wrap"), 0, (100, 0)),
        ([100, 100, -100], Accumulator(8, "sat", 2), 0, (27, 1)),
        ([100, 100, -100], Accumulator(8, "sat", 3), 0, (100, 0)),
        ([100, 100, -100], Accumulator(8, "sat_zero"), 0, (-100, 1)),
        ([-100, -100, 100], Accumulator(8, "sat"), 0, (-28, 1)),
        ([-100, -100, 100], Accumulator(8, "sat_sym"), 0, (-27, 1)),
        ([100, -100], Accumulator(8, "sat"), 100, (27, 1)),
        ([0, 1], Accumulator(8, "sat_sym"), -128, (-126, 0)),
        ([100], Accumulator(8, "wrap"), 100, (-56, 1)),
    ],
)
def test_by_hand(products: list[int], accumulator: Accumulator, bias: int, expected: tuple[int, int]) -> None:
    assert dense(products, accumulator, bias) == expected


@settings(max_examples=60, deadline=None)
@given(products=st.lists(st.integers(-9000, 9000), min_size=1, max_size=9), bits=st.integers(8, 14), data=st.data())
def test_what_wraps_does_not_know_its_order(products: list[int], bits: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(products))
    wrapping = Accumulator(bits)
    tree = replace(wrapping, tree=data.draw(st.integers(1, 9)))
    assert dense(products, wrapping) == dense(shuffled, wrapping) == dense(shuffled, tree)


@settings(max_examples=100, deadline=None)
@given(
    products=st.lists(st.integers(-300, 300), min_size=1, max_size=9),
    overflow=st.sampled_from(["sat", "sat_sym"]),
    bits=st.integers(2, 10),
    tree=st.integers(1, 4),
    raised=st.integers(0, 8),
    by=st.integers(0, 300),
)
def test_saturating_sums_are_monotone(
    products: list[int], overflow: Overflow, bits: int, tree: int, raised: int, by: int
) -> None:
    register = Accumulator(bits, overflow, tree)
    more = [p + by * (i == raised) for i, p in enumerate(products)]
    assert dense(products, register)[0] <= dense(more, register)[0]


@settings(max_examples=40, deadline=None)
@given(case=operators(), overflow=MODES, bits=st.integers(8, 20), seed=SEEDS)
def test_a_tree_as_wide_as_a_tap_adds_a_tap_at_a_time(
    case: tuple[Linear, Shape], overflow: Overflow, bits: int, seed: int
) -> None:
    op, shape = case
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (2, *shape)).astype(np.int8)
    each = op.in_features if isinstance(op, Dense) else op.in_channels // op.groups
    layer = layer_of(op, rng, Accumulator(bits, overflow, each))
    sums, overflowed = run(op, x, layer)
    wide = run(op, x, replace(layer, accumulator=Accumulator(bits, overflow, each + 7)))
    np.testing.assert_array_equal(sums, wide[0])
    assert overflowed == wide[1]


@settings(max_examples=40, deadline=None)
@given(case=operators(), overflow=SATURATING, tree=st.sampled_from([1, 2, 64]), seed=SEEDS)
def test_a_wide_register_is_exact(case: tuple[Linear, Shape], overflow: Overflow, tree: int, seed: int) -> None:
    """The taps one by one, against the products all at once, where they are scattered and not gathered."""
    op, shape = case
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (2, *shape)).astype(np.int8)
    layer = layer_of(op, rng, Accumulator(24))
    exact = run(op, x, replace(layer, accumulator=Accumulator(48)))
    taps = run(op, x, replace(layer, accumulator=Accumulator(48, overflow, tree)))
    np.testing.assert_array_equal(taps[0], exact[0])
    assert taps[1] == exact[1] == 0


def by_phases(op: ConvTranspose2d, x: Array, layer: LinearLayer) -> tuple[Array, int]:
    """As `stride` x `stride` convolutions over the input itself, each of the taps its outputs meet, interleaved."""
    integers = integers_of(layer)
    sums = np.zeros((len(x), *result_shape(op, x.shape[1:])), np.int64)
    overflowed = 0
    for phase in product(*map(range, op.stride)):
        taps = [list(range(a, k, s))[::-1] for a, k, s in zip(phase, op.kernel, op.stride, strict=True)]
        out = sums[:, :, phase[0] :: op.stride[0], phase[1] :: op.stride[1]]
        if not all(taps):
            out += along_channels(integers.bias)
            continue
        counts, before = out.shape[2:], [len(t) - 1 for t in taps]
        after = [count - size for count, size in zip(counts, x.shape[2:], strict=True)]
        conv = Conv2d(
            op.in_channels, op.out_channels, (len(taps[0]), len(taps[1])), (1, 1), (1, 1),
            (before[0], max(after[0], 0), before[1], max(after[1], 0)), 1, True,
        )  # fmt: skip
        codes = integers.codes.swapaxes(0, 1)[:, :, taps[0]][:, :, :, taps[1]]
        made, over = run(conv, x, replace(layer, integers=replace(integers, codes=codes)))
        out += made
        overflowed += over
    return sums, overflowed


def along_channels(bias: Array) -> Array:
    return bias[:, None, None]


@settings(max_examples=60, deadline=None)
@given(
    channels=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    image=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    overflow=MODES,
    bits=st.integers(10, 20),
    tree=st.sampled_from([1, 2, 4, 64]),
    seed=SEEDS,
)
def test_phases_add_as_inserted_zeros_do(
    channels: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    image: tuple[int, int],
    overflow: Overflow,
    bits: int,
    tree: int,
    seed: int,
) -> None:
    op = ConvTranspose2d(*channels, kernel, stride, (1, 1), (0, 0, 0, 0), 1, True)
    rng = np.random.default_rng(seed)
    layer = layer_of(op, rng, Accumulator(bits, overflow, tree))
    x = rng.integers(-128, 128, (2, channels[0], *image)).astype(np.int8)
    sums, overflowed = run(op, x, layer)
    phased = by_phases(op, x, layer)
    np.testing.assert_array_equal(sums, phased[0])
    assert overflowed == phased[1]
