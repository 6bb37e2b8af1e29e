"""Elementwise functions, norms, sums, pools, resizing and moves against torch, over random shapes.

Tolerance as in test_float_ops.py: 1e-5 of the largest magnitude.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from accelsim.engine.float_ops import run_float_op
from accelsim.errors import AccelsimError, GraphError
from accelsim.ir import ops
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.shapes import result_shape

Array = np.ndarray[Any, Any]
SOME = settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
BATCHES = st.sampled_from([0, 1, 3])


def check(op: ops.Op, want: Tensor, *inputs: Array, **parameters: Array) -> None:
    """The operator gives what torch gave, in both precisions, in the shape that its rule says."""
    assert {role: tensor.shape for role, tensor in parameters.items()} == parameter_shapes(op)
    expected = want.numpy()
    got = run_float_op(op, parameters, *inputs)
    assert got.shape == expected.shape and got.shape[1:] == result_shape(op, *(x.shape[1:] for x in inputs))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max(initial=0)))
    wide = {role: tensor.astype(np.float64) for role, tensor in parameters.items()}
    assert run_float_op(op, wide, *(x.astype(np.float64) for x in inputs)).dtype == np.float64


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, np.float32)


def t(x: Array) -> Tensor:
    return torch.from_numpy(x)


ACTIVATIONS: dict[str, tuple[ops.Op, Callable[[Tensor], Tensor]]] = {
    "elu": (ops.ELU(0.7, 1.0), lambda x: F.elu(x, 0.7)),
    "selu": (ops.ELU(1.6732632423543772, 1.0507009873554805), F.selu),
    "softplus": (ops.Softplus(1.0), F.softplus),
    "steep softplus": (ops.Softplus(3.0), lambda x: F.softplus(x, 3)),
    "gelu": (ops.GELU("none"), F.gelu),
    "gelu by tanh": (ops.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh")),
    "silu": (ops.SiLU(), F.silu),
    "mish": (ops.Mish(), F.mish),
    "hardsigmoid": (ops.HardSigmoid(), F.hardsigmoid),
    "hardswish": (ops.HardSwish(), F.hardswish),
    "relu6": (ops.Clamp(0.0, 6.0), F.relu6),
    "at least": (ops.Clamp(0.5, None), lambda x: x.clamp(min=0.5)),
    "at most": (ops.Clamp(None, 0.5), lambda x: x.clamp(max=0.5)),
    "scale and shift": (ops.ScaleShift(-3.0, 0.25), lambda x: 0.25 - 3 * x),
    "square": (ops.Power(2.0), torch.square),
    "cube": (ops.Power(3.0), lambda x: x**3),
    "abs": (ops.Abs(), torch.abs),
    "exp": (ops.Exp(), lambda x: torch.exp(x)),
    "sin": (ops.Sin(), torch.sin),
    "cos": (ops.Cos(), torch.cos),
    "sign": (ops.Sign(), torch.sign),
}
POSITIVE: dict[str, tuple[ops.Op, Callable[[Tensor], Tensor]]] = {
    "sqrt": (ops.Power(0.5), torch.sqrt),
    "rsqrt": (ops.Power(-0.5), torch.rsqrt),
    "reciprocal": (ops.Power(-1.0), torch.reciprocal),
    "root of three": (ops.Power(1 / 3), lambda x: x ** (1 / 3)),
    "log": (ops.Log(), torch.log),
}


@pytest.mark.parametrize("name", [*ACTIVATIONS, *POSITIVE])
def test_functions_of_one_value(name: str) -> None:
    rng = np.random.default_rng(0)
    op, want = {**ACTIVATIONS, **POSITIVE}[name]
    for x in (
        normal(rng, 3, 4, 5),
        normal(rng, 0, 4),
        normal(rng, 2, 50) * np.float32(5),
        np.zeros((1, 2), np.float32),
    ):
        positive = np.abs(x) + np.float32(0.1) if name in POSITIVE else x
        check(op, want(t(positive)), positive)


def test_functions_stay_finite_far_out_and_end_where_mathematics_does() -> None:
    far = np.array([[-1e4, -200.0, 200.0, 1e4]], np.float32)
    for name in ("elu", "softplus", "gelu", "gelu by tanh", "silu", "mish", "hardswish"):
        op, want = ACTIVATIONS[name]
        np.testing.assert_allclose(run_float_op(op, {}, far), want(t(far)), rtol=1e-6, atol=1e-30)
    zero = np.zeros((1, 1), np.float32)
    assert run_float_op(ops.Power(-0.5), {}, zero)[0, 0] == np.inf
    assert run_float_op(ops.Log(), {}, zero)[0, 0] == -np.inf
    assert np.isnan(run_float_op(ops.Div(), {}, zero, zero)[0, 0])
    assert run_float_op(ops.Exp(), {}, np.full((1, 1), 1e4, np.float32))[0, 0] == np.inf


@st.composite
def broadcast(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    full = draw(st.lists(st.integers(1, 4), max_size=3))
    keep = [draw(st.sampled_from(["both", "first", "second"])) for _ in full]
    first = tuple(n if k != "second" else 1 for n, k in zip(full, keep, strict=True))
    return first, tuple(n if k != "first" else 1 for n, k in zip(full, keep, strict=True))


@SOME
@given(shapes=broadcast(), seed=SEEDS, batch=BATCHES)
def test_functions_of_two_values(shapes: tuple[tuple[int, ...], tuple[int, ...]], seed: int, batch: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (normal(rng, batch, *shape) for shape in shapes)
    away = np.copysign(np.abs(y) + np.float32(0.5), y)
    check(ops.Add(), t(x) + t(y), x, y)
    check(ops.Sub(), t(x) - t(y), x, y)
    check(ops.Mul(), t(x) * t(y), x, y)
    check(ops.Div(), t(x) / t(away), x, away)
    check(ops.Pow(), t(np.abs(x)) ** t(y), np.abs(x), y)
    check(ops.Maximum(), torch.maximum(t(x), t(y)), x, y)
    check(ops.Minimum(), torch.minimum(t(x), t(y)), x, y)


@SOME
@given(seed=SEEDS, batch=BATCHES, sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3), affine=st.booleans())
def test_norms_that_measure_their_input(seed: int, batch: int, sizes: list[int], affine: bool) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    channels = groups * int(rng.integers(1, 4))
    x = normal(rng, batch, channels, *sizes) * np.float32(3) + np.float32(1)
    weights = {"weight": normal(rng, channels), "bias": normal(rng, channels)} if affine else {}
    known = [t(tensor) for tensor in weights.values()]
    if np.prod(sizes) > 1 and batch:
        check(
            ops.InstanceNorm(channels, 1e-3, affine), F.instance_norm(t(x), None, None, *known, eps=1e-3), x, **weights
        )
    if batch:
        check(ops.GroupNorm(channels, groups, 1e-3, affine), F.group_norm(t(x), groups, *known, eps=1e-3), x, **weights)
    shape = (channels, *sizes)[-int(rng.integers(1, len(sizes) + 1)) :]
    weights = {"weight": normal(rng, *shape), "bias": normal(rng, *shape)} if affine else {}
    known = [t(tensor) for tensor in weights.values()]
    check(ops.LayerNorm(shape, 1e-3, affine), F.layer_norm(t(x), shape, *known, eps=1e-3), x, **weights)
    check(ops.RMSNorm((0,), 1e-8), t(x) * torch.rsqrt(t(x).square().mean(1, keepdim=True) + 1e-8), x)
    check(ops.RMSNorm((len(sizes),), 1e-3), F.rms_norm(t(x), (sizes[-1],), eps=1e-3), x)
    slopes = normal(rng, int(rng.choice([1, channels])))
    check(ops.PReLU(len(slopes)), F.prelu(t(x), t(slopes)), x, slope=slopes)


@SOME
@given(seed=SEEDS, batch=BATCHES, shape=st.lists(st.integers(1, 5), min_size=1, max_size=3), keepdim=st.booleans())
def test_sums_over_axes(seed: int, batch: int, shape: list[int], keepdim: bool) -> None:
    rng = np.random.default_rng(seed)
    x = normal(rng, batch, *shape)
    chosen = rng.permutation(len(shape))[: int(rng.integers(1, len(shape) + 1))]
    axes = tuple(int(a) for a in sorted(chosen))
    dims = [a + 1 for a in axes]
    for op, want in (
        ("mean", t(x).mean(dims, keepdim)),
        ("sum", t(x).sum(dims, keepdim)),
        ("var", (t(x) - t(x).mean(dims, True)).square().mean(dims, keepdim)),
        ("norm", torch.linalg.vector_norm(t(x), dim=dims, keepdim=keepdim)),
        ("max", t(x).amax(dims, keepdim)),
        ("min", t(x).amin(dims, keepdim)),
    ):
        check(ops.Reduce(op, axes, keepdim), want, x)
    axis = int(rng.integers(len(shape)))
    check(ops.Softmax(axis), torch.softmax(t(x) * 9, axis + 1), x * np.float32(9))


@st.composite
def windows(draw: st.DrawFn) -> tuple[ops.MaxPool, tuple[int, ...]]:
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = draw(pair), draw(pair), draw(pair)
    sides = [draw(st.integers(0, k // 2)) for k in kernel]
    op = ops.MaxPool(kernel, stride, dilation, (sides[0], sides[0], sides[1], sides[1]))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 8)), draw(st.integers(1, 8)))
    try:
        result_shape(op, shape)
    except GraphError:
        assume(False)
    return op, shape


@SOME
@given(case=windows(), seed=SEEDS, batch=BATCHES, count=st.booleans())
def test_pools(case: tuple[ops.MaxPool, tuple[int, ...]], seed: int, batch: int, count: bool) -> None:
    op, shape = case
    x = normal(np.random.default_rng(seed), batch, *shape)
    pads = (op.padding[0], op.padding[2])
    check(op, F.max_pool2d(t(x), op.kernel, op.stride, pads, op.dilation), x)
    codes = (x * 40).astype(np.int8)
    np.testing.assert_array_equal(
        run_float_op(op, {}, codes), F.max_pool2d(t(codes).int(), op.kernel, op.stride, pads, op.dilation).numpy()
    )
    average = ops.AveragePool(op.kernel, op.stride, op.padding, count)
    try:
        result_shape(average, shape)
    except GraphError:
        return
    check(average, F.avg_pool2d(t(x), op.kernel, op.stride, pads, False, count), x)


@SOME
@given(seed=SEEDS, batch=BATCHES, size=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_adaptive_pools(seed: int, batch: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    x = normal(rng, batch, 2, *(int(n) for n in rng.integers(1, 9, 2)))
    check(ops.AdaptivePool("mean", size), F.adaptive_avg_pool2d(t(x), size), x)
    check(ops.AdaptivePool("max", size), F.adaptive_max_pool2d(t(x), size), x)


@SOME
@given(seed=SEEDS, size=st.lists(st.integers(1, 9), min_size=1, max_size=2), kind=st.sampled_from(["size", "factor"]))
def test_resizing(seed: int, size: list[int], kind: str) -> None:
    rng = np.random.default_rng(seed)
    x = normal(rng, 2, 2, *(int(n) for n in rng.integers(1, 7, len(size))))
    given_: dict[str, Any] = {"size": size}
    step = tuple(n / m for n, m in zip(x.shape[2:], size, strict=True))
    if kind == "factor":
        factors = [float(f) for f in rng.choice([0.5, 1.0, 1.7, 2.0, 3.0], len(size))]
        wanted = [int(n * f) for n, f in zip(x.shape[2:], factors, strict=True)]
        assume(min(wanted) >= 1)
        given_, size, step = {"scale_factor": factors}, wanted, tuple(1 / f for f in factors)
    shape = tuple(size)
    check(ops.ResizeNearest(shape, step, 0.0), F.interpolate(t(x), **given_), x)
    check(ops.ResizeNearest(shape, step, 0.5), F.interpolate(t(x), mode="nearest-exact", **given_), x)
    linear = "linear" if len(size) == 1 else "bilinear"
    aligned = tuple((n - 1) / (m - 1) if m > 1 else 0.0 for n, m in zip(x.shape[2:], size, strict=True))
    for align, steps in ((False, step), (True, aligned)):
        want = F.interpolate(t(x), mode=linear, align_corners=align, **given_)
        check(ops.Interpolate("linear", shape, steps, align), want, x)
        if len(size) == 2:
            want = F.interpolate(t(x), mode="bicubic", align_corners=align, **given_)
            check(ops.Interpolate("cubic", shape, steps, align), want, x)


@SOME
@given(seed=SEEDS, batch=BATCHES, shape=st.lists(st.integers(2, 5), min_size=1, max_size=2))
def test_moves(seed: int, batch: int, shape: list[int]) -> None:
    rng = np.random.default_rng(seed)
    x = normal(rng, batch, 2, *shape)
    before, after = (tuple(int(n) for n in rng.integers(0, 2, len(shape))) for _ in range(2))
    sides = [side for pair in zip(before, after, strict=True) for side in pair[::-1]][::-1]
    for mode in ("reflect", "replicate", "circular"):
        want = (
            F.pad(t(x), sides, mode=mode)
            if batch
            else torch.zeros(0, *result_shape(ops.ZeroPad((0, *before), (0, *after)), (2, *shape)))
        )
        check(ops.EdgePad((0, *before), (0, *after), mode), want, x)
    check(ops.Take(1, tuple(range(shape[0]))[::-1]), t(x).flip(2), x)
    check(ops.Expand((2, 3, *shape)), t(x[:, :, None]).expand(-1, -1, 3, *[-1] * len(shape)), x[:, :, None])
    y = normal(rng, batch, 2, *(int(rng.integers(1, 4)), *shape[1:]))
    check(ops.Concat(1), torch.cat([t(x), t(y), t(x)], 2), x, y, x)
    value = normal(rng, *shape)
    check(ops.Constant(tuple(shape)), t(value).expand(batch, *shape), x, value=value)


@SOME
@given(seed=SEEDS, batch=BATCHES, shape=st.lists(st.integers(1, 3), max_size=2), rows=st.integers(1, 300))
def test_tables(seed: int, batch: int, shape: list[int], rows: int) -> None:
    rng = np.random.default_rng(seed)
    index, table = rng.integers(0, rows, (batch, *shape)), normal(rng, rows, 3)
    as_float = index.astype(np.float32)
    check(ops.Embedding(rows, 3), F.embedding(t(index), t(table)), as_float, weight=table)
    check(ops.OneHot(rows), F.one_hot(t(index), rows).float(), as_float)


@pytest.mark.parametrize("index", [-1.0, 3.0])
def test_an_index_outside_its_table_is_refused(index: float) -> None:
    x = np.array([0.0, index], np.float32)
    for op, tables in ((ops.Embedding(3, 1), {"weight": np.zeros((3, 1), np.float32)}), (ops.OneHot(3), {})):
        with pytest.raises(AccelsimError, match="into a table of 3 rows"):
            run_float_op(op, tables, x)


@SOME
@given(seed=SEEDS, batch=BATCHES, leading=st.lists(st.integers(1, 3), max_size=2))
def test_products_of_two_values(seed: int, batch: int, leading: list[int]) -> None:
    rng = np.random.default_rng(seed)
    m, k, n = (int(v) for v in rng.integers(1, 6, 3))
    x, y = normal(rng, batch, *leading, m, k), normal(rng, batch, *[1] * len(leading), k, n)
    check(ops.MatMul(n), t(x) @ t(y), x, y)


@SOME
@given(seed=SEEDS, batch=BATCHES, groups=st.integers(1, 2))
def test_convolutions_with_weights_of_each_sample(seed: int, batch: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    each_in, each_out, kh, kw = (int(v) for v in rng.integers(1, 4, 4))
    c, o = each_in * groups, each_out * groups
    x = normal(rng, batch, c, 5, 6)
    down, up = normal(rng, batch, o, each_in, kh, kw), normal(rng, batch, c, each_out, kh, kw)
    convolved = [F.conv2d(t(x[i : i + 1]), t(down[i]), None, (2, 1), 1, 1, groups) for i in range(batch)]
    grown = [F.conv_transpose2d(t(x[i : i + 1]), t(up[i]), None, (2, 1), 0, 0, groups) for i in range(batch)]
    op = ops.DynamicConv2d(c, o, (kh, kw), (2, 1), (1, 1), (1, 1, 1, 1), groups)
    other = ops.DynamicConvTranspose2d(c, o, (kh, kw), (2, 1), (1, 1), (0, 0, 0, 0), groups)
    for made, parts, weights in ((op, convolved, down), (other, grown, up)):
        empty = torch.zeros(0, *result_shape(made, x.shape[1:], weights.shape[1:]))
        check(made, torch.cat([empty, *parts]), x, weights)
