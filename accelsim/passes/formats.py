"""Give every value and every multiplying layer its format. Needs shapes only, no weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from accelsim.errors import AccelsimError, LocatedErrors, Problem, did_you_mean
from accelsim.formats.accumulator import default_accumulator
from accelsim.formats.affine import AffineInt
from accelsim.formats.binary import Binary, redundancy
from accelsim.formats.float32 import Float32
from accelsim.formats.number_format import NumberFormat
from accelsim.formats.precision import LayerPrecision, Precision
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Linear
from accelsim.ir.program import Encoding, LinearLayer, Program, encoding_roots

BESIDE_BINARY = AffineInt(8, "channel", symmetric=True)
"""Weights of the layers that `binary:apgan` leaves alone."""
WIDEST_LABEL = 16
"""Bits of the widest integer format."""


def assign_formats(graph: Graph, precision: Precision) -> Program:
    """The program in formats alone: network inputs and outputs at 8 bits or more, the rest as the precision says.

    Raises:
        LocatedErrors: the precision names layers that the graph does not have, or that cannot be as it says.
        AccelsimError: an integer input with more classes than the widest code counts.
    """
    roots = encoding_roots(graph)
    rules = _rules(graph, precision, roots)
    boundary = {roots[name] for name in (*graph.outputs, *(value.name for value in graph.inputs))}
    formats = {root: precision.boundary if root in boundary else precision.activations for root in roots.values()}
    formats |= {name: rule.activations for name, rule in rules.items() if rule.activations is not None}
    labels = [value for value in graph.inputs if value.classes]
    formats |= {value.name: Float32() if precision.is_float else _labels(value) for value in labels}
    encodings = {value: Encoding(formats[root]) for value, root in roots.items()}
    linear = {
        node.name: _layer(graph, node, precision, rules.get(node.name, LayerPrecision()), encodings)
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


def _layer(
    graph: Graph, node: Node, precision: Precision, rule: LayerPrecision, encodings: Mapping[str, Encoding]
) -> LinearLayer:
    weights = _chosen(graph, node, rule.weights or precision.weights)
    if precision.is_float:
        return LinearLayer(weights, None)
    default = default_accumulator(weights.factor_bits, encodings[node.inputs[0]].format.bits)
    return LinearLayer(weights, rule.accumulator or precision.accumulator or default)


def _chosen(graph: Graph, node: Node, weights: NumberFormat) -> NumberFormat:
    """The weight format of one layer: `binary:apgan` looks at the layer's input, the others are what they are."""
    if not isinstance(weights, Binary) or weights.rule != "apgan":
        return weights
    shape = graph.shapes[node.inputs[0]]
    convolves = isinstance(node.op, Conv2d | ConvTranspose2d)
    return replace(weights, rule="xnor") if convolves and redundancy(*shape) > 0 else BESIDE_BINARY


def _rules(graph: Graph, precision: Precision, roots: dict[str, str]) -> dict[str, LayerPrecision]:
    """What is different in single layers, by name: those of `layers` before those of the first and last."""
    rules: dict[str, LayerPrecision] = {}
    multiplying = [node.name for node in graph.nodes if isinstance(node.op, get_args(Linear))]
    for name, end in zip(multiplying[:1] + multiplying[-1:], (precision.first, precision.last), strict=False):
        if end is not None:
            rules[name] = _over(end, rules.get(name))
    problems = []
    for name, rule in precision.layers:
        what = _mistake(graph, name, rule, roots)
        if what is not None:
            problems.append(Problem(rule.file, rule.line, f"layers.{name}", what))
        rules[name] = _over(rule, rules.get(name))
    if problems:
        raise LocatedErrors(sorted(problems, key=lambda problem: problem.line or 0))
    return rules


def _over(rule: LayerPrecision, under: LayerPrecision | None) -> LayerPrecision:
    if under is None:
        return rule
    return replace(
        rule,
        weights=rule.weights or under.weights,
        activations=rule.activations or under.activations,
        accumulator=rule.accumulator or under.accumulator,
    )


def _mistake(graph: Graph, name: str, rule: LayerPrecision, roots: dict[str, str]) -> str | None:
    """Why the graph has no such layer or cannot give it such formats."""
    if name not in roots:
        stored = [value for value, root in roots.items() if value == root]
        near = did_you_mean(name, stored) or f"; it has {', '.join(stored[:12])}{', ...' if len(stored) > 12 else ''}"
        return f"{graph.name} has no layer {name!r}{near}"
    if roots[name] != name:
        return f"keeps the codes of {roots[name]!r}: give that one a format"
    if any(value.name == name and value.classes for value in graph.inputs):
        return "holds labels, one code for each"
    node = graph.makers.get(name)
    if (rule.weights or rule.accumulator) and not (node and isinstance(node.op, get_args(Linear))):
        return "multiplies no weights: only its activations can have a format"
    return None
