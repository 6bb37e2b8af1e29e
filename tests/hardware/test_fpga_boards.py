"""Boards whose array is that of another file made larger or smaller: what follows from the device, done again."""

import pytest

from accelsim.flow import estimate
from accelsim.hardware.architecture import FpgaArchitecture
from accelsim.hardware.load import load_architecture

# Data sheets DS891 and DS180: LUT, FF, RAMB36, URAM, DSP
DEVICES = {
    "zcu102": ("xczu9eg", 274_080, 548_160, 912, 0, 2520),
    "ultra96": ("xczu3eg", 70_560, 141_120, 216, 0, 360),
    "arty_a7": ("xc7a100t", 63_400, 126_800, 135, 0, 240),
}
MODEL = {"zcu102": "zcu104", "ultra96": "zcu104", "arty_a7": "pynq_z2"}
"""Whose energies they have: the same family, node and supply."""
OFF_CHIP_GB = {"zcu102": 8 * 2.4, "ultra96": 4 * 2.133, "arty_a7": 2 * 0.667}


def board(name: str) -> FpgaArchitecture:
    loaded = load_architecture(name)
    assert isinstance(loaded, FpgaArchitecture)
    return loaded


@pytest.mark.parametrize("name", DEVICES)
def test_the_device_is_that_of_the_data_sheet(name: str) -> None:
    fpga = board(name).fpga
    assert (fpga.device, fpga.lut, fpga.ff, fpga.bram36, fpga.uram, fpga.dsp) == DEVICES[name]
    assert fpga.lut * 2 == fpga.ff


@pytest.mark.parametrize("name", DEVICES)
def test_formats_and_energies_are_those_of_the_family(name: str) -> None:
    made, model = board(name), board(MODEL[name])
    assert set(made.formats) == set(model.formats)
    for key, cost in made.formats.items():
        assert cost.energy_pj.value == model.formats[key].energy_pj.value
        assert cost.macs_per_cycle_per_pe == model.formats[key].macs_per_cycle_per_pe
    assert made.technology.node_nm.value == model.technology.node_nm.value
    assert made.technology.vdd_v.value == model.technology.vdd_v.value
    for memory, other in zip(made.memories[1:], model.memories[1:], strict=True):
        mine, theirs = memory.energy_pj_per_bit, other.energy_pj_per_bit
        assert mine is not None and theirs is not None
        assert (mine.value, mine.low, mine.high) == (theirs.value, theirs.low, theirs.high)


@pytest.mark.parametrize("name", DEVICES)
def test_memories_follow_from_the_device_and_the_array(name: str) -> None:
    made = board(name)
    ddr, bram, sums = made.memories
    assert ddr.bits_per_cycle(made.clock_hz) == pytest.approx(OFF_CHIP_GB[name] * 8e9 / made.clock_hz, rel=0.01)
    blocks = int(0.8 * int(made.fpga.bram36))
    assert bram.blocks == blocks - blocks % 2 and bram.bandwidth_bits_per_cycle == bram.blocks * 72
    lanes = int(made.array.cols) * int(made.formats["int8"].macs_per_cycle_per_pe)
    positions = 16 if name == "arty_a7" else 8
    assert sums.size_bits == lanes * positions * 32
    assert made.array.pes <= 0.82 * made.fpga.dsp


@pytest.mark.parametrize("name", DEVICES)
def test_nothing_measured_judges_them_and_they_say_so(name: str) -> None:
    report = estimate("dcgan32", on=name)
    assert board(name).validated == "no"
    assert any("nothing measured on this machine" in sentence for sentence in report.assumptions)
    assert report.resources is not None and report.resources["fits"]
    latency = {one: estimate("dcgan32", on=one).totals["latency_s"] for one in ("zcu102", "ultra96", "arty_a7")}
    assert latency["zcu102"] < latency["ultra96"] < latency["arty_a7"]
