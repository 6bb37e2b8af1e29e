"""The derivations told in the comments of hw_configs/cpu/rpi4.yaml, done again from the primary figures."""

import pytest

from accelsim.hardware.load import load_architecture

CORES, CLOCK_HZ = 4, 1.5e9
MOBILENET_V2_MACS = 300.8e6
MILLISECONDS = {"int8": (17, 20), "float32": (41, 46)}  # XNNPACK, 4 threads
PEAK = {"int8": 8, "float32": 4, "int16": 4}
PJ_PER_CYCLE = (6.4 - 2.7) / CORES / CLOCK_HZ * 1e12


def share(key: str, milliseconds: float) -> float:
    return MOBILENET_V2_MACS / (milliseconds * 1e-3) / CORES / CLOCK_HZ / PEAK[key]


@pytest.fixture(scope="module")
def board():
    return load_architecture("rpi4")


@pytest.mark.parametrize("key", ["int8", "float32"])
def test_issue_efficiency_is_measured_on_a_network_that_validation_does_not_judge(board, key):
    given = board.cpu.issue_efficiency[key]
    fast, slow = MILLISECONDS[key]
    assert (given.low, given.high) == (pytest.approx(share(key, slow), rel=1e-3), pytest.approx(share(key, fast), 1e-3))
    assert given.value == pytest.approx(share(key, {"int8": 17, "float32": 46}[key]), rel=1e-3)


@pytest.mark.parametrize("key", ["int8", "float32", "int16"])
def test_a_mac_costs_what_a_busy_core_draws_until_it_is_done(board, key):
    cost, efficiency = board.formats[key].energy_pj, board.cpu.issue_efficiency[key]
    assert board.formats[key].macs_per_cycle_per_pe == PEAK[key]
    assert cost.value == pytest.approx(PJ_PER_CYCLE / (PEAK[key] * efficiency.value), rel=0.01)
    assert cost.low == pytest.approx(PJ_PER_CYCLE / PEAK[key], rel=0.01)
    assert cost.high == pytest.approx(PJ_PER_CYCLE / (PEAK[key] * efficiency.low), rel=0.01)


def test_unpacking_costs_a_busy_core_too(board):
    for repack in (board.cpu.unpack.within_byte, board.cpu.unpack.across_bytes):
        for bound in ("low", "value", "high"):
            cycles, energy = getattr(repack.cycles_per_vector, bound), getattr(repack.energy_pj_per_vector, bound)
            assert energy == pytest.approx(cycles * PJ_PER_CYCLE, rel=0.01)


def test_only_widths_of_whole_words_need_no_packing(board):
    assert [bits for bits in range(1, 33) if board.cpu.repack(bits) is None] == [8, 16, 32]
    assert [bits for bits in range(1, 33) if board.cpu.repack(bits) == board.cpu.unpack.within_byte] == [1, 2, 4]
    assert [board.cpu.words_per_vector(bits) for bits in (2, 7, 8, 9, 16)] == [16, 16, 16, 8, 8]


def test_caches(board):
    assert [m.name for m in board.memories if m.per_pe] == ["l1", "registers"]
    assert board.memory("dram").bandwidth_gb_per_s.value == pytest.approx(2 * (2240 + 2780) / 2 / 1000)
    for name, picojoules in (("l2", 100), ("l1", 20)):  # of 64 bits at 45 nm, Horowitz
        assert board.memory(name).energy_pj_per_bit.value == pytest.approx(picojoules / 64 * 0.5, rel=0.01)
    assert board.memory("registers").size_bits == 32 * board.cpu.simd_bits
