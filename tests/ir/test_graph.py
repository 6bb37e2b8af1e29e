"""Shapes, text and parameter counts of graphs."""

import re

import pytest

from accelsim.errors import GraphError
from accelsim.formats.affine import AffineInt
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import arithmetic, shares_encoding
from accelsim.ir.shapes import result_shape
from accelsim.ir.text import graph_text

CONV = ops.Conv2d(3, 4, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 1, False)
UP = ops.ConvTranspose2d(4, 3, (5, 5), (2, 2), (1, 1), (1, 2, 2, 1), 1, True)


def test_the_text_of_a_graph() -> None:
    nodes = (
        Node("down", CONV, ("image",), (ops.LeakyReLU(0.2),)),
        Node("up", UP, ("down",)),
        Node("sum", ops.Add(), ("up", "image"), (ops.ReLU(), ops.Tanh())),
    )
    graph = Graph("net", (Input("image", (3, 8, 8)), Input("scalar", ())), nodes, ("sum", "down"))
    assert graph_text(graph).splitlines() == [
        "graph net",
        "  image: [N, 3, 8, 8] = input",
        "  scalar: [N] = input",
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
        (ops.Add(), [(3,), (4,)], "takes two inputs of one shape; got sample shape [3] and [4]"),
        (ops.Add(), [(3,)], "takes two inputs of one shape"),
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


def test_what_is_integer_and_what_keeps_its_codes() -> None:
    relu, leaky = (ops.ReLU(),), (ops.LeakyReLU(0.1),)
    expected = [
        (Node("n", CONV, ("x",)), "integer", False),
        (Node("n", UP, ("x",), relu), "integer", False),
        (Node("n", UP, ("x",), leaky), "float", False),
        (Node("n", ops.Dense(3, 3, True), ("x",), (ops.ReLU(), ops.Tanh())), "float", False),
        (Node("n", ops.ReLU(), ("x",)), "integer", True),
        (Node("n", ops.ReLU(), ("x",), leaky), "float", False),
        (Node("n", ops.Tanh(), ("x",)), "float", False),
        (Node("n", ops.Add(), ("x", "x")), "float", False),
        (Node("n", ops.GlobalAveragePool(), ("x",)), "float", False),
        *((Node("n", view, ("x",)), "integer", True) for view in (ops.Slice(0, 0, 1, 1), ops.Reshape((1,)))),
    ]
    for node, kind, shares in expected:
        assert (arithmetic(node), shares_encoding(node)) == (kind, shares), node
    assert AffineInt(8, "tensor", True).low == -127
