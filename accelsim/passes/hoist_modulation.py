"""Weights that are a stored tensor times a style become plain weights, with the style on what goes in and comes out.

    conv(x, W * s * d)                     = conv(x * s, W) * d      s along the inputs, d along the outputs
    sum over inputs and taps of (W * s)**2 = (sum over taps of W**2) s**2, a dense layer

The modulated convolutions of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958, section 2.2) are written as on the left
in most code, which needs weights of their own for each sample.
"""

from dataclasses import asdict, dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelsim.ir.graph import Graph, Node, Weights
from accelsim.ir.ops import (
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dense,
    DynamicConv2d,
    DynamicConvTranspose2d,
    Mul,
    Op,
    Permute,
    Power,
    Reduce,
    Reshape,
    ScaleShift,
    Shape,
)
from accelsim.passes.rewrite import maker, put, without_unread

Tensor = NDArray[np.float32]


@dataclass(frozen=True)
class _Modulated:
    """A value that is scale * stored tensor, its axes in the given order, times values along single axes of it."""

    stored: Node
    order: Shape
    scale: float
    factors: tuple[tuple[int, str], ...]

    def along(self, axis: int) -> tuple[str, ...]:
        """The factors along an axis of the value."""
        return tuple(value for of, value in self.factors if of == self.order[axis])

    def tensor(self, weights: Weights) -> NDArray[np.float64]:
        """Scale times the stored tensor, in the order of the value."""
        stored = weights[self.stored.parameter("value")].astype(np.float64)
        return self.scale * stored.transpose(self.order)


def hoist_modulation(graph: Graph, weights: Weights | None) -> tuple[Graph, Weights | None]:
    """Hoist every style out of the weights. Exact up to rounding; without weights only the structure changes."""
    found = False
    for node in graph.nodes:
        made = _convolution(graph, node) or _demodulation(graph, node)
        if made is None:
            continue
        nodes, parameter, source, squared = made
        graph, found = put(graph, nodes), True
        if weights is not None:
            tensor = source.tensor(weights)
            stored = (tensor**2).sum(axis=(2, 3)) if squared else tensor
            weights = {**weights, parameter: stored.astype(np.float32)}
    return (without_unread(graph) if found else graph), weights


_Made = tuple[tuple[Node, ...], str, _Modulated, bool]
"""Nodes in the place of one, the parameter that they read, what it is made of, whether squared and summed over taps."""


def _convolution(graph: Graph, node: Node) -> _Made | None:
    op = node.op
    if not isinstance(op, DynamicConv2d | DynamicConvTranspose2d) or op.groups != 1 or node.epilogue:
        return None
    source = _modulated(graph, node.inputs[1])
    if source is None:
        return None
    ahead, behind = (0, 1) if isinstance(op, DynamicConvTranspose2d) else (1, 0)
    if {axis for axis, _ in source.factors} - {source.order[0], source.order[1]}:
        return None
    plain: Op = (Conv2d if isinstance(op, DynamicConv2d) else ConvTranspose2d)(**asdict(op), bias=False)
    nodes: list[Node] = []
    value = _times(nodes, node.name, node.inputs[0], source.along(ahead), (op.in_channels, 1, 1), "styled")
    styles = source.along(behind)
    name = f"{node.name}_plain" if styles else node.name
    nodes.append(Node(name, plain, (value,)))
    _times(nodes, node.name, name, styles, (op.out_channels, 1, 1), "")
    return tuple(nodes), f"{name}.weight", source, False


def _times(nodes: list[Node], stem: str, value: str, factors: tuple[str, ...], shape: Shape, suffix: str) -> str:
    """The value times each factor under the shape; the last product is called after the stem."""
    for i, factor in enumerate(factors):
        last = i == len(factors) - 1
        name = f"{stem}_{suffix}" if suffix else stem
        name = name if last else f"{name}_{i}"
        nodes.append(Node(f"{name}_factor", Reshape(shape), (factor,)))
        nodes.append(Node(name, Mul(), (value, f"{name}_factor")))
        value = name
    return value


def _demodulation(graph: Graph, node: Node) -> _Made | None:
    if not isinstance(node.op, Reduce) or node.op.kind != "sum" or node.epilogue:
        return None
    square = maker(graph, node.inputs[0])
    if square is None or square.epilogue or square.op not in (Power(2.0), Mul()) or len(set(square.inputs)) != 1:
        return None
    source = _modulated(graph, square.inputs[0])
    if source is None or node.op.axes != (1, 2, 3) or not source.along(1):
        return None
    if {axis for axis, _ in source.factors} != {source.order[1]}:
        return None
    shape = graph.shapes[square.inputs[0]]
    ones, style = source.along(1)[0], f"{node.name}_style"
    nodes = [Node(style, Reshape((shape[1],)), (ones,))]
    for i, factor in enumerate(source.along(1)[1:]):
        nodes += [Node(f"{style}_{i}_factor", Reshape((shape[1],)), (factor,))]
        nodes += [Node(f"{style}_{i}", Mul(), (nodes[-2].name, nodes[-1].name))]
    nodes.append(Node(f"{node.name}_squares", Power(2.0), (nodes[-1].name,)))
    dense = Node(f"{node.name}_sums", Dense(shape[1], shape[0], bias=False), (nodes[-1].name,))
    nodes += [dense, Node(node.name, Reshape(graph.shapes[node.name]), (dense.name,))]
    return tuple(nodes), f"{dense.name}.weight", source, True


def _modulated(graph: Graph, value: str) -> _Modulated | None:
    node = maker(graph, value)
    if node is None or node.epilogue or len(graph.shapes[value]) != 4:
        return None
    if isinstance(node.op, Constant):
        return _Modulated(node, (0, 1, 2, 3), 1.0, ())
    if isinstance(node.op, Mul):
        return _product(graph, *node.inputs) or _product(graph, *node.inputs[::-1])
    inner = _modulated(graph, node.inputs[0])
    if inner is None:
        return None
    if isinstance(node.op, Permute):
        return replace(inner, order=tuple(inner.order[a] for a in node.op.axes))
    if isinstance(node.op, ScaleShift) and node.op.shift == 0:
        return replace(inner, scale=inner.scale * node.op.scale)
    return None


def _product(graph: Graph, value: str, factor: str) -> _Modulated | None:
    """`value` as modulated, with one more factor along the one axis that it has."""
    inner, shape = _modulated(graph, value), graph.shapes[factor]
    long = [axis for axis, n in enumerate(shape) if n > 1]
    if inner is None or len(long) != 1 or prod(shape) != graph.shapes[value][long[0]]:
        return None
    return replace(inner, factors=(*inner.factors, (inner.order[long[0]], factor)))
