"""Operators that multiply and accumulate, in floating point."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from accelsim.engine.float_dispatch import Array, run_float_op
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, DynamicConv2d, DynamicConvTranspose2d, MatMul
from accelsim.ir.shapes import result_shape


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


@run_float_op.register
def _(op: MatMul, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.matmul(inputs[0], inputs[1]))


@run_float_op.register
def _(op: DynamicConv2d, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return _per_sample(op, Conv2d(**asdict(op), bias=False), *inputs)


@run_float_op.register
def _(op: DynamicConvTranspose2d, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return _per_sample(op, ConvTranspose2d(**asdict(op), bias=False), *inputs)


def _per_sample(
    op: DynamicConv2d | DynamicConvTranspose2d, fixed: Conv2d | ConvTranspose2d, x: Array, weights: Array
) -> Array:
    """Every sample with its own weights, one after the other."""
    shape = result_shape(op, x.shape[1:], weights.shape[1:])
    results = [run_float_op(fixed, {"weight": w}, x[i : i + 1]) for i, w in enumerate(weights)]
    return np.concatenate([np.zeros((0, *shape), x.dtype), *results])
