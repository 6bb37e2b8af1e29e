"""The tanh quantizer of weights: even levels of tanh(w) / max|tanh w| (Zhou et al. 2016, DoReFa-Net, arXiv 1606.06160,
equation 9; one of the baselines of QGAN, Wang et al. 2019, arXiv 1901.08263).

A weight becomes round((2**k - 1) * (tanh(w) / max|tanh w| + 1) / 2), and what it stands for is the weight with that
tanh again. Levels are held as 8-bit multiples of one unit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.level_table import LevelTable, table_of

ENTRY_BITS = 8
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class TanhLevels:
    """`bits` (2 to 8) a code, for a whole weight tensor."""

    bits: int

    factor_bits = ENTRY_BITS
    granularity = "tensor"

    def __str__(self) -> str:
        return f"tanh{self.bits}"


def tanh_levels(format: TanhLevels, weights: Float64) -> tuple[NDArray[np.int64], LevelTable]:
    """Codes in the shape of the weights and the table that they index."""
    steps = (1 << format.bits) - 1
    squashed = np.tanh(weights)
    reach = min(float(np.abs(squashed).max(initial=0.0)) or 1.0, float(np.nextafter(1.0, 0.0)))
    codes = np.rint((squashed / reach + 1) / 2 * steps).astype(np.int64)
    return codes, table_of(np.arctanh((2 * np.arange(steps + 1) / steps - 1) * reach), ENTRY_BITS)
