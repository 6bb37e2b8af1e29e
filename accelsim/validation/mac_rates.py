"""A microcontroller as two rates: seconds and joules of a dense and of a depthwise MAC, fitted on other networks."""

from collections.abc import Sequence

import numpy as np

from accelsim.validation.targets_file import MacRatesSpec


def mac_rate_figures(spec: MacRatesSpec) -> dict[str, float]:
    """`inferences_per_s` and `energy_uj` of the network that the rates were not fitted on."""
    known = list(spec.fitted_on.values())
    macs = [(m.dense_macs, m.depthwise_macs) for m in known]
    ours = np.array([spec.dense_macs, spec.depthwise_macs], dtype=np.float64)
    seconds = float(ours @ rates(macs, [1 / m.inferences_per_s for m in known]))
    return {
        "inferences_per_s": 1 / seconds,
        "energy_uj": float(ours @ rates(macs, [m.energy_uj for m in known])),
    }


def rates(macs: Sequence[tuple[int, int]], taken: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What a MAC of each kind takes, [2], neither below 0: the least squares of relative errors.

    With two kinds the best pair is the free one where it is not negative, else the better of the two single rates.
    """
    shares = np.array(macs, dtype=np.float64) / np.array(taken)[:, None]
    wanted = np.ones(len(taken))
    free = np.linalg.lstsq(shares, wanted, rcond=None)[0]
    if (free >= 0).all():
        return np.asarray(free)
    single = []
    for kind in range(2):
        column = shares[:, kind]
        alone = np.zeros(2)
        alone[kind] = column @ wanted / (column @ column)
        single.append(alone)
    return min(single, key=lambda pair: float(((shares @ pair - wanted) ** 2).sum()))
