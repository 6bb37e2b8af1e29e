"""Shapes, text and parameter counts of graphs."""

import re
from typing import get_args

import pytest

from accelsim.errors import GraphError
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import arithmetic, encoding_roots, is_view, keeps_codes, storage_roots
from accelsim.ir.shapes import result_shape
from accelsim.ir.text import graph_text

CONV = ops.Conv2d(3, 4, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 1, False)
UP = ops.ConvTranspose2d(4, 3, (5, 5), (2, 2), (1, 1), (1, 2, 2, 1), 1, True)
DYNAMIC = ops.DynamicConv2d(3, 4, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 1)


def test_the_text_of_a_graph() -> None:
    nodes = (
        Node("down", CONV, ("image",), (ops.LeakyReLU(0.2),)),
        Node("up", UP, ("down",)),
        Node("sum", ops.Add(), ("up", "image"), (ops.ReLU(), ops.Tanh())),
    )
    graph = Graph("net", (Input("image", (3, 8, 8)), Input("label", (), 10)), nodes, ("sum", "down"))
    assert graph_text(graph).splitlines() == [
        "graph net",
        "  image: [N, 3, 8, 8] = input",
        "  label: [N] = input classes=10",
        "  down: [N, 4, 4, 4] = Conv2d in_channels=3 out_channels=4 kernel=3x3 stride=2x2 dilation=1x1 "
        "padding=1x1x1x1 groups=1 bias=False (image) -> LeakyReLU slope=0.2",
        "  up: [N, 3, 8, 8] = ConvTranspose2d in_channels=4 out_channels=3 kernel=5x5 stride=2x2 dilation=1x1 "
        "crop=1x2x2x1 groups=1 bias=True (down)",
        "  sum: [N, 3, 8, 8] = Add (up, image) -> ReLU -> Tanh",
        "  return sum, down",
    ]
    assert graph.trainable_parameters == 4 * 3 * 9 + 4 * 3 * 25 + 3
    assert [node.name for node in graph.readers["image"]] == ["down", "sum"]


def test_shared_parameters_count_once_and_statistics_not_at_all() -> None:
    dense, norm = ops.Dense(4, 4, True), ops.BatchNorm(4, 1e-5)
    nodes = (
        Node("a", dense, ("x",)),
        Node("b", dense, ("a",), parameters="a"),
        Node("n", norm, ("b",)),
        Node("c", dense, ("n",)),
    )
    graph = Graph("g", (Input("x", (4,)),), nodes, ("c",))
    assert graph.trainable_parameters == 2 * (16 + 4) + 2 * 4
    assert graph.parameter_shapes["n.mean"] == (4,) and "b.weight" not in graph.parameter_shapes


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (ops.Dense(4, 3, True), [(3,)], "takes one input with 4 features last; got sample shape [3]"),
        (ops.Dense(4, 3, True), [()], "takes one input with 4 features last; got sample shape []"),
        (ops.Dense(0, 3, True), [(0,)], "must be 1 or more"),
        (CONV, [(3, 8)], "takes one input [3, H, W]; got sample shape [3, 8]"),
        (CONV, [], "takes one input [3, H, W]; got sample shape nothing"),
        (ops.Conv2d(3, 4, (9, 9), (1, 1), (1, 1), (0, 0, 0, 0), 1, False), [(3, 8, 9)], "kernel is larger than the"),
        (ops.ConvTranspose2d(3, 4, (2, 2), (1, 1), (1, 1), (2, 1, 0, 0), 1, False), [(3, 2, 2)], "crop leaves nothing"),
        (ops.ConvTranspose2d(3, 4, (2, 2), (1, 1), (1, 1), (0, 0, 0, 0), 2, False), [(3, 2, 2)], "divide by groups"),
        (ops.BatchNorm(4, 1e-5), [(3, 4)], "takes one input with 4 channels"),
        (ops.Add(), [(3,), (4,)], "axes must be equal or 1; got sample shape [3] and [4]"),
        (ops.Mul(), [(3, 4), (4,)], "takes two inputs of one rank; got sample shape [3, 4] and [4]"),
        (ops.Add(), [(3,)], "takes two inputs of one rank"),
        (ops.MatMul(5), [(2, 3), (4, 5)], "takes two inputs [..., m, k] and [..., k, 5]"),
        (ops.MatMul(4), [(2, 3), (3, 5)], "takes two inputs [..., m, k] and [..., k, 4]"),
        (ops.MatMul(5), [(2, 2, 3), (3, 3, 5)], "axes must be equal or 1"),
        (DYNAMIC, [(3, 8, 8)], "takes weights [4, 3, 3, 3] as its second input; got sample shape [3, 8, 8]"),
        (DYNAMIC, [(3, 8, 8), (4, 3, 3, 2)], "takes weights [4, 3, 3, 3] as its second input"),
        (CONV, [(3, 8, 8), (4, 3, 3, 3)], "takes one input [3, H, W]"),
        (ops.InstanceNorm(4, 1e-5, True), [(3, 4, 4)], "takes one input with 4 channels"),
        (ops.GroupNorm(4, 3, 1e-5, True), [(4, 4)], "channels must divide by groups"),
        (ops.LayerNorm((4,), 1e-5, True), [(4, 3)], "takes one input whose last axes are [4]"),
        (ops.PReLU(4), [(3, 3)], "takes one input with 4 channels"),
        (ops.RMSNorm((2,), 1e-5), [(3, 3)], "names axes that the input has, each once"),
        (ops.Reduce("sum", (0, 0), False), [(3, 3)], "names axes that the input has, each once"),
        (ops.Reduce("sum", (), False), [(3, 3)], "names axes that the input has, each once"),
        (ops.Softmax(-1), [(3, 3)], "names axes that the input has"),
        (ops.MaxPool((5, 5), (1, 1), (1, 1), (0, 0, 0, 0)), [(3, 4, 5)], "window is larger than the padded image"),
        (ops.MaxPool((2, 2), (1, 1), (1, 1), (2, 0, 0, 0)), [(3, 4, 5)], "padding must be smaller than the window"),
        (ops.AveragePool((2, 2), (0, 1), (0, 0, 0, 0), True), [(3, 4, 5)], "must be 1 or more"),
        (ops.AdaptivePool("max", (2, 2)), [(3, 4)], "takes one input with a channel and 2 spatial axes"),
        (ops.Interpolate("linear", (2, 0), (1.0, 1.0), True), [(3, 4, 4)], "sizes must be 1 or more"),
        (ops.ResizeNearest((2, 2), (1.0,), 0.0), [(3, 4, 4)], "each with a step"),
        (ops.Embedding(0, 3), [(1,)], "must be 1 or more"),
        (ops.Concat(0), [(3, 4), (3, 5)], "inputs must agree in all axes but 0"),
        (ops.Concat(2), [(3, 4), (3, 4)], "inputs must agree in all axes but 2"),
        (ops.Concat(0), [], "inputs must agree"),
        (ops.EdgePad((0, 4), (0, 0), "reflect"), [(3, 4)], "pads must be smaller than their axis"),
        (ops.EdgePad((0, -1), (0, 0), "replicate"), [(3, 4)], "pads every axis by 0 or more"),
        (ops.Take(0, (0, 3)), [(3, 4)], "every index must lie inside the axis"),
        (ops.Expand((3, 4)), [(3, 2)], "repeats axes of size 1 only"),
        (ops.Constant((0,)), [(1,)], "must be 1 or more"),
        (ops.Constant((2,)), [], "takes one input, for the batch"),
        (ops.ReLU(), [(3,), (3,)], "ReLU: takes one input"),
        (ops.ZeroPad((0,), (-1,)), [(3,)], "pads every axis by 0 or more"),
        (ops.ZeroPad((0,), (1,)), [(3, 3)], "takes one input, and pads every axis"),
        (ops.Slice(0, 1, 4, 1), [(3,)], "the slice must lie inside its axis"),
        (ops.Slice(0, 2, 2, 1), [(3,)], "the slice must lie inside its axis"),
        (ops.Slice(0, 0, 2, 0), [(3,)], "the slice must lie inside its axis"),
        (ops.Slice(1, 0, 2, 1), [(3,)], "the slice must lie inside its axis"),
        (ops.Slice(-1, 0, 2, 1), [(3,)], "the slice must lie inside its axis"),
        (ops.GlobalAveragePool(), [(3,)], "takes one input [C, ...]"),
        (ops.Reshape((2, 2)), [(3,)], "must keep the 4 elements"),
        (ops.Reshape((-1, -3)), [(3,)], "must keep the 3 elements"),
        (ops.Permute((0, 0)), [(3, 3)], "must name each axis once"),
    ],
)
def test_shapes_that_do_not_follow(op: ops.Op, inputs: list[ops.Shape], message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        result_shape(op, *inputs)


def test_an_error_names_graph_and_node() -> None:
    with pytest.raises(GraphError, match=r"^graph net: top: Permute axes=1x0: must name each axis once; got .*\[3\]$"):
        Graph("net", (Input("x", (3,)),), (Node("top", ops.Permute((1, 0)), ("x",)),), ("top",))


VIEWS: tuple[ops.View, ...] = (
    ops.Slice(0, 0, 1, 1),
    ops.Reshape((1,)),
    ops.Permute((0,)),
    ops.Take(0, (0,)),
    ops.Expand((1,)),
    ops.ZeroPad((0,), (1,)),
    ops.EdgePad((0,), (1,), "replicate"),
    ops.ResizeNearest((2,), (0.5,), 0.0),
)


def test_what_is_integer_and_what_keeps_its_codes() -> None:
    relu, leaky = (ops.ReLU(),), (ops.LeakyReLU(0.1),)
    pool = ops.MaxPool((2, 2), (2, 2), (1, 1), (0, 0, 0, 0))
    expected = [
        (Node("n", CONV, ("x",)), "integer", False, False),
        (Node("n", UP, ("x",), relu), "integer", False, False),
        (Node("n", UP, ("x",), leaky), "integer", False, False),
        (Node("n", ops.Dense(3, 3, True), ("x",), (ops.ReLU(), ops.Tanh())), "integer", False, False),
        (Node("n", ops.ReLU(), ("x",)), "integer", True, False),
        (Node("n", ops.ReLU(), ("x",), leaky), "integer", False, False),
        (Node("n", pool, ("x",)), "integer", True, False),
        (Node("n", pool, ("x",), relu), "integer", False, False),
        (Node("n", ops.Tanh(), ("x",)), "integer", False, False),
        (Node("n", ops.Add(), ("x", "x")), "integer", False, False),
        (Node("n", ops.Concat(0), ("x", "x")), "integer", False, False),
        (Node("n", ops.MatMul(2), ("x", "x")), "integer", False, False),
        (Node("n", ops.GlobalAveragePool(), ("x",)), "integer", False, False),
        (Node("n", ops.Reshape((1,)), ("x",), leaky), "integer", False, False),
        (Node("n", ops.Pow(), ("x", "x")), "float", False, False),
        *((Node("n", view, ("x",)), "integer", True, True) for view in VIEWS),
    ]
    for node, kind, keeps, view in expected:
        assert (arithmetic(node), keeps_codes(node), is_view(node)) == (kind, keeps, view), node
    assert {type(view) for view in VIEWS} == set(get_args(ops.View))


def test_what_is_stored_and_whose_codes_it_has() -> None:
    nodes = (
        Node("c", CONV, ("image",)),
        Node("r", ops.ReLU(), ("c",)),
        Node("v", ops.Slice(0, 0, 2, 1), ("r",)),
        Node("m", ops.MaxPool((2, 2), (2, 2), (1, 1), (0, 0, 0, 0)), ("v",)),
        Node("t", ops.Tanh(), ("m",)),
    )
    graph = Graph("net", (Input("image", (3, 8, 8)),), nodes, ("t",))
    assert storage_roots(graph) == {"image": "image", "c": "c", "r": "r", "v": "r", "m": "m", "t": "t"}
    assert encoding_roots(graph) == {"image": "image", "c": "c", "r": "c", "v": "c", "m": "c", "t": "t"}
