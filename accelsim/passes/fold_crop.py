"""A slice after a transposed convolution becomes its crop; a zero pad before a convolution becomes its padding."""

from dataclasses import replace

from accelsim.ir.graph import Graph, Node
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Slice, ZeroPad
from accelsim.passes.rewrite import maker, merge, sole_reader


def fold_crop(graph: Graph) -> Graph:
    """Fold every such slice and pad. Exact: the same values are made, fewer of them stored."""
    while True:
        folded = next((g for node in graph.nodes if (g := _fold(graph, node)) is not None), None)
        if folded is None:
            return graph
        graph = folded


def _fold(graph: Graph, node: Node) -> Graph | None:
    if node.epilogue:
        return None
    if isinstance(node.op, Slice):
        return _fold_slice(graph, node, node.op)
    if isinstance(node.op, ZeroPad):
        return _fold_pad(graph, node, node.op)
    return None


def _fold_slice(graph: Graph, node: Node, op: Slice) -> Graph | None:
    source = maker(graph, node.inputs[0])
    if source is None or not isinstance(source.op, ConvTranspose2d) or sole_reader(graph, source.name) is None:
        return None
    if op.axis not in (1, 2) or op.step != 1:
        return None
    size = graph.shapes[source.name][op.axis]
    crop, at = list(source.op.crop), 2 * (op.axis - 1)
    crop[at] += op.start
    crop[at + 1] += size - op.stop
    cropped = replace(source.op, crop=(crop[0], crop[1], crop[2], crop[3]))
    return merge(graph, replace(source, op=cropped), node)


def _fold_pad(graph: Graph, node: Node, op: ZeroPad) -> Graph | None:
    reader = sole_reader(graph, node.name)
    if reader is None or not isinstance(reader.op, Conv2d) or op.before[0] or op.after[0]:
        return None
    top, bottom, left, right = reader.op.padding
    sides = (top + op.before[1], bottom + op.after[1], left + op.before[2], right + op.after[2])
    padded = replace(reader, op=replace(reader.op, padding=sides), inputs=node.inputs)
    return merge(graph, padded, node)
