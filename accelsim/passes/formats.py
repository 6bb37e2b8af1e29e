"""Give every value and every multiplying layer its format. Needs shapes only, no weights."""

from typing import get_args

from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import default_accumulator
from accelsim.formats.affine import AffineInt
from accelsim.formats.text import NumberFormat, Precision
from accelsim.ir.graph import Graph, Input
from accelsim.ir.ops import Linear
from accelsim.ir.program import Encoding, LinearLayer, Program, encoding_roots

WIDEST_LABEL = 16
"""Bits of the widest integer format."""


def assign_formats(graph: Graph, precision: Precision) -> Program:
    """The program in formats alone: network inputs and outputs at 8 bits or more, the rest as the precision says.

    Raises:
        AccelsimError: an integer input with more classes than the widest code counts.
    """
    roots = encoding_roots(graph)
    boundary = {roots[name] for name in (*graph.outputs, *(value.name for value in graph.inputs))}
    formats = {root: precision.boundary if root in boundary else precision.activations for root in roots.values()}
    if not precision.is_float:
        formats |= {value.name: _labels(value) for value in graph.inputs if value.classes}
    encodings = {value: Encoding(formats[root]) for value, root in roots.items()}
    linear = {
        node.name: _layer(precision, encodings[node.inputs[0]].format)
        for node in graph.nodes
        if isinstance(node.op, get_args(Linear))
    }
    return Program(graph, precision, encodings, linear)


def _labels(value: Input) -> AffineInt:
    """The narrowest format of 8 bits or more with a code for each class."""
    bits = max(8, (value.classes - 1).bit_length())
    if bits > WIDEST_LABEL:
        raise AccelsimError(f"input {value.name!r}: {value.classes} classes; expected at most {1 << WIDEST_LABEL}")
    return AffineInt(bits, "tensor", symmetric=False)


def _layer(precision: Precision, inputs: NumberFormat) -> LinearLayer:
    if precision.is_float:
        return LinearLayer(precision.weights, None)
    default = default_accumulator(precision.weights.bits, inputs.bits)
    return LinearLayer(precision.weights, precision.accumulator or default)
