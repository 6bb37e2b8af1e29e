"""The derivations told in the comments of hw_configs/cpu/stm32h7.yaml, done again from the primary figures."""

from math import sqrt

import pytest

from accelsim.flow import estimate
from accelsim.hardware.load import load_architecture

FITTED_ON = {"tiny_wake_words": (19.749, 7978.465), "tiny_keywords": (59.782, 2721.781)}  # inferences/s, uJ
CLOCK_HZ = 280e6
CYCLES_OF_MAC, CYCLES_OF_RESULT = 24 / 16, {"dense": 30, "depthwise": 30 + 9 * (3.75 - 24 / 16) + 13}


@pytest.fixture(scope="module")
def board():
    return load_architecture("stm32h7")


@pytest.fixture(scope="module")
def factor(board):
    """By which the file's cycles are more than the counted ones."""
    return 1 / (2 * CYCLES_OF_MAC * board.cpu.issue_efficiency["int8"].value)


def test_all_counts_are_stretched_by_one_factor(board, factor):
    for layer, cycles in CYCLES_OF_RESULT.items():
        assert getattr(board.cpu.results["int8"], layer).cycles.value == pytest.approx(cycles * factor, rel=0.01)


def test_the_factor_and_the_power_are_those_of_two_networks_that_are_not_judged():
    made = {name: estimate(name, on="stm32h7", precision="int8").totals for name in FITTED_ON}
    ratios = [made[name]["latency_s"] * rate for name, (rate, _) in FITTED_ON.items()]
    assert sqrt(ratios[0] * ratios[1]) == pytest.approx(1, abs=3e-3)
    assert ratios == pytest.approx([1, 1], abs=0.02)
    energies = [made[name]["energy_j"] * 1e6 / joules for name, (_, joules) in FITTED_ON.items()]
    assert energies == pytest.approx([1, 1], abs=0.02)


def test_a_cycle_costs_what_the_chip_draws(board):
    watts = [rate * energy * 1e-6 for rate, energy in FITTED_ON.values()]
    picojoules = sum(watts) / 2 / CLOCK_HZ * 1e12
    assert picojoules == pytest.approx(572, rel=2e-3)
    for key in ("int8", "int16", "float32"):
        share = board.cpu.issue_efficiency[key].value * int(board.formats[key].macs_per_cycle_per_pe)
        assert board.formats[key].energy_pj.value == pytest.approx(picojoules / share, rel=0.01)
    for listed in board.cpu.results.values():
        for result in (listed.dense, listed.depthwise):
            assert result.energy_pj.value == pytest.approx(result.cycles.value * picojoules, rel=0.01)


def test_nothing_judges_it(board):
    assert board.memories[0].off_chip and board.validated == "no"
