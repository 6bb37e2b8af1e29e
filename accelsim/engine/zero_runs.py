"""Runs of zeros in stored codes: from them follows the length of any run-length code of these very codes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ZeroRuns:
    """Runs in codes in the order in which they are stored, the last axis fastest; a run ends with its sample.

    codes: how many there are. followed: length -> runs that end in a code that is not zero (length 0: it follows
    another directly). last: length -> samples that end in such a run of zeros, at least one long.
    """

    codes: int = 0
    followed: Mapping[int, int] = field(default_factory=dict)
    last: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: "ZeroRuns") -> "ZeroRuns":
        return ZeroRuns(
            self.codes + other.codes,
            dict(Counter(self.followed) + Counter(other.followed)),
            dict(Counter(self.last) + Counter(other.last)),
        )

    @property
    def zeros(self) -> int:
        """Codes that are zero."""
        return self.codes - sum(self.followed.values())

    def pairs(self, span: int) -> int:
        """Pairs of a run and a value that code these, a pair standing for `span` values at most."""
        within = sum(times * (length // span + 1) for length, times in self.followed.items())
        return within + sum(times * -(-length // span) for length, times in self.last.items())


def zero_runs(codes: NDArray[Any], zero: int) -> ZeroRuns:
    """Of one batch of codes `[N, ...]`; `zero` is the code that stands for 0."""
    samples = len(codes)
    each = codes.size // max(samples, 1)
    stops = np.ones((samples, each + 1), dtype=bool)  # the last of each row ends a sample
    stops[:, :each] = codes.reshape(samples, each) != zero
    places = np.flatnonzero(stops)
    lengths = np.diff(places, prepend=-1) - 1
    ends = (places + 1) % (each + 1) == 0
    last = _times(lengths[ends])
    last.pop(0, None)
    return ZeroRuns(codes.size, _times(lengths[~ends]), last)


def _times(lengths: NDArray[np.int64]) -> dict[int, int]:
    counts = np.bincount(lengths)
    return {int(length): int(counts[length]) for length in np.flatnonzero(counts)}
