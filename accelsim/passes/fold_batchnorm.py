"""Batch norm with stored statistics disappears wherever that is exact.

Into the multiplying layer before it; else into the dense or convolution after it, unless zeros are padded between the
two (a padded zero would have to become -shift/scale); else it stays as a per-channel affine.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelsim.ir.graph import Graph, Node, Weights
from accelsim.ir.ops import BatchNorm, ChannelAffine, Conv2d, ConvTranspose2d, Dense, Linear
from accelsim.passes.rewrite import maker, merge, sole_reader, swap

Folded = tuple[Graph, Weights | None]
Float64 = NDArray[np.float64]


def fold_batchnorm(graph: Graph, weights: Weights | None) -> Folded:
    """Fold every batch norm. Without weights only the structure changes.

    New values are computed in float64 and rounded to float32 once.
    """
    for name in [node.name for node in graph.nodes if isinstance(node.op, BatchNorm)]:
        graph, weights = _fold(graph, weights, graph.node(name))
    return graph, weights


def _fold(graph: Graph, weights: Weights | None, norm: Node) -> Folded:
    before = None if norm.epilogue else maker(graph, norm.inputs[0])
    if before is not None and _absorbs_after(graph, before):
        return _into_previous(graph, weights, before, norm)
    after = None if norm.epilogue else sole_reader(graph, norm.name)
    if after is not None and _absorbs_before(graph, after):
        return _into_next(graph, weights, norm, after)
    assert isinstance(norm.op, BatchNorm)
    affine = replace(norm, op=ChannelAffine(norm.op.channels), parameters="")
    if weights is not None:
        scale, shift = _scale_shift(norm, weights)
        weights = _with(weights, affine, scale=scale, shift=shift)
    return swap(graph, affine), weights


def _absorbs_after(graph: Graph, node: Node) -> bool:
    if sole_reader(graph, node.name) is None or node.epilogue:
        return False
    if isinstance(node.op, Dense):
        return len(graph.shapes[node.name]) == 1
    return isinstance(node.op, Conv2d | ConvTranspose2d)


def _absorbs_before(graph: Graph, node: Node) -> bool:
    if isinstance(node.op, Dense):
        return len(graph.shapes[node.inputs[0]]) == 1
    return isinstance(node.op, Conv2d) and not any(node.op.padding)


def _unshared(graph: Graph, node: Node) -> str:
    """`Node.parameters` for the changed tensors of a node, so that nodes of the same module keep the old ones."""
    prefix = node.name
    while any((other.parameters or other.name) == prefix for other in graph.nodes if other.name != node.name):
        prefix += "_folded"
    return "" if prefix == node.name else prefix


def _scale_shift(norm: Node, weights: Weights) -> tuple[Float64, Float64]:
    assert isinstance(norm.op, BatchNorm)
    mean, var, gamma, beta = (
        weights[norm.parameter(role)].astype(np.float64) for role in ("mean", "var", "weight", "bias")
    )
    scale = gamma / np.sqrt(var + norm.op.eps)
    return scale, beta - mean * scale


def _with(weights: Weights, node: Node, **tensors: Float64) -> Weights:
    return {**weights, **{node.parameter(role): tensor.astype(np.float32) for role, tensor in tensors.items()}}


def _bias(node: Node, op: Linear, weights: Weights, channels: int) -> Float64:
    return weights[node.parameter("bias")].astype(np.float64) if op.bias else np.zeros(channels)


def _into_previous(graph: Graph, weights: Weights | None, before: Node, norm: Node) -> Folded:
    assert isinstance(before.op, Dense | Conv2d | ConvTranspose2d)
    folded = replace(before, op=replace(before.op, bias=True), parameters=_unshared(graph, before))
    if weights is not None:
        scale, shift = _scale_shift(norm, weights)
        weight = weights[before.parameter("weight")].astype(np.float64)
        bias = _bias(before, before.op, weights, len(scale)) * scale + shift
        if isinstance(before.op, ConvTranspose2d):
            grouped = weight.reshape(before.op.groups, -1, *weight.shape[1:])
            weight = (grouped * scale.reshape(before.op.groups, 1, -1, 1, 1)).reshape(weight.shape)
        else:
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        weights = _with(weights, folded, weight=weight, bias=bias)
    return merge(graph, folded, norm), weights


def _into_next(graph: Graph, weights: Weights | None, norm: Node, after: Node) -> Folded:
    assert isinstance(after.op, Dense | Conv2d)
    prefix = _unshared(graph, after)
    folded = replace(after, op=replace(after.op, bias=True), inputs=norm.inputs, parameters=prefix)
    if weights is not None:
        scale, shift = _scale_shift(norm, weights)
        weight = weights[after.parameter("weight")].astype(np.float64)
        groups = after.op.groups if isinstance(after.op, Conv2d) else 1
        grouped = weight.reshape(groups, -1, len(scale) // groups, *weight.shape[2:])
        trailing = [1] * (weight.ndim - 2)
        added = (grouped * shift.reshape(groups, 1, -1, *trailing)).sum(axis=tuple(range(2, grouped.ndim)))
        bias = _bias(after, after.op, weights, len(weight)) + added.reshape(-1)
        weight = (grouped * scale.reshape(groups, 1, -1, *trailing)).reshape(weight.shape)
        weights = _with(weights, folded, weight=weight, bias=bias)
    return merge(graph, folded, norm), weights
