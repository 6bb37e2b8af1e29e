"""The shipped ISAAC: its figures follow from their sources, and add up to what was published."""

from typing import cast

import pytest

from accelsim.cost.crossbar_peak import chip_power_w, tile_power_w
from accelsim.hardware.load import load_architecture
from accelsim.hardware.reram import Reram, ReramArchitecture


@pytest.fixture(scope="module")
def chip() -> Reram:
    return cast(ReramArchitecture, load_architecture("isaac")).reram


def test_the_chip_is_the_published_one(chip: Reram) -> None:
    assert (chip.rows, chip.cols, chip.crossbars, chip.edram_bytes) == (128, 128, 168 * 12 * 8, 168 * 65_536)
    assert chip.slices(16) == 8 and chip.readout(16).cycles == 16
    assert chip.cycle_s == pytest.approx(100e-9)


def test_peak_throughput_is_41_tops(chip: Reram) -> None:
    by_hand = 168 * 12 * 8 * 128 * 16 / 1.6e-6  # 128 x 16 weights of 16 bits a crossbar, 16 cycles of 100 ns
    peak = chip.peak_macs_per_s(slices=8, cycles=16)
    assert peak == pytest.approx(by_hand)
    assert 2 * peak == pytest.approx(41.3e12, rel=0.02)
    assert 2e-9 * peak / 85.4 == pytest.approx(478.95, rel=0.02)  # GOPS a mm2, published


def test_power_adds_up_to_the_published_totals(chip: Reram) -> None:
    parts = {name: power.value for name, power in tile_power_w(chip).items()}
    assert sum(parts.values()) == pytest.approx(330e-3, rel=0.02)
    in_the_imas = sum(watts for name, watts in parts.items() if not name.startswith("tile "))
    assert in_the_imas / 12 == pytest.approx(24.08e-3, rel=0.02)
    assert parts["adc"] / 12 == pytest.approx(16e-3, rel=0.02)
    assert parts["dac"] / 12 == pytest.approx(4e-3, rel=0.02)
    assert chip_power_w(chip).value == pytest.approx(65.8, rel=0.02)


def test_converters_follow_from_power_and_rate_and_stay_below_accelergy(chip: Reram) -> None:
    accelergy = {4: 0.79, 5: 0.99, 6: 1.2, 7: 1.42, 8: 1.6667, 9: 1.969, 10: 2.379}
    assert {int(bits) for bits in chip.adc.energy_pj} == set(accelergy)
    for bits, theirs in accelergy.items():
        ours = chip.adc.energy_pj[str(bits)]
        assert ours.value == pytest.approx(theirs * 1.2 / 1.28, rel=1e-3)
        assert ours.high == theirs
    assert chip.adc.energy_pj["8"].value == pytest.approx(2e-3 / 1.28e9 * 1e12)
    assert chip.dac.energy_pj.value == pytest.approx(4e-3 * 100e-9 / 1024 * 1e12)


def test_the_interval_of_a_cell_follows_from_the_cell_file(chip: Reram) -> None:
    cell = chip.cell
    on, off = 1 / cell.r_on_ohm.value, 1 / cell.r_off_ohm.value
    levels = [off + i / 3 * (on - off) for i in range(4)]
    assert cell.access_ohm is not None and cell.write_v is not None and cell.write_ns is not None
    bare, behind = sum(levels) / 4, sum(1 / (1 / g + cell.access_ohm.value) for g in levels) / 4
    read = cell.read_v.value**2 * cell.read_ns.value * 1e-9 / 2 * 1e15  # fJ per siemens, half of the inputs 1
    assert cell.read_energy_fj.low == pytest.approx(read * behind, rel=0.01)
    assert cell.read_energy_fj.high == pytest.approx(read * bare, rel=0.01)
    assert cell.read_energy_fj.value == pytest.approx(2.4e-3 / 8 * 100e-9 / 128**2 * 1e15, rel=1e-3)
    write = cell.write_v.value**2 * cell.write_ns.value * 1e-9 * 1e12  # pJ per siemens
    assert cell.write_energy_pj is not None
    assert cell.write_energy_pj.low == pytest.approx(write * behind, rel=0.01)
    assert cell.write_energy_pj.value == pytest.approx(write / (2000 + 20_000), rel=0.01)
    assert cell.write_energy_pj.high == pytest.approx(write * on, rel=0.01)


def test_the_link_is_its_power_over_its_bandwidth(chip: Reram) -> None:
    link = chip.offchip
    assert link.energy_pj_per_bit.value == pytest.approx(10.4 / (4 * 6.4e9 * 8) * 1e12, rel=1e-3)
    assert link.energy_pj_per_bit.low == pytest.approx(link.energy_pj_per_bit.value / 2)
