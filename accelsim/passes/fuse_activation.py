"""An activation rides on the operator whose result it alone reads: the sum is never stored in between."""

from dataclasses import replace
from typing import get_args

from accelsim.ir.graph import Graph, Node
from accelsim.ir.ops import Activation, Constant, MaxPool, OneHot, ReLU, View
from accelsim.passes.rewrite import sole_reader

ALONE = (*get_args(View), ReLU, MaxPool, OneHot, Constant)
"""Operators that nothing rides on: they are no step, or keep the codes of their input, or are no sum at all."""


def fuse_activation(graph: Graph) -> Graph:
    """Fuse every activation that can be."""
    made: dict[str, Node] = {}
    stands_for: dict[str, str] = {}
    for node in graph.nodes:
        inputs = tuple(stands_for.get(value, value) for value in node.inputs)
        carrier = made.get(inputs[0])
        alone = carrier is None or isinstance(carrier.op, ALONE) or sole_reader(graph, node.inputs[0]) is None
        if carrier is None or alone or not isinstance(node.op, Activation):
            made[node.name] = replace(node, inputs=inputs)
            continue
        made[carrier.name] = replace(carrier, epilogue=(*carrier.epilogue, node.op, *node.epilogue))
        stands_for[node.name] = carrier.name
    return graph.with_nodes(tuple(made.values()), tuple(stands_for.get(name, name) for name in graph.outputs))
