"""Weights that are indices into a small table of integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LevelTable:
    """Rising integers `[L]`; the value of index i is scale * levels[i]."""

    levels: NDArray[np.int64]
    scale: float

    def nearest(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index of the level nearest to each value, the lower of two."""
        halves = (self.levels[1:] + self.levels[:-1]) * (self.scale / 2)
        return np.searchsorted(halves, values, side="left").astype(np.int64)


def table_of(values: NDArray[np.float64], bits: int) -> LevelTable:
    """Rising values as multiples of one unit, so that the largest magnitude takes the largest code of `bits` bits."""
    reach = float(np.abs(values).max(initial=0.0))
    scale = (reach or 1.0) / ((1 << (bits - 1)) - 1)
    return LevelTable(np.rint(values / scale).astype(np.int64), scale)
