"""torch.nn.Module -> Graph + Weights through `torch.export`, without decomposition where that is possible.

The operators are in aten/. The batch is the leading dimension and stays symbolic, so the module is exported with
batch 2.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.export.dynamic_shapes import ShapesCollection
from torch.export.graph_signature import InputKind, OutputKind

from accelsim.errors import AccelsimError, UnsupportedOperator
from accelsim.frontend.aten import LOWER, VIEWS
from accelsim.frontend.calls import lower_calls, makes_tensors
from accelsim.frontend.folding import is_constant
from accelsim.frontend.lowering import Lowering
from accelsim.frontend.memory import is_read_stale, writes_in_place
from accelsim.frontend.reachable import reachable
from accelsim.ir.graph import Graph
from accelsim.ir.parameters import STATISTICS

BATCH = 2
ROUNDS = 5
"""Times that operators are decomposed at most; what one round makes, the next may decompose."""
WHOLE = ("aten.conv3d.default", "aten.conv_transpose3d.input")
"""Operators refused under their own names: their parts would be no better."""
UNTRACED = "found a fake tensor in the exported program constant's list"
"""What torch.export says where `forward` reads `.data`; from the byte code (strict) it can follow that, but slowly."""


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
    exported = _decomposed(_export(module, example_inputs))
    lowering = _bindings(exported)
    for node in exported.graph.nodes:
        if node.op == "placeholder" and node.name in exported.graph_signature.user_inputs:
            lowering.values[node] = lowering.add_input(node.name, lowering.layout(node).shape)
    lower_calls(lowering, exported.graph)
    output = next(node for node in exported.graph.nodes if node.op == "output")
    kinds = [spec.kind for spec in exported.graph_signature.output_specs]
    results = [r for r, kind in zip(_flat(output.args[0]), kinds, strict=True) if kind is OutputKind.USER_OUTPUT]
    outputs = tuple(_output(lowering, output, result) for result in results if result is not None)
    stored = {key for key in lowering.weights if key.rsplit(".", 1)[-1] not in STATISTICS}
    fixed = frozenset(stored - lowering.trains)
    return reachable(Graph(name, tuple(lowering.inputs), tuple(lowering.nodes), outputs, fixed), lowering.weights)


def _output(lowering: Lowering, at: fx.Node, result: Any) -> str:
    value = lowering.value(at, result)
    if lowering.layout(at, result).axis != 0 or lowering.layout(at, result).outer != 1:
        raise UnsupportedOperator(f"output {value}: its first dimension is not the batch")
    return value


def _flat(results: Any) -> list[Any]:
    return [r for part in results for r in _flat(part)] if isinstance(results, list | tuple) else [results]


def _export(module: nn.Module, example_inputs: Sequence[Tensor]) -> torch.export.ExportedProgram:
    examples = tuple(torch.cat([x, x])[:BATCH] if x.dim() else x for x in example_inputs)
    batch = torch.export.Dim("batch", min=1)
    # by tensor, because forward(*inputs) has no name for each
    shapes = ShapesCollection()  # type: ignore[no-untyped-call]
    for example in examples:
        shapes[example] = {0: batch}
    try:
        with warnings.catch_warnings(), _untouched(module):
            warnings.simplefilter("ignore")
            dynamic = shapes.dynamic_shapes(module, examples)  # type: ignore[no-untyped-call]
            return _traced(module, examples, dynamic)
    except Exception as error:  # torch.export raises many kinds for one meaning
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if first.startswith("Constraints violated"):
            first = "its batch is not free"
        shown = f"example inputs were {[list(x.shape) for x in examples]}; the leading dimension must be the batch"
        steered = "data-dependent" in str(error)
        raise AccelsimError(
            f"{type(module).__name__}: torch.export refuses this module: {first}",
            hint="its control flow depends on values; a graph has one way through" if steered else shown,
        ) from error


@contextmanager
def _untouched(module: nn.Module) -> Iterator[None]:
    """The module in eval mode; afterwards its modes and the tensors that forward or hooks assign are as before."""
    before = {part: dict(vars(part)) for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, attributes in before.items():
            part.training = attributes["training"]
            for name in [name for name, value in vars(part).items() if isinstance(value, Tensor)]:
                if name in attributes:
                    vars(part)[name] = attributes[name]
                else:
                    del vars(part)[name]


def _traced(module: nn.Module, examples: tuple[Tensor, ...], dynamic: Any) -> torch.export.ExportedProgram:
    try:
        return torch.export.export(module, examples, dynamic_shapes=dynamic)
    except RuntimeError as error:
        if UNTRACED not in str(error):
            raise
        exported = torch.export.export(module, examples, dynamic_shapes=dynamic, strict=True)
    graphs = [part.graph for part in exported.graph_module.modules() if isinstance(part, fx.GraphModule)]
    if any(node.target is torch.ops.aten.set_.source_Tensor for graph in graphs for node in graph.nodes):
        raise RuntimeError("its forward writes into `.data`")
    return exported


def _decomposed(exported: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program with the operators that we lack made of others, and without writing in place where that matters."""
    table: Any = torch.export.default_decompositions()
    for _ in range(ROUNDS):
        known = {node for node in exported.graph.nodes if node.op == "placeholder"}
        known = {node for node in known if node.name not in exported.graph_signature.user_inputs}
        unknown, stale = set(), False
        for node in exported.graph.nodes:
            if node.op != "call_function" or not makes_tensors(node.meta.get("val")):
                continue
            stale = stale or (writes_in_place(node) and is_read_stale(node, VIEWS))
            if is_constant(node, known):
                known.add(node)
            elif node.target not in LOWER and node.target in table and str(node.target) not in WHOLE:
                unknown.add(node.target)
        if not unknown and not stale:
            break
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exported = exported.run_decompositions({target: table[target] for target in unknown})
        except Exception as error:  # torch raises many kinds for one meaning
            what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise AccelsimError(f"torch.export cannot take {sorted(map(str, unknown))} apart: {what}") from error
    return exported


def _bindings(exported: torch.export.ExportedProgram) -> Lowering:
    """The state before the first operator: parameters, buffers and lifted literals by their placeholders."""
    placeholders = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    tensors: dict[fx.Node, Any] = {}
    sources: dict[fx.Node, str] = {}
    learned: set[fx.Node] = set()
    trained: set[fx.Node] = set()
    for spec in exported.graph_signature.input_specs:
        if spec.target is None:
            continue
        tensor = exported.state_dict.get(spec.target, exported.constants.get(spec.target))
        if isinstance(tensor, Tensor):
            node = placeholders[spec.arg.name]
            tensors[node], sources[node] = tensor.detach(), spec.target
            if spec.kind is not InputKind.CONSTANT_TENSOR:
                learned.add(node)
            if spec.kind is InputKind.PARAMETER:
                trained.add(node)
    return Lowering(tensors, sources, learned, trained)
