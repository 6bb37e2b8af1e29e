"""The shapes and energies of hw_configs/spatial/eyeriss.yaml, done again from the primary figures."""

import pytest

from accelsim.hardware.load import load_architecture

PER_WORD = {"dram": 460, "glb": 15, "filters": 1, "inputs": 1, "sums": 1}  # pJ per 16 bit, nn_dataflow
WORDS = {"filters": 224, "inputs": 12, "sums": 24}  # of 16 bit, JSSC 2017


@pytest.fixture(scope="module")
def chip():
    return load_architecture("eyeriss")


def test_energies_per_bit(chip):
    for memory in chip.memories:
        assert memory.energy_pj_per_bit.value == PER_WORD[memory.name] / 16
    assert chip.spatial.network_energy_pj_per_bit.value == 4 / 16
    assert chip.formats["int16"].energy_pj.value == 2


def test_shapes(chip):
    assert (chip.array.pes, chip.memory("glb").size_bits) == (168, 108 * 1024 * 8)
    assert {m.name: m.size_bits for m in chip.memories if m.per_pe} == {n: w * 16 for n, w in WORDS.items()}
    assert [m.name for m in chip.shared_memories] == ["dram", "glb"]
    assert chip.array.pes * chip.clock_hz == pytest.approx(33.6e9)  # MAC/s, JSSC 2017
    assert chip.memory("dram").bits_per_cycle(chip.clock_hz) == pytest.approx(64 * 60 / 200)


def test_a_set_of_pes_repeats_where_the_side_has_room(chip):
    sizes = dict.fromkeys(("kernel_height", "out_height", "in_channels", "out_channels"), 64)
    assert chip.array.copies(sizes | {"kernel_height": 3, "out_height": 4}) == {
        "kernel_height": 3,
        "in_channels": 4,
        "out_height": 4,
        "out_channels": 3,
    }
    assert chip.array.copies(sizes | {"kernel_height": 1, "out_height": 1})["in_channels"] == 12
    assert chip.array.copies(sizes)["out_height"] == 14
    assert chip.array.copies(sizes)["out_channels"] == 1
