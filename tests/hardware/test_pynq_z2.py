"""The derivations told in the comments of hw_configs/fpga/pynq_z2.yaml, done again from the primary figures."""

import pytest

from accelsim.hardware.architecture import Architecture, FpgaArchitecture
from accelsim.hardware.load import load_architecture
from accelsim.hardware.quantity import Quantity

WIDTH = {16: 0.80 + (16 - 12) / (18 - 12) * (0.86 - 0.80), 8: 0.80}  # UG440, of a full-width cycle
MAC_16 = Quantity(value=6, low=4, high=8)  # pJ, prior


@pytest.fixture(scope="module")
def board() -> Architecture:
    return load_architecture("pynq_z2")


def close(actual: Quantity | None, expected: Quantity) -> bool:
    assert actual is not None
    pairs = ((actual.value, expected.value), (actual.low, expected.low), (actual.high, expected.high))
    return all(a == pytest.approx(e, rel=0.01) for a, e in pairs)


def test_energy_of_a_mac(board: Architecture) -> None:
    assert close(board.formats["int16"].energy_pj, MAC_16)
    assert close(board.formats["int8"].energy_pj, MAC_16 * (WIDTH[8] / WIDTH[16]))
    assert close(board.formats["int4"].energy_pj, MAC_16 * (1 / WIDTH[16] / 4))


def test_a_slice_of_this_family_packs_four_nibbles_but_not_two_bytes(board: Architecture) -> None:
    assert [board.formats[key].macs_per_cycle_per_pe for key in ("int16", "int8", "int4")] == [1, 1, 4]


def test_memories(board: Architecture) -> None:
    ddr, bram, sums = board.memories
    assert close(ddr.energy_pj_per_bit, Quantity(value=460 / 16, low=12.55, high=70))
    assert ddr.bits_per_cycle(board.clock_hz) == pytest.approx(16 * 1050e6 / 100e6)
    assert close(bram.energy_pj_per_bit, Quantity(value=15 / 36, low=10 / 36, high=20 / 36))
    assert (bram.blocks, bram.bandwidth_bits_per_cycle) == (int(0.8 * 140), 112 * 72)
    assert sums.size_bits == 16 * 16 * 32


def test_the_array_keeps_to_the_usable_share_of_the_device(board: Architecture) -> None:
    assert isinstance(board, FpgaArchitecture)
    assert board.array.pes <= 0.8 * board.fpga.dsp
