"""What a network computes and never uses: statistics that a norm ignores, heads whose result is dropped."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from accelsim.ir.graph import Graph
from accelsim.ir.parameters import parameter_shapes

Tensors = dict[str, NDArray[np.float32]]


def reachable(graph: Graph, weights: Mapping[str, NDArray[np.float32]]) -> tuple[Graph, Tensors]:
    """The graph with only what its outputs depend on, and the tensors of that. Inputs stay, read or not."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.name in needed:
            kept.append(node)
            needed |= set(node.inputs)
    roles = {node.parameter(role) for node in kept for role in parameter_shapes(node.op)}
    return (
        Graph(graph.name, graph.inputs, tuple(reversed(kept)), graph.outputs, graph.fixed & roles),
        {name: tensor for name, tensor in weights.items() if name in roles},
    )
