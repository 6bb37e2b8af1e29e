"""Every operator on codes against exact reals, over shapes, widths, formats and zero points."""

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine import integer_norms
from accelsim.engine.float_ops import run_float_op
from accelsim.engine.linear_kernel import affine_of
from accelsim.engine.run import run_program
from accelsim.formats.quantize import dequantize, quantize
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.ops import OPERATORS
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Program, arithmetic, keeps_codes
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
IMAGE = (4, 6, 5)
REDUCTIONS: tuple[Literal["mean", "sum", "var", "norm", "max", "min"], ...] = (
    "mean",
    "sum",
    "var",
    "norm",
    "max",
    "min",
)
STATISTICS = [
    ops.InstanceNorm(4, 1e-5, True),
    ops.InstanceNorm(4, 1e-3, False),
    ops.GroupNorm(4, 2, 1e-5, True),
    ops.GroupNorm(4, 2, 1e-5, False),
    ops.LayerNorm((6, 5), 1e-5, True),
    ops.LayerNorm((5,), 1e-5, False),
    ops.RMSNorm((0,), 1e-6),
    ops.RMSNorm((2,), 1e-6),
]
SUMS = [
    ops.GlobalAveragePool(),
    ops.AveragePool((3, 2), (2, 1), (1, 1, 1, 0), False),
    ops.AveragePool((3, 2), (2, 1), (1, 1, 1, 0), True),
    ops.AdaptivePool("mean", (4, 3)),
    ops.AdaptivePool("max", (4, 3)),
    *(ops.Reduce(kind, (0,), True) for kind in REDUCTIONS),
    *(ops.Reduce(kind, (1, 2), False) for kind in REDUCTIONS),
    ops.Softmax(0),
    ops.Softmax(2),
    ops.Interpolate("linear", (12, 10), (0.5, 0.5), False),
    ops.Interpolate("cubic", (12, 10), (0.5, 0.5), False),
    ops.Interpolate("linear", (11, 9), (0.5, 0.5), True),
]  # fmt: skip
AFFINE = [ops.ChannelAffine(4), ops.BatchNorm(4, 1e-5), ops.ScaleShift(-1.7, 0.4), ops.PReLU(4), ops.PReLU(1),
          ops.LeakyReLU(0.2), ops.LeakyReLU(-0.3), ops.Clamp(-0.7, 0.9), ops.Clamp(None, 0.3)]  # fmt: skip
CURVES = [ops.Tanh(), ops.Sigmoid(), ops.GELU("none"), ops.GELU("tanh"), ops.SiLU(), ops.Mish(), ops.ELU(1.0, 1.0),
          ops.Softplus(1.0), ops.HardSigmoid(), ops.HardSwish(), ops.Abs(), ops.Exp(), ops.Sin(), ops.Cos(), ops.Sign(),
          ops.Power(2.0)]  # fmt: skip
PAIRS = [ops.Add(), ops.Sub(), ops.Mul(), ops.Maximum(), ops.Minimum(), ops.Concat(0), ops.Concat(2)]
KNOWN = [ops.Constant((3, 2)), ops.Embedding(7, 3), ops.OneHot(7)]
OTHERS = {ops.MatMul, ops.DynamicConv2d, ops.DynamicConvTranspose2d, ops.Div, ops.Log, ops.ReLU, ops.MaxPool}
FORMATS = st.one_of(
    st.builds("int{}:{}".format, st.integers(2, 16), st.sampled_from(["sym", "asym"])),
    st.builds("fixed{}:{}".format, st.integers(4, 16), st.sampled_from(["rnd", "rnd_conv", "rnd_inf", "rnd_zero"])),
)


def one(op: ops.Op, shapes: tuple[ops.Shape, ...], epilogue: tuple[ops.Activation, ...] = ()) -> Graph:
    names = [f"x{i}" for i in range(len(shapes))]
    inputs = tuple(Input(name, shape) for name, shape in zip(names, shapes, strict=True))
    return Graph("g", inputs, (Node("y", op, tuple(names), epilogue),), ("y",))


def built(graph: Graph, activations: str, seed: int, spread: float = 1.0) -> tuple[Program, dict[str, Array]]:
    rng = np.random.default_rng(seed)
    weights: dict[str, Array] = {}
    for name, shape in graph.parameter_shapes.items():
        weights[name] = rng.standard_normal(shape, np.float32)
    weights |= {name: np.abs(w) + 0.1 for name, w in weights.items() if name.endswith("var")}
    shift = rng.standard_normal()
    inputs = {
        value.name: (spread * (rng.standard_normal((4, *value.shape)) + shift)).astype(np.float32)
        for value in graph.inputs
    }
    precision = parse_precision(f"weights=int8,activations={activations}")
    program = assign_formats(graph, precision)
    rooms = {name: replace(encoding, format=precision.activations) for name, encoding in program.encodings.items()}
    program = quantize_weights(calibrate(replace(program, encodings=rooms), weights, inputs), weights)
    return program, inputs


def exact(program: Program, codes: dict[str, Array]) -> Array:
    """The result of exact reals on the stored inputs, in steps of the result before its zero point."""
    (node,) = program.graph.nodes
    reads = [dequantize(codes[name], affine_of(program.encodings[name])[1]) for name in node.inputs]
    parameters = {
        role: program.parameters[node.parameter(role)].astype(np.float64) for role in parameter_shapes(node.op)
    }
    real = run_float_op(node.op, parameters, *reads)
    for function in node.epilogue:
        real = run_float_op(function, {}, real)
    return real


def distance(program: Program, inputs: dict[str, Array]) -> tuple[Array, Array]:
    """Codes between results and exact reals, beyond the half that rounding takes; and the results."""
    kept = tuple(program.graph.shapes)
    codes = run_program(program, inputs, kernels="reference", keep=kept)
    format, scaling = affine_of(program.encodings["y"])
    steps = exact(program, codes) / scaling.scale[0] + scaling.zero_point
    assert codes["y"].dtype == format.dtype and codes["y"].min() >= format.low and codes["y"].max() <= format.high
    assert codes["y"].shape == (4, *program.graph.shapes["y"])
    return np.abs(codes["y"] - np.clip(steps, format.low, format.high)) - 0.5, codes["y"]


def test_all_operators_are_named_here() -> None:
    tried = {type(op) for op in (*STATISTICS, *SUMS, *AFFINE, *CURVES, *PAIRS, *KNOWN)} | OTHERS
    views = set(get_args(ops.View)) | set(get_args(ops.Linear))
    assert set(OPERATORS.values()) - views - tried == {ops.Pow}
    assert arithmetic(Node("y", ops.Pow(), ("a", "b"))) == "float"


@settings(max_examples=120, deadline=None)
@given(
    op=st.sampled_from(STATISTICS + SUMS + AFFINE),
    activations=FORMATS,
    spread=st.sampled_from([1e-3, 1.0, 40.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_input_is_rounded_once(op: ops.Op, activations: str, spread: float, seed: int) -> None:
    """Half a code, and what factors of 31 bits and means of 12 bits lose of a range of 16 bits."""
    program, inputs = built(one(op, (IMAGE,)), activations, seed, spread)
    beyond, _ = distance(program, inputs)
    few = isinstance(op, ops.Interpolate) and op.align_corners  # weights that 14 bits round
    assert beyond.max() < (5 if few else 0.02)


@settings(max_examples=100, deadline=None)
@given(
    op=st.sampled_from(PAIRS),
    activations=FORMATS,
    epilogue=st.sampled_from([(), (ops.ReLU(),), (ops.Clamp(-0.5, 0.5),)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_inputs_are_rounded_once(op: ops.Op, activations: str, epilogue: Any, seed: int) -> None:
    program, inputs = built(one(op, (IMAGE, IMAGE), epilogue), activations, seed)
    ends = 0.5 if epilogue and isinstance(epilogue[0], ops.Clamp) else 0.0  # a clamp's end is a code
    assert distance(program, inputs)[0].max() < 0.01 + ends


def test_axes_of_size_one_broadcast() -> None:
    for op in (ops.Add(), ops.Mul(), ops.Div(), ops.Maximum()):
        program, inputs = built(one(op, (IMAGE, (4, 1, 1))), "int8", 3)
        inputs["x1"] = np.where(np.abs(inputs["x1"]) < 0.5, np.float32(1), inputs["x1"])
        assert distance(program, inputs)[0].max() < 0.01


@settings(max_examples=100, deadline=None)
@given(op=st.sampled_from(CURVES), activations=FORMATS, seed=st.integers(0, 2**32 - 1))
def test_functions_of_codes(op: ops.Op, activations: str, seed: int) -> None:
    """A table of every code is the function itself; between knots it stays within a code."""
    program, inputs = built(one(op, (IMAGE,)), activations, seed)
    beyond, _ = distance(program, inputs)
    wide = affine_of(program.encodings["x0"])[0].bits > 12
    assert beyond.max() < (0.75 if wide else 1e-6)


CHAINS: list[tuple[ops.Op, tuple[ops.Activation, ...]]] = [
    (ops.ScaleShift(-1.0, 0.1), (ops.Softplus(1.0), ops.ScaleShift(-2.0, 0.0))),
    (ops.ScaleShift(0.3, 1.0), (ops.Clamp(0.2, 1.1),)),
    (ops.LeakyReLU(0.1), (ops.Tanh(), ops.ReLU())),
    (ops.ReLU(), (ops.LeakyReLU(0.5), ops.ScaleShift(2.0, -1.0))),
    (ops.Reshape((20, 6)), (ops.LeakyReLU(0.3),)),
    (ops.ZeroPad((0, 1, 0), (0, 0, 2)), (ops.ScaleShift(1.5, 0.5),)),
    (ops.Take(1, (5, 0, 3)), (ops.Tanh(),)),
    (ops.Expand(IMAGE), (ops.ReLU(),)),
]


@pytest.mark.parametrize("chain", CHAINS, ids=str)
@pytest.mark.parametrize("activations", ["int8", "int4:sym", "int11", "fixed9"])
def test_functions_on_functions_and_on_views(chain: Any, activations: str) -> None:
    program, inputs = built(one(chain[0], (IMAGE,), chain[1]), activations, 8)
    ends = 0.5 if isinstance(chain[1][-1], ops.Clamp) else 0.0  # a clamp's end is a code
    assert program.before == {} and distance(program, inputs)[0].max() < 1e-3 + ends


@settings(max_examples=60, deadline=None)
@given(
    op=st.sampled_from([ops.Add(), ops.InstanceNorm(4, 1e-5, True), ops.ChannelAffine(4), ops.PReLU(4), ops.Concat(0)]),
    epilogue=st.sampled_from(
        [
            (ops.Tanh(),),
            (ops.LeakyReLU(0.2),),
            (ops.GELU("none"),),
            (ops.ScaleShift(0.5, 0.1), ops.ReLU()),
            (ops.Abs(), ops.Sigmoid()),
        ]
    ),
    activations=FORMATS,
    seed=st.integers(0, 2**32 - 1),
)
def test_functions_behind_an_operator(op: ops.Op, epilogue: Any, activations: str, seed: int) -> None:
    """Two roundings, the first to a small part of a code where the function is no steeper than its range."""
    shapes = (IMAGE, IMAGE) if isinstance(op, ops.Add | ops.Concat) else (IMAGE,)
    program, inputs = built(one(op, shapes, epilogue), activations, seed)
    assert program.before["y"].format.bits == affine_of(program.encodings["y"])[0].bits + 4
    assert distance(program, inputs)[0].max() < 1.0


@pytest.mark.parametrize("activations", ["int8", "int16", "int4:asym", "fixed8", "fixed16.10:trn:wrap"])
def test_products(activations: str) -> None:
    pairs: list[tuple[ops.Op, tuple[ops.Shape, ...]]] = [
        (ops.MatMul(3), ((4, 5), (5, 3))),
        (ops.DynamicConv2d(4, 2, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 2), ((4, 5, 5), (2, 2, 3, 3))),
        (ops.DynamicConvTranspose2d(4, 2, (3, 3), (2, 2), (1, 1), (1, 1, 0, 0), 1), ((4, 5, 5), (4, 2, 3, 3))),
    ]
    for op, shapes in pairs:
        program, inputs = built(one(op, shapes), activations, 1, 0.5)
        bound = 0.51 if "trn" in activations else 0.01
        if (
            "wrap" not in activations
            or np.abs(exact(program, run_program(program, inputs, keep=("x0", "x1")))).max() < 31
        ):
            assert distance(program, inputs)[0].max() < bound


@pytest.mark.parametrize("activations", ["int8", "int5:sym", "int16", "fixed8"])
def test_division_by_zero_is_past_the_end(activations: str) -> None:
    program, inputs = built(one(ops.Div(), ((5,), (5,))), activations, 2)
    inputs["x1"][:] = [0, 0, 0, 1, 2]
    inputs["x0"][:] = [1, -1, 0, 0, 1]
    y = run_program(program, inputs, kernels="reference")["y"]
    format, scaling = affine_of(program.encodings["y"])
    assert (y[:, :4] == [format.high, format.low, scaling.zero_point, scaling.zero_point]).all()


@pytest.mark.parametrize("op", KNOWN)
@pytest.mark.parametrize("activations", ["int8", "int4", "int16:sym", "fixed8"])
def test_what_is_known_before_the_run(op: ops.Op, activations: str) -> None:
    graph = Graph("g", (Input("x", (2,), classes=7),), (Node("y", op, ("x",)),), ("y",))
    weights = {n: np.random.default_rng(0).standard_normal(s, np.float32) for n, s in graph.parameter_shapes.items()}
    labels = {"x": np.array([[0, 6], [3, 1]], np.float32)}
    program = calibrate(
        assign_formats(graph, parse_precision(f"weights=int8,activations={activations}")), weights, labels
    )
    program = quantize_weights(program, weights)
    real = run_float_op(
        op, weights and {r: weights[f"y.{r}"].astype(np.float64) for r in parameter_shapes(op)}, labels["x"]
    )
    codes = run_program(program, labels, kernels="reference")["y"]
    np.testing.assert_array_equal(codes, quantize(real, *affine_of(program.encodings["y"])))


def test_pooling_and_relu_keep_codes() -> None:
    for op in (ops.MaxPool((2, 2), (2, 2), (1, 1), (0, 1, 1, 0)), ops.ReLU()):
        assert keeps_codes(Node("y", op, ("x0",)))
        program, inputs = built(one(op, (IMAGE,), (ops.Tanh(),)), "int8", 5)
        assert distance(program, inputs)[0].max() < 1.0


@pytest.mark.parametrize("activations", ["int16", "int8", "fixed16.3"])
def test_norms_at_the_ends_of_their_range(activations: str) -> None:
    """Rows of all extremes, constant rows, one element that stands out; sums of 2**18 that take 66 bits."""
    shape = (3, 512, 512)
    graph = one(ops.InstanceNorm(3, 1e-5, True), (shape,))
    rng = np.random.default_rng(0)
    x = np.zeros((1, *shape), np.float32)
    x[0, 0] = 4000 * rng.choice([-1, 1], shape[1:])
    x[0, 1] = 1234.5
    x[0, 2, 5, 7] = -4000
    weights = {"y.weight": np.array([1, -3, 0.01], np.float32), "y.bias": np.array([0, 2, -7], np.float32)}
    program = calibrate(
        assign_formats(graph, parse_precision(f"weights=int8,activations={activations}")), weights, {"x0": x}
    )
    program = quantize_weights(program, weights)
    codes = run_program(program, {"x0": x}, kernels="reference", keep=("x0", "y"))
    format, scaling = affine_of(program.encodings["y"])
    steps = np.clip(exact(program, codes) / scaling.scale[0] + scaling.zero_point, format.low, format.high)
    assert (np.abs(codes["y"] - steps) - 0.5).max() < 0.05


@pytest.mark.parametrize("activations", ["int8", "int4", "fixed8:rnd_conv"])
@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_long_rows_is_computed_once_for_each_code(
    activations: str, axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (600, 3) if axis == 0 else (3, 600)
    program, inputs = built(one(ops.Softmax(axis), (shape,)), activations, 5, 3.0)
    made = run_program(program, inputs, kernels="reference")["y"]
    monkeypatch.setattr(integer_norms, "LONG", 1 << 20)
    np.testing.assert_array_equal(made, run_program(program, inputs, kernels="reference")["y"])
    assert len(np.unique(made)) > 1
