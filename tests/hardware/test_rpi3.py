"""The derivations told in hw_configs/cpu/rpi3.yaml, done again, and what it makes of other networks."""

import pytest

from accelsim.flow import estimate
from accelsim.hardware.load import load_architecture

PJ_PER_CYCLE = (5.1 - 1.9) / 4 / 1.4e9 * 1e12


def milliseconds(network: str, key: str) -> float:
    return estimate(network, on="rpi3", precision=key).totals["latency_s"] * 1e3


@pytest.mark.parametrize(("key", "measured"), [("int8", 30), ("float32", 79)])  # XNNPACK, 32 bit
def test_issue_efficiency_is_fitted_on_mobilenet_v2(key, measured):
    assert milliseconds("mobilenet_v2", key) == pytest.approx(measured, rel=3e-3)


@pytest.mark.parametrize(
    ("network", "key", "measured"),
    [("mobilenet_v1", "int8", 46), ("mobilenet_v1", "float32", 114), ("mobilenet_v3_large", "float32", 67)],
)
def test_other_networks_are_within_a_quarter(network, key, measured):
    assert milliseconds(network, key) == pytest.approx(measured, rel=0.25)


def test_energies_are_those_of_a_busy_core():
    board = load_architecture("rpi3")
    assert board.validated == "no" and board.memory("dram").bandwidth_gb_per_s.value == pytest.approx(1.05 + 1.23)
    for key, cost in board.formats.items():
        rate = int(cost.macs_per_cycle_per_pe) * board.cpu.issue_efficiency[key].value
        assert cost.energy_pj.value == pytest.approx(PJ_PER_CYCLE / rate, rel=0.01)
        for result in (board.cpu.results[key].dense, board.cpu.results[key].depthwise):
            assert result.energy_pj.value == pytest.approx(result.cycles.value * PJ_PER_CYCLE, rel=0.01)
