"""Fixed point and asymmetric weights through layers: fast kernels, the plain interpreter and exact fractions agree."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.bounds import accumulator_is_proven
from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.engine.reference import ReferenceKernel
from accelsim.engine.run import decode, run_float, run_program
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.quantize import along
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
RELU = ops.ReLU()
FIXED = st.builds(
    FixedPoint,
    st.integers(2, 16),
    st.none() | st.integers(-2, 12),
    st.sampled_from(get_args(Rounding)),
    st.sampled_from(get_args(Overflow)),
).map(str)
AFFINE = st.sampled_from(["int8", "int4:sym", "int12", "int16"])
WEIGHTS = FIXED | st.sampled_from(["int8:asym", "int4:asym:tensor", "int15:asym", "int2:asym", "int8", "int16:tensor"])


@st.composite
def layers(draw: st.DrawFn) -> tuple[ops.Linear, ops.Shape]:
    groups, kernel = draw(st.integers(1, 2)), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    channels = (draw(st.integers(1, 4)) * groups, draw(st.integers(1, 4)) * groups)
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return ops.Dense(*channels, draw(st.booleans())), (channels[0],)
    image = (channels[0], 4, 5)
    if kind == 1:
        return ops.Conv2d(*channels, kernel, (2, 1), (1, 1), (1, 0, 1, 2), groups, draw(st.booleans())), image
    return ops.ConvTranspose2d(*channels, kernel, (2, 2), (1, 1), (0, 0, 1, 0), groups, draw(st.booleans())), image


def built(graph: Graph, weights: dict[str, Array], inputs: dict[str, Array], precision: str) -> Program:
    program = assign_formats(graph, parse_precision(precision))
    return quantize_weights(calibrate(program, weights, inputs), weights)


def one_layer(layer: tuple[ops.Linear, ops.Shape], relu: bool, seed: int) -> tuple[Graph, Any, dict[str, Array]]:
    op, shape = layer
    graph = Graph("g", (Input("x", shape),), (Node("y", op, ("x",), (RELU,) if relu else ()),), ("y",))
    rng = np.random.default_rng(seed)
    weights = {name: rng.standard_normal(s, np.float32) + 0.3 for name, s in graph.parameter_shapes.items()}
    return graph, weights, {"x": 2 * rng.standard_normal((3, *shape), np.float32)}


@settings(max_examples=150, deadline=None)
@given(
    layer=layers(),
    weights=WEIGHTS,
    activations=FIXED | AFFINE,
    accumulator=st.sampled_from(["", ",accumulator=acc48", ",accumulator=acc16", ",accumulator=acc12"]),
    method=st.sampled_from(["", ",calibration=mse", ",calibration=percentile:90"]),
    relu=st.booleans(),
    threads=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_fast_equals_reference(
    layer: Any, weights: str, activations: str, accumulator: str, method: str, relu: bool, threads: int, seed: int
) -> None:
    graph, tensors, x = one_layer(layer, relu, seed)
    program = built(graph, tensors, x, f"weights={weights},activations={activations}{accumulator}{method}")
    plain = run_program(program, x, kernels="reference")["y"]
    fast = run_program(program, x, kernels="fast", threads=threads)["y"]
    np.testing.assert_array_equal(fast, plain)
    assert fast.dtype == plain.dtype == affine_of(program.encodings["y"])[0].dtype


@settings(max_examples=100, deadline=None)
@given(
    weights=FIXED,
    activations=FIXED,
    bias=st.booleans(),
    relu=st.booleans(),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 4)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_dense_layer_between_fixed_points_in_fractions(
    weights: str, activations: str, bias: bool, relu: bool, shape: tuple[int, int], seed: int
) -> None:
    """The sum of exact products of stored values, rounded once and overflowed once, as an HLS assignment does."""
    graph, tensors, x = one_layer((ops.Dense(*shape, bias), (shape[0],)), relu, seed)
    program = built(graph, tensors, x, f"weights={weights},activations={activations},accumulator=acc48")
    stored = run_program(program, x, kernels="reference", keep=["x"])
    out, integers = affine_of(program.encodings["y"])[0], integers_of(program.linear["y"])
    assert isinstance(out, FixedPoint) and out.fraction is not None and integers.requantization is not None
    assert set(integers.requantization.multiplier.tolist()) == {1}
    unit_x, unit_w = (Fraction(float(s.scale[0])) for s in (affine_of(program.encodings["x"])[1], integers.scaling))
    for n, k in np.ndindex(*stored["y"].shape):
        total = sum((int(a) * int(b) for a, b in zip(stored["x"][n], integers.codes[k], strict=True)), 0)
        real = (total + int(integers.bias[k])) * unit_x * unit_w
        exact = real * Fraction(2) ** out.fraction
        assert stored["y"][n, k] == assigned(exact, out, relu)


def assigned(exact: Fraction, out: FixedPoint, relu: bool) -> int:
    down, up = math.floor(exact), math.ceil(exact)
    if down == up or exact - down != Fraction(1, 2):
        nearest = down if exact - down < Fraction(1, 2) else up
        code = {"trn": down, "trn_zero": down if exact > 0 else up}.get(out.rounding, nearest)
    else:
        inward, outward = (down, up) if exact > 0 else (up, down)
        code = {"trn": down, "trn_zero": inward, "rnd": up, "rnd_min_inf": down, "rnd_inf": outward, "rnd_zero": inward,
                "rnd_conv": down if down % 2 == 0 else up}[out.rounding]  # fmt: skip
    if not out.low <= code <= out.high:
        ends = {"sat": (out.low, out.high), "sat_sym": (out.low, out.high), "sat_zero": (0, 0)}
        if out.overflow == "wrap":
            code = (code + 2 ** (out.bits - 1)) % 2**out.bits - 2 ** (out.bits - 1)
        else:
            code = ends[out.overflow][code > 0]
    return max(code, 0) if relu else code


@settings(max_examples=60, deadline=None)
@given(
    layer=layers(),
    bits=st.integers(2, 15),
    granularity=st.sampled_from(["channel", "tensor"]),
    seed=st.integers(0, 999),
)
def test_asymmetric_weights_are_their_zero_point_term(layer: Any, bits: int, granularity: str, seed: int) -> None:
    """sum (x - zx) (w - zw) = sum (x - zx) w - zw sum (x - zx): the second sum is the layer with weights of one."""
    graph, tensors, x = one_layer(layer, False, seed)
    program = built(graph, tensors, x, f"weights=int{bits}:asym:{granularity},activations=int8,accumulator=acc48")
    made, one = program.linear["y"], np.ones(len(integers_of(program.linear["y"]).bias), np.int64)
    op, kernel = graph.nodes[0].op, ReferenceKernel()
    assert isinstance(op, get_args(ops.Linear))
    integers = integers_of(made)
    zeros = integers.scaling.zero_point * one
    codes = run_program(program, x, kernels="reference", keep=["x"])["x"]

    def sums(factors: Array, bias: Array) -> Array:
        plain = replace(integers, codes=factors, bias=bias, multiplied=None)
        return kernel.sums(op, codes, program.encodings["x"], replace(made, integers=plain))

    axis = 1
    folded = sums(integers.codes, integers.bias) - along(zeros, codes.ndim, axis) * sums(
        np.ones_like(integers.codes), 0 * integers.bias
    )
    np.testing.assert_array_equal(kernel.sums(op, codes, program.encodings["x"], made), folded)
    assert np.abs(integers.codes).max() <= 2 ** (bits - 1)


def test_one_sided_weights_gain_a_bit_from_a_zero_point() -> None:
    rng = np.random.default_rng(0)
    graph, tensors, x = one_layer((ops.Dense(40, 8, True), (40,)), False, 0)
    tensors["y.weight"] = rng.uniform(0, 1, (8, 40)).astype(np.float32)
    want = run_float(graph, tensors, x)["y"]
    errors = []
    for weights in ("int4", "int4:asym", "int5"):
        program = built(graph, tensors, x, f"weights={weights},activations=int16")
        errors.append(np.square(decode(program, "y", run_program(program, x)["y"]) - want).mean())
    assert errors[1] < errors[0] / 2 and errors[1] < errors[2] * 2


def test_a_wider_fixed_point_is_nearer_to_float() -> None:
    graph, tensors, x = one_layer((ops.Conv2d(4, 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), (4, 6, 6)), True, 3)
    want = run_float(graph, tensors, x)["y"]
    errors = []
    for bits in range(4, 17, 2):
        program = built(graph, tensors, x, f"fixed{bits}")
        errors.append(float(np.abs(decode(program, "y", run_program(program, x)["y"]) - want).max()))
    assert all(b < a for a, b in pairwise(errors)) and errors[-1] < 0.02


def test_bounds_hold_for_asymmetric_weights() -> None:
    graph, tensors, x = one_layer((ops.Dense(4, 2, False), (4,)), False, 0)
    tensors["y.weight"] = np.array([[1, 0, 1, 1], [1, 1, 0, 1]], np.float32)
    text = "weights=int8:asym,activations=int8:sym,accumulator=acc"
    for bits, proven in ((18, True), (17, False)):  # 3 weights of 255 times 127 is 97155
        program = built(graph, tensors, x, f"{text}{bits}")
        integers = integers_of(program.linear["y"])
        assert integers.multiplied is not None and integers.multiplied.max() == 255
        assert accumulator_is_proven(graph.nodes[0].op, program.linear["y"], program.encodings["x"]) is proven


def test_a_bias_over_small_weights_keeps_its_value() -> None:
    graph, tensors, x = one_layer((ops.Dense(4, 2, True), (4,)), False, 0)
    tensors["y.weight"] *= np.float32(1e-12)
    tensors["y.bias"] = np.array([3.0, -2.0], np.float32)
    program = built(graph, tensors, x, "fixed8")
    got = decode(program, "y", run_program(program, x, kernels="reference")["y"])
    np.testing.assert_array_equal(got, np.broadcast_to([3.0, -2.0], got.shape))


@pytest.mark.parametrize("text", ["fixed8", "fixed16.10", "weights=int8:asym,activations=fixed8", "int8:asym"])
def test_a_network_with_views_and_float_arithmetic(text: str) -> None:
    graph = Graph(
        "net",
        (Input("z", (3,)),),
        (
            Node("fc", ops.Dense(3, 16, True), ("z",)),
            Node("view", ops.Reshape((4, 2, 2)), ("fc",)),
            Node("relu", RELU, ("view",)),
            Node("pad", ops.ZeroPad((0, 1, 0), (0, 0, 1)), ("relu",)),
            Node("up", ops.ConvTranspose2d(4, 6, (3, 3), (2, 2), (1, 1), (1, 0, 0, 1), 2, True), ("pad",), (RELU,)),
            Node("rgb", ops.Conv2d(6, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), ("up",), (ops.Tanh(),)),
        ),
        ("rgb",),
    )
    rng = np.random.default_rng(5)
    tensors = {name: 0.3 * rng.standard_normal(s, np.float32) for name, s in graph.parameter_shapes.items()}
    z = {"z": rng.standard_normal((20, 3), np.float32)}
    program = built(graph, tensors, z, text)
    fast = run_program(program, z, threads=2)["rgb"]
    np.testing.assert_array_equal(fast, run_program(program, z, kernels="reference")["rgb"])
    assert np.abs(decode(program, "rgb", fast) - run_float(graph, tensors, z)["rgb"]).max() < 0.06
