"""Proof that no accumulator can overflow, whatever the inputs and the order of adding.

Every partial sum lies between the sum of the negative and the sum of the positive extreme products of its channel, bias
included; where both fit the register nothing ever wraps or saturates. Cost: one pass over the weights.
"""

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.ir.ops import ConvTranspose2d, Op
from accelsim.ir.program import Encoding, LinearLayer


def accumulator_is_proven(op: Op, layer: LinearLayer, source: Encoding) -> bool:
    """Whether every partial sum of every output channel fits the layer's accumulator for any input code."""
    format, scaling = affine_of(source)
    integers, accumulator = integers_of(layer), layer.accumulator
    assert accumulator is not None
    low, high = format.low - scaling.zero_point, format.high - scaling.zero_point
    codes = _per_output_channel(op, integers.factors.astype(np.int64))
    positive = np.maximum(codes * low, codes * high).clip(min=0).sum(axis=1) + np.maximum(integers.bias, 0)
    negative = np.minimum(codes * low, codes * high).clip(max=0).sum(axis=1) + np.minimum(integers.bias, 0)
    reach = 1 << (accumulator.bits - 1)
    return bool((positive < reach).all() and (negative >= -reach).all())


def _per_output_channel(op: Op, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    if not isinstance(op, ConvTranspose2d):
        return codes.reshape(len(codes), -1)
    grouped = codes.reshape(op.groups, op.in_channels // op.groups, op.out_channels // op.groups, -1)
    return grouped.swapaxes(1, 2).reshape(op.out_channels, -1)
