"""hw_configs/spatial/edge_tpu_like.yaml against the figures of ZigZag's tpu_like.yaml."""

from typing import cast

import pytest

from accelsim.flow import estimate
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture

ZIGZAG = {  # name -> size in bits, cost of a read and a write in pJ, bits of that access
    "dram": (10_000_000_000, 700, 750, 64),
    "sram": (16_777_216, 416.16, 378.4, 2048),
    "weight_registers": (1024, 0.095, 0.095, 8),
    "sum_registers": (16, 0.021, 0.021, 16),
}


@pytest.fixture(scope="module")
def machine() -> Architecture:
    return cast(Architecture, load_architecture("edge_tpu_like"))


def test_energies_and_sizes(machine: Architecture) -> None:
    for memory in machine.memories:
        size, read, write, bits = ZIGZAG[memory.name]
        assert memory.read_energy_j_per_bit.value * bits == pytest.approx(read * 1e-12)
        assert memory.write_energy_j_per_bit.value * bits == pytest.approx(write * 1e-12)
        assert memory.size_bits == (3 if memory.name == "sum_registers" else 1) * size
    assert machine.formats["int8"].energy_pj.value == 0.04
    assert machine.memory("dram").bits_per_cycle(machine.clock_hz) == 64
    assert machine.memory("sram").bits_per_cycle(machine.clock_hz) == 2048


def test_input_channels_run_across_one_side_and_output_channels_across_the_other(machine: Architecture) -> None:
    assert machine.array.copies() == {"in_channels": 32, "out_channels": 32}
    assert [m.name for m in machine.shared_memories] == ["dram", "sram"]


def test_networks_cost_something_on_it() -> None:
    made = estimate("dcgan32", on="edge_tpu_like")
    floor = made.totals["weight_bytes"]
    assert made.totals["macs_effectual"] <= made.totals["macs"] < made.totals["macs_zero_inserted"]
    assert floor < made.totals["offchip_bytes"] < 1.05 * floor
    assert sum(made.energy_by_component_j.values()) == pytest.approx(made.totals["energy_j"])
    assert made.energy_by_component_j["mac"] == pytest.approx(made.totals["macs"] * 0.04e-12)
    assert any("not validated" in sentence for sentence in made.assumptions)
