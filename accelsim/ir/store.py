"""Graphs as JSON, weights as safetensors: both read without torch and without running anything."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError, GraphError, did_you_mean
from accelsim.file_memo import read_once
from accelsim.ir.graph import Graph, Input, Node, Weights
from accelsim.ir.ops import OPERATORS, Activation, Op

SCHEMA = "accelsim/graph/1"

_SPOKEN = {int: "an integer", float: "a finite number", bool: "true or false"}


def graph_json(graph: Graph) -> str:
    """The canonical JSON of a graph: equal graphs give equal text."""
    nodes = [
        {
            "name": node.name,
            "op": _op_json(node.op),
            "inputs": list(node.inputs),
            "epilogue": [_op_json(a) for a in node.epilogue],
            "parameters": node.parameters,
        }
        for node in graph.nodes
    ]
    inputs = [
        {"name": value.name, "shape": list(value.shape)} | ({"classes": value.classes} if value.classes else {})
        for value in graph.inputs
    ]
    document = {"schema": SCHEMA, "name": graph.name, "inputs": inputs, "nodes": nodes, "outputs": list(graph.outputs)}
    document |= {"fixed": sorted(graph.fixed)} if graph.fixed else {}
    return json.dumps(document, indent=1) + "\n"


def _op_json(op: Op) -> dict[str, Any]:
    return {"type": type(op).__name__} | {field.name: getattr(op, field.name) for field in fields(op)}


def graph_hash(graph: Graph) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(graph_json(graph).encode()).hexdigest()


def weights_hash(weights: Weights) -> str:
    """SHA-256 over names, shapes and values, in hex."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = np.ascontiguousarray(weights[name], np.float32)
        digest.update(f"{name}{tensor.shape}".encode() + tensor.tobytes())
    return digest.hexdigest()


def save_graph(graph: Graph, path: Path) -> None:
    """Write the JSON form."""
    path.write_text(graph_json(graph), encoding="utf-8")


@read_once
def load_graph(path: Path) -> Graph:
    """Read and verify a stored graph.

    Raises:
        GraphError: not JSON of this schema, an unknown operator or field, or a graph that does not verify.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_object)
    except OSError as error:
        raise GraphError(f"{path}: {error.strerror}") from None
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise GraphError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise GraphError(f"{path}: not a stored graph; expected schema {SCHEMA!r}")
    try:
        return _graph(document)
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object each of whose keys is given once."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            inside = f" in the object named {made['name']!r}" if isinstance(made.get("name"), str) else ""
            raise GraphError(f"key {key!r} is given twice{inside}")
        made[key] = value
    return made


def _graph(document: dict[str, Any]) -> Graph:
    whole = _entry("graph", {"fixed": [], **document}, ("schema", "name", "inputs", "nodes", "outputs", "fixed"))
    inputs = []
    for i, value in enumerate(_list("inputs", whole["inputs"])):
        labelled = {"classes": 0, **value} if isinstance(value, dict) else value
        entry = _entry(f"inputs[{i}]", labelled, ("name", "shape", "classes"))
        name, shape = _text(f"inputs[{i}].name", entry["name"]), _integers(f"inputs[{i}].shape", entry["shape"])
        inputs.append(Input(name, shape, _field(f"inputs[{i}].classes", int, entry["classes"])))
    nodes = tuple(_node(i, entry) for i, entry in enumerate(_list("nodes", whole["nodes"])))
    fixed = frozenset(_texts("fixed", whole["fixed"]))
    graph = Graph(_text("name", whole["name"]), tuple(inputs), nodes, _texts("outputs", whole["outputs"]), fixed)
    for name in sorted(fixed - graph.parameter_shapes.keys()):
        raise GraphError(f"fixed: no parameter tensor {name!r}{did_you_mean(name, graph.parameter_shapes)}")
    return graph


def _entry(where: str, value: Any, wanted: Collection[str]) -> dict[str, Any]:
    """The JSON object, if it has just the wanted fields."""
    if not isinstance(value, dict):
        raise GraphError(f"{where}: expected an object, got {value!r:.40}")
    for name in value:
        if name not in wanted:
            raise GraphError(f"{where}: unknown field {name!r}{did_you_mean(name, wanted)}")
    for name in wanted:
        if name not in value:
            raise GraphError(f"{where}: field {name!r} is missing")
    return value


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise GraphError(f"{where}: expected a list, got {value!r:.40}")
    return value


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise GraphError(f"{where}: expected a string, got {value!r:.40}")
    return value


def _texts(where: str, value: Any) -> tuple[str, ...]:
    return tuple(_text(f"{where}[{i}]", name) for i, name in enumerate(_list(where, value)))


def _integers(where: str, value: Any, count: int | None = None) -> tuple[int, ...]:
    values = _list(where, value)
    if not all(type(v) is int for v in values) or count not in (None, len(values)):
        raise GraphError(f"{where}: expected {'a list of' if count is None else count} integers, got {values!r:.40}")
    return tuple(values)


def _node(index: int, value: Any) -> Node:
    entry = _entry(f"nodes[{index}]", value, ("name", "op", "inputs", "epilogue", "parameters"))
    name = _text(f"nodes[{index}].name", entry["name"])
    epilogue: list[Activation] = []
    for activation in (_op(name, a) for a in _list(f"{name}: epilogue", entry["epilogue"])):
        if not isinstance(activation, Activation):
            raise GraphError(f"{name}: {type(activation).__name__} cannot be an epilogue")
        epilogue.append(activation)
    inputs, prefix = _texts(f"{name}: inputs", entry["inputs"]), _text(f"{name}: parameters", entry["parameters"])
    return Node(name, _op(name, entry["op"]), inputs, tuple(epilogue), prefix)


def _op(node: str, entry: Any) -> Op:
    if not isinstance(entry, dict) or "type" not in entry:
        raise GraphError(f"{node}: op: expected an object with a type, got {entry!r:.40}")
    values = dict(entry)
    kind = _text(f"{node}: type", values.pop("type"))
    if kind not in OPERATORS:
        raise GraphError(f"{node}: no operator {kind!r}{did_you_mean(kind, OPERATORS)}")
    operator = OPERATORS[kind]
    wanted = {f.name: f.type for f in fields(operator)}
    values = _entry(f"{node}: {kind}", values, wanted)
    checked = {name: _field(f"{node}: {kind}.{name}", wanted[name], value) for name, value in values.items()}
    return operator(**checked)


def _field(where: str, wanted: Any, value: Any) -> Any:
    sizes = get_args(wanted)
    if get_origin(wanted) is Literal:
        if value not in sizes:
            raise GraphError(f"{where}: expected one of {', '.join(sizes)}, got {value!r:.40}")
        return value
    if type(None) in sizes:
        return None if value is None else _field(where, sizes[0], value)
    if wanted is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if wanted in (int, bool) and type(value) is wanted:
        return value
    if wanted in (int, bool, float):
        raise GraphError(f"{where}: expected {_SPOKEN[wanted]}, got {value!r:.40}")
    if sizes[0] is float:
        return tuple(_field(where, float, v) for v in _list(where, value))
    return _integers(where, value, None if Ellipsis in sizes else len(sizes))


def save_weights(weights: Weights, path: Path) -> None:
    """Write parameter tensors as float32 safetensors."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(t, np.float32) for name, t in weights.items()}, path)


def load_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read a safetensors file. Nothing in it is executed.

    Raises:
        AccelsimError: missing, truncated or not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: Mapping[str, NDArray[Any]] = load_file(path)
    except FileNotFoundError:
        raise AccelsimError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise AccelsimError(f"{path}: not a readable safetensors file ({error})") from None
    return dict(tensors)


def load_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Parameter tensors as float32; see `load_tensors`."""
    return {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in load_tensors(path).items()}
