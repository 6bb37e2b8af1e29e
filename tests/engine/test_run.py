"""Whole networks through the engine: batches, views, float arithmetic between codes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.batching import batches
from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.engine.run import decode, run_float, run_program
from accelsim.formats.affine import AffineInt
from accelsim.formats.quantize import dequantize, quantize
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
RELU, LEAKY, TANH = ops.ReLU(), ops.LeakyReLU(0.2), ops.Tanh()
NET = Graph(
    "net",
    (Input("z", (3,)), Input("image", (2, 4, 4))),
    (
        Node("fc", ops.Dense(3, 16, True), ("z",), (LEAKY,)),
        Node("view", ops.Reshape((4, 2, 2)), ("fc",)),
        Node("up", ops.ConvTranspose2d(4, 2, (4, 4), (2, 2), (1, 1), (1, 1, 1, 1), 1, True), ("view",), (RELU,)),
        Node("affine", ops.ChannelAffine(2), ("image",), (TANH,)),
        Node("sum", ops.Add(), ("up", "affine"), (RELU,)),
        Node("padded", ops.ZeroPad((0, 1, 0), (1, 0, 2)), ("sum",)),
        Node("part", ops.Slice(2, 1, 6, 2), ("padded",)),
        Node("turned", ops.Permute((0, 2, 1)), ("part",)),
        Node("clamped", RELU, ("turned",)),
        Node("rgb", ops.Conv2d(3, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 3, False), ("clamped",), (TANH,)),
        Node("pooled", ops.GlobalAveragePool(), ("rgb",)),
        Node("score", ops.Dense(3, 2, True), ("pooled",)),
    ),
    ("rgb", "score", "clamped"),
)


def tensors(graph: Graph, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in graph.parameter_shapes.items()}


def inputs_of(graph: Graph, count: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {value.name: rng.standard_normal((count, *value.shape), np.float32) for value in graph.inputs}


def quantized(graph: Graph, precision: str, seed: int = 0) -> Program:
    weights = tensors(graph, seed)
    program = calibrate(assign_formats(graph, parse_precision(precision)), weights, inputs_of(graph, 64, seed + 1))
    return quantize_weights(program, weights)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    precision=st.sampled_from(["int8", "int4", "int16", "weights=int4,activations=int8"]),
    count=st.integers(1, 9),
    batch=st.integers(1, 10),
)
def test_results_do_not_depend_on_the_batch(seed: int, precision: str, count: int, batch: int) -> None:
    program, inputs = quantized(NET, precision, seed), inputs_of(NET, count, seed + 2)
    keep = tuple(NET.shapes)
    together = run_program(program, inputs, batch=100, kernels="reference", keep=keep)
    apart = run_program(program, inputs, batch=batch, kernels="reference", keep=keep)
    assert list(together) == list(apart) and set(together) == set(NET.shapes)
    for name, codes in together.items():
        format, _ = affine_of(program.encodings[name])
        assert codes.shape == (count, *NET.shapes[name]) and codes.dtype == format.dtype
        assert codes.min() >= format.low and codes.max() <= format.high
        np.testing.assert_array_equal(codes, apart[name])


@pytest.mark.parametrize("precision", ["int8", "int16"])
def test_an_empty_batch_has_shapes_and_types(precision: str) -> None:
    program, nothing = quantized(NET, precision), inputs_of(NET, 0)
    for name, codes in run_program(program, nothing, kernels="reference").items():
        assert codes.shape == (0, *NET.shapes[name])
        assert codes.dtype == affine_of(program.encodings[name])[0].dtype
    for name, values in run_float(NET, tensors(NET), nothing).items():
        assert values.shape == (0, *NET.shapes[name]) and values.dtype == np.float32


def test_float_runs_see_every_value_and_count_every_image() -> None:
    seen: dict[str, int] = {}
    done: list[int] = []

    def observe(name: str, value: Array) -> None:
        assert value.dtype == np.float32 and value.shape[1:] == NET.shapes[name]
        seen[name] = seen.get(name, 0) + len(value)

    outputs = run_float(NET, tensors(NET), inputs_of(NET, 7), batch=3, observe=observe, on_batch=done.append)
    assert seen == dict.fromkeys(NET.shapes, 7) and done == [3, 3, 1]
    whole = run_float(NET, tensors(NET), inputs_of(NET, 7), batch=7)
    for name, values in outputs.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-5, atol=1e-5)
    counted: list[int] = []
    run_program(quantized(NET, "int8"), inputs_of(NET, 7), batch=3, kernels="reference", on_batch=counted.append)
    assert counted == [3, 3, 1]
    assert [len(piece["z"]) for piece in batches(inputs_of(NET, 7), 3)] == [3, 3, 1]


def test_views_move_codes_and_pads_hold_the_zero_point() -> None:
    program = quantized(NET, "int8")
    values = run_program(program, inputs_of(NET, 5), kernels="reference", keep=tuple(NET.shapes))
    _, scaling = affine_of(program.encodings["sum"])
    for name in ("padded", "part", "turned", "clamped"):
        assert program.encodings[name] == program.encodings["sum"]
    expected = np.pad(values["sum"], ((0, 0), (0, 1), (1, 0), (0, 2)), constant_values=scaling.zero_point)
    np.testing.assert_array_equal(values["padded"], expected)
    np.testing.assert_array_equal(values["part"], expected[:, :, :, 1:6:2])
    np.testing.assert_array_equal(values["turned"], expected[:, :, :, 1:6:2].swapaxes(2, 3))
    np.testing.assert_array_equal(values["clamped"], np.maximum(values["turned"], scaling.zero_point))
    np.testing.assert_array_equal(values["view"], values["fc"].reshape(5, 4, 2, 2))


def test_every_step_is_within_a_code_of_float64_between_codes() -> None:
    """Whole numbers throughout: each result is that of exact reals, but for one code."""
    program = quantized(NET, "int8")
    values = run_program(program, inputs_of(NET, 5), kernels="reference", keep=tuple(NET.shapes))

    def real(name: str) -> Array:
        return dequantize(values[name], affine_of(program.encodings[name])[1])

    def check(name: str, exact: Array) -> None:
        wanted = quantize(exact, *affine_of(program.encodings[name]))
        assert np.abs(values[name].astype(np.int64) - wanted).max() <= 1
        assert (values[name] == wanted).mean() > 0.9

    check("sum", np.maximum(real("up") + real("affine"), 0))
    check("pooled", real("rgb").mean((2, 3)))
    scale, shift = (
        program.parameters[f"affine.{role}"].astype(np.float64)[:, None, None] for role in ("scale", "shift")
    )
    check("affine", np.tanh(real("image") * scale + shift))
    integers = integers_of(program.linear["fc"])
    unit = affine_of(program.encodings["z"])[1].scale * integers.scaling.scale
    z = values["z"].astype(np.int64) - affine_of(program.encodings["z"])[1].zero_point
    sums = (z @ integers.codes.T.astype(np.int64) + integers.bias) * unit
    check("fc", np.where(sums >= 0, sums, sums * 0.2))


@pytest.mark.parametrize(("precision", "allowed"), [("int16", 1e-3), ("int12", 0.01), ("int8", 0.1), ("int4", 1.5)])
def test_a_whole_network_stays_near_float(precision: str, allowed: float) -> None:
    """Rounding noise through five layers: each bit fewer doubles it, and 8 bits keep a few hundredths here."""
    inputs = inputs_of(NET, 30, 1)
    program = quantized(NET, precision)
    codes, want = run_program(program, inputs, kernels="reference"), run_float(NET, tensors(NET), inputs)
    errors = [np.abs(decode(program, name, codes[name]) - want[name]).mean() for name in NET.outputs]
    assert allowed / 40 < max(errors) < allowed


def test_inputs_are_quantized_at_eight_bits_or_more() -> None:
    program = quantized(NET, "int3")
    inputs = inputs_of(NET, 5)
    values = run_program(program, inputs, kernels="reference", keep=("z", "fc"))
    format, scaling = affine_of(program.encodings["z"])
    assert isinstance(format, AffineInt) and format.bits == 8
    np.testing.assert_array_equal(values["z"], quantize(inputs["z"], format, scaling))
    assert len(np.unique(values["fc"])) <= 8 < len(np.unique(values["rgb"]))


def test_kernels_agree_on_a_whole_network() -> None:
    program, inputs = quantized(NET, "int8"), inputs_of(NET, 5)
    plain, fast = (run_program(program, inputs, kernels=kernels) for kernels in ("reference", "fast"))
    for name, codes in plain.items():
        assert codes.dtype == fast[name].dtype
        np.testing.assert_array_equal(codes, fast[name])
