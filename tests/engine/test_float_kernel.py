"""Programs in floating formats: layers by hand, fast equals plain, and what is no layer is rounded to its format."""

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.float_kernel import ordered_matmul
from accelsim.engine.run import decode, run_float, run_program
from accelsim.errors import AccelsimError
from accelsim.formats.block import MXFP8E4M3
from accelsim.formats.float32 import Float32
from accelsim.formats.float_store import stored_floats
from accelsim.formats.minifloat import FP16, MiniFloat
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
MINI = ["fp16", "bf16", "fp8e4m3", "fp8e5m2"]
BLOCK = ["mxint8", "mxfp8e4m3", "mxfp6e3m2", "mxfp6e2m3", "mxfp4"]
EVERY = ["float32", *MINI, *BLOCK]
CAST = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp8e4m3": ml_dtypes.float8_e4m3fn,
        "fp8e5m2": ml_dtypes.float8_e5m2}  # fmt: skip
CONV = ops.Conv2d(35, 6, (3, 2), (2, 1), (1, 1), (1, 0, 1, 1), 1, True)
LAYERS: list[tuple[ops.Linear, tuple[int, ...]]] = [
    (ops.Dense(70, 9, True), (70,)),
    (ops.Dense(40, 3, False), (4, 40)),
    (CONV, (35, 6, 5)),
    (replace(CONV, in_channels=8, groups=2, bias=False), (8, 6, 5)),
    (ops.ConvTranspose2d(40, 17, (4, 3), (2, 2), (1, 1), (1, 1, 0, -1), 1, True), (40, 3, 4)),
]


def built(graph: Graph, precision: str, seed: int = 0, images: int = 3) -> tuple[Program, dict[str, Array], Any]:
    rng = np.random.default_rng(seed)
    weights = {name: rng.standard_normal(s, np.float32) for name, s in graph.parameter_shapes.items()}
    inputs = {value.name: rng.standard_normal((images, *value.shape), np.float32) for value in graph.inputs}
    inputs |= {v.name: rng.integers(0, v.classes, (images, *v.shape)) for v in graph.inputs if v.classes}
    program = assign_formats(graph, parse_precision(precision))
    return quantize_weights(calibrate(program, weights, inputs), weights), inputs, weights


def one(op: ops.Op, *shapes: tuple[int, ...], epilogue: tuple[Any, ...] = ()) -> Graph:
    inputs = tuple(Input(f"x{i}", shape) for i, shape in enumerate(shapes))
    return Graph("g", inputs, (Node("y", op, tuple(value.name for value in inputs), epilogue),), ("y",))


@settings(max_examples=60, deadline=None)
@given(
    layer=st.sampled_from(LAYERS),
    weights=st.sampled_from(EVERY),
    activations=st.sampled_from(EVERY),
    epilogue=st.sampled_from([(), (ops.ReLU(),), (ops.Tanh(),)]),
    threads=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_fast_equals_reference(
    layer: Any, weights: str, activations: str, epilogue: Any, threads: int, seed: int
) -> None:
    graph = one(layer[0], layer[1], epilogue=epilogue)
    program, inputs, _ = built(graph, f"weights={weights},activations={activations}", seed)
    plain = run_program(program, inputs, kernels="reference")["y"]
    fast = run_program(program, inputs, threads=threads, batch=2)["y"]
    np.testing.assert_array_equal(fast, plain)
    assert fast.dtype == plain.dtype == np.float32
    encoding = program.encodings["y"]
    np.testing.assert_array_equal(stored_floats(fast, encoding.format, encoding.scaling), fast)  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", MINI)
@pytest.mark.parametrize("activations", MINI)
def test_a_dense_layer_by_hand(weights: str, activations: str) -> None:
    """Operands as ml_dtypes rounds them, one scalar sum for each output, rounded once."""
    graph = one(ops.Dense(70, 9, True), (70,))
    program, inputs, tensors = built(graph, f"weights={weights},activations={activations}", 3)
    made = run_program(program, inputs)["y"]

    def scale_of(name: str, reach: float) -> float:
        top = {"fp8e4m3": 8, "fp8e5m2": 15}.get(name)
        return 1.0 if top is None else 2.0 ** (np.floor(np.log2(reach)) - top)

    def cast(values: Array, name: str, scale: Any) -> Array:
        limit = {"fp8e4m3": 448.0, "fp8e5m2": 57344.0}.get(name, np.inf)
        scaled = np.clip(values / scale, -limit, limit).astype(np.float32)
        return np.asarray(scaled.astype(CAST[name]).astype(np.float32) * scale, np.float32)

    x = cast(inputs["x0"], activations, scale_of(activations, np.abs(inputs["x0"]).max()))
    w = np.stack([cast(row, weights, scale_of(weights, np.abs(row).max())) for row in tensors["y.weight"]])
    sums = np.empty((3, 9), np.float32)
    for n, k in np.ndindex(3, 9):
        total = tensors["y.bias"][k]
        for a, b in zip(x[n], w[k], strict=True):
            total = np.float32(total + np.float32(a * b))
        sums[n, k] = total
    reach = np.abs(run_float(graph, tensors, inputs)["y"]).max()
    np.testing.assert_array_equal(made, cast(sums, activations, scale_of(activations, reach)))


def test_narrower_formats_are_further_from_float32() -> None:
    op = ops.Conv2d(32, 16, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True)
    errors = {}
    for precision in EVERY:
        program, inputs, weights = built(one(op, (32, 8, 8)), precision)
        want = run_float(program.graph, weights, inputs)["y"]
        errors[precision] = float(np.square(decode(program, "y", run_program(program, inputs)["y"]) - want).mean())
    order = ["float32", "fp16", "bf16", "mxint8", "fp8e4m3", "fp8e5m2"]
    assert sorted(order, key=errors.__getitem__) == order
    assert errors["mxint8"] < errors["mxfp6e2m3"] < errors["mxfp6e3m2"] < errors["mxfp4"]


@pytest.mark.parametrize("precision", ["bf16", "fp8e4m3", "mxint8"])
def test_products_of_two_values_are_summed_in_order_too(precision: str) -> None:
    program, inputs, _ = built(one(ops.MatMul(5), (2, 4, 33), (2, 33, 5)), precision)
    held = run_program(program, inputs, keep=["x0", "x1"])
    y = program.encodings["y"]
    want = np.zeros((3, 2, 4, 5), np.float32)
    for n, h, i, j in np.ndindex(*want.shape):
        for k in range(33):
            want[n, h, i, j] += np.float32(held["x0"][n, h, i, k] * held["x1"][n, h, k, j])
    np.testing.assert_array_equal(held["y"], stored_floats(want, y.format, y.scaling))  # type: ignore[arg-type]
    assert ordered_matmul(np.zeros((0, 2, 3), np.float32), np.zeros((0, 3, 4), np.float32)).shape == (0, 2, 4)


@pytest.mark.parametrize("transposed", [False, True])
def test_layers_whose_weights_are_values_equal_layers_with_those_weights(transposed: bool) -> None:
    fields = (4, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1)
    op = ops.DynamicConvTranspose2d(*fields) if transposed else ops.DynamicConv2d(*fields)
    fixed = ops.ConvTranspose2d(*fields, False) if transposed else ops.Conv2d(*fields, False)
    kernel = (4, 3, 3, 3) if transposed else (3, 4, 3, 3)
    program, inputs, _ = built(one(op, (4, 5, 6), kernel), "fp16")
    held = run_program(program, inputs, keep=["x1"])
    for n in range(3):
        alone = assign_formats(one(fixed, (4, 5, 6)), parse_precision("fp16"))
        alone = quantize_weights(alone, {"y.weight": held["x1"][n]})
        made = run_program(alone, {"x0": inputs["x0"][n : n + 1]}, kernels="reference")["y"]
        np.testing.assert_array_equal(made[0], held["y"][n])


@pytest.mark.parametrize("precision", [*MINI, *BLOCK])
def test_other_operators_round_their_float32_result(precision: str) -> None:
    pool = ops.MaxPool((2, 2), (2, 2), (1, 1), (0, 0, 0, 0))
    nodes = (Node("p", pool, ("x",)), Node("s", ops.Add(), ("p", "z")), Node("t", ops.Tanh(), ("s",)))
    graph = Graph("g", (Input("x", (33, 4, 6)), Input("z", (33, 2, 3))), nodes, ("t",))
    program, inputs, _ = built(graph, precision)
    held = run_program(program, inputs, keep=["x", "z", "p", "s"])

    def rounded(values: Array, name: str) -> Array:
        encoding = program.encodings[name]
        return stored_floats(values, encoding.format, encoding.scaling)  # type: ignore[arg-type]

    largest = held["x"].reshape(3, 33, 2, 2, 3, 2).max(axis=(3, 5))
    np.testing.assert_array_equal(held["p"], rounded(largest, "p"))
    np.testing.assert_array_equal(held["s"], rounded(held["p"] + held["z"], "s"))
    np.testing.assert_array_equal(held["t"], rounded(np.tanh(held["s"]), "t"))


def test_views_and_relu_move_values() -> None:
    nodes = (Node("r", ops.ReLU(), ("x",)), Node("f", ops.Reshape((66,)), ("r",)))
    program, inputs, _ = built(Graph("g", (Input("x", (33, 2, 1)),), nodes, ("f",)), "mxfp8e4m3")
    held = run_program(program, inputs, keep=["x"])
    np.testing.assert_array_equal(held["f"], np.maximum(held["x"], 0).reshape(3, 66))


def test_ends_have_eight_bits_and_labels_their_own() -> None:
    graph = Graph(
        "g", (Input("c", (), 1000),),
        (Node("e", ops.Embedding(1000, 40), ("c",)), Node("y", ops.Dense(40, 4, False), ("e",)),
         Node("z", ops.Dense(4, 2, False), ("y",))), ("z",),
    )  # fmt: skip
    program, inputs, _ = built(graph, "mxfp4,last.weights=fp16")
    assert program.encodings["z"].format == MXFP8E4M3 and program.encodings["c"].format == Float32()
    assert str(program.encodings["y"].format) == "mxfp4" and program.linear["z"].weights == FP16
    np.testing.assert_array_equal(run_program(program, inputs, keep=["c"])["c"], inputs["c"])


def test_float16_overflows_to_infinity_and_fp8_saturates() -> None:
    graph = one(ops.Mul(), (1,), (1,))
    seen = {"x0": np.full((1, 1), 2, np.float32), "x1": np.ones((1, 1), np.float32)}
    large = {name: np.full((1, 1), 300, np.float32) for name in seen}
    assert run_program(assign_formats(graph, parse_precision("fp16")), large)["y"] == np.inf
    program = calibrate(assign_formats(graph, parse_precision("fp8e4m3")), {}, seen)
    assert run_program(program, large)["y"] == 448 * 2.0**-7  # a result of 2 was seen: 256 * 2**-7


def test_a_nan_counts_as_zero() -> None:
    program = assign_formats(one(ops.Div(), (1,), (1,)), parse_precision("bf16"))
    zeros = np.zeros((1, 1), np.float32)
    assert run_program(program, {"x0": zeros, "x1": zeros})["y"] == 0


def test_what_cannot_run_says_so() -> None:
    graph = one(ops.Dense(2, 1, False), (2,))
    x, weights = {"x0": np.ones((1, 2), np.float32)}, {"y.weight": np.array([[1.0, 7e4]], np.float32)}
    with pytest.raises(AccelsimError, match="layer y: weights reach 70000, which fp16 does not hold"):
        quantize_weights(assign_formats(graph, parse_precision("fp16")), weights)
    with pytest.raises(AccelsimError, match="the program is not calibrated"):
        run_program(assign_formats(graph, parse_precision("fp8e4m3")), x)
    with pytest.raises(AccelsimError, match="the program holds no rounded weights"):
        run_program(assign_formats(graph, parse_precision("bf16")), x)


@pytest.mark.parametrize("precision", ["fp16", "mxfp4", "weights=mxint8,activations=bf16"])
def test_formats_without_scales_need_no_calibration(precision: str) -> None:
    program = assign_formats(one(ops.Dense(2, 1, False), (2,)), parse_precision(precision))
    assert calibrate(program, {}, {"x0": np.full((1, 2), np.nan, np.float32)}) is program
    assert not isinstance(program.encodings["y"].format, MiniFloat) or not program.encodings["y"].format.scaled
