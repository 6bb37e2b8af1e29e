"""Proof that no accumulator can overflow, whatever the inputs.

A register starts at the bias and adds products. Whichever of them it has added, in whatever order, it lies between bias
plus all the most negative products and bias plus all the most positive ones: where both ends fit nothing ever wraps or
saturates. Cost: one pass over the weights.
"""

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.ir.ops import ConvTranspose2d, Op
from accelsim.ir.program import Encoding, LinearLayer


def accumulator_is_proven(op: Op, layer: LinearLayer, source: Encoding) -> bool:
    """Whether every sum of every output channel fits the layer's accumulator for any input code."""
    return bool(proven_channels(op, layer, source).all())


def proven_channels(op: Op, layer: LinearLayer, source: Encoding) -> NDArray[np.bool_]:
    """Whether the bias plus any subset of the products fits the accumulator, for each output channel `[C]`.

    The products are those of any input codes of the format of `source`; sums are exact up to 62 bits. In channels
    where it is so every overflow mode, order and adder tree holds the same numbers: the exact ones.
    """
    accumulator, bias = layer.accumulator, integers_of(layer).bias
    assert accumulator is not None
    lowest, highest = reach(op, layer, source)
    return np.asarray((accumulator.low <= bias + lowest) & (bias + highest <= accumulator.high))


def reach(op: Op, layer: LinearLayer, source: Encoding) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sums of all the most negative and of all the most positive products of each output channel, `[C]` each."""
    format, scaling = affine_of(source)
    low, high = min(0, format.low - scaling.zero_point), max(0, format.high - scaling.zero_point)
    factors = integers_of(layer).factors
    total = _by_output_channel(op, factors)
    positive = _by_output_channel(op, np.maximum(factors, 0))
    negative = total - positive
    return negative * high + positive * low, positive * high + negative * low


def _by_output_channel(op: Op, weights: NDArray[np.integer]) -> NDArray[np.int64]:
    """Sums of the weights of each output channel, `[C]`."""
    axes: tuple[int, ...] = tuple(range(1, weights.ndim))
    if isinstance(op, ConvTranspose2d):
        weights, axes = weights.reshape(op.groups, -1, op.out_channels // op.groups, *op.kernel), (1, 3, 4)
    return np.asarray(weights.sum(axis=axes, dtype=np.int64)).reshape(-1)
