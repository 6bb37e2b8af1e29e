import math
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import AccelsimError, LocatedErrors
from accelsim.hardware.architecture import Architecture, FpgaArchitecture
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.hardware.number_formats import FormatMatch, NoFormat, factors, integer, operand_bits
from accelsim.shared import find_shared, list_shared
from accelsim.yaml_file import Plain, read_yaml

SHIPPED = read_yaml(find_shared("hw_configs", "zcu104")).data


def variant(**changes: Plain) -> Architecture:
    return parse_architecture({**SHIPPED, **changes}, "variant", must_fit=False)


@pytest.fixture(scope="module")
def zcu104() -> Architecture:
    return load_architecture("zcu104")


@pytest.mark.parametrize("name", list_shared("hw_configs"))
def test_every_shipped_machine_loads_under_its_file_name(name: str) -> None:
    machine = load_architecture(name)
    assert machine.name == name
    assert machine.sources


def test_sizes_and_rates_in_bits(zcu104: Architecture) -> None:
    ddr, bram, sums = zcu104.memories
    assert (ddr.size_bits, bram.size_bits, sums.size_bits) == (2048 * 2**20 * 8, 248 * 36_864, 2048 * 8)
    assert (ddr.usable_bits, bram.usable_bits) == (ddr.size_bits, bram.size_bits // 2)
    assert (ddr.transfer_bits, bram.transfer_bits, sums.transfer_bits) == (512, 72, 1)
    assert ddr.bits_per_cycle(zcu104.clock_hz) == pytest.approx(19.2e9 * 8 / 200e6)
    assert ddr.bits_per_cycle(2 * zcu104.clock_hz) == pytest.approx(384)
    assert (bram.bits_per_cycle(1.0), sums.bits_per_cycle(1.0)) == (17_856, math.inf)
    assert (ddr.off_chip, bram.off_chip) == (True, False)
    assert ddr.holds == ("weights", "activations", "partial_sums")
    assert zcu104.memory("bram") is bram
    assert zcu104.array.pes == 1024


def test_energies_in_joules_by_direction(zcu104: Architecture) -> None:
    ddr = zcu104.memory("ddr")
    assert ddr.read_energy_j_per_bit == ddr.write_energy_j_per_bit
    assert ddr.read_energy_j_per_bit.value == pytest.approx(15e-12)
    entry: dict[str, Plain] = {
        "name": "ddr", "kind": "ddr4", "size_kib": 3, "bandwidth_gb_per_s": 1,
        "read_energy_pj_per_bit": 2, "write_energy_pj_per_bit": {"value": 3, "high": 4},
    }  # fmt: skip
    memory = variant(memories=[entry]).memories[0]
    assert memory.size_bits == 3 * 8192
    assert memory.read_energy_j_per_bit.value == pytest.approx(2e-12)
    assert memory.write_energy_j_per_bit.high == pytest.approx(4e-12)


def test_a_listed_format_is_taken_without_assumption(zcu104: Architecture) -> None:
    for bits, rate in ((16, 1), (8, 2), (4, 4)):
        match = zcu104.format_for(integer(bits), integer(bits))
        assert isinstance(match, FormatMatch)
        assert (match.key, match.cost.macs_per_cycle_per_pe, match.assumption) == (f"int{bits}", rate, None)


def test_an_unlisted_format_costs_what_the_narrowest_that_holds_it_costs(zcu104: Architecture) -> None:
    match = zcu104.format_for(integer(2), integer(8))
    assert isinstance(match, FormatMatch) and match.key == "int8"
    assert match.assumption is not None
    assert match.assumption.startswith("zcu104 does not list 2-bit weights x 8-bit activations: stored and moved at")
    assert match.assumption.endswith("computed at the cost of int8")


def test_what_nothing_holds_has_a_reason_instead_of_a_cost(zcu104: Architecture) -> None:
    wide, floating = zcu104.format_for(integer(17), integer(8)), zcu104.format_for(*factors("fp16"))
    assert wide == NoFormat("zcu104 lists int16, int8, int4: none holds 17-bit weights x 8-bit activations")
    assert isinstance(floating, NoFormat) and "none holds floating-point fp16 weights" in floating.reason


@given(st.sets(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1), st.integers(1, 20), st.integers(1, 20))
def test_the_match_holds_both_operands_and_none_narrower_does(
    listed: set[tuple[int, int]], weights: int, activations: int
) -> None:
    formats: Plain = {f"int{w}xint{a}": {"macs_per_cycle_per_pe": 1, "energy_pj": w * a} for w, a in listed}
    match = variant(formats=formats).format_for(integer(weights), integer(activations))
    holding = [(w, a) for w, a in listed if w >= weights and a >= activations]
    if isinstance(match, NoFormat):
        assert not holding
    else:
        w, a = operand_bits(match.key)
        assert (w, a) in holding
        assert w * a == min(w * a for w, a in holding)
        assert (match.assumption is None) == ((w, a) == (weights, activations))


def test_lanes_are_the_named_ones_or_across_the_columns(zcu104: Architecture) -> None:
    assert [zcu104.lanes(key) for key in zcu104.formats] == [{"out_channels": n} for n in (1, 2, 4)]


def test_the_hash_is_of_the_meaning_not_of_the_spelling(zcu104: Architecture, tmp_path: Path) -> None:
    text = find_shared("hw_configs", "zcu104").read_text()
    file = tmp_path / "other.yaml"
    file.write_text("# a comment\n" + text.replace("rows: 32\n  cols: 32", "cols: 32\n  rows: {value: 32}"))
    assert load_architecture(str(file)).content_hash() == zcu104.content_hash()
    file.write_text(text.replace("value: 200,", "value: 200.0,"))
    assert load_architecture(str(file)).content_hash() == zcu104.content_hash()
    for old, new in (("value: 200,", "value: 201,"), ("high: 28.75", "high: 28"), ("rows: 32", "rows: 16")):
        assert old in text
        file.write_text(text.replace(old, new))
        assert load_architecture(str(file)).content_hash() != zcu104.content_hash()


def test_a_machine_survives_a_trip_to_another_process(zcu104: Architecture) -> None:
    again = pickle.loads(pickle.dumps(zcu104))
    assert again == zcu104
    assert (again.content_hash(), again.assumptions()) == (zcu104.content_hash(), zcu104.assumptions())


def test_assumptions_are_the_recalled_and_estimated_constants(zcu104: Architecture) -> None:
    sentences = zcu104.assumptions()
    assert "zcu104: formats.int8.energy_pj = 1.125 (0.64 to 1.5) is an estimate: half of a full-width DSP48E2" in str(
        sentences
    )
    assert any(
        s.startswith("zcu104: memories.ddr.energy_pj_per_bit = 15 (5.7 to 28.75) is recalled") for s in sentences
    )
    assert not any("fpga.dsp" in s or "clock_mhz" in s for s in sentences)


def test_a_variant_may_ask_for_more_than_the_device_has_only_when_told_so() -> None:
    memories = SHIPPED["memories"]
    assert isinstance(memories, list) and isinstance(memories[1], dict)
    larger = {**SHIPPED, "memories": [memories[0], {**memories[1], "blocks": 624}, memories[2]]}
    assert parse_architecture(larger, "larger", must_fit=False).memory("bram").blocks == 624
    with pytest.raises(LocatedErrors, match=r"^larger: memories.bram.blocks: 624 bram36, but xczu7ev has 312$"):
        parse_architecture(larger, "larger")


def test_a_machine_cannot_be_changed_in_place(zcu104: Architecture) -> None:
    with pytest.raises(ValueError, match="frozen"):
        zcu104.name = "other"


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(AccelsimError, match=r"no hardware 'zcu140' \(did you mean 'zcu104'\?\)"):
        load_architecture("zcu140")


def test_the_kind_decides_the_class(zcu104: Architecture) -> None:
    assert isinstance(zcu104, FpgaArchitecture)
    assert (zcu104.fpga.dsp, zcu104.fpga.bram36, zcu104.fpga.uram) == (1728, 312, 96)
