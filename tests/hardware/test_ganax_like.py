"""ganax_like and the array that it is compared with: energies, the one difference, its worth."""

from typing import cast

import pytest

from accelsim import estimate
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture
from accelsim.study.variant import machine_data

TABLE_II = {"dram": 15, "glb": 1.2, "filters": 0.2, "inputs": 0.2, "sums": 0.2}  # pJ/bit


def test_energies_and_shape() -> None:
    machine = cast(Architecture, load_architecture("ganax_like"))
    assert {m.name: m.energy_pj_per_bit.value for m in machine.memories if m.energy_pj_per_bit} == TABLE_II
    assert machine.formats["int16"].energy_pj.value == pytest.approx(16 * 0.36)
    assert machine.array.pes == 256 and machine.clock_hz == 500e6
    assert any("not validated" in sentence for sentence in machine.assumptions())


def test_the_baseline_differs_in_what_it_does_with_inserted_zeros_alone() -> None:
    ours, baseline = machine_data("ganax_like"), machine_data("ganax_baseline")
    assert {key for key in ours if ours[key] != baseline[key]} == {"name", "transposed_conv"}
    assert (ours["transposed_conv"], baseline["transposed_conv"]) == ("phase", "zero_insert")


@pytest.mark.parametrize(("network", "speed", "energy"), [("radford", 3.97, 2.62), ("torch", 3.51, 2.43)])
def test_gains_on_dcgan_are_those_of_the_documentation(network: str, speed: float, energy: float) -> None:
    totals = []
    for name in ("ganax_baseline", "ganax_like"):
        precision = "int16,accumulator=acc16"
        report = estimate(f"dcgan64_{network}", on=name, precision=precision)
        rows = [row for row in report.layer_rows if "up" in row["name"]]
        totals.append(
            {key: sum(row[key] for row in rows) for key in ("latency_s", "energy_j", "macs_effectual", "macs")}
        )
    baseline, ours = totals
    assert round(baseline["latency_s"] / ours["latency_s"], 2) == speed
    assert round(baseline["energy_j"] / ours["energy_j"], 2) == energy
    assert speed <= baseline["macs"] / ours["macs_effectual"]  # no array gains more than it skips
