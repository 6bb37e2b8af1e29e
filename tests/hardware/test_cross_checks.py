"""Each contradiction gives exactly one line, at the line of the file where it stands."""

from pathlib import Path

import pytest

from accelsim.errors import LocatedErrors
from accelsim.hardware.architecture import Machine
from accelsim.hardware.load import load_architecture

MACHINE = """\
schema: accelsim/hardware/1
name: small
kind: fpga
sources: [made up for a test]
clock_mhz: 100
technology: {node_nm: 28, vdd_v: 1.0}
memories:
  - name: ddr
    kind: ddr4
    size_mib: 1
    bandwidth_gb_per_s: 1.6
    energy_pj_per_bit: 10
  - name: bram
    kind: bram36
    blocks: 4
    bandwidth_bits_per_cycle: 72
    energy_pj_per_bit: 0.2
  - name: sums
    kind: flip_flop
    size_bytes: 64
    holds: [partial_sums]
    energy_pj_per_bit: 0.01
array:
  rows: 2
  cols: 4
  unroll: {rows: in_channels, cols: out_channels}
transposed_conv: phase
formats:
  int8: {macs_per_cycle_per_pe: 2, lanes: {out_channels: 2}, energy_pj: 1}
fpga: {device: tiny, dsp: 8, lut: 100, ff: 200, bram36: 4, uram: 1}
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


def test_the_machine_itself_is_without_mistake(tmp_path: Path) -> None:
    assert complaints(tmp_path, MACHINE) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    size_mib: 1\n", "", "8: memories.ddr: needs one size: size_mib, size_kib, size_bytes, blocks"),
        ("size_mib: 1\n", "size_mib: 1\n    size_kib: 9\n", "11: memories.ddr.size_kib: a second size; size_mib is g"),
        ("size_mib: 1\n", "size_mb: 1\n", "10: memories.ddr.size_mb: unknown key (did you mean 'size_mib'?)"),
        ("size_mib: 1\n", "blocks: 1\n", "10: memories.ddr.blocks: only kind bram36 or uram comes in blocks, not 'dd"),
        ("    energy_pj_per_bit: 10\n", "", "8: memories.ddr: needs energy_pj_per_bit, or read_energy_pj_per_bit and"),
        ("energy_pj_per_bit: 10\n", "read_energy_pj_per_bit: 1\n", "8: memories.ddr: needs energy_pj_per_bit, or rea"),
        ("energy_pj_per_bit: 10\n", "energy_pj_per_bitt: 1\n", "12: memories.ddr.energy_pj_per_bitt: unknown key (di"),
        (
            "energy_pj_per_bit: 10\n",
            "energy_pj_per_bit: 10\n    read_energy_pj_per_bit: 1\n",
            "13: memories.ddr.read_energy_pj_per_bit: contradicts energy_pj_per_bit; give one or the other",
        ),
        ("    bandwidth_gb_per_s: 1.6\n", "", "8: memories.ddr: needs bandwidth_gb_per_s or bandwidth_bits_per_cycle"),
        ("bandwidth_gb_per_s: 1.6\n", "bandwith_gb_per_s: 1\n", "11: memories.ddr.bandwith_gb_per_s: unknown key (di"),
        (
            "bandwidth_gb_per_s: 1.6\n",
            "bandwidth_gb_per_s: 1.6\n    bandwidth_bits_per_cycle: 8\n",
            "12: memories.ddr.bandwidth_bits_per_cycle: a second bandwidth; bandwidth_gb_per_s is given already",
        ),
        ("name: sums", "name: bram", "18: memories.bram.name: 'bram' is also the name of memory 2"),
        ("kind: ddr4", "kind: flip_flop", "9: memories.ddr.kind: the first memory must be off chip (ddr3, ddr4, flash"),
        ("kind: flip_flop", "kind: ddr3\n    bandwidth_gb_per_s: 1", "19: memories.sums.kind: only the first memory"),
        ("kind: ddr4", "kind: dddr4", "9: memories.ddr.kind: 'dddr4' is not one of: ddr3, ddr4, lpddr4, hbm2, flash"),
        (
            "kind: bram36",
            "kind: [bram36]",
            "14: memories.bram.kind: a list is not one of: ddr3, ddr4, lpddr4, hbm2, fl",
        ),
        (
            "kind: ddr4",
            "kind: {a: 1}",
            "9: memories.ddr.kind: a mapping is not one of: ddr3, ddr4, lpddr4, hb",
        ),
        ("size_mib: 1\n", "size_mib: 1\n    holds: [weights]\n", "11: memories.ddr.holds: the first memory must hold"),
        ("holds: [partial_sums]", "holds: [weights, weights]", "21: memories.sums.holds: names an operand twice"),
        (
            "holds: [partial_sums]",
            "holds: [weight]",
            "21: memories.sums.holds.0: 'weight' is not one of: weights, acti",
        ),
        ("cols: out_channels}", "cols: in_channels}", "26: array.unroll.cols: 'in_channels' is unrolled across the r"),
        ("lanes: {out_channels: 2}", "lanes: {out_channels: 4}", "29: formats.int8.lanes: lanes multiply to 4, but m"),
        ("lanes: {out_channels: 2}", "lanes: {out_chanels: 2}", "29: formats.int8.lanes.out_chanels: 'out_chanels' i"),
        ("  int8:", "  int8z:", "29: formats.int8z: should be spelled int8 (both operands) or int4xint8"),
        ("rows: 2", "rows: 3", "24: array.rows: 3 x 4 PEs x 1 DSP = 12 DSP, but tiny has 8"),
        ("dsp: 8", "dsp: 8, dsp_per_pe: 2", "24: array.rows: 2 x 4 PEs x 2 DSP = 16 DSP, but tiny has 8"),
        ("blocks: 4", "blocks: 5", "15: memories.bram.blocks: 5 bram36, but tiny has 4"),
        ("blocks: 4", "blocks: {value: 5, source: x}", "15: memories.bram.blocks: 5 bram36, but tiny has 4"),
        ("sources: [made up for a test]", "sources: []", "4: sources: must not be empty (at least 1)"),
        ("sources: [made up for a test]\n", "", "1: sources: missing"),
        ("kind: fpga", "kind: fgpa", "3: kind: 'fgpa' is not one of: fpga, spatial, cpu, reram, stream (did you"),
        ("kind: fpga", "kind: gpu", "3: kind: 'gpu' is not one of: fpga, spatial, cpu, reram, stream"),
        ("kind: fpga", "kind: [fpga]", "3: kind: a list is not one of: fpga, spatial, cpu, reram, stream"),
        ("kind: fpga\n", "", "1: kind: missing; one of: fpga, spatial, cpu, reram, stream"),
        (
            "size_mib: 1\n",
            "size_mib: 1\n    run_length: {run_bits: 64, word_bits: 64, flag_bits: 64}\n",
            "11: memories.ddr.run_length: a word of 64 bits, 64 of them flags, has no room for a run of 64 bits a",
        ),
        (
            "size_mib: 1\n",
            "size_mib: 1\n    run_length: {run_bits: 6, word_bits: 7, flag_bits: 1}\n",
            "11: memories.ddr.run_length: a word of 7 bits, 1 of them flags, has no room for a run of 6 bits and",
        ),
        ("clock_mhz: 100", "clock_mhz: 0", "5: clock_mhz: must be greater than 0, not 0"),
        ("clock_mhz: 100", "clock_mhz: {value: 1, low: 2}", "5: clock_mhz: needs low <= value <= high, not 2, 1, 1"),
        ("clock_mhz: 100", "clock_mhz: -5", "5: clock_mhz: must be greater than 0, not -5"),
        ("clock_mhz: 100", "clock_mhz: fast", "5: clock_mhz: should be a number, or a mapping with value, low, high,"),
        ("clock_mhz: 100", "clock_mhz: {value: 1, vdd: 2}", "5: clock_mhz.vdd: unknown key; allowed: value, low, hig"),
        ("schema: accelsim/hardware/1", "schema: accelsim/hardware/2", "1: schema: 'accelsim/hardware/2' is not one"),
        ("dsp: 8", "dsp: 8.5", "30: fpga.dsp: should be a whole number, or a mapping with value, source, status, not"),
        ("fpga: {", "fpgas: {", "30: fpgas: unknown key (did you mean 'fpga'?)"),
        ("name: small", "name: a.b", "2: name: should be a name of letters, digits, _ and -, not 'a.b'"),
    ],
)
def test_each_mistake_is_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert MACHINE.count(old) == 1
    (only,) = complaints(tmp_path, MACHINE.replace(old, new))
    assert only.startswith(expected)


DDR, BRAM, SUMS, ARRAY = (
    "energy_pj_per_bit: 10\n",
    "energy_pj_per_bit: 0.2\n",
    "energy_pj_per_bit: 0.01\n",
    "  cols: 4\n",
)


@pytest.mark.parametrize(
    ("after", "given", "expected"),
    [
        (
            BRAM,
            "dataflow: {}",
            "18: memories.bram.dataflow: is empty; expected one or more of: stationary, loops, loop",
        ),
        (
            BRAM,
            "dataflow: {stationery: weights}",
            "18: memories.bram.dataflow.stationery: unknown key (did you mean 's",
        ),
        (
            BRAM,
            "dataflow: {stationary: weight}",
            "18: memories.bram.dataflow.stationary: 'weight' is not one of: weigh",
        ),
        (DDR, "dataflow: {stationary: weights}", "13: memories.ddr.dataflow.stationary: everything stays in the first"),
        (
            SUMS,
            "dataflow: {stationary: weights}",
            "23: memories.sums.dataflow.stationary: weights cannot stay here: ho",
        ),
        (
            ARRAY,
            "stationary: weights",
            "26: array.stationary: weights cannot stay here: array.latches does not list th",
        ),
        (ARRAY, "stationary: [weights]", "26: array.stationary: a list is not one of: weights, inputs, outputs"),
        (ARRAY, "stationary: {a: 1}", "26: array.stationary: a mapping is not one of: weights, inputs, outputs"),
        (BRAM, "dataflow: {stationary: [weights]}", "18: memories.bram.dataflow.stationary: a list is not one of: w"),
        (ARRAY, "stationary: rows", "26: array.stationary: 'rows' is not one of: weights, inputs, outputs"),
        (BRAM, "dataflow: {loops: [out_width, out_width]}", "18: memories.bram.dataflow.loops.1: 'out_width' is list"),
        (
            BRAM,
            "dataflow: {loops: [out_widht]}",
            "18: memories.bram.dataflow.loops.0: 'out_widht' is not one of: batch",
        ),
        (
            BRAM,
            "dataflow: {loops: [], loop_order: []}",
            "18: memories.bram.dataflow.loops: contradicts loop_order; giv",
        ),
        (
            DDR,
            "dataflow: {tile: {out_width: 2}}",
            "13: memories.ddr.dataflow.tile: the first memory holds all of a lay",
        ),
        (BRAM, "dataflow: {tile: {}}", "18: memories.bram.dataflow.tile: is empty; expected lengths by dimension"),
        (
            BRAM,
            "dataflow: {tile: {out_width: 0}}",
            "18: memories.bram.dataflow.tile.out_width: must be at least 1, not 0",
        ),
        (BRAM, "dataflow: {tile: {out_width: most}}", "18: memories.bram.dataflow.tile.out_width: should be a length,"),
        (
            BRAM,
            "dataflow: {tile: {out_width: {}}}",
            "18: memories.bram.dataflow.tile.out_width: is empty; expected min",
        ),
        (
            BRAM,
            "dataflow: {tile: {out_width: {min: 4, max: 2}}}",
            "18: memories.bram.dataflow.tile.out_width: min is 4",
        ),
        (
            BRAM,
            "dataflow: {tile: {out_width: {least: 4}}}",
            "18: memories.bram.dataflow.tile.out_width.least: unknown ",
        ),
    ],
)
def test_each_mistake_of_a_dataflow_is_one_line(tmp_path: Path, after: str, given: str, expected: str) -> None:
    assert MACHINE.count(after) == 1
    indent = "  " if after == ARRAY else "    "
    (only,) = complaints(tmp_path, MACHINE.replace(after, f"{after}{indent}{given}\n"))
    assert only.startswith(expected)


def test_a_dataflow_where_it_says_nothing_or_contradicts_another(tmp_path: Path) -> None:
    order = DDR + "    dataflow: {loop_order: [out_channels, in_channels]}\n"
    stays = SUMS + "    dataflow: {stationary: outputs}\n"
    (only,) = complaints(tmp_path, MACHINE.replace(DDR, order).replace(SUMS, stays))
    assert only.startswith("24: memories.sums.dataflow.stationary: contradicts the loop_order of ddr: either says in w")
    aside = (
        "  - {name: w, kind: flip_flop, size_bytes: 8, holds: [weights], energy_pj_per_bit: 1, dataflow: {loops: []}}\n"
    )
    no_loops = aside.replace("[]", "[out_width]")
    assert complaints(tmp_path, MACHINE.replace("  - name: sums\n", aside + "  - name: sums\n")) == []
    (only,) = complaints(tmp_path, MACHINE.replace("  - name: sums\n", no_loops + "  - name: sums\n"))
    assert only.startswith(
        "18: memories.w.dataflow.loops: no loop runs inside this memory: it takes its tiles together"
    )


def test_a_dataflow_is_in_the_hash_and_in_the_assumptions(tmp_path: Path) -> None:
    def loaded(text: str) -> Machine:
        (tmp_path / "small.yaml").write_text(text)
        return load_architecture(str(tmp_path / "small.yaml"))

    free = loaded(MACHINE)
    rules = "dataflow: {stationary: weights, loops: [out_channels], tile: {out_width: all, out_channels: {max: 8}}}"
    bound = loaded(MACHINE.replace(BRAM, f"{BRAM}    {rules}\n"))
    assert free.content_hash() != bound.content_hash()
    (said,) = set(bound.assumptions()) - set(free.assumptions())
    assert said == (
        "small: memories.bram.dataflow restricts what the mapper finds: "
        "stationary weights; loops out_channels; tile out_width all, out_channels at most 8"
    )


def test_run_lengths_that_code_nothing_of_a_format_are_an_assumption(tmp_path: Path) -> None:
    def said(word_bits: int) -> list[str]:
        coded = f"{DDR}    run_length: {{run_bits: 5, word_bits: {word_bits}, flag_bits: 1}}\n"
        (tmp_path / "small.yaml").write_text(MACHINE.replace(DDR, coded))
        return [s for s in load_architecture(str(tmp_path / "small.yaml")).assumptions() if "run_length" in s]

    assert said(8) == ["small: memories.ddr.run_length codes no activations of int8: no pair fits a word"]
    assert said(14) == []


def test_two_memories_together_are_too_many(tmp_path: Path) -> None:
    second = "  - {name: more, kind: bram36, blocks: 3, bandwidth_bits_per_cycle: 72, energy_pj_per_bit: 0.2}\n"
    text = MACHINE.replace("blocks: 4", "blocks: 2").replace("  - name: sums\n", second + "  - name: sums\n")
    (only,) = complaints(tmp_path, text)
    assert only == "18: memories.more.blocks: 5 bram36 with the memories before it, but tiny has 4"


def test_mistakes_of_all_sorts_come_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = MACHINE.replace("clock_mhz: 100", "clock_mhz: -1").replace("blocks: 4", "blocks: 9")
    text = text.replace("rows: 2", "rows: 20").replace("transposed_conv: phase", "transposed_conv: phases")
    assert [line.split(": ")[:2] for line in complaints(tmp_path, text)] == [
        ["5", "clock_mhz"],
        ["15", "memories.bram.blocks"],
        ["24", "array.rows"],
        ["27", "transposed_conv"],
    ]


@pytest.mark.parametrize("kind", ["gpu", "", "7"])
def test_a_kind_that_is_not_there_yet_says_what_is(tmp_path: Path, kind: str) -> None:
    text = MACHINE.replace("kind: fpga", f"kind: {kind}").replace("fpga: {device", "other: {device")
    (only,) = complaints(tmp_path, text)
    assert only.startswith("3: kind: ") and "is not one of: fpga, " in only


def test_a_file_of_another_sort_says_what_it_lacks(tmp_path: Path) -> None:
    assert complaints(tmp_path, "title: x\n")[0].startswith("1: kind: missing; one of: fpga, ")
