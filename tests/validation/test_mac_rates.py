"""Two rates fitted on other networks: found again where they made the figures, and never negative."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.validation.mac_rates import mac_rate_figures, rates
from accelsim.validation.targets_file import MacRatesSpec, Measured

RATE = st.floats(1e-9, 1e-6)


@given(RATE, RATE)
def test_the_rates_that_made_the_figures_are_found(dense: float, depthwise: float) -> None:
    macs = [(6_000_000, 800_000), (2_000_000, 900_000), (1_000_000, 10_000)]
    found = rates(macs, [a * dense + b * depthwise for a, b in macs])
    assert found == pytest.approx([dense, depthwise], rel=1e-6)


@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**6), st.floats(1e-3, 1)), min_size=2, max_size=5))
def test_no_rate_is_negative_and_no_other_pair_is_better(rows) -> None:
    macs, taken = [(a, b) for a, b, _ in rows], [t for _, _, t in rows]
    found = rates(macs, taken)
    assert (found >= 0).all()
    shares = np.array(macs) / np.array(taken)[:, None]

    def loss(pair: np.ndarray) -> float:
        return float(((shares @ pair - 1) ** 2).sum())

    for other in (found * [1.01, 1], found * [0.99, 1], found * [1, 1.01], found * [1, 0.99]):
        assert loss(found) <= loss(other) * (1 + 1e-9) + 1e-12


def test_a_network_of_the_same_mix_scales_with_its_macs() -> None:
    known = Measured(dense_macs=1_000_000, depthwise_macs=0, inferences_per_s=10, energy_uj=50)
    made = mac_rate_figures(MacRatesSpec(fitted_on={"one": known}, dense_macs=4_000_000, depthwise_macs=0))
    assert made == {"inferences_per_s": pytest.approx(2.5), "energy_uj": pytest.approx(200)}
