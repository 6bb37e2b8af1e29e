"""A convolution that reads its input through views: which stored element each of its inputs is.

A view stores nothing. What an upsampled or mirrored picture has twice is one element of its source, fetched as one.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.ir.graph import Graph
from accelsim.ir.ops import EdgePad, Op, ResizeNearest, Slice, ZeroPad
from accelsim.ir.program import is_view
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.spaces import Space

Indices = NDArray[np.int64]
_MODES: dict[str, Literal["reflect", "edge", "wrap"]] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def addressed(problem: LayerProblem, graph: Graph, name: str) -> LayerProblem:
    """The problem of a convolution of the value `name`, its inputs being elements of what is stored for it."""
    if len(graph.shapes[name]) != 3:
        return problem
    h, w = (_through(space, *_sources(graph, name, axis)) for space, axis in ((problem.h, 1), (problem.w, 2)))
    return replace(problem, h=h, w=w)


@lru_cache(maxsize=256)
def _through(space: Space, sources: tuple[int, ...], size: int) -> Space:
    if sources == tuple(range(space.in_size)):
        return space
    index = tuple(tuple(sources[i] if i >= 0 else -1 for i in row) for row in space.in_index)
    return Space(size, space.out_size, index, space.out_index)


def _sources(graph: Graph, name: str, axis: int) -> tuple[tuple[int, ...], int]:
    """(along an axis of an image the element of the source at each index, -1 for a padded zero; size of the source)."""
    found: Indices = np.arange(graph.shapes[name][axis], dtype=np.int64)
    while (node := graph.makers.get(name)) is not None and is_view(node):
        before = _before(node.op, axis, graph.shapes[node.inputs[0]])
        if before is None:
            break
        found = np.where(found >= 0, before[found], -1)
        name = node.inputs[0]
    return tuple(found.tolist()), graph.shapes[name][axis]


def _before(op: Op, axis: int, shape: tuple[int, ...]) -> Indices | None:
    """Per index of a view's result along an axis, that of its input; None for a view that is not of one axis."""
    if len(shape) != 3:
        return None
    every = np.arange(shape[axis], dtype=np.int64)
    match op:
        case ResizeNearest():
            at = (np.arange(op.size[axis - 1], dtype=np.float32) + np.float32(op.offset)) * np.float32(
                op.step[axis - 1]
            )
            nearest: Indices = np.minimum(np.floor(at).astype(np.int64), shape[axis] - 1)
            return nearest
        case EdgePad():
            padded: Indices = np.pad(every, (op.before[axis], op.after[axis]), mode=_MODES[op.mode])
            return padded
        case ZeroPad():
            return np.pad(every, (op.before[axis], op.after[axis]), constant_values=-1)
        case Slice():
            return every[op.start : op.stop : op.step] if op.axis == axis else every
    return None
