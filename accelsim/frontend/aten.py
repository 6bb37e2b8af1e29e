"""ATen operators -> layer IR: one entry each in `LOWER`. A new operator is one function and one entry."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from accelsim.errors import UnsupportedOperator
from accelsim.frontend.lowering import Lowering, sample_shape, where
from accelsim.ir import ops

ATEN = torch.ops.aten


def _argument(at: fx.Node, index: int, name: str, default: Any = None) -> Any:
    return at.args[index] if len(at.args) > index else at.kwargs.get(name, default)


def _numbers(values: Any) -> list[int]:
    return [int(v) for v in values]


def _pair(value: Any) -> ops.Pair:
    values = [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)]
    return (values[0], values[-1])


def _weight_and_bias(lowering: Lowering, at: fx.Node) -> tuple[tuple[Tensor, Tensor | None], list[Any]]:
    arguments = [at.args[1], _argument(at, 2, "bias")]
    weight, bias = (lowering.tensor(at, argument) for argument in arguments)
    assert weight is not None
    return (weight, bias), arguments


def _linear(lowering: Lowering, at: fx.Node) -> str:
    (weight, bias), arguments = _weight_and_bias(lowering, at)
    op = ops.Dense(weight.shape[1], weight.shape[0], bias is not None)
    return lowering.emit_with(op, lowering.value(at, at.args[0]), arguments, {"weight": weight, "bias": bias})


def _conv2d(lowering: Lowering, at: fx.Node) -> str:
    (weight, bias), arguments = _weight_and_bias(lowering, at)
    kernel, dilation = _pair(weight.shape[2:]), _pair(_argument(at, 5, "dilation", 1))
    groups = int(_argument(at, 6, "groups", 1))
    padding = _argument(at, 4, "padding", 0)
    sides: ops.Sides = (0, 0, 0, 0)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sides = (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
    elif padding != "valid":
        rows, columns = _pair(padding)
        sides = (rows, rows, columns, columns)
    stride = _pair(_argument(at, 3, "stride", 1))
    op = ops.Conv2d(
        weight.shape[1] * groups, weight.shape[0], kernel, stride, dilation, sides, groups, bias is not None
    )
    return lowering.emit_with(op, lowering.value(at, at.args[0]), arguments, {"weight": weight, "bias": bias})


def _conv_transpose2d(lowering: Lowering, at: fx.Node) -> str:
    (weight, bias), arguments = _weight_and_bias(lowering, at)
    stride, padding = _pair(_argument(at, 3, "stride", 1)), _pair(_argument(at, 4, "padding", 0))
    extra, groups = _pair(_argument(at, 5, "output_padding", 0)), int(_argument(at, 6, "groups", 1))
    dilation, kernel = _pair(_argument(at, 7, "dilation", 1)), _pair(weight.shape[2:])
    crop = (padding[0], padding[0] - extra[0], padding[1], padding[1] - extra[1])
    channels = (weight.shape[0], weight.shape[1] * groups)
    op = ops.ConvTranspose2d(*channels, kernel, stride, dilation, crop, groups, bias is not None)
    return lowering.emit_with(op, lowering.value(at, at.args[0]), arguments, {"weight": weight, "bias": bias})


def _batch_norm(lowering: Lowering, at: fx.Node) -> str:
    weight, bias, mean, var = (lowering.tensor(at, a) for a in at.args[1:5])
    if mean is None or var is None or _argument(at, 5, "training"):
        raise UnsupportedOperator(f"{where(at)}: batch norm without stored statistics is not supported")
    weight = torch.ones_like(mean) if weight is None else weight
    bias = torch.zeros_like(mean) if bias is None else bias
    arguments: list[Any] = [*at.args[3:5], *at.args[1:3]]
    op = ops.BatchNorm(mean.numel(), float(_argument(at, 7, "eps", 1e-5)))
    tensors: dict[str, Tensor | None] = {"weight": weight, "bias": bias, "mean": mean, "var": var}
    return lowering.emit_with(op, lowering.value(at, at.args[0]), arguments, tensors)


def _elementwise(make: Callable[[fx.Node], ops.Op]) -> Callable[[Lowering, fx.Node], str]:
    return lambda lowering, at: lowering.emit(at, make(at), [lowering.value(at, at.args[0])])


def _add(lowering: Lowering, at: fx.Node) -> str:
    if at.kwargs.get("alpha", 1) != 1:
        raise UnsupportedOperator(f"{where(at)}: addition with alpha={at.kwargs['alpha']} is not supported")
    inputs = [lowering.value(at, argument) for argument in at.args[:2]]
    shapes = [lowering.shape(at, argument) for argument in at.args[:2]]
    if shapes[0] != shapes[1]:
        raise UnsupportedOperator(f"{where(at)}: adding {list(shapes[0])} and {list(shapes[1])} is not supported")
    return lowering.emit(at, ops.Add(), inputs)


def _reshape(lowering: Lowering, at: fx.Node) -> str:
    value, shape = lowering.value(at, at.args[0]), sample_shape(at)
    batch_before, batch_after = at.args[0].meta["val"].shape[0], at.meta["val"].shape[0]  # type: ignore[union-attr]
    if str(batch_before) != str(batch_after):  # as symbols: numbers are equal by chance in the example
        raise UnsupportedOperator(f"{where(at)}: a reshape that moves the batch dimension is not supported")
    if shape == lowering.shape(at, at.args[0]):
        return value
    return lowering.emit(at, ops.Reshape(shape), [value])


def _permute(lowering: Lowering, at: fx.Node) -> str:
    rank = len(at.meta["val"].shape)
    if at.target is ATEN.transpose.int:
        first, second = (a % rank for a in _numbers(at.args[1:3]))
        axes = list(range(rank))
        axes[first], axes[second] = second, first
    else:
        axes = [a % rank for a in _numbers(at.args[1])]
    if axes[0] != 0:
        raise UnsupportedOperator(f"{where(at)}: a permutation that moves the batch dimension is not supported")
    return lowering.emit(at, ops.Permute(tuple(a - 1 for a in axes[1:])), [lowering.value(at, at.args[0])])


def _slice(lowering: Lowering, at: fx.Node) -> str:
    value, axis = lowering.value(at, at.args[0]), int(_argument(at, 1, "dim", 0))
    rank = len(at.meta["val"].shape)
    start, stop, step = _argument(at, 2, "start"), _argument(at, 3, "end"), int(_argument(at, 4, "step", 1))
    if axis % rank == 0:
        if start in (None, 0) and step == 1 and (stop is None or not isinstance(stop, int) or stop >= 2**31):
            return value
        raise UnsupportedOperator(f"{where(at)}: slicing the batch dimension is not supported")
    size = lowering.shape(at, at.args[0])[axis % rank - 1]
    kept = range(size)[slice(start, stop, step)]
    if len(kept) == size:
        return value
    if not kept:
        raise UnsupportedOperator(f"{where(at)}: a slice that keeps nothing of {size} is not supported")
    return lowering.emit(at, ops.Slice(axis % rank - 1, kept.start, kept.stop, step), [value])


def _pad(lowering: Lowering, at: fx.Node) -> str:
    mode, fill = _argument(at, 2, "mode", "constant"), _argument(at, 3, "value", 0)
    if at.target is ATEN.constant_pad_nd.default:
        mode, fill = "constant", _argument(at, 2, "value", 0)
    if mode != "constant" or fill not in (None, 0, 0.0):
        raise UnsupportedOperator(f"{where(at)}: padding in mode {mode!r} with value {fill} is not supported")
    amounts = _numbers(at.args[1])
    shape = lowering.shape(at, at.args[0])
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)][::-1]
    if len(pairs) > len(shape) or min(amounts) < 0:
        raise UnsupportedOperator(f"{where(at)}: padding {amounts} is not supported")
    pairs = [(0, 0)] * (len(shape) - len(pairs)) + pairs
    before, after = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    return lowering.emit(at, ops.ZeroPad(before, after), [lowering.value(at, at.args[0])])


def _mean(lowering: Lowering, at: fx.Node) -> str:
    rank = len(at.args[0].meta["val"].shape)  # type: ignore[union-attr]
    axes = sorted(int(a) % rank for a in _argument(at, 1, "dim"))
    if axes != list(range(2, rank)):
        raise UnsupportedOperator(f"{where(at)}: a mean over axes {axes} is not supported, only over all of H, W")
    pooled = lowering.emit(at, ops.GlobalAveragePool(), [lowering.value(at, at.args[0])])
    if not _argument(at, 2, "keepdim", False):
        return pooled
    return lowering.emit(at, ops.Reshape(sample_shape(at)), [pooled], f"{pooled}_keepdim")


def _adaptive_pool(lowering: Lowering, at: fx.Node) -> str:
    if _pair(at.args[1]) != (1, 1):
        raise UnsupportedOperator(f"{where(at)}: adaptive pooling to {at.args[1]} is not supported, only to 1x1")
    pooled = lowering.emit(at, ops.GlobalAveragePool(), [lowering.value(at, at.args[0])])
    return lowering.emit(at, ops.Reshape(sample_shape(at)), [pooled], f"{pooled}_keepdim")


def _identity(lowering: Lowering, at: fx.Node) -> str:
    return lowering.value(at, at.args[0])


def _dropout(lowering: Lowering, at: fx.Node) -> str:
    if _argument(at, 2, "train"):
        raise UnsupportedOperator(f"{where(at)}: dropout that stays on in eval mode is not supported")
    return lowering.value(at, at.args[0])


def _leaky_relu(at: fx.Node) -> ops.Op:
    return ops.LeakyReLU(float(_argument(at, 1, "negative_slope", 0.01)))


LOWER: dict[Any, Callable[[Lowering, fx.Node], str | None]] = {
    ATEN.linear.default: _linear,
    ATEN.conv2d.default: _conv2d,
    ATEN.conv2d.padding: _conv2d,
    ATEN.conv_transpose2d.input: _conv_transpose2d,
    ATEN.batch_norm.default: _batch_norm,
    ATEN.relu.default: _elementwise(lambda at: ops.ReLU()),
    ATEN.relu_.default: _elementwise(lambda at: ops.ReLU()),
    ATEN.leaky_relu.default: _elementwise(_leaky_relu),
    ATEN.leaky_relu_.default: _elementwise(_leaky_relu),
    ATEN.tanh.default: _elementwise(lambda at: ops.Tanh()),
    ATEN.sigmoid.default: _elementwise(lambda at: ops.Sigmoid()),
    ATEN.add.Tensor: _add,
    ATEN.add_.Tensor: _add,
    ATEN.view.default: _reshape,
    ATEN.reshape.default: _reshape,
    ATEN.flatten.using_ints: _reshape,
    ATEN.unflatten.int: _reshape,
    ATEN.squeeze.dims: _reshape,
    ATEN.squeeze.dim: _reshape,
    ATEN.unsqueeze.default: _reshape,
    ATEN.permute.default: _permute,
    ATEN.transpose.int: _permute,
    ATEN.slice.Tensor: _slice,
    ATEN.pad.default: _pad,
    ATEN.constant_pad_nd.default: _pad,
    ATEN.mean.dim: _mean,
    ATEN.adaptive_avg_pool2d.default: _adaptive_pool,
    ATEN.dropout.default: _dropout,
    ATEN.dropout_.default: _dropout,
    ATEN.feature_dropout.default: _dropout,
    ATEN.feature_dropout_.default: _dropout,
    ATEN.clone.default: _identity,
    ATEN.contiguous.default: _identity,
    ATEN.alias.default: _identity,
    ATEN.detach.default: _identity,
    ATEN.sym_size.int: lambda lowering, at: None,
    operator.mul: lambda lowering, at: None,
}

ALIASES = {
    target
    for target, lower_op in LOWER.items()
    if lower_op in (_reshape, _permute, _slice, _dropout, _identity) and target is not ATEN.clone.default
}
"""Operators whose result may lie in the memory of their input."""


def writes_in_place(at: fx.Node) -> bool:
    """Whether an operator changes its input."""
    schema = getattr(at.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def check_in_place(at: fx.Node) -> None:
    """A graph has values, not memory: writing in place is the same only if the memory is not read under an older name.

    Raises:
        UnsupportedOperator: it is, through a view.
    """
    nodes = list(at.graph.nodes)
    older = nodes[: nodes.index(at)]
    root = at.args[0]
    while isinstance(root, fx.Node) and (root.target in ALIASES or writes_in_place(root)):
        root = root.args[0]
    same_memory = {root}
    for node in older:
        if (node.target in ALIASES or writes_in_place(node)) and node.args[0] in same_memory:
            same_memory.add(node)
    if any(user is not at and user not in older for alias in same_memory for user in alias.users):  # type: ignore[union-attr]
        raise UnsupportedOperator(
            f"{where(at)}: {at.target} writes in place into a value that is read later through another view",
            hint="use the operator that is not in place",
        )
