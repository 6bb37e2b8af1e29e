"""How often a tensor takes which values, in memory that does not grow with their number.

Bins are `width` wide, width a power of two, and begin at multiples of it. When a value lies beyond the last bin the
width doubles and neighbours are added up, which is exact; so the counts do not depend on the order of the values or on
how they came in batches.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 1 << 15
"""Bins on either side of 0: the larger end of the range has 2**14 bins or more."""


@dataclass
class Histogram:
    """Counts of bins [k * width, (k + 1) * width), -SIDE <= k < SIDE, without zeros, which are counted apart.

    peaks: the largest magnitude of each batch, in order.
    """

    low: float = 0.0
    high: float = 0.0
    exponent: int | None = None
    zeros: int = 0
    peaks: list[float] = field(default_factory=list)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2 * SIDE, np.int64))

    @property
    def width(self) -> float:
        """Width of a bin."""
        return math.ldexp(1.0, self.exponent or 0)

    def see_batch(self, low: float, high: float) -> None:
        """The range of one batch, without counting."""
        self.widen(low, high)
        self.peaks.append(max(-low, high))

    def widen(self, low: float, high: float) -> None:
        """The range seen, without counting."""
        self.low, self.high = min(self.low, low), max(self.high, high)

    def add(self, values: NDArray[Any]) -> None:
        """Count more values; all must be finite."""
        flat = values.astype(np.float64, copy=False).reshape(-1)
        self.widen(float(flat.min(initial=0)), float(flat.max(initial=0)))
        reach = max(-self.low, self.high)
        filled = flat[flat != 0]
        self.zeros += len(flat) - len(filled)
        if reach == 0:
            return
        self._coarsen(math.frexp(reach)[1] - (SIDE.bit_length() - 1))
        bins = np.floor(np.ldexp(filled, -self._exponent)).astype(np.int64) + SIDE
        self.counts += np.bincount(bins, minlength=2 * SIDE)

    @property
    def _exponent(self) -> int:
        assert self.exponent is not None
        return self.exponent

    def _coarsen(self, exponent: int) -> None:
        """So wide that values below 2**exponent * SIDE have their bin."""
        if self.exponent is None:
            self.exponent = exponent
        while self.exponent < exponent:
            pairs = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.concatenate([np.zeros(SIDE // 2, np.int64), pairs, np.zeros(SIDE // 2, np.int64)])
            self.exponent += 1

    def occupied(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Lower edge, upper edge and count of each bin with values, cut to the range seen if that leaves any of it."""
        places = np.flatnonzero(self.counts)
        begin, end = (np.ldexp((places - SIDE + k).astype(np.float64), self.exponent or 0) for k in (0, 1))
        inner, outer = np.maximum(begin, self.low), np.minimum(end, self.high)
        return np.where(inner < end, inner, begin), np.where(outer > begin, outer, end), self.counts[places]

    def tails(self, percentile: float) -> tuple[float, float]:
        """The range that leaves out at most half of 100 - percentile % of the values on each side; ends are edges."""
        begin, end, counts = self._with_zeros()
        dropped = float(counts.sum()) * (100 - percentile) / 200
        low, high = begin[_leading(counts, dropped)], end[::-1][_leading(counts[::-1], dropped)]
        return max(float(low), self.low), min(float(high), self.high)

    def magnitude(self, percentile: float) -> float:
        """The edge that at most 100 - percentile % of the magnitudes pass."""
        begin, end, counts = self._with_zeros()
        reach = np.maximum(-begin, end)
        order = np.argsort(-reach, kind="stable")
        dropped = float(counts.sum()) * (100 - percentile) / 100
        return min(float(reach[order][_leading(counts[order], dropped)]), max(-self.low, self.high))

    def _with_zeros(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        begin, end, counts = self.occupied()
        at = int(np.searchsorted(begin, 0.0))
        return np.insert(begin, at, 0.0), np.insert(end, at, 0.0), np.insert(counts, at, self.zeros)


def _leading(counts: NDArray[np.int64], dropped: float) -> int:
    """The first bin that stays when those before it hold no more than `dropped`; the last one always stays."""
    return min(int(np.searchsorted(np.cumsum(counts), dropped, side="right")), len(counts) - 1)
