"""Affine integers: value = scale * (code - zero_point), Jacob et al. 2018 (arXiv 1712.05877, equation 1)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Granularity = Literal["channel", "tensor"]
RequantizationMode = Literal["single", "double", "float"]
"""How sums become codes: rounded once, rounded twice as gemmlowp does, or by a float32 factor; see `requantize`."""


@dataclass(frozen=True)
class AffineInt:
    """`bits`-wide two's-complement codes.

    Symmetric: the zero point is 0 and the most negative code is not used, so that negation is exact. Fitted: scale and
    zero point are those of least squared error (`em_fit`), instead of what the calibration method says. Requantization:
    how sums become codes of this format; weights have none.
    """

    bits: int
    granularity: Granularity
    symmetric: bool
    fitted: bool = False
    requantization: RequantizationMode = "single"

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) + (1 if self.symmetric else 0)

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1

    @property
    def factor_bits(self) -> int:
        """Width of what inputs are multiplied with."""
        return self.bits

    @property
    def dtype(self) -> type[np.int8] | type[np.int16]:
        """Smallest numpy integer that holds a code."""
        return np.int8 if self.bits <= 8 else np.int16

    def __str__(self) -> str:
        options = [self.granularity, "sym" if self.symmetric else "asym"]
        options += ["em"] if self.fitted else []
        options += [self.requantization] if self.requantization != "single" else []
        return ":".join([f"int{self.bits}", *options])


@dataclass(frozen=True)
class Scaling:
    """Scale (positive; `[C]` per channel or `[1]` per tensor) and zero point (a code; 0 when symmetric)."""

    scale: NDArray[np.float64]
    zero_point: int


@dataclass(frozen=True)
class ChannelScaling:
    """Scale and zero point of a weight tensor, each `[C]` per output channel or `[1]` for all."""

    scale: NDArray[np.float64]
    zero_point: NDArray[np.int64]


def scaling_for_range(format: AffineInt, low: float, high: float) -> Scaling:
    """Per-tensor scaling that covers [low, high] and represents 0 exactly (min-max calibration).

    A tensor that is 0 everywhere gets scale 1.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if format.symmetric:
        reach = max(-low, high)
        return Scaling(np.array([reach / format.high if reach else 1.0]), 0)
    scale = (high - low) / (format.high - format.low) or 1.0
    zero_point = int(np.clip(np.rint(format.low - low / scale), format.low, format.high))
    return Scaling(np.array([scale]), zero_point)


def scaling_for_weights(format: AffineInt, weights: NDArray[np.float32], axis: int) -> ChannelScaling:
    """Scaling of a weight tensor by its range, per slice of `axis` or over the whole tensor.

    Symmetric: by the largest magnitude. Asymmetric: by the range widened to hold 0. A channel of zeros takes the
    largest scale of the others (1 when all are zero): its codes are the zero point under any scale.
    """
    axes = tuple(a for a in range(weights.ndim) if a != axis or format.granularity == "tensor")
    low = np.atleast_1d(weights.min(axis=axes, initial=0.0)).astype(np.float64)
    high = np.atleast_1d(weights.max(axis=axes, initial=0.0)).astype(np.float64)
    return weight_scaling(format, low, high)


def weight_scaling(format: AffineInt, low: NDArray[np.float64], high: NDArray[np.float64]) -> ChannelScaling:
    """Scaling for slices that reach from `low` (not above 0) to `high` (not below 0), each `[C]`."""
    extent, steps = (np.maximum(-low, high), format.high) if format.symmetric else (high - low, 2**format.bits - 1)
    widest = extent.max(initial=0.0) or float(steps)
    scale = np.where(extent > 0, extent, widest) / steps
    if format.symmetric:
        return ChannelScaling(scale, np.zeros(len(scale), np.int64))
    zero_point = np.clip(np.rint(format.low - low / scale), format.low, format.high)
    return ChannelScaling(scale, zero_point.astype(np.int64))
