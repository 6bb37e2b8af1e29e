"""Sums addition by addition, in the order that `Accumulator` defines: in registers that saturate, and in float32.

Slow, and obviously right: every multiplying layer is a convolution over rows and columns, whose taps are walked in the
order of the input they read.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import Array, Integers
from accelsim.formats.accumulator import Accumulator, held
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear


def register_sums(
    op: Linear, x: Integers, weights: Integers, bias: Integers, accumulator: Accumulator
) -> tuple[Integers, int]:
    """What the registers hold at the end `[N, out_channels, ...]`, and how many of them overflowed at any addition.

    x `[N, ...]` are codes minus their zero point, weights in the layout of the operator, bias `[out_channels]`.
    """
    conv, images, kernels = _as_convolution(op, x, weights)
    rows, columns = _outputs(conv, images)
    shape = len(images), conv.groups, conv.out_channels // conv.groups, rows, columns
    register = np.broadcast_to(held(bias, accumulator).reshape(1, *shape[1:3], 1, 1), shape)
    overflowed = np.zeros(shape, np.bool_)
    for seen, weight in _taps(conv, images, kernels, (rows, columns)):
        for first in range(0, seen.shape[2], accumulator.tree):
            tree = slice(first, first + accumulator.tree)
            exact = register + np.einsum("ngchw,gkc->ngkhw", seen[:, :, tree], weight[:, :, tree])
            register = held(exact, accumulator)
            overflowed |= register != exact
    sums = register.reshape(len(images), conv.out_channels, rows, columns)
    if isinstance(op, Dense):
        sums = sums.reshape(*x.shape[:-1], op.out_features)
    return np.array(sums), int(np.count_nonzero(overflowed))


def ordered_float_sums(
    op: Linear, x: NDArray[np.float32], weights: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Sums `[N, out_channels, ...]` that start at the bias, every product and every sum rounded to float32."""
    conv, images, kernels = _as_convolution(op, x, weights)
    size = _outputs(conv, images)
    shape = len(images), conv.groups, conv.out_channels // conv.groups, *size
    sums = np.array(np.broadcast_to(bias.reshape(1, *shape[1:3], 1, 1), shape))
    for seen, weight in _taps(conv, images, kernels, size):
        for channel in range(seen.shape[2]):
            sums += seen[:, :, channel, None] * weight[:, :, channel, None, None]
    sums = sums.reshape(len(images), conv.out_channels, *size)
    return sums.reshape(*x.shape[:-1], op.out_features) if isinstance(op, Dense) else sums


def _taps(conv: Conv2d, images: Array, kernels: Array, size: tuple[int, int]) -> Iterator[tuple[Array, Array]]:
    """For each tap what the outputs read `[N, groups, each_in, rows, columns]`, and `[groups, each_out, each_in]`."""
    each_in = conv.in_channels // conv.groups
    grouped = images.reshape(len(images), conv.groups, each_in, *images.shape[2:])
    by_group = kernels.reshape(conv.groups, conv.out_channels // conv.groups, each_in, *conv.kernel)
    for r, s in np.ndindex(*conv.kernel):
        reads = tuple(
            slice(tap * dilation, tap * dilation + (count - 1) * stride + 1, stride)
            for tap, dilation, count, stride in zip((r, s), conv.dilation, size, conv.stride, strict=True)
        )
        yield grouped[:, :, :, reads[0], reads[1]], by_group[..., r, s]


def _outputs(conv: Conv2d, images: Array) -> tuple[int, int]:
    extents = [d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel, strict=True)]
    rows, columns = (
        (size - extent) // stride + 1
        for size, extent, stride in zip(images.shape[2:], extents, conv.stride, strict=True)
    )
    return rows, columns


def _as_convolution(op: Linear, x: Array, weights: Array) -> tuple[Conv2d, Array, Array]:
    """The same layer as a convolution without padding over the rows and columns of `x`, already padded."""
    match op:
        case Dense():
            pixel = Conv2d(op.in_features, op.out_features, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, op.bias)
            return pixel, x.reshape(-1, op.in_features, 1, 1), weights.reshape(*weights.shape, 1, 1)
        case Conv2d():
            return op, _framed(x, op.padding), weights
        case ConvTranspose2d():
            return _gathering(op, x, weights)


def _gathering(op: ConvTranspose2d, x: Array, weights: Array) -> tuple[Conv2d, Array, Array]:
    """Zeros between the inputs, then a convolution with the kernel turned by 180 degrees."""
    n, channels, height, width = x.shape
    (sy, sx), (dy, dx), (top, bottom, left, right) = op.stride, op.dilation, op.crop
    spread = np.zeros((n, channels, (height - 1) * sy + 1, (width - 1) * sx + 1), x.dtype)
    spread[:, :, ::sy, ::sx] = x
    reach_y, reach_x = dy * (op.kernel[0] - 1), dx * (op.kernel[1] - 1)
    images = _framed(spread, (reach_y - top, reach_y - bottom, reach_x - left, reach_x - right))
    by_group = weights.reshape(op.groups, op.in_channels // op.groups, -1, *op.kernel).swapaxes(1, 2)
    turned = by_group[..., ::-1, ::-1].reshape(op.out_channels, -1, *op.kernel)
    conv = Conv2d(op.in_channels, op.out_channels, op.kernel, (1, 1), op.dilation, (0, 0, 0, 0), op.groups, op.bias)
    return conv, images, turned


def _framed(x: Array, frame: tuple[int, int, int, int]) -> Array:
    """Zeros above, below, left and right of the images; where a number is negative, so many rows or columns less."""
    top, bottom, left, right = frame
    padded = np.pad(x, ((0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in ((top, bottom), (left, right)))))
    height, width = padded.shape[2:]
    return padded[:, :, max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]
