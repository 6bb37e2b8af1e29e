"""The section `reram`: each mistake is one line at its place, and the derived figures of a chip."""

from pathlib import Path
from typing import cast

import pytest

from accelsim.errors import LocatedErrors
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.reram import ReramArchitecture
from accelsim.shared import find_shared
from accelsim.yaml_file import Plain, read_yaml

SHIPPED = read_yaml(find_shared("hw_configs", "isaac")).data

MACHINE = """\
schema: accelsim/hardware/1
name: small
kind: reram
sources: [made up for a test]
clock_mhz: 1000
technology: {node_nm: 32, vdd_v: 1.0}
transposed_conv: phase
reram:
  crossbar: [8, 4]
  cell_bits: 2
  encoding: offset
  cycle_ns: 100
  weight_bits: 8
  activation_bits: 8
  dac: {bits: 1, energy_pj: 1}
  adc: {bits: 6, columns_per_adc: 4, rate_gs_per_s: 1, energy_pj: {5: 1, 6: 2}}
  sample_hold: {energy_pj: 1}
  shift_add: {energy_pj: 1}
  input_register: {energy_pj_per_bit: 1}
  output_register: {energy_pj: 1}
  cell: {r_on_ohm: 1000, r_off_ohm: 9000, read_v: 0.2, read_ns: 1, read_energy_fj: 1}
  tile:
    imas: 2
    crossbars_per_ima: 3
    edram: {size_kib: 1, access_bits: 256, energy_pj: 10}
    bus: {energy_pj_per_bit: 1}
    router: {access_bits: 256, energy_pj: 10}
  tiles: 5
  offchip: {bandwidth_gb_per_s: 1, energy_pj_per_bit: 10}
static_power_w: 0
"""


def complaints(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "small.yaml"
    file.write_text(text)
    try:
        load_architecture(str(file))
    except LocatedErrors as error:
        return [str(p).removeprefix(f"{tmp_path}/small.yaml:") for p in error.problems]
    return []


def test_the_machine_itself_is_without_mistake(tmp_path: Path) -> None:
    assert complaints(tmp_path, MACHINE) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("crossbar: [8, 4]", "crossbar: [8]", "9: reram.crossbar: should be [rows, columns], not a list"),
        ("crossbar: [8, 4]", "crossbar: [8, 0]", "9: reram.crossbar.1: must be at least 1, not 0"),
        ("encoding: offset", "encoding: ofset", "11: reram.encoding: 'ofset' is not one of: offset, differential (did"),
        ("cell_bits: 2", "cell_bits: 2.5", "10: reram.cell_bits: should be a whole number, or a mapping with value"),
        ("cell_bits: 2", "cell_bits: 9", "10: reram.cell_bits: 9 bits, but weight_bits is 8"),
        ("cell_bits: 2", "cells_bits: 2", "10: reram.cells_bits: unknown key (did you mean 'cell_bits'?)"),
        ("dac: {bits: 1,", "dac: {bits: 16,", "15: reram.dac.bits: 16 bits, but activation_bits is 8"),
        ("adc: {bits: 6,", "adc: {bits: 7,", "16: reram.adc.bits: 7, but energy_pj is given for 5, 6 bits"),
        ("columns_per_adc: 4", "columns_per_adc: 8", "16: reram.adc.columns_per_adc: 8 columns share an ADC, but a c"),
        ("{5: 1, 6: 2}", "{6: 2, eight: 3}", "16: reram.adc.energy_pj.eight: should be a resolution of 1 to 16 bits,"),
        ("{5: 1, 6: 2}", "{6: -2}", "16: reram.adc.energy_pj.6: must be at least 0, not -2"),
        ("r_off_ohm: 9000", "r_off_ohm: 900", "21: reram.cell.r_on_ohm: 1000 ohm is not below r_off_ohm, 900 ohm"),
        ("read_ns: 1,", "read_ns: 200,", "21: reram.cell.read_ns: 200 ns is longer than cycle_ns, 100 ns"),
        ("read_v: 0.2, ", "", "21: reram.cell.read_v: missing"),
        ("    imas: 2\n", "", "22: reram.tile.imas: missing"),
        ("tiles: 5", "tiles: 0", "28: reram.tiles: must be at least 1, not 0"),
        ("bandwidth_gb_per_s: 1,", "bandwidth_gb_per_s: 0,", "29: reram.offchip.bandwidth_gb_per_s: must be greater"),
        ("reram:\n", "rram:\n", "8: rram: unknown key (did you mean 'reram'?)"),
        (
            "read_energy_fj: 1}",
            "read_energy_fj: 1, sigma_relative: -0.1}",
            "21: reram.cell.sigma_relative: must be at l",
        ),
        ("read_energy_fj: 1}", "read_energy_fj: 1, stuck_on: 2}", "21: reram.cell.stuck_on: must be at most 1, not 2"),
        (
            "read_energy_fj: 1}",
            "read_energy_fj: 1, stuck_on: 0.6, stuck_off: 0.6}",
            "21: reram.cell.stuck_on: 0.6 and st",
        ),
        (
            "read_energy_fj: 1}",
            "read_energy_fj: 1, variation: norm}",
            "21: reram.cell.variation: 'norm' is not one of: ",
        ),
        (
            "read_energy_fj: 1}",
            "read_energy_fj: 1, wire_ohms: 1}",
            "21: reram.cell.wire_ohms: unknown key (did you mean",
        ),
        (
            "adc: {bits: 6,",
            "adc: {bits: 6, range: cover,",
            "16: reram.adc.range: 'cover' is not one of: covering, clip",
        ),
        ("transposed_conv: phase", "memories: []\ntransposed_conv: phase", "7: memories: unknown key; allowed: schema"),
    ],
)
def test_each_mistake_is_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert MACHINE.count(old) == 1
    (only,) = complaints(tmp_path, MACHINE.replace(old, new))
    assert only.startswith(expected)


NEURON = "integrator: {phase_bits: 3, sample_ns: 2, energy_pj: 1}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", "11: reram.encoding: offset, but adc.integrator needs differential"),
        ("dac: {bits: 1,", "dac: {bits: 2,", "15: reram.dac.bits: more than the 1 bit that adc.integrator adds at a t"),
        (
            "read_energy_fj: 1}",
            "read_energy_fj: 1, stuck_on: 0.1}",
            "21: reram.cell.stuck_on: must stay 0.0: how columns",
        ),
        (NEURON, "range: clipping, " + NEURON, "16: reram.adc.range: must stay covering: how columns with adc.int"),
        (
            NEURON,
            "integrator: {phase_bits: 0, sample_ns: 2, energy_pj: 1}",
            "16: reram.adc.integrator.phase_bits: must",
        ),
    ],
)
def test_columns_that_integrate_ask_for_pairs_of_ideal_cells(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = MACHINE.replace("adc: {bits: 6,", f"adc: {{bits: 6, {NEURON},")
    if old:
        text = text.replace("encoding: offset", "encoding: differential").replace(old, new)
    (only,) = complaints(tmp_path, text)
    assert only.startswith(expected)


def variant(**changes: Plain) -> ReramArchitecture:
    section = {**cast(dict[str, Plain], SHIPPED["reram"]), **changes}
    return cast(ReramArchitecture, parse_architecture({**SHIPPED, "reram": section}, "variant"))


def test_slices_and_cycles_round_up() -> None:
    chip = variant(cell_bits=3).reram
    assert [chip.slices(bits) for bits in (2, 3, 4, 8, 16)] == [1, 1, 2, 3, 6]
    assert [variant(encoding="differential").reram.slices(bits) for bits in (2, 3, 8)] == [2, 4, 8]
    dac = {"bits": 3, "energy_pj": 1}
    assert [variant(dac=dac).reram.readout(bits).cycles for bits in (3, 4, 8)] == [1, 2, 3]


def test_an_adc_that_is_too_slow_for_its_columns_sets_the_cycle() -> None:
    adc: dict[str, Plain] = {**cast(dict[str, Plain], cast(dict[str, Plain], SHIPPED["reram"])["adc"])}
    assert variant().reram.cycle_s == pytest.approx(100e-9)
    assert variant(adc={**adc, "rate_gs_per_s": 0.64}).reram.cycle_s == pytest.approx(200e-9)
    assert variant(adc={**adc, "columns_per_adc": 8}).reram.cycle_s == pytest.approx(100e-9)


def test_bits_that_hold_every_sum_of_a_column() -> None:
    # 128 rows x 1 x 3 = 384 < 2**9; flip encoding saves one
    assert variant().reram.lossless_adc_bits == 8
    assert variant(flip_encoding=False).reram.lossless_adc_bits == 9
    dac = {"bits": 2, "energy_pj": 1}
    assert variant(dac=dac, flip_encoding=False).reram.lossless_adc_bits == 11  # 128 x 3 x 3 = 1152
    assert variant(cell_bits=1, flip_encoding=False).reram.lossless_adc_bits == 8  # 128 itself needs 8


def test_operands_that_no_crossbar_holds_are_refused_with_the_reason() -> None:
    machine = variant()
    assert machine.refusal(16, 16) is None
    wide, floating = machine.refusal(17, 8), machine.refusal(32, 32, floating=True)
    assert isinstance(wide, NoFormat) and wide.reason.endswith("not 17 x 8 bits")
    assert isinstance(floating, NoFormat) and "not floating-point 32 x 32 bits" in floating.reason
