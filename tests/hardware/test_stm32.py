"""The derivations told in the comments of hw_configs/cpu/stm32*.yaml, done again from the primary figures."""

from dataclasses import dataclass
from math import sqrt

import pytest

from accelsim.flow import estimate
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.load import load_architecture

CYCLES_OF_MAC, CYCLES_OF_RESULT = 24 / 16, {"dense": 30, "depthwise": 30 + 9 * (3.75 - 24 / 16) + 13}


@dataclass(frozen=True)
class Board:
    """fitted_on: network -> (inferences/s, uJ), as submitted to MLPerf Tiny. cycle_pj: what the file says."""

    name: str
    clock_hz: float
    fitted_on: dict[str, tuple[float, float]]
    cycle_pj: float
    judged_by: str

    @property
    def machine(self) -> CpuArchitecture:
        """As shipped."""
        found = load_architecture(self.name)
        assert isinstance(found, CpuArchitecture)
        return found


L4 = {"tiny_wake_words": (4.427, 10066.628), "tiny_keywords": (13.314, 3371.738)}
H7 = {"tiny_wake_words": (19.749, 7978.465), "tiny_keywords": (59.782, 2721.781)}
BOARDS = [Board("stm32l4", 120e6, L4, 373, "C4"), Board("stm32h7", 280e6, H7, 572, "no")]


@pytest.fixture(params=BOARDS, ids=lambda board: board.name)
def board(request: pytest.FixtureRequest) -> Board:
    """Each of them."""
    found = request.param
    assert isinstance(found, Board)
    return found


def test_all_counts_are_stretched_by_one_factor(board: Board) -> None:
    cpu = board.machine.cpu
    factor = 1 / (2 * CYCLES_OF_MAC * cpu.issue_efficiency["int8"].value)
    for layer, cycles in CYCLES_OF_RESULT.items():
        assert getattr(cpu.results["int8"], layer).cycles.value == pytest.approx(cycles * factor, rel=0.01)


def test_the_factor_and_the_power_are_those_of_two_networks_that_are_not_judged(board: Board) -> None:
    made = {name: estimate(name, on=board.name, precision="int8").totals for name in board.fitted_on}
    ratios = [made[name]["latency_s"] * rate for name, (rate, _) in board.fitted_on.items()]
    assert sqrt(ratios[0] * ratios[1]) == pytest.approx(1, abs=3e-3)
    assert ratios == pytest.approx([1, 1], abs=0.02)
    energies = [made[name]["energy_j"] * 1e6 / joules for name, (_, joules) in board.fitted_on.items()]
    assert energies == pytest.approx([1, 1], abs=0.02)


def test_a_cycle_costs_what_the_chip_draws(board: Board) -> None:
    watts = [rate * energy * 1e-6 for rate, energy in board.fitted_on.values()]
    picojoules = sum(watts) / 2 / board.clock_hz * 1e12
    assert picojoules == pytest.approx(board.cycle_pj, rel=2e-3)
    machine = board.machine
    for key in ("int8", "int16", "float32"):
        share = machine.cpu.issue_efficiency[key].value * int(machine.formats[key].macs_per_cycle_per_pe)
        assert machine.formats[key].energy_pj.value == pytest.approx(picojoules / share, rel=0.01)
    for listed in machine.cpu.results.values():
        for result in (listed.dense, listed.depthwise):
            assert result.energy_pj.value == pytest.approx(result.cycles.value * picojoules, rel=0.01)


def test_what_judges_it(board: Board) -> None:
    assert board.machine.memories[0].off_chip and board.machine.validated == board.judged_by


def test_networks_of_the_suite_fit_the_memory_of_the_l4() -> None:
    assert load_architecture("stm32l4").memory("sram").size_bits == 8 * 640 * 1024
