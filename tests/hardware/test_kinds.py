"""Mistakes in what only some kinds of machine have: memories per PE, lists of dimensions, cores, packing."""

from pathlib import Path

import pytest

from accelsim.errors import LocatedErrors
from accelsim.hardware.load import load_architecture
from accelsim.hardware.number_formats import FormatMatch, NoFormat, factors, integer

SPATIAL = """\
schema: accelsim/hardware/1
name: small
kind: spatial
sources: [made up for a test]
clock_mhz: 100
technology: {node_nm: 65, vdd_v: 1.0}
memories:
  - {name: dram, kind: ddr3, size_mib: 1, bandwidth_gb_per_s: 1, energy_pj_per_bit: 10}
  - {name: glb, kind: sram, size_kib: 1, bandwidth_bits_per_cycle: 64, energy_pj_per_bit: 1}
  - {name: w, kind: register_file, per_pe: true, size_bytes: 8, holds: [weights], energy_pj_per_bit: 0.1}
  - {name: i, kind: register_file, size_bytes: 8, holds: [inputs], energy_pj_per_bit: 0.1}
array:
  rows: 3
  cols: 4
  unroll: {rows: [kernel_height, [in_channels, 2]], cols: out_height}
transposed_conv: zero_insert
formats:
  int16: {macs_per_cycle_per_pe: 1, energy_pj: 2}
spatial: {network_energy_pj_per_bit: 0.2}
static_power_w: 0.1
"""

CPU = """\
schema: accelsim/hardware/1
name: small
kind: cpu
sources: [made up for a test]
clock_mhz: 100
technology: {node_nm: 28, vdd_v: 1.0}
memories:
  - {name: dram, kind: lpddr4, size_mib: 1, bandwidth_gb_per_s: 1, energy_pj_per_bit: 10}
  - {name: l2, kind: cache, size_kib: 8, bandwidth_bits_per_cycle: 64, energy_pj_per_bit: 1}
  - {name: l1, kind: cache, per_pe: true, size_kib: 1, bandwidth_bits_per_cycle: 64, energy_pj_per_bit: 0.1}
  - {name: registers, kind: register_file, size_bytes: 64, energy_pj_per_bit: 0}
array: {rows: 1, cols: 2, unroll: {rows: batch, cols: out_channels}}
transposed_conv: phase
formats:
  int8: {macs_per_cycle_per_pe: 4, energy_pj: 2}
  float32: {macs_per_cycle_per_pe: 2, energy_pj: 8}
cpu:
  cores: 2
  simd_bits: 32
  line_bytes: 4
  kernel: {out_channels: 4}
  issue_efficiency: {int8: 0.5, float32: 0.5}
  unpack:
    within_byte: {cycles_per_vector: 2, energy_pj_per_vector: 5}
    across_bytes: {cycles_per_vector: 4, energy_pj_per_vector: 10}
static_power_w: 0.1
"""


def complaints(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "small.yaml"
    file.write_text(text)
    try:
        load_architecture(str(file))
    except LocatedErrors as error:
        return [str(p).removeprefix(f"{tmp_path}/small.yaml:") for p in error.problems]
    return []


@pytest.mark.parametrize("text", [SPATIAL, CPU])
def test_the_machines_themselves_are_without_mistake(tmp_path: Path, text: str) -> None:
    assert complaints(tmp_path, text) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("size_mib: 1,", "size_mib: 1, per_pe: true,", "8: memories.dram.per_pe: the first memory is shared by all PE"),
        (
            "register_file, size",
            "register_file, per_pe: false, size",
            "11: memories.i.per_pe: a memory before it is pe",
        ),
        (
            "size_kib: 1,",
            "size_kib: 1, holds: [weights],",
            "10: memories.w.per_pe: needs a shared memory on the chip be",
        ),
        ("bandwidth_bits_per_cycle: 64, ", "", "9: memories.glb: needs bandwidth_gb_per_s or bandwidth_bits_per_cycle"),
        ("per_pe: true", "per_pe: 1", "10: memories.w.per_pe: should be true or false, not 1"),
        ("kernel_height, [", "kernel_hight, [", "15: array.unroll.rows.0: 'kernel_hight' is not one of: batch, groups"),
        (
            "cols: out_height",
            "cols: out_hight",
            "15: array.unroll.cols: 'out_hight' is not one of: batch, groups, in_ch",
        ),
        ("[in_channels, 2]", "[in_channels, 4]", "15: array.unroll.rows: lanes multiply to 4, but there are 3 rows"),
        ("[in_channels, 2]", "[in_channels, 0]", "15: array.unroll.rows.1: must be at least 1, not 0"),
        ("[in_channels, 2]", "[in_channels]", "15: array.unroll.rows: should be a dimension, or [dimension, lanes]"),
        ("[kernel_height, [in_channels, 2]]", "[]", "15: array.unroll.rows: must not be empty (at least 1)"),
        ("spatial: {network", "spatial: {netwerk", "19: spatial.netwerk_energy_pj_per_bit: unknown key (did you mean"),
        ("spatial: {network_energy_pj_per_bit: 0.2}\n", "", "1: spatial: missing"),
        (
            "holds: [inputs]",
            "holds: [input]",
            "11: memories.i.holds.0: 'input' is not one of: weights, activations, in",
        ),
    ],
)
def test_each_mistake_of_a_spatial_array_is_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert SPATIAL.count(old) == 1
    (only,) = complaints(tmp_path, SPATIAL.replace(old, new))
    assert only.startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cores: 2", "cores: 4", "18: cpu.cores: 4 cores, but the array has 1 x 2 PEs; a PE is a core"),
        ("simd_bits: 32", "simd_bits: 0", "19: cpu.simd_bits: must be at least 1, not 0"),
        ("{int8: 0.5, float32: 0.5}", "{int8: 0.5}", "22: cpu.issue_efficiency: lacks float32, which formats lists"),
        ("{int8: 0.5, ", "{int8: 1.5, ", "22: cpu.issue_efficiency.int8: a share of the peak, so 1 at most, not 1.5"),
        ("{int8: 0.5, ", "{int8: 0, ", "22: cpu.issue_efficiency.int8: must be greater than 0, not 0"),
        ("float32: 0.5}", "float32: 0.5, int4: 1}", "22: cpu.issue_efficiency.int4: formats does not list int4"),
        (
            "kernel: {out_channels",
            "kernel: {out_chanels",
            "21: cpu.kernel.out_chanels: 'out_chanels' is not one of: ba",
        ),
        ("kernel: {out_channels: 4}", "kernel: {}", "21: cpu.kernel: must not be empty (at least 1)"),
        (
            "    across_bytes: {cycles_per_vector: 4, energy_pj_per_vector: 10}\n",
            "",
            "23: cpu.unpack.across_bytes: mis",
        ),
        ("within_byte: {cycles_", "within_byte: {cycels_", "24: cpu.unpack.within_byte.cycels_per_vector: unknown key"),
        (
            "line_bytes: 4\n",
            "line_bytes: 4.5\n",
            "20: cpu.line_bytes: should be a whole number, or a mapping with value",
        ),
        (
            "  float32: {macs",
            "  float16: {macs",
            "16: formats.float16: should be spelled int8 (both operands) or int4x",
        ),
    ],
)
def test_each_mistake_of_a_cpu_is_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert CPU.count(old) == 1
    found = complaints(tmp_path, CPU.replace(old, new))
    assert found[0].startswith(expected)
    assert len(found) == 1 or "float16" in new


def test_float32_holds_floating_point_operands_and_no_integers(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(CPU)
    machine = load_architecture(str(tmp_path / "small.yaml"))
    exact, wide = machine.format_for(*factors("float32")), machine.format_for(integer(16), integer(16))
    assert isinstance(exact, FormatMatch)
    assert (exact.key, exact.assumption) == ("float32", None)
    assert isinstance(wide, NoFormat)
