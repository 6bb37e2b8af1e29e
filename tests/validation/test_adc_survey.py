"""The fit to the survey of ADCs, against what the plug-in that publishes it makes of its unrounded constants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.validation.adc_survey import area_um2, conversion_pj

# bits, samples a second, nm -> pJ, um2: accelergy-adc-plug-in@ff0fb48a, run
PLUG_IN = [
    (4, 1e8, 32, 0.9237, 3274.0),
    (4, 1.28e9, 65, 3.5007, 15630.0),
    (6, 1e9, 65, 4.0364, 15598.0),
    (8, 1e9, 32, 1.7137, 5972.0),
    (8, 1.28e9, 32, 1.9292, 6469.0),
    (10, 1e8, 65, 12.5427, 14443.0),
    (10, 1e9, 32, 13.9455, 11180.0),
]


@pytest.mark.parametrize(("bits", "rate", "node", "energy", "area"), PLUG_IN)
def test_energy_and_area_are_those_of_the_plug_in(bits, rate, node, energy, area) -> None:
    assert conversion_pj(bits, rate, node) == pytest.approx(energy, rel=2e-3)
    assert area_um2(bits, rate, node) == pytest.approx(area, rel=2e-3)


@given(st.floats(4, 12), st.floats(1e6, 2e9), st.floats(7, 130))
def test_a_coarser_node_or_a_higher_rate_never_saves_energy(bits: float, rate: float, node: float) -> None:
    here = conversion_pj(bits, rate, node)
    assert here > 0
    assert conversion_pj(bits, rate, node * 1.1) > here
    assert conversion_pj(bits, rate * 1.1, node) >= here


def test_isaacs_converter_lies_beyond_the_corner_of_the_fit() -> None:
    """docs/validation.md, R3: below 1.07 GS/s the fit is bounded by resolution, and nothing else is within 10 %."""
    corner = 1.0702e9
    assert conversion_pj(8, corner * 0.999, 32) == conversion_pj(8, 1e8, 32) == pytest.approx(1.711, abs=1e-3)
    assert conversion_pj(8, corner * 1.001, 32) > conversion_pj(8, 1e8, 32)
    printed, taken = conversion_pj(8, 1.2e9, 32), conversion_pj(8, 1.28e9, 32)
    assert (printed, taken) == (pytest.approx(1.846, abs=1e-3), pytest.approx(1.926, abs=1e-3))
    assert printed / (16 / 9.6) - 1 == pytest.approx(0.1076, abs=1e-3)
    assert taken / (16 / 10.24) - 1 == pytest.approx(0.233, abs=1e-3)
    assert conversion_pj(7, 1.2e9, 32) == pytest.approx(1.311, abs=1e-3)
