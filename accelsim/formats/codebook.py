"""Codebooks: weights are indices into K shared values (Han et al. 2016, deep compression, arXiv 1510.00149).

The values are the centres of a one-dimensional k-means, begun at even distances over the range ("linear" there). The
hardware holds each as an 8-bit multiple of one unit, and multiplies with that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.level_table import LevelTable, table_of

ENTRY_BITS = 8
ITERATIONS = 100
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Codebook:
    """`entries` values for a whole weight tensor."""

    entries: int

    factor_bits = ENTRY_BITS
    granularity = "tensor"

    @property
    def bits(self) -> int:
        """Bits of an index."""
        return max(1, (self.entries - 1).bit_length())

    def __str__(self) -> str:
        return f"codebook{self.entries}"


def clustered(format: Codebook, weights: Float64) -> LevelTable:
    """Table of the centres of all `weights`; the index of each is that of the nearest centre."""
    ordered = np.sort(weights.reshape(-1))
    centres = np.linspace(ordered[0], ordered[-1], format.entries)
    below = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(ITERATIONS):
        cuts = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], cuts, [len(ordered)]])
        count = np.diff(edges)
        moved = np.where(count > 0, np.diff(below[edges]) / np.maximum(count, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return table_of(centres, ENTRY_BITS)
