"""Graphs as JSON, weights as safetensors: both read without torch and without running anything."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError, GraphError, did_you_mean
from accelsim.ir.graph import Graph, Input, Node, Weights
from accelsim.ir.ops import OPERATORS, Activation, Op

SCHEMA = "accelsim/graph/1"


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
    inputs = [{"name": value.name, "shape": list(value.shape)} for value in graph.inputs]
    document = {"schema": SCHEMA, "name": graph.name, "inputs": inputs, "nodes": nodes, "outputs": list(graph.outputs)}
    return json.dumps(document, indent=1) + "\n"


def _op_json(op: Op) -> dict[str, Any]:
    return {"type": type(op).__name__, **asdict(op)}


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
    path.write_text(graph_json(graph))


def load_graph(path: Path) -> Graph:
    """Read and verify a stored graph.

    Raises:
        GraphError: not JSON of this schema, an unknown operator or field, or a graph that does not verify.
    """
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise GraphError(f"{path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise GraphError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise GraphError(f"{path}: not a stored graph; expected schema {SCHEMA!r}")
    try:
        inputs = tuple(Input(str(v["name"]), _integers(v["shape"])) for v in document["inputs"])
        nodes = tuple(_node(entry) for entry in document["nodes"])
        return Graph(str(document["name"]), inputs, nodes, tuple(document["outputs"]))
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GraphError(f"{path}: malformed graph ({type(error).__name__}: {error})") from None


def _integers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise GraphError(f"{values!r} is not a list of integers")
    return tuple(values)


def _node(entry: dict[str, Any]) -> Node:
    name = str(entry["name"])
    epilogue = tuple(_op(name, a) for a in entry.get("epilogue", []))
    for activation in epilogue:
        if not isinstance(activation, get_args(Activation)):
            raise GraphError(f"{name}: {type(activation).__name__} cannot be an epilogue")
    op = _op(name, entry["op"])
    return Node(name, op, tuple(map(str, entry["inputs"])), epilogue, str(entry.get("parameters", "")))  # type: ignore[arg-type]


def _op(node: str, entry: dict[str, Any]) -> Op:
    values = dict(entry)
    kind = str(values.pop("type"))
    if kind not in OPERATORS:
        raise GraphError(f"{node}: no operator {kind!r}{did_you_mean(kind, OPERATORS)}")
    operator = OPERATORS[kind]
    wanted = {f.name: f.type for f in fields(operator)}
    if set(values) != set(wanted):
        raise GraphError(f"{node}: {kind} has fields {sorted(wanted)}, got {sorted(values)}")
    checked = {name: _field(f"{node}: {kind}.{name}", wanted[name], value) for name, value in values.items()}
    return operator(**checked)


def _field(where: str, wanted: Any, value: Any) -> Any:
    if isinstance(value, list):
        return _integers(value)
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if wanted in (int, bool) and type(value) is wanted:
        return value
    raise GraphError(f"{where}: unexpected value {value!r}")


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
