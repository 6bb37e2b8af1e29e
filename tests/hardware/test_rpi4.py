"""The derivations told in the comments of hw_configs/cpu/rpi4.yaml, done again from the primary figures."""

import pytest

from accelsim.flow import estimate
from accelsim.hardware.load import load_architecture

CORES, CLOCK_HZ = 4, 1.5e9
PEAK = {"int8": 8, "float32": 4, "int16": 4}
PJ_PER_CYCLE = (6.4 - 2.7) / CORES / CLOCK_HZ * 1e12


@pytest.fixture(scope="module")
def board():
    return load_architecture("rpi4")


@pytest.mark.parametrize(("key", "milliseconds"), [("int8", 17), ("float32", 46)])  # XNNPACK, 4 threads, 64 bit
def test_issue_efficiency_is_fitted_on_a_network_that_validation_does_not_judge(key, milliseconds):
    made = estimate("mobilenet_v2", on="rpi4", precision=key).totals["latency_s"]
    assert made * 1e3 == pytest.approx(milliseconds, rel=2e-3)


def test_cycles_of_a_result_are_those_of_the_kernels(board):
    """llvm-mca of XNNPACK's kernels: cycles of a block of results over so many inputs, less those of the MACs."""
    for bound, inputs, cycles in (("value", 64, 155.28), ("low", 256, 529.345), ("high", 16, 67.73)):
        besides = (cycles - inputs * 2 * 8 / PEAK["int8"]) / (2 * 8)
        assert getattr(board.cpu.results["int8"].dense.cycles, bound) == pytest.approx(besides, abs=0.01)
    assert board.cpu.results["float32"].dense.cycles.value == pytest.approx((276.2 - 32 * 8) / (4 * 8), abs=0.01)
    for key, results, loads in (("int8", 16, 50), ("float32", 8, 40)):
        besides = (loads - 9 * results / PEAK[key]) / results
        assert board.cpu.results[key].depthwise.cycles.value == pytest.approx(besides, abs=0.01)
    for listed in board.cpu.results.values():
        for result in (listed.dense, listed.depthwise):
            for bound in ("low", "value", "high"):
                assert getattr(result.energy_pj, bound) == pytest.approx(
                    getattr(result.cycles, bound) * PJ_PER_CYCLE, rel=0.01
                )


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


def test_signs_run_at_the_share_of_the_kernel_that_int8_reaches(board):
    """llvm-mca of 8 x 4 results over 128 signs: 48.02 cycles; int8's kernel is at the peak by llvm-mca."""
    share, kernel = board.cpu.issue_efficiency["binary"], 8 * 4 * 128 / 48.02 / 128
    assert share.high == pytest.approx(kernel, abs=1e-3)
    assert share.value == pytest.approx(kernel * board.cpu.issue_efficiency["int8"].value, abs=1e-3)
    assert share.low == pytest.approx(kernel * board.cpu.issue_efficiency["float32"].value, abs=1e-3)
    assert board.formats["binary"].energy_pj.value == pytest.approx(PJ_PER_CYCLE / 128 / share.value, rel=0.01)


def test_signs_are_not_unpacked_on_their_way_in():
    made = estimate("dcgan32", on="rpi4", precision="weights=binary,activations=binary")
    within = {row["name"]: row["energy_by_component_j"]["packing"] for row in made.layer_rows}
    results = 64 * 16 * 16 * board_vector_pj() / 16
    assert within["up2"] == pytest.approx(results, rel=1e-6)  # its results alone, packed


def board_vector_pj():
    return load_architecture("rpi4").cpu.unpack.within_byte.energy_pj_per_vector.value * 1e-12
