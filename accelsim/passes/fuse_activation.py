"""An activation rides on the operator whose result it alone reads: the sum is never stored in between."""

from dataclasses import replace
from typing import get_args

from accelsim.ir.graph import Graph, Node
from accelsim.ir.ops import Activation, Add, ChannelAffine, GlobalAveragePool, Linear
from accelsim.passes.rewrite import maker, merge, sole_reader

CARRIERS = (*get_args(Linear), Add, ChannelAffine, GlobalAveragePool)


def fuse_activation(graph: Graph) -> Graph:
    """Fuse every activation that can be."""
    while True:
        pair = next((p for node in graph.nodes if (p := _pair(graph, node)) is not None), None)
        if pair is None:
            return graph
        carrier, activation = pair
        assert isinstance(activation.op, Activation)
        riding = (*carrier.epilogue, activation.op, *activation.epilogue)
        graph = merge(graph, replace(carrier, epilogue=riding), activation)


def _pair(graph: Graph, node: Node) -> tuple[Node, Node] | None:
    if not isinstance(node.op, get_args(Activation)):
        return None
    carrier = maker(graph, node.inputs[0])
    if carrier is None or not isinstance(carrier.op, CARRIERS) or sole_reader(graph, carrier.name) is None:
        return None
    return carrier, node
