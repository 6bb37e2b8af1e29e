"""Products of two activations: compiled kernels against the plain interpreter, and that against Python's integers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.engine.integer_dispatch import Finisher, Operand
from accelsim.engine.integer_ops import run_integer_op
from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.kernels.matrix_products import BYTE_DEPTH, SHORT_DEPTH, matrix_product
from accelsim.engine.kernels.places import by_place, flat
from accelsim.engine.kernels.product_loop import Factor
from accelsim.engine.kernels.workers import Workers
from accelsim.engine.run import run_program
from accelsim.errors import AccelsimError
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.rescale import MAX_SHIFT, Rescale, landing
from accelsim.formats.text import parse_precision
from accelsim.ir.constants import Constants, Finish, Scaled, Slopes
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.ops import (
    Conv2d,
    DynamicConv2d,
    DynamicConvTranspose2d,
    MatMul,
    MaxPool,
    Permute,
    Product,
    Reshape,
    Shape,
    Softmax,
    Tanh,
)
from accelsim.ir.shapes import result_shape
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
EXAMPLES = settings(max_examples=80, deadline=None)
DTYPES = st.sampled_from([np.int8, np.int16])
LOWEST = {np.int8: -128, np.int16: -(1 << 15)}


@dataclass(frozen=True)
class Case:
    op: Product
    constants: Constants
    finisher: Finisher
    first: Operand
    second: Operand


def codes_of(rng: np.random.Generator, shape: Shape, dtype: Any, extreme: bool) -> Array:
    low = LOWEST[dtype]
    drawn = rng.choice([low, -low - 1], shape) if extreme else rng.integers(low, -low, shape)
    return np.asarray(drawn).astype(dtype)


def zero_points(dtype: Any) -> st.SearchStrategy[int]:
    return st.sampled_from([LOWEST[dtype], -3, 0, -LOWEST[dtype] - 1])


@st.composite
def finishes(draw: st.DrawFn) -> tuple[Constants, Finisher]:
    """Factors and landings of every kind, those that the compiled loops do not know among them."""
    bits = draw(st.integers(2, 16))
    formats: list[IntegerFormat] = [
        AffineInt(bits, "tensor", symmetric=False),
        AffineInt(bits, "tensor", symmetric=True),
        FixedPoint(bits, 0, "rnd", "sat_sym"),
        FixedPoint(bits, 0, draw(st.sampled_from(["trn", "rnd_conv", "rnd_inf"])), "wrap"),
    ]
    format = draw(st.sampled_from(formats))
    pure = draw(st.booleans())
    shift = draw(st.integers(-24 if pure else 1, 62))
    multiplier = 1 if pure else draw(st.sampled_from([0, 1 << 30, (1 << 31) - 1, 0x5A827999]))
    factors = Rescale(np.array(multiplier, np.int64), np.array(shift, np.int64))
    zero_point = 0 if isinstance(format, FixedPoint) else draw(st.sampled_from([format.low, 0, format.high]))
    where = landing(format, Scaling(np.ones(1), zero_point))
    if draw(st.booleans()):
        where = where.clamped(zero_point, format.high)
    sloped = draw(st.booleans()) and format.bits < 16
    half = Rescale(np.array(1 << 30, np.int64), np.array(31, np.int64))
    activation = Slopes(half, Rescale(np.array(3, np.int64), np.array(4, np.int64)), where) if sloped else None
    return Constants(Finish(where, activation), Scaled(factors)), Finisher(Finish(where, activation), format.dtype)


@st.composite
def matmuls(draw: st.DrawFn) -> Case:
    rng, extreme = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.booleans())
    batch, axes = draw(st.integers(0, 3)), draw(st.lists(st.integers(1, 3), max_size=2))
    rows, depth, columns = draw(st.integers(1, 30)), draw(st.integers(1, 300)), draw(st.integers(1, 70))
    shapes = []
    for last in ((rows, depth), (depth, columns)):
        own = [draw(st.sampled_from([1, size])) for size in axes]
        shapes.append((batch, *own, *last))
    dtypes = draw(DTYPES), draw(DTYPES)
    operands = []
    for shape, dtype in zip(shapes, dtypes, strict=True):
        turned = draw(st.booleans())
        codes = codes_of(rng, (*shape[:-2], shape[-1], shape[-2]) if turned else shape, dtype, extreme)
        operands.append(Operand(codes.swapaxes(-1, -2) if turned else codes, draw(zero_points(dtype))))
    return Case(MatMul(columns), *draw(finishes()), *operands)


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    rng, extreme = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.booleans())

    def some(low: int, high: int, count: int = 2) -> Any:
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    groups, (each_in, each_out) = draw(st.integers(1, 3)), some(1, 5)
    into, out = each_in * groups, each_out * groups
    kernel, stride, dilation = some(1, 4), some(1, 3), some(1, 2)
    op: Product
    if draw(st.booleans()):
        op, shape = DynamicConv2d(into, out, kernel, stride, dilation, some(0, 2, 4), groups), (out, each_in, *kernel)
    else:
        op = DynamicConvTranspose2d(into, out, kernel, stride, dilation, some(0, 2, 4), groups)
        shape = (into, each_out, *kernel)
    sample, batch = (into, *some(1, 6)), draw(st.integers(0, 3))
    try:
        result_shape(op, sample, shape)
    except AccelsimError:
        assume(False)
    one, other = draw(DTYPES), draw(DTYPES)
    first = Operand(codes_of(rng, (batch, *sample), one, extreme), draw(zero_points(one)))
    second = Operand(codes_of(rng, (batch, *shape), other, extreme), draw(zero_points(other)))
    return Case(op, *draw(finishes()), first, second)


@EXAMPLES
@given(case=st.one_of(matmuls(), convolutions()), threads=st.integers(1, 3), native=st.booleans())
def test_compiled_products_are_those_of_the_plain_interpreter(case: Case, threads: int, native: bool) -> None:
    plain = run_integer_op(case.op, case.constants, case.finisher, case.first, case.second)
    made = FastKernel(threads, native).product(case.op, case.constants, case.finisher, case.first, case.second)
    assert made.dtype == plain.dtype and made.shape == plain.shape
    np.testing.assert_array_equal(made, plain)


DEPTHS = (
    SHORT_DEPTH - 1,
    SHORT_DEPTH,
    SHORT_DEPTH + 1,
    3 * SHORT_DEPTH + 2,
    BYTE_DEPTH,
    BYTE_DEPTH + 1,
    2 * BYTE_DEPTH + 5,
)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("dtypes", [(a, b) for a in (np.int8, np.int16) for b in (np.int8, np.int16)])
@pytest.mark.parametrize("depth", DEPTHS)
def test_long_sums_of_the_largest_codes(native: bool, dtypes: tuple[Any, Any], depth: int) -> None:
    """All products of one sign and as large as they get: where 32 bits would overflow first."""
    low, other = (LOWEST[dtype] for dtype in dtypes)
    first = np.full((2, depth), low, dtypes[0])
    second = np.full((depth, 3), other, dtypes[1])
    first[1], second[:, 1], second[:, 2] = -low - 1, -other - 1, np.arange(depth) % 2 - 1
    workers = Workers(1)
    for z, y in ((low, -other - 1), (-low - 1, other), (0, 0)):
        exact = (first.astype(np.int64) - z) @ (second.astype(np.int64) - y)
        made = matrix_product(Operand(first, z), Operand(second, y), None, np.int64, workers, native)
        np.testing.assert_array_equal(made, exact)
        reach = int(np.abs(exact).max())
        shift = min(max(1, reach.bit_length() + 30 - 14), MAX_SHIFT)
        factor = Factor(1 << 30, shift, 5, -(1 << 15), (1 << 15) - 1)
        codes = matrix_product(Operand(first, z), Operand(second, y), factor, np.int16, workers, native)
        wanted = [[((int(v) << 30) + (1 << (shift - 1)) >> shift) + 5 for v in row] for row in exact]
        assert np.unique(codes).size > 1
        np.testing.assert_array_equal(codes, np.clip(wanted, factor.low, factor.high))


def test_more_rows_and_columns_than_a_block() -> None:
    rng, workers = np.random.default_rng(0), Workers(2)
    first, second = (codes_of(rng, shape, np.int8, False) for shape in ((2, 1, 1700, 9), (1, 3, 9, 100)))
    exact = (first.astype(np.int64) - 7) @ (second.astype(np.int64) + 2)
    made = matrix_product(Operand(first, 7), Operand(second, -2), None, np.int64, workers, True)
    np.testing.assert_array_equal(made, exact)


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 99), writes=st.booleans())
def test_memory_is_only_copied_where_it_must(shape: list[int], seed: int, writes: bool) -> None:
    rng = np.random.default_rng(seed)
    values = np.arange(int(np.prod(shape))).reshape(shape).transpose(rng.permutation(len(shape)))
    values.flags.writeable = writes
    memory, strides = flat(values)
    places = sum(step * np.arange(size).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
                 for axis, (step, size) in enumerate(zip(strides, values.shape, strict=True)))  # fmt: skip
    np.testing.assert_array_equal(memory[places], values)
    assert np.shares_memory(by_place(values)[0], values) == writes and memory.flags.writeable
    part = values[..., ::2]
    np.testing.assert_array_equal(by_place(part)[0].transpose(np.argsort(by_place(part)[1])), part)


ATTENTION = Graph(
    "attention",
    (Input("x", (12, 6, 5)),),
    (
        Node("query", Conv2d(12, 8, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, True), ("x",)),
        Node("key", Conv2d(12, 8, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, True), ("x",)),
        Node("value", Conv2d(12, 12, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, True), ("x",)),
        Node("fewer", MaxPool((2, 1), (2, 1), (1, 1), (0, 0, 0, 0)), ("key",)),
        Node("rows", Reshape((8, 30)), ("query",)),
        Node("turned", Permute((1, 0)), ("rows",)),
        Node("columns", Reshape((8, 15)), ("fewer",)),
        Node("scores", MatMul(15), ("turned", "columns")),
        Node("weights", Softmax(1), ("scores",)),
        Node("few", MaxPool((2, 1), (2, 1), (1, 1), (0, 0, 0, 0)), ("value",)),
        Node("values", Reshape((12, 15)), ("few",)),
        Node("other", Permute((1, 0)), ("values",)),
        Node("seen", MatMul(12), ("weights", "other"), (Tanh(),)),
    ),
    ("seen",),
)


@pytest.mark.parametrize("precision", ["int8", "int16", "int6", "fixed12:rnd:sat", "fixed12"])
def test_attention_is_the_same_with_every_kernel(precision: str) -> None:
    rng = np.random.default_rng(1)
    weights = {name: rng.standard_normal(shape, np.float32) for name, shape in ATTENTION.parameter_shapes.items()}
    x = {"x": rng.standard_normal((21, 12, 6, 5), np.float32)}
    program = calibrate(assign_formats(ATTENTION, parse_precision(precision)), weights, x)
    program, kept = quantize_weights(program, weights), tuple(ATTENTION.shapes)
    plain = run_program(program, x, kernels="reference", keep=kept)
    for kernels, threads in (("native", 1), ("portable", 2)):
        made = run_program(program, x, batch=4, kernels=kernels, threads=threads, keep=kept)  # type: ignore[arg-type]
        for name, codes in plain.items():
            np.testing.assert_array_equal(made[name], codes)
    assert len(np.unique(plain["seen"])) > 4
