"""Logarithmic weights: 0 or a signed power of two (Miyashita et al. 2016, arXiv 1603.01025): products are shifts.

value = sign * 2**(top - distance) with `bits` - 1 bits for the distance, one of whose codes is 0 itself. The exponent
is rounded in the logarithm, to the nearest; magnitudes below the smallest power round to it or to 0 in the same way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import Granularity

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Logarithmic:
    """`bits` (2 to 5) a code: a sign and an exponent; the top exponent is that of each channel or of the tensor."""

    bits: int
    granularity: Granularity = "channel"

    @property
    def powers(self) -> int:
        """How many powers of two there are."""
        return (1 << (self.bits - 1)) - 1

    @property
    def factor_bits(self) -> int:
        """Width of a product's factor if it were multiplied: the largest power of two, and a sign."""
        return self.powers + 1

    def __str__(self) -> str:
        return f"log{self.bits}:{self.granularity}"


def powers_of_two(format: Logarithmic, rows: Float64) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64]:
    """Codes, factors (each `[C, K]`) and scales `[C]` of rows `[C, K]`.

    Code 0 is 0, code +-k is +-2**(k - 1) scales. A row of zeros gets scale 1.
    """
    magnitude = np.abs(rows)
    reach = magnitude.max(axis=1, initial=0.0)
    top = np.rint(np.log2(np.where(reach > 0, reach, 1.0)))
    scale = np.where(reach > 0, np.exp2(top - (format.powers - 1)), 1.0)
    exponent = np.rint(np.log2(np.where(magnitude > 0, magnitude, 1.0) / scale[:, None]))
    places = np.where(magnitude > 0, np.clip(exponent + 1, 0, format.powers), 0).astype(np.int64)
    sign = np.where(rows < 0, -1, 1)
    return sign * places, np.where(places > 0, sign << np.maximum(places - 1, 0), 0), scale
