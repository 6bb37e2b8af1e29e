"""Stored graphs and weights: equal after a round trip, hashes that see every field, one sentence for every mistake."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError, GraphError
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node, check_weights
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.shapes import result_shape
from accelsim.ir.store import (
    graph_hash,
    graph_json,
    load_graph,
    load_tensors,
    load_weights,
    save_graph,
    save_weights,
    weights_hash,
)
from accelsim.ir.text import graph_text

SAMPLES: dict[ops.Op, ops.Shape] = {
    ops.Dense(4, 3, True): (2, 4),
    ops.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (0, 1, 2, 3), 2, False): (4, 5, 6),
    ops.ConvTranspose2d(4, 6, (3, 2), (2, 1), (1, 2), (0, -1, 2, 1), 2, True): (4, 5, 6),
    ops.BatchNorm(4, 1e-5): (4, 3),
    ops.ChannelAffine(4): (4, 3),
    ops.ReLU(): (4,),
    ops.LeakyReLU(0.2): (4,),
    ops.Tanh(): (4,),
    ops.Sigmoid(): (4,),
    ops.ZeroPad((0, 1), (2, 0)): (4, 3),
    ops.Slice(1, 1, 5, 2): (4, 6),
    ops.GlobalAveragePool(): (4, 3, 2),
    ops.Reshape((2, 6)): (4, 3),
    ops.Permute((2, 0, 1)): (4, 3, 2),
    ops.InstanceNorm(4, 1e-5, True): (4, 3, 2),
    ops.GroupNorm(4, 2, 1e-5, False): (4, 3, 2),
    ops.LayerNorm((3, 2), 1e-5, True): (4, 3, 2),
    ops.RMSNorm((0,), 1e-8): (4, 3, 2),
    ops.ELU(0.5, 2.0): (4,),
    ops.Softplus(2.0): (4,),
    ops.GELU("tanh"): (4,),
    ops.SiLU(): (4,),
    ops.Mish(): (4,),
    ops.HardSigmoid(): (4,),
    ops.HardSwish(): (4,),
    ops.Clamp(None, 6.0): (4,),
    ops.ScaleShift(2.0, -1.0): (4,),
    ops.Power(-0.5): (4,),
    ops.Abs(): (4,),
    ops.Exp(): (4,),
    ops.Log(): (4,),
    ops.Sin(): (4,),
    ops.Cos(): (4,),
    ops.Sign(): (4,),
    ops.PReLU(4): (4, 3),
    ops.Reduce("var", (0, 2), True): (4, 3, 2),
    ops.MaxPool((3, 2), (2, 1), (1, 2), (1, 0, 1, 1)): (4, 5, 6),
    ops.AveragePool((3, 2), (2, 1), (1, 0, 1, 1), True): (4, 5, 6),
    ops.AdaptivePool("max", (2, 3)): (4, 5, 7),
    ops.Softmax(1): (4, 3),
    ops.Interpolate("cubic", (7, 9), (0.5, 0.75), False): (4, 3, 2),
    ops.ResizeNearest((7, 9), (0.5, 0.75), 0.5): (4, 3, 2),
    ops.Embedding(10, 3): (2,),
    ops.OneHot(10): (2,),
    ops.Constant((4, 2)): (3,),
    ops.EdgePad((0, 1), (2, 0), "reflect"): (4, 3),
    ops.Take(1, (2, 0, 0)): (4, 3),
    ops.Expand((4, 3)): (4, 1),
}

SEVERAL: dict[ops.Op, tuple[ops.Shape, ...]] = {
    **dict.fromkeys((ops.Add(), ops.Sub(), ops.Mul(), ops.Div()), ((4, 1), (4, 3))),
    **dict.fromkeys((ops.Pow(), ops.Maximum(), ops.Minimum()), ((4, 1), (4, 3))),
    ops.Concat(1): ((4, 3), (4, 1), (4, 2)),
    ops.MatMul(5): ((2, 4, 3), (1, 3, 5)),
    ops.DynamicConv2d(4, 6, (3, 2), (2, 1), (1, 2), (0, 1, 2, 3), 2): ((4, 5, 6), (6, 2, 3, 2)),
    ops.DynamicConvTranspose2d(4, 6, (3, 2), (2, 1), (1, 2), (0, -1, 2, 1), 2): ((4, 5, 6), (4, 3, 3, 2)),
}


def graph_of(op: ops.Op, epilogue: tuple[ops.Activation, ...] = ()) -> Graph:
    shapes = SEVERAL.get(op) or (SAMPLES[op],)
    classes = 10 if isinstance(op, ops.Embedding | ops.OneHot) else 0
    inputs = tuple(Input(f"x{i}" if i else "x", shape, classes) for i, shape in enumerate(shapes))
    return Graph("g", inputs, (Node("y", op, tuple(value.name for value in inputs), epilogue),), ("y",))


EVERY = [*SAMPLES, *SEVERAL]


def test_operators_are_found_by_name() -> None:
    assert set(ops.OPERATORS.values()) == set(get_args(ops.Op)) >= {type(op) for op in EVERY}
    assert all(op.__name__ == name for name, op in ops.OPERATORS.items())


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_every_operator_round_trips(op: ops.Op, tmp_path: Path) -> None:
    graph = graph_of(op, (ops.LeakyReLU(0.25), ops.Tanh()))
    path = tmp_path / "graph.json"
    save_graph(graph, path)
    loaded = load_graph(path)
    assert loaded == graph and hash(loaded.nodes) == hash(graph.nodes)
    assert graph_json(loaded) == graph_json(graph) == path.read_text()
    assert graph_hash(loaded) == graph_hash(graph)
    assert graph_text(loaded) == graph_text(graph)
    for field_ in fields(op):
        assert type(getattr(loaded.nodes[0].op, field_.name)) is type(getattr(op, field_.name))


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str | None):
        return f"{value}!"
    if isinstance(value, tuple):
        return (value[0] + 1, *value[1:])
    return value + 1 if isinstance(value, int) else value / 2


class Unchecked(Graph):
    """A graph whose shapes need not follow: what the hash sees is not what the verifier sees."""

    def __post_init__(self) -> None: ...


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_the_hash_sees_every_field_of_an_operator(op: ops.Op) -> None:
    def graph(of: ops.Op) -> Graph:
        return Unchecked("g", (Input("x", (4, 3)),), (Node("y", of, ("x",)),), ("y",))

    others = [replace(op, **{f.name: changed(getattr(op, f.name))}) for f in fields(op)]
    hashes = {graph_hash(graph(of)) for of in (op, *others)}
    assert len(hashes) == 1 + len(fields(op))


def test_the_hash_sees_every_other_field_and_is_stable() -> None:
    dense, node = ops.Dense(4, 4, True), Node("y", ops.Dense(4, 4, True), ("x",))
    inputs = (Input("x", (4,)), Input("w", (4,)))
    graph = Graph("g", inputs, (node, Node("z", dense, ("y",))), ("y", "z"))
    variants = [
        graph,
        replace(graph, name="h"),
        replace(graph, inputs=(*inputs, Input("v", (1,)))),
        replace(graph, inputs=(inputs[0], Input("w", (5,)))),
        replace(graph, inputs=inputs[::-1]),
        replace(graph, inputs=(inputs[0], replace(inputs[1], classes=7))),
        replace(graph, outputs=("z", "y")),
        replace(graph, outputs=("z",)),
        graph.with_nodes((replace(node, inputs=("w",)), graph.nodes[1])),
        graph.with_nodes((replace(node, epilogue=(ops.ReLU(),)), graph.nodes[1])),
        graph.with_nodes((replace(node, epilogue=(ops.ReLU(), ops.ReLU())), graph.nodes[1])),
        graph.with_nodes((replace(node, parameters="z"), graph.nodes[1])),
        graph.with_nodes((graph.nodes[0],), ("y",)),
    ]
    assert len({graph_hash(v) for v in variants}) == len(variants)
    assert graph_hash(graph) == "edffff778903c42c413fb5eddefb7a38ffcce903e6533b515e40d2a06df1aed3"


SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = st.text(min_size=1, max_size=8)
    used = draw(st.lists(names, min_size=2, max_size=7, unique=True))
    inputs = [Input(used[0], draw(SHAPES))]
    nodes: list[Node] = []
    shapes = {inputs[0].name: inputs[0].shape}
    for name in used[1:]:
        source = draw(st.sampled_from(sorted(shapes)))
        shape = shapes[source]
        pads = tuple(draw(st.integers(0, 2)) for _ in shape)
        op = draw(
            st.sampled_from(
                [
                    ops.Dense(shape[-1], draw(st.integers(1, 4)), draw(st.booleans())),
                    ops.BatchNorm(shape[0], draw(st.floats(0, 1))),
                    ops.LeakyReLU(draw(st.floats(allow_nan=False, allow_infinity=False))),
                    ops.ZeroPad(pads, pads[::-1]),
                    ops.Permute(tuple(draw(st.permutations(range(len(shape)))))),
                    ops.Reshape(shape[::-1]),
                    ops.Tanh(),
                ]
            )
        )
        nodes.append(Node(name, op, (source,), draw(st.sampled_from([(), (ops.ReLU(),)]))))
        shapes[name] = result_shape(op, shape)
    outputs = tuple(draw(st.lists(st.sampled_from(used), min_size=1, max_size=3)))
    return Graph(draw(names), tuple(inputs), tuple(nodes), outputs)


@settings(max_examples=100, deadline=None)
@given(graph=graphs(), data=st.data())
def test_random_graphs_round_trip(graph: Graph, data: st.DataObject, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "random.json"
    save_graph(graph, path)
    assert load_graph(path) == graph
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    weights = {n: rng.standard_normal(s, np.float32) for n, s in graph.parameter_shapes.items() if n.isprintable()}
    save_weights(weights, path.with_suffix(".safetensors"))
    loaded = load_weights(path.with_suffix(".safetensors"))
    assert set(loaded) == set(weights)
    for name, tensor in weights.items():
        np.testing.assert_array_equal(loaded[name], tensor)
    assert weights_hash(loaded) == weights_hash(weights)


def test_the_weights_hash_sees_names_shapes_values_but_not_order() -> None:
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float32)
    base = weights_hash({"a": a, "b": b})
    assert base == weights_hash({"b": b, "a": np.asfortranarray(a)})
    nudged = a.copy()
    nudged[1, 2] = np.nextafter(nudged[1, 2], np.float32(9))
    others = [{"a": a.reshape(3, 2), "b": b}, {"a": a, "c": b}, {"a": nudged, "b": b}, {"a": a}, {"a": a, "b": -b}]
    assert len({base, *(weights_hash(o) for o in others)}) == 6


def document() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(
        graph_json(graph_of(ops.Conv2d(1, 1, (1, 1), (1, 1), (1, 1), (0,) * 4, 1, True)))
    )
    return stored


SAMPLES[ops.Conv2d(1, 1, (1, 1), (1, 1), (1, 1), (0,) * 4, 1, True)] = (1, 4, 4)


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(GraphError) as caught:
        load_graph(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < len(str(path)) + 250
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("schema",), "accelsim/graph/2", "not a stored graph; expected schema 'accelsim/graph/1'"),
        (("nodes", 0, "op", "type"), "Conv2D", "y: no operator 'Conv2D' (did you mean 'Conv2d'?)"),
        (("nodes", 0, "op", "type"), "Attention", "y: no operator 'Attention'"),
        (("nodes", 0, "op", "type"), 3, "y: type: expected a string, got 3"),
        (("nodes", 0, "op", "strides"), 3, "y: Conv2d: unknown field 'strides' (did you mean 'stride'?)"),
        (("nodes", 0, "op", "groups"), "1", "y: Conv2d.groups: expected an integer, got '1'"),
        (("nodes", 0, "op", "groups"), 1.0, "y: Conv2d.groups: expected an integer, got 1.0"),
        (("nodes", 0, "op", "groups"), True, "y: Conv2d.groups: expected an integer, got True"),
        (("nodes", 0, "op", "groups"), [1], "y: Conv2d.groups: expected an integer, got [1]"),
        (("nodes", 0, "op", "bias"), 1, "y: Conv2d.bias: expected true or false, got 1"),
        (("nodes", 0, "op", "bias"), [1], "y: Conv2d.bias: expected true or false, got [1]"),
        (("nodes", 0, "op", "kernel"), 1, "y: Conv2d.kernel: expected a list, got 1"),
        (("nodes", 0, "op", "kernel"), [1, 1, 1], "y: Conv2d.kernel: expected 2 integers, got [1, 1, 1]"),
        (("nodes", 0, "op", "padding"), [1, 1], "y: Conv2d.padding: expected 4 integers, got [1, 1]"),
        (("nodes", 0, "op", "padding"), [0, 0, 0, -1], "padding must be 0 or more"),
        (("nodes", 0, "op", "stride"), [0, 1], "sizes, strides, dilations and groups must be 1 or more"),
        (("nodes", 0, "op", "groups"), 0, "sizes, strides, dilations and groups must be 1 or more"),
        (("nodes", 0, "op", "groups"), 2, "channels must divide by groups"),
        (("nodes", 0, "op", "in_channels"), 2, "takes one input [2, H, W]; got sample shape [1, 4, 4]"),
        (("nodes", 0, "op"), "Conv2d", "y: op: expected an object with a type, got 'Conv2d'"),
        (("nodes", 0, "inputs"), ["w"], "graph g: y reads 'w', which nothing made before it"),
        (("nodes", 0, "inputs"), "x", "y: inputs: expected a list, got 'x'"),
        (("nodes", 0, "inputs"), ["x", "x"], "takes one input [1, H, W]; got sample shape [1, 4, 4] and [1, 4, 4]"),
        (("nodes", 0, "name"), "x", "graph g: 'x' is made twice"),
        (("nodes", 0, "name"), None, "nodes[0].name: expected a string, got None"),
        (("nodes", 0, "epilouge"), [], "nodes[0]: unknown field 'epilouge' (did you mean 'epilogue'?)"),
        (("nodes", 0, "epilogue"), [{"type": "Add"}], "y: Add cannot be an epilogue"),
        (("nodes", 0, "epilogue"), [{"type": "LeakyReLU", "slope": float("nan")}], "slope: expected a finite number"),
        (("nodes", 0, "epilogue"), [{"type": "LeakyReLU", "slope": True}], "slope: expected a finite number"),
        (("nodes", 0, "epilogue"), [{"type": "LeakyReLU"}], "y: LeakyReLU: field 'slope' is missing"),
        (("nodes", 0), [], "nodes[0]: expected an object, got []"),
        (("nodes",), {}, "nodes: expected a list, got {}"),
        (("inputs", 0, "shape"), [1, 4, "4"], "inputs[0].shape: expected a list of integers, got [1, 4, '4']"),
        (("inputs", 0, "shape"), [1, 4, 0], "input 'x' has shape [1, 4, 0]; expected sizes of 1 or more"),
        (("inputs", 0, "shape"), [1, -4, -4], "input 'x' has shape [1, -4, -4]; expected sizes of 1 or more"),
        (("inputs",), [{"name": "x", "shape": [1]}] * 2, "graph g: two inputs have one name"),
        (("outputs",), [], "graph g: has no output"),
        (("outputs",), "y", "outputs: expected a list, got 'y'"),
        (("outputs",), ["q"], "graph g: output 'q' is not a value of the graph"),
        (("autor",), "me", "graph: unknown field 'autor'"),
    ],
)
def test_a_mistake_in_a_graph_is_one_sentence(place: tuple[Any, ...], value: Any, message: str, tmp_path: Path) -> None:
    stored = document()
    where = stored
    for step in place[:-1]:
        where = where[step]
    where[place[-1]] = value
    assert message in refused(tmp_path / "graph.json", json.dumps(stored))


@pytest.mark.parametrize("field_", ["name", "inputs", "nodes", "outputs"])
def test_a_missing_field_is_named(field_: str, tmp_path: Path) -> None:
    stored = document()
    del stored[field_]
    assert refused(tmp_path / "g.json", json.dumps(stored)) == f"graph: field {field_!r} is missing"


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", '"x"', "[" * 100_000, "1" * 5000, "\ufeff{}", "{} {}"])
def test_what_is_no_graph_at_all(text: str, tmp_path: Path) -> None:
    assert re.match(r"not a JSON file \(|not a stored graph", refused(tmp_path / "g.json", text))


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    whole = graph_json(graph_of(ops.Dense(4, 3, True)))
    name = json.loads(whole)["nodes"][0]["name"]
    assert whole.count('"out_features": 3') == whole.count('"inputs": [\n    "') == 1
    path, twice = tmp_path / "g.json", "is given twice"
    assert refused(path, whole.replace('"out_features": 3', '"out_features": 5, "out_features": 3')) == (
        f"key 'out_features' {twice}"
    )
    named = f"key 'inputs' {twice} in the object named {name!r}"
    assert refused(path, whole.replace('"inputs": [\n    "', '"inputs": [], "inputs": [\n    "')) == named
    assert refused(path, whole.replace("{", '{"schema": "accelsim/graph/0",', 1)) == f"key 'schema' {twice}"


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = graph_json(graph_of(ops.Dense(4, 3, True)))
    for length in range(0, len(whole) - 2, 7):
        assert refused(tmp_path / "g.json", whole[:length]).startswith("not a JSON file")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(GraphError, match="not a JSON file"):
        load_graph(path)
    with pytest.raises(GraphError, match="No such file"):
        load_graph(tmp_path / "none.json")
    with pytest.raises(GraphError, match="Is a directory"):
        load_graph(tmp_path)


def test_nodes_that_share_a_tensor_must_agree_on_it() -> None:
    nodes = (Node("a", ops.Dense(4, 4, False), ("x",)), Node("b", ops.Dense(4, 3, False), ("a",), parameters="a"))
    with pytest.raises(GraphError, match=re.escape("b takes 'a.weight' as [3, 4], others as [4, 4]")):
        Graph("g", (Input("x", (4,)),), nodes, ("b",))


def test_weights_must_be_there_fit_and_be_finite(tmp_path: Path) -> None:
    op = ops.Dense(4, 3, True)
    graph, path = graph_of(op), tmp_path / "w.safetensors"
    good = {f"y.{role}": np.ones(shape, np.float32) for role, shape in parameter_shapes(op).items()}
    check_weights(graph, good, "w")
    with pytest.raises(GraphError, match=re.escape("w: tensor 'y.bias' [3] is missing")):
        check_weights(graph, {"y.weight": good["y.weight"]}, "w")
    with pytest.raises(GraphError, match=re.escape("w: tensor 'y.weight' has shape [4, 3], expected [3, 4]")):
        check_weights(graph, {**good, "y.weight": good["y.weight"].T}, "w")
    for bad in (np.nan, np.inf, -np.inf):
        tensor = good["y.weight"].copy()
        tensor[1, 2] = bad
        message = f"w: tensor 'y.weight' holds {bad} at [1, 2]; expected finite values"
        with pytest.raises(GraphError, match=re.escape(message)):
            check_weights(graph, {**good, "y.weight": tensor}, "w")
    save_weights(good, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(AccelsimError, match=r"w\.safetensors: not a readable safetensors file") as caught:
            load_tensors(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(AccelsimError, match=r"none\.safetensors: no such file"):
        load_weights(tmp_path / "none.safetensors")


def test_what_nothing_trains_is_stored_and_must_exist(tmp_path: Path) -> None:
    graph = replace(graph_of(ops.InstanceNorm(4, 1e-5, True)), fixed=frozenset({"y.bias"}))
    save_graph(graph, tmp_path / "g.json")
    assert load_graph(tmp_path / "g.json") == graph and graph.trainable_parameters == 4
    stored = json.loads(graph_json(graph)) | {"fixed": ["y.bia"]}
    message = "fixed: no parameter tensor 'y.bia' (did you mean 'y.bias'?)"
    assert refused(tmp_path / "g.json", json.dumps(stored)) == message
