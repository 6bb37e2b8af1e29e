"""Areas of chips as sums of their parts, and what a report says of them."""

from math import prod
from typing import Any, cast

import pytest

from accelsim import estimate
from accelsim.console import summary
from accelsim.cost.area import chip_area, memory_leakage_w
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.hardware.reram import ReramArchitecture
from accelsim.study.variant import machine_data
from accelsim.validation.chip_rollup import area_figures

TPU: dict[str, Any] = machine_data("edge_tpu_like")


def array(static: bool = True, **entries: Any) -> Architecture:
    """The TPU-like array with further keys of its memories, of `array` and of `int8`."""
    memories = [memory | entries.get(memory["name"], {}) for memory in TPU["memories"]]
    data = TPU | {"memories": memories, "array": TPU["array"] | entries.get("array", {})}
    data["formats"] = {"int8": TPU["formats"]["int8"] | entries.get("int8", {})}
    data |= {"formats": data["formats"] | entries.get("formats", {})}
    if not static:
        del data["static_power_w"]
    return cast(Architecture, parse_architecture(data, "variant"))


def test_a_machine_without_areas_has_none() -> None:
    assert chip_area(array()) is None and chip_area(load_architecture("zcu104")) is None
    assert estimate("mlp32", on="edge_tpu_like").resources["area_mm2"] is None


def test_every_copy_counts_and_what_is_missing_is_named() -> None:
    area = chip_area(array(sum_registers={"area_mm2": {"value": 1e-5, "low": 5e-6}}, array={"pe_area_um2": 500}))
    assert area is not None
    assert area.parts["sum_registers"].value == pytest.approx(32 * 32 * 1e-5)
    assert area.parts["pes"].value == pytest.approx(32 * 32 * 500e-6)
    assert area.mm2.low == pytest.approx(1024 * (5e-6 + 500e-6))
    assert area.not_counted == ("sram", "weight_registers", "network")


def test_a_pe_has_room_for_the_largest_of_its_formats() -> None:
    wide = {"int16": {"macs_per_cycle_per_pe": 1, "energy_pj": 1, "area_um2": 900}}
    area = chip_area(array(int8={"area_um2": 300}, formats=wide, array={"pe_area_um2": 100}))
    assert area is not None and area.parts["pes"].value == pytest.approx(1024 * 1000e-6)


def test_area_of_another_node_is_scaled() -> None:
    area = chip_area(array(int8={"area_um2": {"value": 300, "at_node_nm": 45}}))
    assert area is not None  # 45 -> 28 nm: 0.3767 by the table, 0.3872 by the square
    assert area.parts["pes"].value == pytest.approx(1024 * 300e-6 * 0.3767, rel=1e-3)
    assert area.mm2.high == pytest.approx(1024 * 300e-6 * (28 / 45) ** 2)


def test_the_report_has_area_and_leakage_of_a_fitted_memory() -> None:
    machine = array(static=False, sram={"cacti": "lstp"}, sum_registers={"leakage_mw": 1e-6})
    report = estimate("mlp32", on=machine)
    area, leakage = report.resources["area_mm2"], report.resources["leakage_w"]
    assert set(area["parts"]) == {"sram"} and area["low"] < area["value"] < area["high"]
    assert leakage["parts"]["sum_registers"] == pytest.approx(1024 * 1e-9)
    assert sum(leakage["parts"].values()) == pytest.approx(leakage["value"])
    assert report.energy_by_component_j["static"] == pytest.approx(leakage["value"] * report.totals["latency_s"])
    assert any(line.startswith("  area ") and "without weight_registers" in line for line in summary(report))


def test_static_power_of_the_file_hides_no_leakage() -> None:
    machine = array(sram={"cacti": "hp"})
    assert machine.static_power_w.value == 0 < memory_leakage_w(machine)["sram"].value


def test_isaac_adds_up_to_its_table() -> None:
    machine = cast(ReramArchitecture, load_architecture("isaac"))
    area = chip_area(machine)
    assert area is not None and machine.reram.area is not None
    assert area.mm2.value == pytest.approx(85.4, rel=0.002)
    imas = prod((int(machine.reram.tiles), int(machine.reram.tile.imas)))
    assert area.parts["ima adc"].value == pytest.approx(imas * 0.0096)
    assert sum(part.value for part in area.parts.values()) == pytest.approx(
        area_figures(machine.reram, machine.reram.area, 1.0)["chip_area_mm2"]
    )
