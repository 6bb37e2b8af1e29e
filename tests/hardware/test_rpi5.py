"""The derivations told in hw_configs/cpu/rpi5.yaml, done again."""

import pytest

from accelsim.flow import estimate
from accelsim.hardware.load import load_architecture

PJ_PER_CYCLE = (7 - 3) / 4 / 2.4e9 * 1e12


def test_issue_efficiency_of_int8_is_fitted_on_mobilenet_v1():
    made = estimate("mobilenet_v1", on="rpi5", precision="int8").totals["latency_s"]
    assert made * 1e3 == pytest.approx(8.74, rel=3e-3)  # ncnn, 4 threads


def test_energies_are_those_of_a_busy_core():
    board = load_architecture("rpi5")
    assert board.validated == "no"
    for key, cost in board.formats.items():
        rate = int(cost.macs_per_cycle_per_pe) * board.cpu.issue_efficiency[key].value
        assert cost.energy_pj.value == pytest.approx(PJ_PER_CYCLE / rate, rel=0.01)
        for result in (board.cpu.results[key].dense, board.cpu.results[key].depthwise):
            assert result.energy_pj.value == pytest.approx(result.cycles.value * PJ_PER_CYCLE, rel=0.01)


def test_it_is_faster_than_the_board_before_it():
    for precision in ("int8", "float32"):
        old, new = (estimate("dcgan32", on=name, precision=precision).totals["latency_s"] for name in ("rpi4", "rpi5"))
        assert new < old
