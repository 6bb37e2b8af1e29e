"""Floating-point formats narrower than float32, and the grid of values that each of them has.

Codes are not kept: arrays hold the values themselves, in float32, which represents every one of them exactly.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EXPONENT = np.int64(0x7FF0000000000000)
"""The exponent bits of a float64: of |x| they leave the power of two at or below it."""


@dataclass(frozen=True)
class FloatGrid:
    """Values m * 2**(e - mantissa_bits) with |m| < 2**(mantissa_bits + 1), e >= lowest_exponent, up to `largest`.

    lowest_exponent: of the normal numbers; below it the spacing stays (subnormals). saturates: what is larger becomes
    `largest`, else infinity.
    """

    mantissa_bits: int
    lowest_exponent: int
    largest: float
    saturates: bool = True

    @property
    def top_exponent(self) -> int:
        """Exponent of the largest value: the top binade begins at 2**top_exponent."""
        return math.frexp(self.largest)[1] - 1

    @property
    def spacing_exponent(self) -> int:
        """Exponent of the smallest positive value."""
        return self.lowest_exponent - self.mantissa_bits


@dataclass(frozen=True)
class MiniFloat:
    """A format of `bits` bits for single numbers. scaled: tensors carry a power-of-two scale.

    A scaled tensor has one scale, a scaled weight tensor one per output channel.
    """

    name: str
    bits: int
    exponent_bits: int
    grid: FloatGrid
    scaled: bool = False

    @property
    def factor_bits(self) -> int:
        """Width of what is multiplied."""
        return self.bits

    def __str__(self) -> str:
        return self.name


FP16 = MiniFloat("fp16", 16, 5, FloatGrid(10, -14, 65504.0, saturates=False))
"""IEEE 754 binary16."""
BF16 = MiniFloat("bf16", 16, 8, FloatGrid(7, -126, 2.0**127 * (2 - 2.0**-7), saturates=False))
"""The upper half of a float32, rounded."""
FP8E4M3 = MiniFloat("fp8e4m3", 8, 4, FloatGrid(3, -6, 448.0), scaled=True)
"""E4M3 of OFP8 (OCP 8-bit Floating Point Specification 1.0): no infinity, 1.75 * 2**8 the largest."""
FP8E5M2 = MiniFloat("fp8e5m2", 8, 5, FloatGrid(2, -14, 57344.0), scaled=True)
"""E5M2 of OFP8; conversion saturates, so that its infinity never comes up."""
MINIFLOATS = (FP16, BF16, FP8E4M3, FP8E5M2)


def on_grid(values: NDArray[Any], grid: FloatGrid) -> NDArray[np.float64]:
    """The nearest values of the grid, ties to even; NaN stays NaN. Exact for any float32 or float64."""
    values = values.astype(np.float64)
    below = (np.abs(values).view(np.int64) & _EXPONENT).view(np.float64)  # power of two at or below |value|
    spacing = np.maximum(below, 2.0**grid.lowest_exponent) * 2.0**-grid.mantissa_bits
    with np.errstate(invalid="ignore"):
        rounded = np.where(np.isfinite(values), np.rint(values / spacing) * spacing, values)
    if grid.saturates:
        return np.asarray(np.clip(rounded, -grid.largest, grid.largest))
    return np.where(np.abs(rounded) > grid.largest, np.copysign(np.inf, rounded), rounded)


def scale_for(format: MiniFloat, reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Powers of two that bring magnitudes `reach` into the top binade; 1 for a reach of 0, and without scaling.

    What lies in the part of that binade that the format lacks saturates. Scales keep every value of the format inside
    float32.
    """
    if not format.scaled:
        return np.ones_like(reach)
    grid = format.grid
    exponent = np.frexp(np.where(reach > 0, reach, 1.0))[1] - 1 - grid.top_exponent
    held = np.clip(exponent, -149 - grid.spacing_exponent, 127 - grid.top_exponent)
    return np.where(reach > 0, np.ldexp(1.0, held), 1.0)
