"""How a run is cut into batches: as large as memory allows, and as many for each thread."""

from collections.abc import Collection, Iterator, Mapping
from math import prod
from typing import Any

from numpy.typing import NDArray

from accelsim.ir.graph import Graph, Node
from accelsim.ir.ops import Conv2d, ConvTranspose2d

Array = NDArray[Any]
ELEMENTS = 1 << 26
"""Of the largest array that a batch may need: 256 MB in float32."""


def batches(inputs: Mapping[str, Array], size: int) -> Iterator[dict[str, Array]]:
    """The inputs in slices of `size` along the batch; one empty slice when there is nothing."""
    total = len(next(iter(inputs.values())))
    for start in range(0, max(total, 1), size):
        yield {name: values[start : start + size] for name, values in inputs.items()}


def fitting(graph: Graph, most: int, threads: int = 1) -> int:
    """Samples of a batch that keep every array within `ELEMENTS`, as far as one sample does; `threads` at a time."""
    widest = max((_width(graph, node) for node in graph.nodes), default=1)
    return max(1, min(most, ELEMENTS // threads // widest))


def _width(graph: Graph, node: Node) -> int:
    """Elements of the widest array of one operator for one sample: its result, or the patches of a convolution."""
    made = prod(graph.shapes[node.name])
    if isinstance(node.op, Conv2d):
        return max(made, made // node.op.out_channels * node.op.in_channels * prod(node.op.kernel))
    if isinstance(node.op, ConvTranspose2d):
        read = prod(graph.shapes[node.inputs[0]][1:])
        return max(made, read * node.op.out_channels * prod(node.op.kernel))
    return made


def even(total: int, most: int, threads: int) -> int:
    """Samples of a batch, `most` or fewer, such that each of several threads gets as many batches."""
    if threads == 1:
        return most
    batches_of_each = -(-max(total, 1) // (most * threads))
    return -(-max(total, 1) // (batches_of_each * threads))


def last_reads(graph: Graph, kept: Collection[str]) -> dict[str, list[str]]:
    """Node -> the values that nothing reads after it."""
    last = {name: node.name for node in graph.nodes for name in (*node.inputs, node.name)}
    dead: dict[str, list[str]] = {}
    for value, node in last.items():
        if value not in kept:
            dead.setdefault(node, []).append(value)
    return dead
