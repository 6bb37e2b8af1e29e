"""1 / sqrt(x) of whole numbers by whole numbers: a normalised argument, one division, one square root, both exact.

    x ~ mantissa * 4**exponent,  2**30 <= mantissa < 2**32   (the bits below the mantissa are dropped)
    root = floor(2**46 / sqrt(mantissa)) = floor(sqrt(floor(2**92 / mantissa)))
    1 / sqrt(x) ~ root * 2**-(46 + exponent),   2**30 < root <= 2**31

The relative error is below 2**-29: half of what was dropped from 31 bits or more, and the floor of 31 bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MANTISSA_BITS = 32
ROOT_SCALE = 46


def reciprocal_root(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(root, exponent), each `[...]`, of positive whole numbers: int64, or Python's where those are too narrow."""
    exponent = (bit_lengths(values) - (MANTISSA_BITS - 1)) >> 1
    left, right = 2 * np.maximum(-exponent, 0), 2 * np.maximum(exponent, 0)
    mantissa = ((values >> right.astype(values.dtype)) << left.astype(values.dtype)).astype(np.int64)
    high, rest = np.divmod(np.int64(1 << 62), mantissa)
    return integer_root((high << 30) + (rest << 30) // mantissa), exponent


def bit_lengths(values: NDArray[Any]) -> NDArray[np.int64]:
    """Bits of positive whole numbers."""
    if values.dtype == object:
        return np.asarray(np.frompyfunc(lambda x: int(x).bit_length(), 1, 1)(values)).astype(np.int64)
    length, rest = np.zeros(values.shape, np.int64), values.astype(np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        longer = rest >> step > 0
        length, rest = length + step * longer, np.where(longer, rest >> step, rest)
    return length + (rest > 0)


def integer_root(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """floor(sqrt(x)) of whole numbers below 2**63, bit by bit from the highest."""
    root = np.zeros(values.shape, np.int64)
    for bit in range(31, -1, -1):
        tried = root + (1 << bit)
        root = np.where(tried <= values // np.maximum(tried, 1), tried, root)
    return root
