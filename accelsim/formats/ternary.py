"""Ternary numbers: value = scale * code, code in {-1, 0, 1}.

Weights by one of three rules, each giving a threshold and a scale:

twn   Li et al. 2016 (arXiv 1605.04711, section 2.2): threshold 0.7 * mean|w|; scale = mean of |w| above it.
ttq   Zhu et al. 2017 (arXiv 1612.01064): threshold 0.05 * max|w|; one scale for the positive and one for the negative
      weights, which they train and which start here from their means. Both are held as 8-bit multiples of one unit, so
      that a sum is P * positive - N * negative with P and N the sums of the inputs on either side.
tgan  the ternarizer of the group behind PIM-TGAN (Angizi et al. 2018), as published with their image networks:
      threshold 0.05 * max|w|; scale = mean of |w| from there on; -threshold itself becomes 0.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import Granularity

Rule = Literal["twn", "ttq", "tgan"]
SIDE_BITS = 8
"""Bits of the two scales of `ttq`."""
TWN_THRESHOLD = 0.7
MAX_THRESHOLD = 0.05

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Ternary:
    """Two bits a code. `rule` and `granularity` are those of weights; activations have one scale for a tensor."""

    rule: Rule = "twn"
    granularity: Granularity = "channel"

    bits = 2
    low = -1
    high = 1
    dtype = np.int8

    @property
    def factor_bits(self) -> int:
        """Width of what inputs are multiplied with: the code, or under `ttq` one of two 8-bit scales."""
        return SIDE_BITS if self.rule == "ttq" else self.bits

    def __str__(self) -> str:
        return f"ternary:{self.rule}:{self.granularity}"


@dataclass(frozen=True)
class TernaryWeights:
    """Codes `[C, K]`, unit scale `[C]` or `[1]` and the factors of -1 and +1, each `[C]` or `[1]`."""

    codes: NDArray[np.int64]
    scale: Float64
    negative: NDArray[np.int64]
    positive: NDArray[np.int64]

    @property
    def factors(self) -> NDArray[np.int64]:
        """What inputs are multiplied with, `[C, K]`."""
        sided = np.where(self.codes > 0, self.positive[:, None], -self.negative[:, None])
        return np.where(self.codes == 0, 0, sided)


def ternarized(rule: Rule, rows: Float64) -> TernaryWeights:
    """Rows `[C, K]` by the rule, each with its own threshold and scale. A row of zeros gets scale 1."""
    magnitude = np.abs(rows)
    if rule == "twn":
        outside = magnitude > TWN_THRESHOLD * magnitude.mean(axis=1, keepdims=True)
        codes = np.where(outside, np.sign(rows), 0)
    else:
        threshold = MAX_THRESHOLD * magnitude.max(axis=1, keepdims=True, initial=0.0)
        outside = (magnitude >= threshold) & (magnitude > 0)
        codes = np.where(outside & ~((rows == -threshold) & (rule == "tgan")), np.sign(rows), 0)
    ones = np.ones(len(rows), np.int64)
    whole = codes.astype(np.int64)
    if rule != "ttq":
        return TernaryWeights(whole, _mean_of(magnitude, outside), ones, ones)
    sides = np.stack([_mean_of(magnitude, codes < 0), _mean_of(magnitude, codes > 0)])
    largest = np.where((whole != 0).any(axis=1), sides.max(axis=0), 1.0)
    unit = largest / ((1 << (SIDE_BITS - 1)) - 1)
    negative, positive = np.rint(sides / unit).astype(np.int64)
    return TernaryWeights(whole, unit, negative, positive)


def _mean_of(values: Float64, chosen: NDArray[np.bool_]) -> Float64:
    """Of each row, 1 where nothing is chosen."""
    count = chosen.sum(axis=1)
    total = np.where(chosen, values, 0.0).sum(axis=1)
    mean: Float64 = np.divide(total, count, out=np.ones(len(values)), where=count > 0)
    return mean


def activation_scale(values: Float64, counts: NDArray[np.int64]) -> float:
    """The `twn` scale of values `[B]` that were seen `counts` times; 1 where all are zero.

    Activations take the nearest code under it, so that their threshold is half the scale.
    """
    magnitude = np.abs(values)
    total = int(counts.sum())
    if total == 0:
        return 1.0
    outside = magnitude > TWN_THRESHOLD * float((magnitude * counts).sum()) / total
    return float(np.average(magnitude[outside], weights=counts[outside])) if outside.any() else 1.0
