"""MACs by the three counts and other operations, against sums over every position and tap."""

from itertools import product
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accelsim.ir import ops
from accelsim.ir.shapes import result_shape
from accelsim.mapping.operators import MacCounts, layer_problem, mac_counts, operations


def transposed_pairs(size, kernel, stride, dilation, crop):
    """(zero-inserted, scatter, effectual) products of one axis, counted one by one."""
    full = (size - 1) * stride + dilation * (kernel - 1) + 1
    kept = range(crop[0], full - crop[1])
    scatter = [(i, k) for i, k in product(range(size), range(kernel))]
    effectual = [(i, k) for i, k in scatter if i * stride + k * dilation in kept]
    return len(kept) * kernel, len(scatter), len(effectual)


def conv_pairs(size, kernel, stride, dilation, padding):
    out = (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    reads = [o * stride + k * dilation - padding[0] for o, k in product(range(out), range(kernel))]
    return out * kernel, sum(0 <= r < size for r in reads)


axes = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))


@given(axes, axes, st.integers(0, 2), st.integers(-1, 2), st.integers(1, 3), st.sampled_from([1, 2]))
def test_transposed_convolution(high, wide, before, after, batch, groups):
    crop = (before, after)
    (h, kh, sh, dh), (w, kw, sw, dw) = high, wide
    op = ops.ConvTranspose2d(4, 6, (kh, kw), (sh, sw), (dh, dw), crop + crop, groups, False)
    spans = [(n - 1) * s + d * (k - 1) + 1 - sum(crop) for n, k, s, d in (high, wide)]
    assume(min(spans) >= 1)
    rows, columns = transposed_pairs(*high, crop), transposed_pairs(*wide, crop)
    assume(rows[2] and columns[2])
    expected = [batch * 4 * 6 // groups * r * c for r, c in zip(rows, columns, strict=True)]
    assert mac_counts(op, ((4, h, w),), batch) == MacCounts(*expected)


@given(axes, axes, st.integers(0, 2), st.integers(0, 2), st.integers(1, 3))
def test_convolution(high, wide, before, after, batch):
    (h, kh, sh, dh), (w, kw, sw, dw) = high, wide
    pad = (before, after)
    assume(all(n + sum(pad) >= d * (k - 1) + 1 for n, k, _, d in (high, wide)))
    op = ops.Conv2d(4, 6, (kh, kw), (sh, sw), (dh, dw), pad + pad, 2, True)
    rows, columns = conv_pairs(*high, pad), conv_pairs(*wide, pad)
    assume(rows[1] and columns[1])
    every, real = (batch * 2 * 6 * r * c for r, c in zip(rows, columns, strict=True))
    assert mac_counts(op, ((4, h, w),), batch) == MacCounts(every, every, real)


def test_a_dense_layer_runs_once_per_leading_position():
    assert mac_counts(ops.Dense(8, 5, True), ((6, 7, 8),), 3) == MacCounts(*[3 * 42 * 40] * 3)


leading = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["both", "first", "second"])), max_size=3)


@given(leading, st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)), st.integers(1, 3))
def test_a_product_of_values_that_broadcast(axes, sizes, batch):
    """Every multiply of the result, and no element of either value more than once."""
    rows, inner, columns = sizes
    first = (*(1 if which == "second" else n for n, which in axes), rows, inner)
    second = (*(1 if which == "first" else n for n, which in axes), inner, columns)
    op = ops.MatMul(columns)
    problem = layer_problem(op, (first, second), batch, "phase")
    result = prod(result_shape(op, first, second))
    assert problem.words == {"W": batch * prod(second), "I": batch * prod(first), "O": batch * result}
    assert problem.macs == batch * result * inner
    assert mac_counts(op, (first, second), batch) == MacCounts(*[batch * result * inner] * 3)


@pytest.mark.parametrize("op", [ops.Add(), ops.ReLU(), ops.Tanh(), ops.GlobalAveragePool(), ops.BatchNorm(3, 1e-5)])
def test_others_do_not_multiply(op):
    assert layer_problem(op, ((3, 4, 4),), 2, "phase") is None
    assert mac_counts(op, ((3, 4, 4),), 2) == MacCounts(0, 0, 0)


@pytest.mark.parametrize(
    ("op", "count"),
    [
        (ops.Add(), 48),
        (ops.LeakyReLU(0.2), 48),
        (ops.BatchNorm(3, 1e-5), 96),
        (ops.ChannelAffine(3), 96),
        (ops.GlobalAveragePool(), 48),
        (ops.Reshape((48,)), 0),
        (ops.Permute((2, 0, 1)), 0),
        (ops.Conv2d(3, 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, True), 0),
    ],
)
def test_operations_of_one_sample(op, count):
    shape = (3, 4, 4)
    reads = (shape, shape) if isinstance(op, ops.Add) else (shape,)
    assert operations(op, shape, result_shape(op, *reads)) == count
