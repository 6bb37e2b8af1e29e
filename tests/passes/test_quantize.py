"""Formats, calibration and integer weights: what each pass fills in, and how far a quantized layer may be off."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.engine.run import decode, run_float, run_program
from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, scaling_for_weights
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program, encoding_roots
from accelsim.ir.shapes import result_shape
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import output_channels_first, quantize_weights, weights_layout

Array = np.ndarray[Any, Any]
NET = Graph(
    "net",
    (Input("z", (3,)),),
    (
        Node("fc", ops.Dense(3, 16, False), ("z",)),
        Node("view", ops.Reshape((4, 2, 2)), ("fc",)),
        Node("relu", ops.ReLU(), ("view",)),
        Node("up", ops.ConvTranspose2d(4, 6, (3, 3), (2, 2), (1, 1), (1, 0, 0, 1), 2, True), ("relu",), (ops.ReLU(),)),
        Node("to_rgb", ops.Conv2d(6, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), ("up",), (ops.Tanh(),)),
    ),
    ("to_rgb",),
)


def tensors(graph: Graph, seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape, np.float32) for name, shape in graph.parameter_shapes.items()}


def quantized(graph: Graph, weights: dict[str, Array], inputs: dict[str, Array], precision: str) -> Program:
    program = assign_formats(graph, parse_precision(precision))
    return quantize_weights(calibrate(program, weights, inputs), weights)


@pytest.mark.parametrize(("precision", "inner", "outer", "accumulator"), [
    ("int4", 4, 8, 32), ("int8", 8, 8, 32), ("int12", 12, 12, 48), ("weights=int12,activations=int4", 4, 8, 48),
    ("weights=int4,activations=int4,accumulator=acc20", 4, 8, 20),
])  # fmt: skip
def test_formats_need_no_weights(precision: str, inner: int, outer: int, accumulator: int) -> None:
    program = assign_formats(NET, parse_precision(precision))
    bits = {name: encoding.format.bits for name, encoding in program.encodings.items()}
    assert bits == {"z": outer, "fc": inner, "view": inner, "relu": inner, "up": inner, "to_rgb": outer}
    assert {layer.accumulator for layer in program.linear.values()} == {Accumulator(accumulator)}
    assert all(e.scaling is None for e in program.encodings.values()) and not program.parameters
    assert encoding_roots(NET) == {"z": "z", "fc": "fc", "view": "fc", "relu": "fc", "up": "up", "to_rgb": "to_rgb"}


def test_a_view_that_leaves_the_network_is_stored_as_its_outputs_are() -> None:
    graph = Graph("g", NET.inputs, NET.nodes[:3], ("relu",))
    program = assign_formats(graph, parse_precision("int4"))
    assert {e.format.bits for e in program.encodings.values()} == {8}


def test_calibration_takes_the_range_of_all_inputs_and_shares_it_with_views() -> None:
    weights = tensors(NET, 0)
    z = np.random.default_rng(0).standard_normal((100, 3), np.float32)
    program = calibrate(assign_formats(NET, parse_precision("int8")), weights, {"z": z})
    hidden = z @ weights["fc.weight"].T
    format, scaling = affine_of(program.encodings["fc"])
    assert program.encodings["view"] == program.encodings["relu"] == program.encodings["fc"]
    np.testing.assert_allclose(scaling.scale, (hidden.max() - hidden.min()) / (format.high - format.low), rtol=1e-5)
    low, high = ((c - scaling.zero_point) * scaling.scale[0] for c in (format.low, format.high))
    assert abs(low - hidden.min()) <= scaling.scale[0] and abs(high - hidden.max()) <= scaling.scale[0]
    assert affine_of(program.encodings["up"])[1].zero_point == -128  # after a ReLU the range starts at zero


def test_calibration_refuses_nothing_and_infinity() -> None:
    program, weights = assign_formats(NET, parse_precision("int8")), tensors(NET, 0)
    with pytest.raises(AccelsimError, match="calibration: needs at least one input"):
        calibrate(program, weights, {"z": np.zeros((0, 3), np.float32)})
    weights["fc.weight"][0] = 3e38
    with (
        np.errstate(over="ignore"),
        pytest.raises(AccelsimError, match=r"value 'fc' reaches .* expected finite values"),
    ):
        calibrate(program, weights, {"z": np.full((1, 3), 3e38, np.float32)})


def test_running_before_quantizing_is_refused() -> None:
    program, weights = assign_formats(NET, parse_precision("int8")), tensors(NET, 0)
    z = {"z": np.zeros((1, 3), np.float32)}
    with pytest.raises(AccelsimError, match="the program is not calibrated"):
        run_program(program, z, kernels="reference")
    with pytest.raises(AccelsimError, match="the program holds no integer weights"):
        run_program(calibrate(program, weights, z), z, kernels="reference")


@given(seed=st.integers(0, 100), groups=st.integers(1, 3), each=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_layouts_are_inverse_and_channels_lead(seed: int, groups: int, each: tuple[int, int]) -> None:
    op = ops.ConvTranspose2d(each[0] * groups, each[1] * groups, (2, 3), (1, 1), (1, 1), (0, 0, 0, 0), groups, False)
    weights = np.random.default_rng(seed).standard_normal((op.in_channels, each[1], 2, 3), np.float32)
    leading = output_channels_first(op, weights)
    assert leading.shape == (op.out_channels, each[0], 2, 3)
    np.testing.assert_array_equal(weights_layout(op, leading), weights)
    for group in range(groups):
        for out in range(each[1]):
            for inside in range(each[0]):
                mine = weights[group * each[0] + inside, out]
                np.testing.assert_array_equal(leading[group * each[1] + out, inside], mine)


@st.composite
def layers(draw: st.DrawFn) -> tuple[ops.Linear, ops.Shape]:
    groups, kernel = draw(st.integers(1, 2)), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    channels = (draw(st.integers(1, 3)) * groups, draw(st.integers(1, 3)) * groups)
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return ops.Dense(*channels, True), (2, channels[0])
    image = (channels[0], 4, 5)
    if kind == 1:
        return ops.Conv2d(*channels, kernel, (2, 1), (1, 1), (1, 0, 1, 2), groups, draw(st.booleans())), image
    return ops.ConvTranspose2d(*channels, kernel, (2, 2), (1, 1), (0, -1, 0, 0), groups, True), image


@settings(max_examples=120, deadline=None)
@given(
    layer=layers(),
    seed=st.integers(0, 2**32 - 1),
    precision=st.sampled_from(["int8", "int4", "int8:tensor", "int8:sym", "int16", "weights=int3,activations=int12"]),
    vanished=st.sampled_from([1.0, 1e-3, 1e-12, 1e-30, 0.0]),
    relu=st.booleans(),
)
def test_one_layer_is_off_by_no_more_than_its_steps_allow(
    layer: tuple[ops.Linear, ops.Shape], seed: int, precision: str, vanished: float, relu: bool
) -> None:
    """With x' = x + dx, |dx| <= sx/2, and w' = w + dw, |dw| <= sw/2 per channel:

    |sum x'w' - sum xw| <= sum |x'||dw| + sum |dx||w| <= taps * (reach * sw + sx * max|w|) / 2; the bias adds half of
    sx * sw, storing the result half of sy, and the 31-bit multiplier and float32 sums of the reference a millionth.
    One channel's weights have all but vanished, as after a batch norm with gamma near 0: the bound holds for it too.
    """
    op, shape = layer
    epilogue = (ops.ReLU(),) if relu else ()
    graph = Graph("g", (Input("x", shape),), (Node("y", op, ("x",), epilogue),), ("y",))
    weights = tensors(graph, seed)
    output_first = output_channels_first(op, weights["y.weight"]).copy()
    output_first[0] *= np.float32(vanished)
    weights["y.weight"] = weights_layout(op, output_first)  # type: ignore[arg-type]
    x = {"x": np.random.default_rng(seed).standard_normal((3, *shape), np.float32)}
    program = quantized(graph, weights, x, precision)
    got = decode(program, "y", run_program(program, x, kernels="reference")["y"])
    want = run_float(graph, weights, x)["y"]
    sx, sy = (float(affine_of(program.encodings[name])[1].scale[0]) for name in ("x", "y"))
    sw = np.broadcast_to(integers_of(program.linear["y"]).scaling.scale, len(output_first))
    reach = np.abs(x["x"]).max() + sx / 2
    heaviest = np.abs(output_first).reshape(len(output_first), -1).max(1)
    taps = output_first[0].size
    bound = taps * (reach * sw + sx * heaviest) / 2 + sx * sw / 2 + sy / 2
    bound = bound * (1 + 1e-6) + 1e-5 * np.abs(want).max()
    axis = -1 if isinstance(op, ops.Dense) else 1
    error = np.moveaxis(np.abs(got - want), axis, -1)
    assert want.shape[1:] == result_shape(op, shape) and (error <= bound).all()
    plain = scaling_for_weights(parse_precision(precision).weights, output_first, 0).scale  # type: ignore[arg-type]
    raised = sw > plain * (1 + 1e-9)
    assert (taps * reach * sw[raised] <= 1e-3 * max(1.0, np.abs(want).max())).all()


def test_a_vanished_channel_keeps_its_bias() -> None:
    graph = Graph("g", (Input("x", (4,)),), (Node("y", ops.Dense(4, 2, True), ("x",)),), ("y",))
    weights = {"y.weight": np.ones((2, 4), np.float32), "y.bias": np.array([3.0, -2.0], np.float32)}
    weights["y.weight"][0] = 1e-9
    x = {"x": np.random.default_rng(0).standard_normal((50, 4), np.float32)}
    program = quantized(graph, weights, x, "int8")
    got = decode(program, "y", run_program(program, x, kernels="reference")["y"])
    step = affine_of(program.encodings["y"])[1].scale[0]
    assert np.abs(got[:, 0] - 3.0).max() <= step
    narrow = quantized(graph, weights, x, "weights=int8,activations=int8,accumulator=acc16")
    integers = integers_of(narrow.linear["y"])
    assert integers.bias[0] == 2**15 - 1 and integers.scaling.scale[0] < 1e-10


def test_integers_of_a_layer_are_what_the_hardware_holds() -> None:
    weights, z = tensors(NET, 0), np.random.default_rng(0).standard_normal((20, 3), np.float32)
    program = quantized(NET, weights, {"z": z}, "int8")
    assert set(program.linear) == {"fc", "up", "to_rgb"} and not program.parameters
    for name, layer in program.linear.items():
        integers = integers_of(layer)
        assert integers.codes.shape == weights[f"{name}.weight"].shape and integers.codes.dtype == np.int8
        assert isinstance(layer.weights, AffineInt) and np.abs(integers.codes).max() == layer.weights.high
        assert integers.requantization is not None
    assert integers_of(program.linear["fc"]).bias.tolist() == [0] * 16


def test_an_impossible_multiplier_names_its_layer() -> None:
    graph = Graph("g", (Input("x", (1,)),), (Node("y", ops.Dense(1, 1, False), ("x",)),), ("y",))
    weights = {"y.weight": np.full((1, 1), 1e25, np.float32)}
    program = calibrate(
        assign_formats(graph, parse_precision("int8")), weights, {"x": np.full((1, 1), 1e-25, np.float32)}
    )
    with pytest.raises(AccelsimError, match=re.escape("layer y: requantization multiplier")):
        quantize_weights(program, {"y.weight": np.full((1, 1), 3e38, np.float32)})
