"""Norms written out as arithmetic become one operator, whose mean and root are never stored in few bits.

    x * rsqrt(mean(x ** 2) + eps)          RMSNorm (PixelNorm of Karras et al. 2018, arXiv 1710.10196)
    (x - mean(x)) / sqrt(var(x) + eps)     InstanceNorm, where the axes are all but the channel

with division or multiplication by the inverse root, and var(x) with any correction c of its divisor:
sqrt(c var + eps) = sqrt(c) sqrt(var + eps / c).
"""

from dataclasses import dataclass
from math import sqrt

from accelsim.ir.graph import Graph, Node
from accelsim.ir.ops import Div, InstanceNorm, Mul, Power, Reduce, RMSNorm, ScaleShift, Shape, Sub
from accelsim.passes.rewrite import maker, swap, without_unread


@dataclass(frozen=True)
class _Root:
    """scale * spread + eps under a root, where spread is a reduction of `of` (squared, for a mean)."""

    of: str
    spread: str
    axes: Shape
    scale: float
    eps: float


def gather_norm(graph: Graph) -> Graph:
    """Gather every such norm. Exact up to rounding; what nothing reads any more goes."""
    found = False
    for node in graph.nodes:
        for replacement in _gathered(graph, node):
            graph, found = swap(graph, replacement), True
    return without_unread(graph) if found else graph


def _gathered(graph: Graph, node: Node) -> list[Node]:
    """The node as one norm, nothing where it is none."""
    if node.epilogue or not isinstance(node.op, Mul | Div):
        return []
    exponent = -0.5 if isinstance(node.op, Mul) else 0.5
    pairs = [node.inputs] if isinstance(node.op, Div) else [node.inputs, node.inputs[::-1]]
    for value, divisor in pairs:
        root = _root(graph, divisor, exponent)
        if root is None:
            continue
        if root.spread == "mean" and root.of == value and root.scale == 1 and root.eps > 0:
            return [Node(node.name, RMSNorm(root.axes, root.eps), (value,))]
        if root.spread == "var" and _is_centred(graph, value, root):
            return [_instance_norm(graph, node, root)] if _over_image(graph, root) else []
    return []


def _instance_norm(graph: Graph, node: Node, root: _Root) -> Node:
    op = InstanceNorm(graph.shapes[root.of][0], root.eps / root.scale, affine=False)
    epilogue = () if root.scale == 1 else (ScaleShift(1 / sqrt(root.scale), 0.0),)
    return Node(node.name, op, (root.of,), epilogue)


def _over_image(graph: Graph, root: _Root) -> bool:
    return root.axes == tuple(range(1, len(graph.shapes[root.of]))) and root.eps > 0


def _is_centred(graph: Graph, value: str, root: _Root) -> bool:
    made = maker(graph, value)
    if made is None or made.epilogue or not isinstance(made.op, Sub) or made.inputs[0] != root.of:
        return False
    mean = maker(graph, made.inputs[1])
    wanted = Reduce("mean", root.axes, keepdim=True)
    return mean is not None and not mean.epilogue and mean.op == wanted and mean.inputs == (root.of,)


def _root(graph: Graph, value: str, exponent: float) -> _Root | None:
    """The root behind a value, read backwards: power, numbers, reduction, square."""
    node = maker(graph, value)
    if node is None or node.op != Power(exponent) or node.epilogue:
        return None
    scale, eps = 1.0, 0.0
    node = maker(graph, node.inputs[0])
    while node is not None and isinstance(node.op, ScaleShift) and not node.epilogue:
        scale, eps = scale * node.op.scale, eps + scale * node.op.shift
        node = maker(graph, node.inputs[0])
    if node is None or not isinstance(node.op, Reduce) or not node.op.keepdim or node.epilogue or scale <= 0:
        return None
    of = node.inputs[0]
    if node.op.kind == "mean":
        square = maker(graph, of)
        if square is None or square.epilogue or square.op not in (Power(2.0), Mul()) or len(set(square.inputs)) != 1:
            return None
        of = square.inputs[0]
    return _Root(of, node.op.kind, node.op.axes, scale, eps)
