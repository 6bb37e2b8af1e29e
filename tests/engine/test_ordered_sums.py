"""Float32 sums in their order: the compiled loops, the plain interpreter and a scalar loop agree bit for bit."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.kernels.ordered import ordered_sums
from accelsim.engine.tap_order import ordered_float_sums
from accelsim.errors import AccelsimError
from accelsim.ir import ops
from accelsim.ir.parameters import parameter_shapes

Array = np.ndarray[Any, Any]
PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def layers(draw: st.DrawFn) -> tuple[ops.Linear, tuple[int, ...]]:
    groups, kernel, stride, dilation = draw(st.integers(1, 2)), draw(PAIR), draw(PAIR), draw(PAIR)
    channels = (draw(st.integers(1, 5)) * groups, draw(st.sampled_from([1, 2, 15, 16, 17])) * groups)
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return ops.Dense(*channels, True), (channels[0],)
    if kind == 1:
        return ops.Dense(*channels, True), (3, channels[0])
    frame = draw(st.tuples(*[st.integers(0, 2)] * 4))
    image = (channels[0], 7, 8)
    if kind == 2:
        return ops.Conv2d(*channels, kernel, stride, dilation, frame, groups, True), image
    crop = tuple(side - draw(st.integers(0, 1)) for side in frame)
    return ops.ConvTranspose2d(*channels, kernel, stride, dilation, crop, groups, True), image


def operands(op: ops.Linear, shape: tuple[int, ...], seed: int, images: int = 3) -> tuple[Array, Array, Array]:
    """Values of very different size, so that sums depend on their order; zeros of both signs among them."""
    rng = np.random.default_rng(seed)

    def drawn(*sizes: int) -> Array:
        values = rng.standard_normal(sizes) * 10.0 ** rng.integers(-4, 5, sizes) * rng.integers(0, 2, sizes)
        return values.astype(np.float32)

    shapes = parameter_shapes(op)
    return drawn(images, *shape), drawn(*shapes["weight"]), drawn(*shapes["bias"]) + np.float32(0)


def bits(values: Array) -> Array:
    return np.ascontiguousarray(values).view(np.uint32)


@settings(max_examples=120, deadline=None)
@given(layer=layers(), threads=st.sampled_from([1, 2]), seed=st.integers(0, 2**32 - 1))
def test_compiled_loops_equal_the_plain_interpreter(layer: Any, threads: int, seed: int) -> None:
    op, shape = layer
    x, weights, bias = operands(op, shape, seed)
    plain, fast = ordered_float_sums(op, x, weights, bias), ordered_sums(op, x, weights, bias, threads)
    assert fast.dtype == plain.dtype == np.float32 and fast.shape == plain.shape
    np.testing.assert_array_equal(bits(fast), bits(plain))
    np.testing.assert_array_equal(bits(ordered_sums(op, x[1:2], weights, bias)), bits(plain[1:2]))


@pytest.mark.parametrize("channels", [(300, 3), (300, 140), (9, 200)])
def test_layers_larger_than_a_tile(channels: tuple[int, int]) -> None:
    op = ops.Conv2d(*channels, (3, 2), (1, 1), (1, 1), (1, 1, 0, 1), 1, True)
    x, weights, bias = operands(op, (channels[0], 9, 8), 5)
    for threads in (1, 3):
        made = ordered_sums(op, x, weights, bias, threads)
        np.testing.assert_array_equal(bits(made), bits(ordered_float_sums(op, x, weights, bias)))


@settings(max_examples=40, deadline=None)
@given(layer=layers(), seed=st.integers(0, 999))
def test_the_order_is_taps_by_input_position_then_channels(layer: Any, seed: int) -> None:
    """One scalar at a time, in numpy's float32; a transposed convolution scattered, sorted by what it reads."""
    op, shape = layer
    x, weights, bias = operands(op, shape, seed, images=1)
    made = ordered_float_sums(op, x, weights, bias)[0]
    if isinstance(op, ops.Dense):
        made, flat = made.reshape(-1, op.out_features), x.reshape(-1, op.in_features)
        for pixel, k in np.ndindex(*made.shape):
            assert made[pixel, k] == summed(bias[k], [(a, b) for a, b in zip(flat[pixel], weights[k], strict=True)])
        return
    each_in, each_out = op.in_channels // op.groups, op.out_channels // op.groups
    rng = np.random.default_rng(seed)
    for _ in range(12):
        k, y, z = (int(rng.integers(size)) for size in made.shape)
        group = k // each_out
        terms = []
        for row, column in product(range(shape[1]), range(shape[2])):
            for r, s in np.ndindex(*op.kernel):
                if reached(op, (row, column), (r, s)) != (y, z):
                    continue
                for c in range(each_in):
                    channel = group * each_in + c
                    place = (k, c, r, s) if isinstance(op, ops.Conv2d) else (channel, k % each_out, r, s)
                    terms.append((x[0, channel, row, column], weights[place]))
        assert made[k, y, z] == summed(bias[k], terms)


def reached(op: ops.Conv2d | ops.ConvTranspose2d, at: tuple[int, int], tap: tuple[int, int]) -> tuple[int, int] | None:
    """The output that an input reaches through a tap, if any."""
    if isinstance(op, ops.ConvTranspose2d):
        y, z = (at[i] * op.stride[i] + tap[i] * op.dilation[i] - op.crop[2 * i] for i in (0, 1))
        return y, z
    found = []
    for i in (0, 1):
        from_first = at[i] + op.padding[2 * i] - tap[i] * op.dilation[i]
        if from_first % op.stride[i]:
            return None
        found.append(from_first // op.stride[i])
    return found[0], found[1]


def summed(bias: np.float32, terms: list[tuple[np.float32, np.float32]]) -> np.float32:
    total = np.float32(bias)
    for a, b in terms:
        total = np.float32(total + np.float32(a * b))
    return total


def test_sums_do_depend_on_the_order() -> None:
    """What the other tests would not see if they drew tame values."""
    op = ops.Dense(64, 8, True)
    x, weights, bias = operands(op, (64,), 1)
    forward = ordered_sums(op, x, weights, bias)
    backward = ordered_sums(op, np.ascontiguousarray(x[:, ::-1]), np.ascontiguousarray(weights[:, ::-1]), bias)
    assert (forward != backward).any()
    np.testing.assert_allclose(forward, backward, rtol=1e-3)


def test_no_images_and_no_threads() -> None:
    op = ops.Conv2d(2, 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, True)
    x, weights, bias = operands(op, (2, 4, 4), 0, images=0)
    assert ordered_sums(op, x, weights, bias).shape == ordered_float_sums(op, x, weights, bias).shape == (0, 3, 4, 4)
    with pytest.raises(AccelsimError, match="threads=0: expected 1 or more"):
        ordered_sums(op, x, weights, bias, 0)
