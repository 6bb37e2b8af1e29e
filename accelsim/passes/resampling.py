"""Taps of an interpolation along one axis: which input elements, with which whole-number weights."""

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.float_sums import cubic_taps
from accelsim.ir.ops import Interpolate

WEIGHT_BITS = 14
"""Weights are multiples of 2**-14 that sum up to 1: exact for scales of 2, 4, 8."""
Integers = NDArray[np.int64]


def taps(op: Interpolate, axis: int, n: int) -> tuple[Integers, Integers]:
    """Positions and weights `[taps, size]` along spatial axis `axis` of `n` elements.

    The nearest tap takes what rounding left.
    """
    size, step = op.size[axis], op.step[axis]
    at = np.arange(size) * step if op.align_corners else (np.arange(size) + 0.5) * step - 0.5
    at = np.maximum(at, 0) if op.kind == "linear" else at
    first = np.floor(at)
    part = at - first
    real = cubic_taps(part) if op.kind == "cubic" else {0: 1 - part, 1: part}
    positions = np.stack([np.clip(first + offset, 0, n - 1) for offset in real]).astype(np.int64)
    weights = np.stack([np.rint(weight * 2.0**WEIGHT_BITS) for weight in real.values()]).astype(np.int64)
    nearest = weights.argmax(axis=0)
    weights[nearest, np.arange(size)] += (1 << WEIGHT_BITS) - weights.sum(axis=0)
    return positions, weights
