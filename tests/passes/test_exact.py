"""The exact rewritings: the same values before and after, and the structure that each should leave.

Tolerance 2e-5 of the largest magnitude: folding rounds new weights once (2**-24 relative, of up to a hundred terms per
sum) and batch norms in a chain multiply it; a fold that is wrong is off by the size of a shift, thousands of times.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.run import run_float
from accelsim.errors import AccelsimError
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node, Weights, check_weights
from accelsim.ir.shapes import result_shape
from accelsim.ir.text import graph_text
from accelsim.passes.fold_batchnorm import fold_batchnorm
from accelsim.passes.fold_crop import fold_crop
from accelsim.passes.fuse_activation import fuse_activation
from accelsim.passes.gather_norm import gather_norm
from accelsim.passes.normalise import normalise

IMAGE = Input("x", (4, 6, 5))
CONV = ops.Conv2d(4, 4, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 1, False)
PADDED = ops.Conv2d(4, 4, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True)
GROUPED = ops.Conv2d(4, 6, (2, 3), (2, 1), (1, 1), (0, 0, 0, 0), 2, False)
UP = ops.ConvTranspose2d(4, 6, (3, 3), (2, 2), (1, 1), (1, -1, 0, 0), 2, True)
NORM, NORM6 = ops.BatchNorm(4, 1e-5), ops.BatchNorm(6, 1e-3)


def weights_for(graph: Graph, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    weights = {name: rng.standard_normal(shape, np.float32) for name, shape in graph.parameter_shapes.items()}
    for name in weights:
        if name.endswith(".var"):
            weights[name] = np.abs(weights[name]) + np.float32(0.1)
    return weights


def chain(*steps: ops.Op, start: Input = IMAGE, outputs: tuple[str, ...] = ()) -> Graph:
    nodes, value = [], start.name
    for i, op in enumerate(steps):
        name = f"{type(op).__name__.lower()}{i}"
        nodes.append(Node(name, op, (value,)))
        value = name
    return Graph("g", (start,), tuple(nodes), (*outputs, value))


def assert_exact(before: Graph, weights: Weights, after: Graph, folded: Weights | None) -> None:
    assert folded is not None
    check_weights(after, folded, "folded")
    rng = np.random.default_rng(1)
    inputs = {v.name: rng.standard_normal((2, *v.shape), np.float32) for v in before.inputs}
    wanted, got = run_float(before, weights, inputs), run_float(after, folded, inputs)
    assert len(before.outputs) == len(after.outputs) and before.inputs == after.inputs
    for old, new in zip(before.outputs, after.outputs, strict=True):
        assert got[new].shape == wanted[old].shape
        tolerance = 2e-5 * max(1.0, np.abs(wanted[old]).max())
        np.testing.assert_allclose(got[new], wanted[old], rtol=0, atol=tolerance)


def structure(graph: Graph) -> list[str]:
    """Operators and what they read, from the text form."""
    return [line.split(" = ")[1].split(" ")[0] for line in graph_text(graph).splitlines()[1 + len(graph.inputs) : -1]]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (chain(CONV, NORM), ["Conv2d"]),
        (chain(PADDED, NORM), ["Conv2d"]),
        (chain(GROUPED, NORM6), ["Conv2d"]),
        (chain(UP, NORM6), ["ConvTranspose2d"]),
        (chain(ops.Dense(3, 4, False), NORM, start=Input("x", (3,))), ["Dense"]),
        (chain(ops.Dense(3, 5, False), NORM, start=Input("x", (4, 3))), ["Dense", "ChannelAffine"]),
        (chain(NORM, ops.Dense(4, 5, False), start=Input("x", (4,))), ["Dense"]),
        (chain(NORM, ops.Dense(3, 5, True), start=Input("x", (4, 3))), ["ChannelAffine", "Dense"]),
        (chain(NORM, CONV), ["Conv2d"]),
        (chain(NORM, GROUPED), ["Conv2d"]),
        (chain(NORM, PADDED), ["ChannelAffine", "Conv2d"]),
        (chain(NORM, ops.ZeroPad((0, 1, 0), (0, 0, 0)), CONV), ["ChannelAffine", "ZeroPad", "Conv2d"]),
        (chain(NORM, UP), ["ChannelAffine", "ConvTranspose2d"]),
        (chain(NORM), ["ChannelAffine"]),
        (chain(ops.ReLU(), NORM, ops.ReLU()), ["ReLU", "ChannelAffine", "ReLU"]),
        (chain(NORM, CONV, outputs=("batchnorm0",)), ["ChannelAffine", "Conv2d"]),
        (chain(CONV, NORM, outputs=("conv2d0",)), ["Conv2d", "ChannelAffine"]),
        (chain(CONV, NORM, NORM), ["Conv2d"]),
        (chain(NORM, NORM, CONV), ["ChannelAffine", "Conv2d"]),
        (chain(CONV, NORM, NORM, NORM, CONV, NORM), ["Conv2d", "Conv2d"]),
        (chain(CONV, NORM, NORM, outputs=("batchnorm1",)), ["Conv2d", "ChannelAffine"]),
    ],
    ids=lambda value: " ".join(structure(value)) if isinstance(value, Graph) else None,
)
def test_batch_norms_fold_where_that_is_exact(graph: Graph, expected: list[str]) -> None:
    weights = weights_for(graph)
    after, folded = fold_batchnorm(graph, weights)
    assert structure(after) == expected
    assert_exact(graph, weights, after, folded)
    shape_only, nothing = fold_batchnorm(graph, None)
    assert shape_only == after and nothing is None


def test_a_norm_with_two_readers_stays_but_one_behind_two_readers_folds() -> None:
    nodes = (
        Node("n", NORM, ("x",)),
        Node("a", CONV, ("n",)),
        Node("b", CONV, ("n",)),
        Node("y", ops.Add(), ("a", "b")),
    )
    graph = Graph("g", (IMAGE,), nodes, ("y",))
    after, folded = fold_batchnorm(graph, weights_for(graph))
    assert structure(after) == ["ChannelAffine", "Conv2d", "Conv2d", "Add"]
    assert_exact(graph, weights_for(graph), after, folded)
    twice = Graph("g", (IMAGE,), (Node("n", NORM, ("x",)), Node("y", ops.Add(), ("n", "n"))), ("y",))
    assert structure(fold_batchnorm(twice, None)[0]) == ["ChannelAffine", "Add"]
    nodes = (Node("c", CONV, ("x",)), Node("n", NORM, ("c",)), Node("y", ops.Add(), ("n", "n")))
    graph = Graph("g", (IMAGE,), nodes, ("y",))
    after, folded = fold_batchnorm(graph, weights_for(graph))
    assert structure(after) == ["Conv2d", "Add"]
    assert_exact(graph, weights_for(graph), after, folded)


def test_a_convolution_whose_result_is_read_twice_keeps_its_norm_apart() -> None:
    nodes = (Node("c", CONV, ("x",)), Node("n", NORM, ("c",)), Node("y", ops.Add(), ("n", "c")))
    graph = Graph("g", (IMAGE,), nodes, ("y",))
    after, folded = fold_batchnorm(graph, weights_for(graph))
    assert structure(after) == ["Conv2d", "ChannelAffine", "Add"]
    assert_exact(graph, weights_for(graph), after, folded)


@pytest.mark.parametrize("folding", ["first", "second", "both"])
def test_a_module_used_twice_may_fold_in_one_place(folding: str) -> None:
    first, second = folding in ("first", "both"), folding in ("second", "both")
    nodes = [Node("c", PADDED, ("x",))]
    nodes += [Node("n", NORM, ("c",))] if first else []
    nodes += [Node("d", PADDED, (nodes[-1].name,), parameters="c")]
    nodes += [Node("m", NORM, ("d",), parameters="n" if first else "")] if second else []
    graph = Graph("g", (IMAGE,), tuple(nodes), (nodes[-1].name,))
    after, folded = fold_batchnorm(graph, weights_for(graph))
    assert structure(after) == ["Conv2d", "Conv2d"]
    assert_exact(graph, weights_for(graph), after, folded)


@pytest.mark.parametrize("epilogue", [(ops.ReLU(),), (ops.Tanh(), ops.LeakyReLU(0.1))])
def test_activations_that_already_ride_stay_where_they_are(epilogue: tuple[ops.Activation, ...]) -> None:
    for steps in (
        (CONV, NORM, CONV),
        (UP, ops.Slice(1, 1, 5, 1)),
        (ops.ZeroPad((0, 1, 1), (0, 0, 0)), CONV, ops.ReLU()),
    ):
        graph = chain(*steps)
        for i in range(len(steps)):
            nodes = tuple(Node(n.name, n.op, n.inputs, epilogue if i == j else ()) for j, n in enumerate(graph.nodes))
            riding = graph.with_nodes(nodes)
            weights = weights_for(riding)
            assert_exact(riding, weights, *normalise(riding, weights))


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (chain(UP, ops.Slice(1, 1, 9, 1)), "crop=2x3x0x0"),
        (chain(UP, ops.Slice(2, 2, 11, 1)), "crop=1x-1x2x0"),
        (chain(UP, ops.Slice(1, 1, 9, 1), ops.Slice(2, 0, 5, 1), ops.Slice(1, 2, 6, 1)), "crop=4x5x0x6"),
        (chain(ops.ZeroPad((0, 1, 2), (0, 3, 4)), CONV), "padding=1x3x2x4"),
        (chain(ops.ZeroPad((0, 1, 0), (0, 0, 1)), ops.ZeroPad((0, 1, 2), (0, 3, 4)), PADDED), "padding=3x4x3x6"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_crops_and_pads_fold(graph: Graph, text: str) -> None:
    after, weights = fold_crop(graph), weights_for(graph)
    assert len(after.nodes) == 1 and text in graph_text(after)
    assert_exact(graph, weights, after, weights)


@pytest.mark.parametrize(
    "graph",
    [
        chain(UP, ops.Slice(0, 1, 4, 1)),
        chain(UP, ops.Slice(1, 0, 9, 2)),
        chain(UP, ops.ReLU(), ops.Slice(1, 0, 9, 1)),
        chain(UP, ops.Slice(1, 0, 9, 1), outputs=("convtranspose2d0",)),
        chain(CONV, ops.Slice(1, 1, 3, 1)),
        chain(ops.ZeroPad((1, 0, 0), (0, 0, 0)), ops.Conv2d(5, 4, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, True)),
        chain(ops.ZeroPad((0, 1, 0), (0, 0, 0)), UP),
        chain(ops.ZeroPad((0, 1, 0), (0, 0, 0)), CONV, outputs=("zeropad0",)),
    ],
    ids=lambda graph: " ".join(structure(graph)),
)
def test_crops_and_pads_that_cannot_fold_stay(graph: Graph) -> None:
    assert fold_crop(graph) == graph


@pytest.mark.parametrize(("start", "stop"), [(1, 2), (2, 1)])
def test_a_crop_takes_the_rows_it_says(start: int, stop: int) -> None:
    up = ops.ConvTranspose2d(4, 3, (5, 5), (2, 2), (1, 1), (0, 0, 0, 0), 1, False)
    graph = chain(up, ops.Slice(1, start, 15 - stop, 1), ops.Slice(2, stop, 13 - start, 1))
    weights = weights_for(graph)
    image = np.random.default_rng(0).standard_normal((2, 4, 6, 5), np.float32)
    (full,) = run_float(chain(up), weights, {"x": image}).values()
    assert full.shape == (2, 3, 15, 13)
    (got,) = run_float(fold_crop(graph), weights, {"x": image}).values()
    np.testing.assert_array_equal(got, full[:, :, start : 15 - stop, stop : 13 - start])
    assert np.abs(got - full[:, :, stop : 15 - start, start : 13 - stop]).max() > 0.1


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (chain(CONV, ops.ReLU()), ["Conv2d -> ReLU"]),
        (chain(CONV, ops.ReLU(), ops.Tanh()), ["Conv2d -> ReLU -> Tanh"]),
        (chain(UP, ops.LeakyReLU(0.2)), ["ConvTranspose2d -> LeakyReLU slope=0.2"]),
        (chain(ops.ChannelAffine(4), ops.Sigmoid()), ["ChannelAffine -> Sigmoid"]),
        (chain(ops.GlobalAveragePool(), ops.ReLU()), ["GlobalAveragePool -> ReLU"]),
        (chain(CONV, ops.ReLU(), outputs=("conv2d0",)), ["Conv2d", "ReLU"]),
        (chain(CONV, ops.ReLU(), ops.Tanh(), outputs=("relu1",)), ["Conv2d -> ReLU", "Tanh"]),
        (chain(ops.ReLU(), ops.Tanh()), ["ReLU", "Tanh"]),
        (chain(ops.InstanceNorm(4, 1e-5, True), ops.ReLU()), ["InstanceNorm -> ReLU"]),
        (
            chain(ops.Reduce("var", (1, 2), True), ops.ScaleShift(1.0, 0.5), ops.Power(-0.5)),
            ["Reduce -> ScaleShift scale=1.0 shift=0.5 -> Power exponent=-0.5"],
        ),
        (chain(ops.Exp(), ops.Abs(), ops.ReLU()), ["Exp -> Abs -> ReLU"]),
        (
            chain(ops.MaxPool((2, 2), (2, 2), (1, 1), (0, 0, 0, 0)), ops.Tanh()),
            ["MaxPool", "Tanh"],
        ),
        (chain(CONV, ops.Permute((0, 1, 2)), ops.ReLU()), ["Conv2d", "Permute", "ReLU"]),
    ],
    ids=lambda value: " ".join(structure(value)) if isinstance(value, Graph) else None,
)
def test_activations_fuse(graph: Graph, expected: list[str]) -> None:
    weights = weights_for(graph)
    after = fuse_activation(graph)
    lines = graph_text(after).splitlines()[2:-1]
    found = [line.split(" = ")[1] for line in lines]
    shown = [" -> ".join([text.split(" ")[0], *text.split(" -> ")[1:]]) for text in found]
    assert shown == expected
    assert_exact(graph, weights, after, weights)


SQUARE_MEAN = (ops.Power(2.0), ops.Reduce("mean", (0,), True), ops.ScaleShift(1.0, 1e-3), ops.Power(-0.5))


def written_out(*steps: ops.Op, last: tuple[str, str], op: ops.Op, centred: bool = False) -> Graph:
    """x through the steps, and `op` on two values by name; `c` is x minus its mean over the image."""
    nodes = list(chain(*steps).nodes)
    nodes = [Node(f"s{i}", n.op, (f"s{i - 1}" if i else "x",)) for i, n in enumerate(nodes)]
    mean = Node("m", ops.Reduce("mean", (1, 2), True), ("x",))
    nodes += [mean, Node("c", ops.Sub(), ("x", "m"))] if centred else []
    return Graph("g", (IMAGE,), (*nodes, Node("y", op, last)), ("y",))


SPREAD = ops.Reduce("var", (1, 2), True)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (written_out(*SQUARE_MEAN, last=("x", "s3"), op=ops.Mul()), ["RMSNorm"]),
        (written_out(*SQUARE_MEAN, last=("s3", "x"), op=ops.Mul()), ["RMSNorm"]),
        (written_out(*SQUARE_MEAN[:3], ops.Power(0.5), last=("x", "s3"), op=ops.Div()), ["RMSNorm"]),
        (
            written_out(
                SPREAD, ops.ScaleShift(1.0, 0.1), ops.Power(-0.5), last=("c", "s2"), op=ops.Mul(), centred=True
            ),
            ["InstanceNorm"],
        ),
        (
            written_out(
                SPREAD,
                ops.ScaleShift(1.5, 0.0),
                ops.ScaleShift(1.0, 0.1),
                ops.Power(0.5),
                last=("c", "s3"),
                op=ops.Div(),
                centred=True,
            ),
            ["InstanceNorm"],
        ),
    ],
)
def test_norms_written_out_are_gathered(graph: Graph, expected: list[str]) -> None:
    after = gather_norm(graph)
    assert structure(after) == expected
    assert_exact(graph, {}, after, {})


@pytest.mark.parametrize(
    "graph",
    [
        written_out(*SQUARE_MEAN, last=("s3", "s3"), op=ops.Mul()),
        written_out(*SQUARE_MEAN, last=("x", "s3"), op=ops.Div()),
        written_out(ops.Abs(), *SQUARE_MEAN[1:], last=("x", "s3"), op=ops.Mul()),
        written_out(*SQUARE_MEAN[:2], ops.Power(-0.5), last=("x", "s2"), op=ops.Mul()),
        written_out(SPREAD, ops.ScaleShift(1.0, 0.1), ops.Power(-0.5), last=("x", "s2"), op=ops.Mul(), centred=True),
        written_out(
            ops.Reduce("var", (1,), True),
            ops.ScaleShift(1.0, 0.1),
            ops.Power(-0.5),
            last=("c", "s2"),
            op=ops.Mul(),
            centred=True,
        ),
    ],
)
def test_what_is_no_norm_stays_as_it_is(graph: Graph) -> None:
    assert gather_norm(graph) == graph


def test_a_root_that_something_else_reads_stays() -> None:
    graph = written_out(*SQUARE_MEAN, last=("x", "s3"), op=ops.Mul())
    graph = graph.with_nodes(graph.nodes, ("y", "s3"))
    after = gather_norm(graph)
    assert structure(after) == ["Power", "Reduce", "ScaleShift", "Power", "RMSNorm"]
    assert_exact(graph, {}, after, {})


def test_the_whole_text_of_a_small_generator() -> None:
    up = ops.ConvTranspose2d(4, 4, (5, 5), (2, 2), (1, 1), (0, 0, 0, 0), 1, False)
    graph = chain(
        up, ops.Slice(1, 1, 13, 1), NORM, ops.LeakyReLU(0.2), ops.ZeroPad((0, 0, 1), (0, 0, 1)), CONV, ops.Tanh()
    )
    after, weights = normalise(graph, weights_for(graph))
    assert_exact(graph, weights_for(graph), after, weights)
    assert graph_text(after).splitlines() == [
        "graph g",
        "  x: [N, 4, 6, 5] = input",
        "  convtranspose2d0: [N, 4, 12, 13] = ConvTranspose2d in_channels=4 out_channels=4 kernel=5x5 stride=2x2 "
        "dilation=1x1 crop=1x2x0x0 groups=1 bias=True (x) -> LeakyReLU slope=0.2",
        "  conv2d5: [N, 4, 10, 13] = Conv2d in_channels=4 out_channels=4 kernel=3x3 stride=1x1 dilation=1x1 "
        "padding=0x0x1x1 groups=1 bias=False (convtranspose2d0) -> Tanh",
        "  return conv2d5",
    ]


@st.composite
def random_graphs(draw: st.DrawFn) -> Graph:
    """Images through a random web of operators: shared modules, several readers, values that are also outputs."""
    shapes: dict[str, ops.Shape] = {"x": (draw(st.sampled_from([2, 4])), 6, 5)}
    inputs = (Input("x", shapes["x"]),)
    nodes: list[Node] = []
    sides = st.integers(0, 2)
    for i in range(draw(st.integers(2, 9))):
        source = draw(st.sampled_from([*list(shapes)[-2:], *list(shapes)[-1:] * 3]))
        shape = shapes[source]
        channels, groups = shape[0], draw(st.sampled_from([1, 2]))
        kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        stride, bias = (draw(st.integers(1, 2)), 1), draw(st.booleans())
        padding = draw(st.sampled_from([(0, 0, 0, 0), (1, 0, 1, 1)]))
        crop = (draw(st.integers(-1, 1)), draw(st.integers(-1, 1)), 0, 0)
        choices: list[Callable[[], ops.Op]] = [
            lambda c=channels: ops.BatchNorm(c, 1e-3),
            lambda c=channels: ops.BatchNorm(c, 1e-3),
            lambda c=channels, k=kernel, s=stride, p=padding, g=groups, b=bias: ops.Conv2d(c, 4, k, s, (1, 1), p, g, b),
            lambda c=channels, k=kernel, s=stride, p=crop, g=groups, b=bias: ops.ConvTranspose2d(
                c, 2, k, s, (1, 1), p, g, b
            ),
            lambda: ops.LeakyReLU(0.3),
            lambda: ops.ReLU(),
            lambda n=shape[1]: ops.Slice(1, draw(st.integers(0, 1)), n - draw(st.integers(0, 1)), 1),
            lambda: ops.ZeroPad((0, draw(sides), draw(sides)), (0, draw(sides), draw(sides))),
            lambda: ops.Add(),
        ]
        op = draw(st.sampled_from(choices))()
        reads = (source, source)
        if isinstance(op, ops.Add):
            reads = (source, draw(st.sampled_from([n for n, s in shapes.items() if s == shape])))
        reads = reads if isinstance(op, ops.Add) else (source,)
        try:
            made = result_shape(op, *(shapes[name] for name in reads))
        except AccelsimError:
            continue
        twins = [n.parameters or n.name for n in nodes if n.op == op]
        prefix = draw(st.sampled_from(twins)) if twins and draw(st.booleans()) else ""
        nodes.append(Node(f"n{i}", op, reads, parameters=prefix))
        shapes[f"n{i}"] = made
    last = list(shapes)[-1]
    extra = draw(st.lists(st.sampled_from(list(shapes)), max_size=2))
    return Graph("g", inputs, tuple(nodes), (last, *extra))


@settings(max_examples=150, deadline=None)
@given(graph=random_graphs(), seed=st.integers(0, 1000))
def test_random_graphs_keep_their_values(graph: Graph, seed: int) -> None:
    weights = weights_for(graph, seed)
    assert_exact(graph, weights, fold_crop(graph), weights)
    assert_exact(graph, weights, *fold_batchnorm(graph, weights))
    assert_exact(graph, weights, fuse_activation(graph), weights)
    after, folded = normalise(graph, weights)
    assert_exact(graph, weights, after, folded)
    assert not any(isinstance(node.op, ops.BatchNorm) for node in after.nodes)
    assert_exact(after, folded or {}, *normalise(after, folded))
    assert normalise(graph, None) == (after, None)
