"""torch.nn.Module -> Graph + Weights through `torch.export`, without decomposition.

The operators are in aten.py. The batch is the leading dimension and
stays symbolic, so the module is exported with batch 2.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.export.dynamic_shapes import ShapesCollection

from accelsim.errors import AccelsimError, UnsupportedOperator
from accelsim.frontend.aten import LOWER, check_in_place, writes_in_place
from accelsim.frontend.lowering import Lowering, sample_shape, where
from accelsim.ir.graph import Graph, Input

BATCH = 2


def lower_module(
    module: nn.Module, example_inputs: Sequence[Tensor], name: str
) -> tuple[Graph, dict[str, NDArray[np.float32]]]:
    """The graph and float32 weights of a module in eval mode.

    Args:
        module: any module that `torch.export` accepts.
        example_inputs: one tensor per input, `[N, ...]`; only shapes and dtypes matter, the batch may be 1.
        name: of the graph.

    Raises:
        UnsupportedOperator: an operator that the layer IR lacks; names the module path.
        AccelsimError: `torch.export` refuses the module, or its batch is not free.
    """
    exported = _export(module, example_inputs)
    lowering = _bindings(exported)
    graph_inputs = [node for node in exported.graph.nodes if node.op == "placeholder" and _is_input(exported, node)]
    inputs = []
    for node in graph_inputs:
        value = lowering.fresh(node.name)
        lowering.values[node.name] = value
        inputs.append(Input(value, sample_shape(node)))
    outputs: tuple[str, ...] = ()
    for node in exported.graph.nodes:
        if node.op == "call_function":
            _lower_call(lowering, node)
        elif node.op == "output":
            outputs = tuple(lowering.value(node, result) for result in _flat(node.args[0]))
    return Graph(name, tuple(inputs), tuple(lowering.nodes), outputs), lowering.weights


def _flat(results: Any) -> list[Any]:
    return [r for part in results for r in _flat(part)] if isinstance(results, list | tuple) else [results]


def _export(module: nn.Module, example_inputs: Sequence[Tensor]) -> torch.export.ExportedProgram:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    examples = tuple(torch.cat([x, x])[:BATCH] if x.dim() else x for x in example_inputs)
    batch = torch.export.Dim("batch", min=1)
    # by tensor, because forward(*inputs) has no name for each
    shapes = ShapesCollection()  # type: ignore[no-untyped-call]
    for example in examples:
        shapes[example] = {0: batch}
    try:
        dynamic = shapes.dynamic_shapes(module, examples)  # type: ignore[no-untyped-call]
        return torch.export.export(module, examples, dynamic_shapes=dynamic)
    except Exception as error:  # torch.export raises many kinds for one meaning
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if first.startswith("Constraints violated"):
            first = "its batch is not free"
        raise AccelsimError(
            f"{type(module).__name__}: torch.export refuses this module: {first}",
            hint=f"example inputs were {[list(x.shape) for x in examples]}; the leading dimension must be the batch",
        ) from error
    finally:
        for part, training in modes.items():
            part.training = training


def _bindings(exported: torch.export.ExportedProgram) -> Lowering:
    tensors: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    for spec in exported.graph_signature.input_specs:
        if spec.target is None:
            continue
        tensor = exported.state_dict.get(spec.target, exported.constants.get(spec.target))
        if isinstance(tensor, Tensor):
            tensors[spec.arg.name], sources[spec.arg.name] = tensor, spec.target
    return Lowering(tensors, sources)


def _is_input(exported: torch.export.ExportedProgram, node: fx.Node) -> bool:
    return node.name in exported.graph_signature.user_inputs


def _lower_call(lowering: Lowering, at: fx.Node) -> None:
    lower_op = LOWER.get(at.target)
    if lower_op is None:
        if not at.users and not writes_in_place(at):
            return
        raise UnsupportedOperator(
            f"{where(at)}: operator {at.target} is not supported",
            hint="supported: " + ", ".join(sorted({str(t).split(".")[1] for t in LOWER if str(t).startswith("aten.")})),
        )
    if writes_in_place(at):
        check_in_place(at)
    made = lower_op(lowering, at)
    if made is not None:
        lowering.values[at.name] = made
