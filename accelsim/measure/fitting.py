"""Seconds of a multiplication and of a result from the times of some layers: least relative errors, none negative."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelsim.measure.layers import Layer


@dataclass(frozen=True)
class Timed:
    """One layer in one format: its multiplications as the machine model runs them, and what it took."""

    layer: Layer
    macs: int
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """Seconds of the whole computer: of a multiplication, and of a result of either kind besides."""

    mac_s: float
    dense_result_s: float
    depthwise_result_s: float

    def times(self, factor: float) -> "Fitted":
        """All of them slower by a factor."""
        return Fitted(self.mac_s * factor, self.dense_result_s * factor, self.depthwise_result_s * factor)


def fit(timed: Sequence[Timed]) -> Fitted:
    """The three constants; a multiplication takes more than nothing."""
    dense = [t for t in timed if not t.layer.depthwise]
    mac, result = _two([t.macs for t in dense], [t.layer.results for t in dense], [t.seconds for t in dense])
    each = [t for t in timed if t.layer.depthwise]
    left = np.array([max(0.0, t.seconds - mac * t.macs) for t in each])
    shares = np.array([t.layer.results for t in each]) / np.array([t.seconds for t in each])
    wanted = left / np.array([t.seconds for t in each])
    deep = float(shares @ wanted / (shares @ shares)) if each else 0.0
    return Fitted(mac, result, deep)


def _two(macs: Sequence[int], results: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """The best pair that is not negative."""
    shares = np.array([macs, results], np.float64).T / np.array(seconds)[:, None]
    wanted = np.ones(len(seconds))
    free = np.linalg.lstsq(shares, wanted, rcond=None)[0]
    if free[0] > 0 and free[1] >= 0:
        return float(free[0]), float(free[1])
    column = shares[:, 0]
    return float(column @ wanted / (column @ column)), 0.0
