"""Every operator in floating point, NCHW, in the dtype of its input (float32 for the reference network)."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from accelsim.ir.ops import (
    Add,
    BatchNorm,
    ChannelAffine,
    Conv2d,
    ConvTranspose2d,
    Dense,
    GlobalAveragePool,
    LeakyReLU,
    Op,
    Permute,
    ReLU,
    Reshape,
    Sigmoid,
    Slice,
    Tanh,
    ZeroPad,
)

Array = NDArray[Any]


@singledispatch
def run_float_op(op: Op, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    """Result `[N, ...]` of one operator; `parameters` by role. Convolutions sum in BLAS order."""
    raise TypeError(f"no float execution for {type(op).__name__}")


@run_float_op.register
def _(op: Dense, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    result: Array = inputs[0] @ parameters["weight"].T
    return result + parameters["bias"] if op.bias else result


def _add_bias(op: Conv2d | ConvTranspose2d, parameters: Mapping[str, Array], result: Array) -> Array:
    return result + parameters["bias"][:, None, None] if op.bias else result


@run_float_op.register
def _(op: Conv2d, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x, weight = inputs[0], parameters["weight"]
    top, bottom, left, right = op.padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    extent = tuple(d * (k - 1) + 1 for d, k in zip(op.dilation, op.kernel, strict=True))
    windows = sliding_window_view(x, extent, (2, 3))[
        :, :, :: op.stride[0], :: op.stride[1], :: op.dilation[0], :: op.dilation[1]
    ]
    n, _, rows, columns = windows.shape[:4]
    each_in, each_out = op.in_channels // op.groups, op.out_channels // op.groups
    terms = each_in * op.kernel[0] * op.kernel[1]
    patches = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, op.groups, terms, rows * columns)
    result = weight.reshape(op.groups, each_out, terms)[None] @ patches
    return _add_bias(op, parameters, result.reshape(n, op.out_channels, rows, columns))


@run_float_op.register
def _(op: ConvTranspose2d, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x, weight = inputs[0], parameters["weight"]
    n, _, rows, columns = x.shape
    taps = op.kernel[0] * op.kernel[1]
    each_in = op.in_channels // op.groups
    grouped = x.reshape(n, op.groups, each_in, rows * columns)
    kernels = weight.reshape(op.groups, each_in, -1)
    products = kernels.transpose(0, 2, 1)[None] @ grouped
    products = products.reshape(n, op.out_channels, taps, rows, columns)
    return _add_bias(op, parameters, scatter_and_crop(op, products))


def scatter_and_crop(op: ConvTranspose2d, products: Array) -> Array:
    """Add products `[N, out_channels, taps, H, W]` where their taps land, then crop: the definition of the operator."""
    n, channels, _, rows, columns = products.shape
    (sy, sx), (dy, dx), (top, bottom, left, right) = op.stride, op.dilation, op.crop
    height = (rows - 1) * sy + dy * (op.kernel[0] - 1) + 1
    width = (columns - 1) * sx + dx * (op.kernel[1] - 1) + 1
    above, before = max(0, -top), max(0, -left)
    full = np.zeros((n, channels, above + height + max(0, -bottom), before + width + max(0, -right)), products.dtype)
    for tap in range(products.shape[2]):
        y, x = above + tap // op.kernel[1] * dy, before + tap % op.kernel[1] * dx
        full[:, :, y : y + (rows - 1) * sy + 1 : sy, x : x + (columns - 1) * sx + 1 : sx] += products[:, :, tap]
    return full[:, :, above + top : above + height - bottom, before + left : before + width - right]


def _per_channel(values: Array, x: Array) -> Array:
    return values.reshape([-1 if axis == 1 else 1 for axis in range(x.ndim)])


@run_float_op.register
def _(op: BatchNorm, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    scale = parameters["weight"] / np.sqrt(parameters["var"] + x.dtype.type(op.eps))
    shift = parameters["bias"] - parameters["mean"] * scale
    result: Array = x * _per_channel(scale, x) + _per_channel(shift, x)
    return result


@run_float_op.register
def _(op: ChannelAffine, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    result: Array = x * _per_channel(parameters["scale"], x) + _per_channel(parameters["shift"], x)
    return result


@run_float_op.register
def _(op: ReLU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.maximum(inputs[0], 0)


@run_float_op.register
def _(op: LeakyReLU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    return np.where(x >= 0, x, x * x.dtype.type(op.slope))


@run_float_op.register
def _(op: Tanh, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.tanh(inputs[0]))


@run_float_op.register
def _(op: Sigmoid, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    magnitude = np.exp(-np.abs(inputs[0]))
    return np.asarray(np.where(inputs[0] >= 0, 1 / (1 + magnitude), magnitude / (1 + magnitude)))


@run_float_op.register
def _(op: Add, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(inputs[0] + inputs[1])


@run_float_op.register
def _(op: GlobalAveragePool, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(inputs[0].mean(axis=tuple(range(2, inputs[0].ndim))))


@run_float_op.register
def _(op: ZeroPad, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return pad(op, inputs[0], 0)


def pad(op: ZeroPad, x: Array, fill: int) -> Array:
    """`x` with `fill` around it: 0 for values, the zero point for codes."""
    return np.pad(x, ((0, 0), *zip(op.before, op.after, strict=True)), constant_values=fill)


@run_float_op.register
def _(op: Slice, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    index = [slice(None)] * inputs[0].ndim
    index[op.axis + 1] = slice(op.start, op.stop, op.step)
    return inputs[0][tuple(index)]


@run_float_op.register
def _(op: Reshape, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0].reshape(len(inputs[0]), *op.shape)


@run_float_op.register
def _(op: Permute, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0].transpose(0, *(a + 1 for a in op.axes))
