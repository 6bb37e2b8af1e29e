"""Tables hold functions to the last bit, cover what calibration saw, and take the bytes that are counted for them."""

import math
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

from accelsim.formats.affine import AffineInt, Scaling, scaling_for_range
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.lookup import KNOT_BYTES, Lookup, looked_up
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.constant_bytes import operator_constant_bytes
from accelsim.ir.constants import Slopes
from accelsim.ir.epilogue import Functions, functions_of
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights
from accelsim.passes.tabulate import Stored, reach_that_matters, tabulated

EXACT: list[tuple[ops.Activation, Any]] = [
    (ops.Tanh(), mpmath.tanh),
    (ops.Sigmoid(), lambda x: 1 / (1 + mpmath.exp(-x))),
    (ops.GELU("none"), lambda x: x * (1 + mpmath.erf(x / mpmath.sqrt(2))) / 2),
    (ops.SiLU(), lambda x: x / (1 + mpmath.exp(-x))),
    (ops.Softplus(1.0), lambda x: mpmath.log(1 + mpmath.exp(x))),
    (ops.Exp(), mpmath.exp),
    (ops.ELU(1.0, 1.0), lambda x: x if x > 0 else mpmath.expm1(x)),
]


def stored(bits: int, low: float, high: float) -> Stored:
    format = AffineInt(bits, "tensor", symmetric=False)
    return Stored(format, scaling_for_range(format, low, high))


@pytest.mark.parametrize(("function", "exact"), EXACT, ids=[type(function).__name__ for function, _ in EXACT])
@pytest.mark.parametrize("bits", [8, 16])
def test_entries_are_the_function_in_fifty_digits(function: ops.Activation, exact: Any, bits: int) -> None:
    """Narrow: half a code. Wide: a knot is rounded to 2**-8, a line bends away by h**2 / 8, the result is rounded."""
    source = stored(bits, -4.0, 3.0)
    sampled = range(source.format.low, source.format.high + 1, 1 if bits == 8 else 211)
    with mpmath.workdps(50):
        reals = [exact(mpmath.mpf((code - source.scaling.zero_point) * source.step)) for code in sampled]
    out = stored(bits, min(0.0, *map(float, reals)), max(map(float, reals)))
    table = tabulated(Functions((function,), ()), source, bits, out)
    got = looked_up(np.array(sampled), table)
    errors = [abs(int(code) - out.scaling.zero_point - real / out.step) for code, real in zip(got, reals, strict=True)]
    assert max(errors) <= 0.5 + (1e-6 if bits == 8 else 2**-8 + 0.06)


def test_tanh_is_covered_until_its_codes_stop_changing() -> None:
    out = Stored(AffineInt(8, "tensor", symmetric=True), Scaling(np.array([1 / 127]), 0))
    reach = reach_that_matters(Functions((ops.Tanh(),), ()), -50.0, 40.0, out)
    last = 126.5 * out.step  # the value from which on the code is the largest
    assert math.atanh(last) <= reach + 50 / 2**13 and reach < math.atanh(last) + 2.5 * 50 / 2**13
    tie = Stored(out.format, Scaling(np.array([2 / 255]), 0))  # -1 is a tie that tanh meets at -19 in float64
    assert reach_that_matters(Functions((ops.Tanh(),), ()), -50.0, 40.0, tie) < 4.2
    assert 0.49 < reach_that_matters(Functions((ops.Tanh(),), ()), -0.5, 0.25, out) <= 0.5  # less half a code
    assert reach_that_matters(Functions((ops.GELU("none"),), ()), -50.0, 40.0, stored(8, -0.2, 40.0)) > 39.9
    assert reach_that_matters(Functions((ops.Sign(),), ()), -8.0, 8.0, out) == 8 / 2**13
    assert reach_that_matters(Functions((ops.Tanh(),), ()), 0.0, 0.0, out) == 0.0


def test_clamps_at_the_end_are_limits_of_codes_and_functions_decide_the_table() -> None:
    relu, tanh, leaky, clamp = ops.ReLU(), ops.Tanh(), ops.LeakyReLU(0.2), ops.Clamp(0.0, 1.0)
    node = Node("n", ops.Add(), ("a", "b"), (relu, tanh, clamp, relu))
    assert functions_of(node) == Functions((relu, tanh), (clamp, relu))
    assert functions_of(node).knots and functions_of(node).tabulated
    assert not functions_of(Node("n", ops.Add(), ("a", "b"), (leaky, relu))).tabulated
    assert not Functions((tanh, relu, tanh), ()).knots and not Functions((ops.Log(),), ()).knots


def program(op: ops.Op, shape: ops.Shape, epilogue: tuple[ops.Activation, ...], precision: str) -> Program:
    graph = Graph("g", (Input("x", shape),), (Node("y", op, ("x",), epilogue),), ("y",))
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal(s, np.float32) for name, s in graph.parameter_shapes.items()}
    x = {"x": 3 * rng.standard_normal((8, *shape)).astype(np.float32)}
    return quantize_weights(calibrate(assign_formats(graph, parse_precision(precision)), weights, x), weights)


@pytest.mark.parametrize("precision", ["int8", "int10", "int16", "fixed8"])
@pytest.mark.parametrize("function", [ops.Tanh(), ops.Log(), ops.LeakyReLU(0.2)])
def test_bytes_are_those_of_the_arrays(precision: str, function: ops.Activation) -> None:
    """Known before calibration, and still what the program holds after it."""
    chain = (ops.Softplus(1.0), function) if isinstance(function, ops.Log) else (function,)
    for op, shape in ((ops.Dense(3, 4, True), (3,)), (ops.Tanh(), (3,))):
        made = program(op, shape, chain, precision)
        node, out = made.graph.node("y"), made.encodings["y"].format
        blank = assign_formats(made.graph, made.precision)
        assert operator_constant_bytes(blank, node) == operator_constant_bytes(made, node)
        constants = made.constants["y"]
        if isinstance(constants.core, Slopes):
            assert operator_constant_bytes(made, node) == 5 * constants.core.negative.multiplier.size
            continue
        table = constants.finish.activation
        assert isinstance(table, Lookup)
        each = KNOT_BYTES * 8 if table.spacing else out.bits
        assert operator_constant_bytes(made, node) == -(-len(table.entries) * each // 8)


@pytest.mark.parametrize(
    ("op", "epilogue", "size"),
    [
        (ops.LeakyReLU(0.2), (), 5 + 5),
        (ops.ScaleShift(2.0, 1.0), (), 5 + 6),
        (ops.Clamp(-1.0, 1.0), (), 5 + 6),
        (ops.ReLU(), (), 0),  # keeps codes
        (ops.ReLU(), (ops.Clamp(0.0, 1.0),), 5 + 6),
        (ops.Reshape((6,)), (), 0),
        (ops.Reshape((6,)), (ops.LeakyReLU(0.2),), 5 + 5),
        (ops.GlobalAveragePool(), (), 5),
        (ops.GlobalAveragePool(), (ops.LeakyReLU(0.2),), 5 + 5 + 5),
        (ops.GlobalAveragePool(), (ops.Tanh(),), 5 + 2**12),
        (ops.RMSNorm((0,), 1e-5), (), 8 + 5 + 6),
        (ops.Softmax(0), (), 4 * 2**8 + 5),
    ],
)
def test_bytes_by_hand(op: ops.Op, epilogue: tuple[ops.Activation, ...], size: int) -> None:
    graph = Graph("g", (Input("x", (2, 3, 1)),), (Node("y", op, ("x",), epilogue),), ("y",))
    made = assign_formats(graph, parse_precision("int8"))
    assert operator_constant_bytes(made, graph.node("y")) == size


def test_fixed_point_lands_on_a_power_of_two() -> None:
    made = program(ops.Dense(3, 4, True), (3,), (ops.Tanh(),), "fixed8.6:trn:wrap")
    assert isinstance(made.encodings["y"].format, FixedPoint)
    scaling = made.before["y"].scaling
    assert isinstance(scaling, Scaling) and math.frexp(float(scaling.scale[0]))[0] == 0.5
    assert str(made.before["y"].format) == "int12:tensor:sym"
