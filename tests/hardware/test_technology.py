"""Scaling between processes against hwcomponents, and what machine files make of it and of the fit to CACTI."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import LocatedErrors
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.sram_fit import Bank, sram_figures
from accelsim.hardware.technology import (
    NODES_NM,
    GivenArea,
    GivenEnergy,
    Technology,
    area_factor,
    energy_factor,
    refusal,
    scaled_energy,
)
from accelsim.study.variant import changed

# Accelergy-Project/hwcomponents@e67d7f10, scaling/techscaling.py, run at 0.8 V for both nodes
ENERGIES = {(45, 65): 1.2407, (45, 32): 0.6593, (45, 28): 0.5132, (45, 20): 0.2211, (45, 16): 0.1735, (45, 7): 0.0943}
ENERGIES |= {(65, 28): 0.4137, (32, 28): 0.7784}
AREAS = {(45, 65): 1.5, (45, 32): 0.46, (45, 28): 0.3767, (45, 16): 0.19, (45, 7): 0.059}

MACHINE = """\
schema: accelsim/hardware/1
name: chip
kind: spatial
sources: [made up for a test]
clock_mhz: 500
technology: {node_nm: 28, vdd_v: 0.9}
memories:
  - {name: dram, kind: ddr4, size_mib: 64, bandwidth_gb_per_s: 16, energy_pj_per_bit: 15}
  - name: glb
    kind: sram
    size_kib: 128
    access_bits: 64
    bandwidth_bits_per_cycle: 64
    cacti: {transistors: lstp, banks: 2}
  - {name: sums, kind: register_file, per_pe: true, size_bytes: 4, holds: [partial_sums], energy_pj_per_bit: 0.01}
array: {rows: 4, cols: 4, unroll: {rows: in_channels, cols: out_channels}}
transposed_conv: phase
formats:
  int8: {macs_per_cycle_per_pe: 1, energy_pj: {value: 0.23, at_node_nm: 45, at_vdd_v: 0.9, source: Horowitz}}
spatial: {network_energy_pj_per_bit: 0.05}
"""
DATA: dict[str, Any] = yaml.safe_load(MACHINE)


def chip(*changes: tuple[str, Any]) -> Architecture:
    return cast(Architecture, parse_architecture(changed(DATA, changes), "chip"))


@pytest.mark.parametrize(("nodes", "factor"), ENERGIES.items())
def test_energy_is_scaled_as_by_hwcomponents(nodes: tuple[int, int], factor: float) -> None:
    assert energy_factor((nodes[0], 0.8), (nodes[1], 0.8)) == pytest.approx(factor, abs=6e-5)


@pytest.mark.parametrize(("nodes", "factor"), AREAS.items())
def test_area_is_scaled_as_by_hwcomponents(nodes: tuple[int, int], factor: float) -> None:
    assert area_factor(*nodes) == pytest.approx(factor, abs=6e-5)


@given(st.sampled_from(NODES_NM), st.sampled_from(NODES_NM), st.floats(0.7, 1.2), st.floats(0.7, 1.2))
def test_there_and_back_is_the_same(a: float, b: float, va: float, vb: float) -> None:
    assert refusal(a, va) is None
    assert energy_factor((a, va), (b, vb)) * energy_factor((b, vb), (a, va)) == pytest.approx(1)
    energy = GivenEnergy(value=1, low=0.5, high=2, at_node_nm=Quantity(value=a), at_vdd_v=Quantity(value=va))
    made = scaled_energy(energy, Technology(node_nm=Quantity(value=b), vdd_v=Quantity(value=vb)))
    assert made.low <= made.value / 2 * (1 + 1e-12) and made.high >= made.value * 2 * (1 - 1e-12)


def test_a_format_of_another_process_is_scaled_and_says_so() -> None:
    made = chip().formats["int8"].energy_pj
    assert made.value == pytest.approx(0.23 * energy_factor((45, 0.9), (28, 0.9)))
    assert (made.low, made.high) == pytest.approx((made.value, 0.23 * 28 / 45))  # the table says less than C V^2 does
    (said,) = [s for s in chip().assumptions() if "formats.int8.energy_pj" in s]
    assert "is 0.23 of 45 nm and 0.9 V x 0.507" in said and "by node and voltage squared x 0.622" in said
    assert not chip(("formats.int8.energy_pj", 0.2)).formats["int8"].energy_pj.source


def test_an_sram_takes_what_it_does_not_say_from_the_fit() -> None:
    machine = chip()
    fitted, glb = sram_figures(Bank("lstp", 28, 65_536, 64), 2), machine.memory("glb")
    assert glb.read_energy_j_per_bit == fitted["read_energy_pj_per_bit"] * 1e-12
    assert glb.write_energy_j_per_bit == fitted["write_energy_pj_per_bit"] * 1e-12
    assert glb.area_mm2 == fitted["area_mm2"] and machine.static_power_w == fitted["leakage_mw"] * 1e-3
    said = [s for s in machine.assumptions() if "memories.glb" in s or "static power" in s]
    assert len(said) == 2 and "fit to CACTI 7 for a bank of 64 KiB, 64 bits an access, 28 nm, lstp" in said[0]


def test_what_the_file_says_stays() -> None:
    data = changed(DATA, [("memories", [entry | {"energy_pj_per_bit": 0.5} for entry in DATA["memories"]])])
    machine = cast(Architecture, parse_architecture(data | {"static_power_w": 0.2}, "chip"))
    assert machine.memory("glb").read_energy_j_per_bit.value == pytest.approx(0.5e-12)
    assert machine.memory("glb").area_mm2 is not None and machine.static_power_w.value == 0.2
    assert any("static power is 0.2 W as the file gives it; the leakage of glb" in s for s in machine.assumptions())


def test_leakage_counts_each_copy() -> None:
    entries = [entry | ({"leakage_mw": 0.5} if entry["name"] == "sums" else {}) for entry in DATA["memories"]]
    more = cast(Architecture, parse_architecture({**DATA, "memories": entries}, "chip")).static_power_w
    assert more.value - chip().static_power_w.value == pytest.approx(16 * 0.5e-3)


def test_another_size_or_node_of_a_variant_is_another_fit() -> None:
    kept: Mapping[str, Any] = chip().model_dump(mode="json", by_alias=True, exclude_none=True)
    assert parse_architecture(kept, "again") == chip() and "area_mm2" not in str(kept)
    larger = parse_architecture(changed(dict(kept), [("memories.glb.size_kib", 256)]), "larger")
    older = parse_architecture(changed(dict(kept), [("technology.node_nm", 45)]), "older")
    for other in (larger, older):
        assert isinstance(other, Architecture) and other.content_hash() != chip().content_hash()
        assert other.memory("glb").read_energy_j_per_bit.value > chip().memory("glb").read_energy_j_per_bit.value


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "banks: 2",
            "banks: 999",
            "14: memories.glb.cacti: the fit to CACTI covers banks of 1 KiB to 2 MiB, not 0.128",
        ),
        ("node_nm: 28", "node_nm: 16", "14: memories.glb.cacti: the fit to CACTI covers nodes of 22 to 65 nm, not 16"),
        (
            "kind: sram",
            "kind: cache",
            "14: memories.glb.cacti: only kind sram is estimated by the fit to CACTI, not 'c",
        ),
        ("    access_bits: 64\n", "", "13: memories.glb.cacti: needs access_bits: the width of the memory"),
        ("transistors: lstp", "transistors: lp", "14: memories.glb.cacti.transistors: 'lp' is not one of: lstp, hp"),
        (
            "    cacti: {transistors: lstp, banks: 2}\n",
            "",
            "9: memories.glb: needs energy_pj_per_bit, or read_energy_p",
        ),
        (", at_vdd_v: 0.9", "", "19: formats.int8.energy_pj: needs at_node_nm and at_vdd_v together, or neither"),
        ("at_node_nm: 45", "at_node_nm: 180", "19: formats.int8.energy_pj.at_node_nm: Stillmaker & Baas 2017 covers n"),
        ("at_vdd_v: 0.9", "at_vdd_v: 0.1", "19: formats.int8.energy_pj.at_node_nm: Stillmaker & Baas 2017: at 45 nm"),
    ],
)
def test_each_mistake_is_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    file = tmp_path / "chip.yaml"
    text = MACHINE if "cacti: {tr" not in old else MACHINE + "static_power_w: 0\n"
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    with pytest.raises(LocatedErrors) as raised:
        load_architecture(str(file))
    (only,) = [str(problem).removeprefix(f"{file}:") for problem in raised.value.problems]
    assert only.startswith(expected)


def test_static_power_is_missing_where_nothing_says_what_leaks(tmp_path: Path) -> None:
    file = tmp_path / "chip.yaml"
    file.write_text(MACHINE.replace("cacti: {transistors: lstp, banks: 2}", "energy_pj_per_bit: 1"))
    with pytest.raises(LocatedErrors, match="1: static_power_w: missing"):
        load_architecture(str(file))


def test_an_area_of_another_node_needs_no_voltage() -> None:
    assert GivenArea(value=282, at_node_nm=Quantity(value=45)).at_node_nm is not None


ARITHMETIC = {
    "multiply": {"value": 0.2, "bits": 8, "at_node_nm": 45, "at_vdd_v": 0.9, "source": "Horowitz"},
    "add": {"value": 0.1, "bits": 32, "at_node_nm": 45, "at_vdd_v": 0.9},
    "sum_bits": 32,
}


def with_arithmetic(formats: dict[str, Any], **changes: Any) -> Architecture:
    technology = {"node_nm": 45, "vdd_v": 0.9}
    data = DATA | {"technology": technology, "formats": formats, "arithmetic": ARITHMETIC}
    return cast(Architecture, parse_architecture(data | changes, "chip"))


def test_a_format_without_an_energy_is_made_of_a_multiplication_and_an_addition() -> None:
    rate = {"macs_per_cycle_per_pe": 1}
    machine = with_arithmetic({"int8": rate, "int4": rate, "int4xint8": rate, "int16": rate | {"energy_pj": 1}})
    made = {key: cost.energy_pj for key, cost in machine.formats.items()}
    assert made["int8"].value == pytest.approx(0.3) and made["int8"].low == made["int8"].high
    assert made["int4"].value == pytest.approx(0.2 / 4 + 0.1)  # quadratic in both widths, the sum as wide as before
    assert made["int4xint8"].value == pytest.approx(0.2 / 2 + 0.1) and made["int16"].value == 1
    assert made["int4"].low == pytest.approx(0.05 / 1.03 + 0.1) and made["int4"].high == pytest.approx(
        0.05 * 1.03 + 0.1
    )
    said = [sentence for sentence in machine.assumptions() if "is a multiplication of" in sentence]
    assert len(said) == 3 and "formats.int4.energy_pj = 0.15 (" in said[1]
    assert machine.content_hash() != chip().content_hash()


def test_narrower_sums_cost_in_proportion() -> None:
    machine = with_arithmetic({"int8": {"macs_per_cycle_per_pe": 1}}, arithmetic=ARITHMETIC | {"sum_bits": 16})
    made = machine.formats["int8"].energy_pj
    assert made.value == pytest.approx(0.25) and made.high == pytest.approx(0.2 + 0.05 * 1.2)


def test_what_arithmetic_makes_up_is_in_the_process_of_the_machine() -> None:
    machine = with_arithmetic({"int8": {"macs_per_cycle_per_pe": 1}}, technology={"node_nm": 28, "vdd_v": 0.9})
    assert machine.formats["int8"].energy_pj.value == pytest.approx(0.3 * energy_factor((45, 0.9), (28, 0.9)))
    assert any("arithmetic.multiply" in sentence and "of 45 nm" in sentence for sentence in machine.assumptions())


@pytest.mark.parametrize(
    ("formats", "extra", "expected"),
    [
        ("int8: {macs_per_cycle_per_pe: 1}", False, "formats.int8.energy_pj: missing"),
        (
            "fp16: {macs_per_cycle_per_pe: 1}",
            True,
            "formats.fp16.energy_pj: missing; arithmetic makes up energies of int",
        ),
        (
            "ternary: {macs_per_cycle_per_pe: 1}",
            True,
            "formats.ternary.energy_pj: missing; arithmetic makes up energies ",
        ),
    ],
)
def test_only_integers_are_made_up(formats: str, extra: bool, expected: str) -> None:
    data = DATA | {"formats": yaml.safe_load(f"{{{formats}}}")} | ({"arithmetic": ARITHMETIC} if extra else {})
    with pytest.raises(LocatedErrors) as raised:
        parse_architecture(data, "chip")
    (only,) = [f"{problem.field}: {problem.what}" for problem in raised.value.problems]
    assert only.startswith(expected)
