"""Every float operator against torch.nn.functional, over random geometries.

Tolerance: a sum of k products in float32, in any order, is off by at most about k * 2**-24 * sum|products|; the largest
result is a fair stand-in for that sum, so 1e-5 of the largest magnitude (about 170 ulps) covers the few hundred terms
used here and is far below what any wrong tap, stride or crop would do.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from accelsim.engine.float_ops import run_float_op
from accelsim.errors import GraphError
from accelsim.ir import ops
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.shapes import result_shape

Array = np.ndarray[Any, Any]
MANY = settings(max_examples=120, deadline=None)
FEW = settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
BATCHES = st.sampled_from([0, 1, 3])


def assert_close(got: Array, want: Tensor) -> None:
    expected = want.numpy()
    assert got.shape == expected.shape and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max(initial=0)))


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, np.float32)


def parameters_of(op: ops.Op, rng: np.random.Generator) -> dict[str, Array]:
    return {role: normal(rng, *shape) for role, shape in parameter_shapes(op).items()}


def in_torch(parameters: Mapping[str, Array]) -> dict[str, Tensor]:
    return {role: torch.from_numpy(tensor) for role, tensor in parameters.items()}


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@FEW
@given(seed=SEEDS, batch=BATCHES, middle=st.lists(st.integers(1, 3), max_size=2), bias=st.booleans())
def test_dense(seed: int, batch: int, middle: list[int], bias: bool) -> None:
    rng = np.random.default_rng(seed)
    op = ops.Dense(int(rng.integers(1, 40)), int(rng.integers(1, 9)), bias)
    given_, x = parameters_of(op, rng), normal(rng, batch, *middle, op.in_features)
    known = in_torch(given_)
    assert_close(run_float_op(op, given_, x), F.linear(torch.from_numpy(x), known["weight"], known.get("bias")))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[ops.Conv2d, tuple[int, int, int, int]]:
    groups, each_in, each_out = (draw(st.integers(1, 3)) for _ in range(3))
    kernel, stride, dilation = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(1, 3))
    sides = tuple(draw(st.integers(0, 3)) for _ in range(4))
    op = ops.Conv2d(each_in * groups, each_out * groups, kernel, stride, dilation, sides, groups, draw(st.booleans()))
    shape = (op.in_channels, draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    try:
        result_shape(op, shape)
    except GraphError:
        assume(False)
    return op, (draw(BATCHES), *shape)


@MANY
@given(case=convolutions(), seed=SEEDS)
def test_conv2d(case: tuple[ops.Conv2d, tuple[int, ...]], seed: int) -> None:
    op, shape = case
    rng = np.random.default_rng(seed)
    given_, x = parameters_of(op, rng), normal(rng, *shape)
    known, (top, bottom, left, right) = in_torch(given_), op.padding
    padded = F.pad(torch.from_numpy(x), (left, right, top, bottom))
    want = F.conv2d(padded, known["weight"], known.get("bias"), op.stride, 0, op.dilation, op.groups)
    got = run_float_op(op, given_, x)
    assert got.shape[1:] == result_shape(op, shape[1:])
    assert_close(got, want)


@st.composite
def transposed(draw: st.DrawFn) -> tuple[ops.ConvTranspose2d, tuple[int, int, int, int]]:
    groups, each_in, each_out = (draw(st.integers(1, 3)) for _ in range(3))
    kernel, stride, dilation = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(1, 3))
    crop = tuple(draw(st.integers(-2, 4)) for _ in range(4))
    op = ops.ConvTranspose2d(
        each_in * groups, each_out * groups, kernel, stride, dilation, crop, groups, draw(st.booleans())
    )
    shape = (op.in_channels, draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    try:
        result_shape(op, shape)
    except GraphError:
        assume(False)
    return op, (draw(BATCHES), *shape)


@MANY
@given(case=transposed(), seed=SEEDS)
def test_conv_transpose2d_is_the_full_result_cropped(
    case: tuple[ops.ConvTranspose2d, tuple[int, ...]], seed: int
) -> None:
    op, shape = case
    rng = np.random.default_rng(seed)
    given_, x = parameters_of(op, rng), normal(rng, *shape)
    known, (top, bottom, left, right) = in_torch(given_), op.crop
    full = F.conv_transpose2d(torch.from_numpy(x), known["weight"], None, op.stride, 0, 0, op.groups, op.dilation)
    roomy = F.pad(full, (2, 2, 2, 2))  # torch cannot crop a side and grow the other past the image in one step
    want = F.pad(roomy, (-2 - left, -2 - right, -2 - top, -2 - bottom))
    if op.bias:
        want = want + known["bias"][:, None, None]
    got = run_float_op(op, given_, x)
    assert got.shape[1:] == result_shape(op, shape[1:])
    assert_close(got, want)


@MANY
@given(case=transposed(), seed=SEEDS, padding=pairs(0, 3), extra=pairs(0, 2))
def test_conv_transpose2d_as_torch_spells_it(
    case: tuple[ops.ConvTranspose2d, tuple[int, ...]], seed: int, padding: tuple[int, int], extra: tuple[int, int]
) -> None:
    drawn, shape = case
    assume(all(e < max(s, d) for e, s, d in zip(extra, drawn.stride, drawn.dilation, strict=True)))
    crop = (padding[0], padding[0] - extra[0], padding[1], padding[1] - extra[1])
    op = ops.ConvTranspose2d(
        drawn.in_channels, drawn.out_channels, drawn.kernel, drawn.stride, drawn.dilation, crop, drawn.groups, True
    )
    try:
        result_shape(op, shape[1:])
    except GraphError:
        assume(False)
    rng = np.random.default_rng(seed)
    given_, x = parameters_of(op, rng), normal(rng, *shape)
    known = in_torch(given_)
    want = F.conv_transpose2d(
        torch.from_numpy(x), known["weight"], known["bias"], op.stride, padding, extra, op.groups, op.dilation
    )
    assert_close(run_float_op(op, given_, x), want)


@pytest.mark.parametrize("crop", [(1, 2, 1, 2), (2, 1, 2, 1), (1, 2, 2, 1), (2, 1, 1, 2)])
def test_crops_of_one_size_are_shifted_images(crop: ops.Sides) -> None:
    rng = np.random.default_rng(0)
    x, weight = normal(rng, 2, 3, 4, 4), normal(rng, 3, 2, 5, 5)

    def image(sides: ops.Sides) -> Array:
        op = ops.ConvTranspose2d(3, 2, (5, 5), (2, 2), (1, 1), sides, 1, False)
        return run_float_op(op, {"weight": weight}, x)

    full, got = image((0, 0, 0, 0)), image(crop)
    np.testing.assert_array_equal(got, full[:, :, crop[0] : crop[0] + 8, crop[2] : crop[2] + 8])
    others = {(1, 2, 1, 2), (2, 1, 2, 1), (1, 2, 2, 1), (2, 1, 1, 2)} - {crop}
    assert all(image(other).shape == got.shape and np.abs(image(other) - got).max() > 0.1 for other in others)


@FEW
@given(seed=SEEDS, batch=BATCHES, sizes=st.lists(st.integers(1, 4), max_size=2), eps=st.sampled_from([1e-5, 1e-3, 0.8]))
def test_batch_norm_and_what_is_left_of_it(seed: int, batch: int, sizes: list[int], eps: float) -> None:
    rng = np.random.default_rng(seed)
    op = ops.BatchNorm(int(rng.integers(1, 5)), eps)
    given_ = parameters_of(op, rng) | {"var": rng.random(op.channels, np.float32) * 3 + 0.01}
    x, known = normal(rng, batch, op.channels, *sizes), in_torch(given_)
    want = F.batch_norm(
        torch.from_numpy(x), known["mean"], known["var"], known["weight"], known["bias"], training=False, eps=eps
    )
    assert_close(run_float_op(op, given_, x), want)
    affine = {"scale": normal(rng, op.channels), "shift": normal(rng, op.channels)}
    wide = [known_.reshape(-1, *[1] * len(sizes)) for known_ in in_torch(affine).values()]
    got = run_float_op(ops.ChannelAffine(op.channels), affine, x)
    assert_close(got, torch.from_numpy(x) * wide[0] + wide[1])


ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)


@MANY
@given(values=st.lists(ANY, min_size=1, max_size=20), slope=st.floats(-2, 2, width=32))
def test_activations_over_the_whole_float32_range(values: list[float], slope: float) -> None:
    x = np.array([values], np.float32)
    known = torch.from_numpy(x)
    with np.errstate(over="ignore"):  # the steepest slope times the largest float is infinite in both
        np.testing.assert_array_equal(run_float_op(ops.LeakyReLU(slope), {}, x), F.leaky_relu(known, slope).numpy())
    np.testing.assert_array_equal(run_float_op(ops.ReLU(), {}, x), F.relu(known).numpy())
    for op, want in ((ops.Tanh(), torch.tanh(known)), (ops.Sigmoid(), torch.sigmoid(known))):
        np.testing.assert_allclose(run_float_op(op, {}, x), want.numpy(), rtol=1e-5, atol=1e-37)


@FEW
@given(seed=SEEDS, batch=BATCHES, shape=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_views_move_elements_and_nothing_else(seed: int, batch: int, shape: list[int]) -> None:
    rng = np.random.default_rng(seed)
    x = normal(rng, batch, *shape)
    known = torch.from_numpy(x)
    axes = tuple(int(a) for a in rng.permutation(len(shape)))
    before, after = (tuple(int(n) for n in rng.integers(0, 3, len(shape))) for _ in range(2))
    axis = int(rng.integers(len(shape)))
    start = int(rng.integers(shape[axis]))
    stop, step = int(rng.integers(start, shape[axis])) + 1, int(rng.integers(1, 4))
    index = (slice(None), *([slice(None)] * axis), slice(start, stop, step))
    sides = [side for pair in zip(before, after, strict=True) for side in pair[::-1]][::-1]
    flat = int(np.prod(shape))
    for op, want in (
        (ops.Permute(axes), known.permute(0, *(a + 1 for a in axes))),
        (ops.Reshape((1, flat)), known.reshape(batch, 1, flat)),
        (ops.ZeroPad(before, after), F.pad(known, sides)),
        (ops.Slice(axis, start, stop, step), known[index]),
    ):
        got = run_float_op(op, {}, x)
        assert got.shape[1:] == result_shape(op, tuple(shape))
        np.testing.assert_array_equal(got, want.numpy())


@FEW
@given(seed=SEEDS, batch=BATCHES, shape=st.lists(st.integers(1, 7), min_size=2, max_size=3))
def test_add_and_global_average_pool(seed: int, batch: int, shape: list[int]) -> None:
    rng = np.random.default_rng(seed)
    x, y = normal(rng, batch, *shape), normal(rng, batch, *shape)
    assert_close(run_float_op(ops.Add(), {}, x, y), torch.from_numpy(x) + torch.from_numpy(y))
    want = torch.from_numpy(x).mean(tuple(range(2, x.ndim)))
    assert_close(run_float_op(ops.GlobalAveragePool(), {}, x), want)


def test_a_thing_that_is_no_operator_is_refused() -> None:
    with pytest.raises(TypeError, match="no float execution for str"):
        run_float_op("Softmax", {}, np.zeros((1, 1)))  # type: ignore[arg-type]
