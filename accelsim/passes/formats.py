"""Give every value and every multiplying layer its format. Needs shapes only, no weights."""

from typing import get_args

from accelsim.formats.accumulator import default_accumulator
from accelsim.formats.text import NumberFormat, Precision
from accelsim.ir.graph import Graph
from accelsim.ir.ops import Linear
from accelsim.ir.program import Encoding, LinearLayer, Program, storage_roots


def assign_formats(graph: Graph, precision: Precision) -> Program:
    """The program in formats alone: network inputs and outputs at 8 bits or more, the rest as the precision says."""
    roots = storage_roots(graph)
    boundary = {roots[name] for name in (*graph.outputs, *(value.name for value in graph.inputs))}
    encodings = {
        value: Encoding(precision.boundary if root in boundary else precision.activations)
        for value, root in roots.items()
    }
    linear = {
        node.name: _layer(precision, encodings[node.inputs[0]].format)
        for node in graph.nodes
        if isinstance(node.op, get_args(Linear))
    }
    return Program(graph, precision, encodings, linear)


def _layer(precision: Precision, inputs: NumberFormat) -> LinearLayer:
    if precision.is_float:
        return LinearLayer(precision.weights, None)
    default = default_accumulator(precision.weights.bits, inputs.bits)
    return LinearLayer(precision.weights, precision.accumulator or default)
