"""Norms, reductions, pools and interpolation, in floating point."""

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from accelsim.engine.float_dispatch import Array, run_float_op
from accelsim.engine.float_elementwise import per_channel
from accelsim.ir.ops import (
    AdaptivePool,
    AveragePool,
    BatchNorm,
    ChannelAffine,
    GlobalAveragePool,
    GroupNorm,
    InstanceNorm,
    Interpolate,
    LayerNorm,
    MaxPool,
    Pair,
    Reduce,
    RMSNorm,
    Shape,
    Sides,
    Softmax,
)

_CUBIC = -0.75
"""The a of Keys' cubic kernel (1981), as torch has it."""


@run_float_op.register
def _(op: BatchNorm, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    scale = parameters["weight"] / np.sqrt(parameters["var"] + x.dtype.type(op.eps))
    shift = parameters["bias"] - parameters["mean"] * scale
    result: Array = x * per_channel(scale, x) + per_channel(shift, x)
    return result


@run_float_op.register
def _(op: ChannelAffine, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    result: Array = x * per_channel(parameters["scale"], x) + per_channel(parameters["shift"], x)
    return result


def _normalised(x: Array, axes: Shape, eps: float) -> Array:
    """Two passes: the mean, then the variance around it."""
    centred = x - x.mean(axes, keepdims=True)
    return np.asarray(centred / np.sqrt(np.square(centred).mean(axes, keepdims=True) + x.dtype.type(eps)))


@run_float_op.register
def _(op: InstanceNorm, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return _affine(op, parameters, _normalised(inputs[0], tuple(range(2, inputs[0].ndim)), op.eps))


@run_float_op.register
def _(op: GroupNorm, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    grouped = x.reshape(len(x), op.groups, op.channels // op.groups, *x.shape[2:])
    return _affine(op, parameters, _normalised(grouped, tuple(range(2, grouped.ndim)), op.eps).reshape(x.shape))


def _affine(op: InstanceNorm | GroupNorm, parameters: Mapping[str, Array], x: Array) -> Array:
    if not op.affine:
        return x
    result: Array = x * per_channel(parameters["weight"], x) + per_channel(parameters["bias"], x)
    return result


@run_float_op.register
def _(op: LayerNorm, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    result = _normalised(inputs[0], tuple(range(-len(op.shape), 0)), op.eps)
    return result * parameters["weight"] + parameters["bias"] if op.affine else result


@run_float_op.register
def _(op: RMSNorm, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x, axes = inputs[0], tuple(a + 1 for a in op.axes)
    return np.asarray(x / np.sqrt(np.square(x).mean(axes, keepdims=True) + x.dtype.type(op.eps)))


@run_float_op.register
def _(op: Reduce, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x, axes = inputs[0], tuple(a + 1 for a in op.axes)
    if op.kind == "norm":
        return np.asarray(np.sqrt(np.square(x).sum(axes, keepdims=op.keepdim)))
    return np.asarray(getattr(x, op.kind)(axes, keepdims=op.keepdim))


@run_float_op.register
def _(op: GlobalAveragePool, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(inputs[0].mean(axis=tuple(range(2, inputs[0].ndim))))


@run_float_op.register
def _(op: Softmax, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    powers = np.exp(inputs[0] - inputs[0].max(op.axis + 1, keepdims=True))
    return np.asarray(powers / powers.sum(op.axis + 1, keepdims=True))


def _windows(x: Array, fill: float, kernel: Pair, stride: Pair, dilation: Pair, padding: Sides) -> Array:
    """`[N, C, h, w, rows, columns]`: the elements of each window, `fill` where it lies over the padding."""
    top, bottom, left, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    extent = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    windows = sliding_window_view(padded, extent, (2, 3))
    return windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


@run_float_op.register
def _(op: MaxPool, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min  # codes are pooled as they are
    return np.asarray(_windows(x, lowest, op.kernel, op.stride, op.dilation, op.padding).max((4, 5)))


@run_float_op.register
def _(op: AveragePool, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x, ones = inputs[0], np.ones((1, 1, *inputs[0].shape[2:]), inputs[0].dtype)
    sums = _windows(x, 0, op.kernel, op.stride, (1, 1), op.padding).sum((4, 5))
    counts = _windows(ones, float(op.count_padding), op.kernel, op.stride, (1, 1), op.padding).sum((4, 5))
    return np.asarray(sums / counts)


@run_float_op.register
def _(op: AdaptivePool, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    for axis, size in enumerate(op.size, start=2):
        n = x.shape[axis]
        bounds = [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
        parts = (x.take(range(first, last), axis) for first, last in bounds)
        x = np.stack([getattr(part, op.kind)(axis) for part in parts], axis)
    return x


@run_float_op.register
def _(op: Interpolate, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    for axis, (size, step) in enumerate(zip(op.size, op.step, strict=True), start=2):
        at = np.arange(size) * step if op.align_corners else (np.arange(size) + 0.5) * step - 0.5
        x = _resampled(x, axis, np.maximum(at, 0) if op.kind == "linear" else at, op.kind == "cubic")
    return x


def _resampled(x: Array, axis: int, at: Array, cubic: bool) -> Array:
    first = np.floor(at)
    part = at - first
    taps = cubic_taps(part) if cubic else {0: 1 - part, 1: part}
    total = np.zeros((), x.dtype)
    for offset, weights in taps.items():
        index = np.clip(first + offset, 0, x.shape[axis] - 1).astype(np.int64)
        shape = [-1 if a == axis else 1 for a in range(x.ndim)]
        total = total + x.take(index, axis) * weights.astype(x.dtype).reshape(shape)
    return total


def cubic_taps(part: Array) -> dict[int, Array]:
    """Weight of each neighbour, by its offset, where a position lies `part` past its element."""

    def near(t: Array) -> Array:
        return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1

    def far(t: Array) -> Array:
        return ((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC

    return {-1: far(part + 1), 0: near(part), 1: near(1 - part), 2: far(2 - part)}
