"""Machines at the edge of sense: a clear sentence, or spills that are counted."""

import re
from itertools import pairwise

import pytest

import accelsim
from accelsim.errors import AccelsimError
from accelsim.hardware.load import parse_architecture
from accelsim.report import Report
from accelsim.study.variant import changed, lacking, machine_data


def estimate(name: str, *changes: tuple[str, object]) -> Report:
    given = machine_data(name)
    assert all(lacking(given, path) is None for path, _ in changes)
    return accelsim.estimate("dcgan32", on=parse_architecture(changed(given, changes), name), precision="int8")


REFUSED = {
    "a buffer of one block": (
        ("zcu104", ("memories.bram.blocks", 1)),
        r"layer up1: memory 'bram': the smallest tiles need [\d,]+ bytes, the memory has 4608",
    ),
    "registers of one byte": (
        ("rpi4", ("memories.registers.size_bytes", 1)),
        r"layer fc: memory 'registers': the smallest tiles need \d+ bytes, the memory has 1",
    ),
    "no bandwidth": (
        ("eyeriss", ("memories.dram.bandwidth_gb_per_s", 0)),
        r"eyeriss: memories\.dram\.bandwidth_gb_per_s: must be greater than 0, not 0",
    ),
    "everything bypassed": (
        ("eyeriss", ("memories.glb.holds", []), ("memories.filters.holds", [])),
        r"eyeriss: memories\.glb\.holds: must not be empty \(at least 1\)",
    ),
    "inputs bypass the shared buffer": (
        ("eyeriss", ("memories.glb.holds", ["weights"])),
        r"eyeriss: memories\.filters\.per_pe: needs a shared memory on the chip before it that holds weights and activ",
    ),
    "a pipeline without memories": (
        ("pynq_z1_stream", ("fpga.bram36", 1)),
        r"pynq_z1_stream: dcgan32 does not fit as a streaming pipeline, which keeps all weights on the chip",
    ),
    "no crossbars": (("isaac", ("reram.tiles", 0)), r"isaac: reram\.tiles: must be at least 1|.*greater than 0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_a_sentence(what: str) -> None:
    (name, *changes), sentence = REFUSED[what]
    with pytest.raises(AccelsimError) as refused:
        estimate(name, *changes)
    assert re.match(sentence, str(refused.value))


@pytest.mark.parametrize("memory", ["filters", "inputs"])
def test_registers_of_one_byte_pass_on_more(memory: str) -> None:
    """Of eyeriss: the search goes on, and the buffer that feeds them is read more often."""
    usual, small = (estimate("eyeriss", *changes) for changes in ((), ((f"memories.{memory}.size_bytes", 1),)))

    def read_bits(report: Report) -> int:
        return sum(
            bits["read"] for row in report.document()["layers"] for bits in row["accesses_bits"].get("glb", {}).values()
        )

    assert read_bits(small) > read_bits(usual)
    assert small.totals["energy_j"] >= usual.totals["energy_j"]


def test_a_chip_too_small_writes_its_cells_for_every_batch() -> None:
    whole, small = (estimate("isaac", *changes) for changes in ((), (("reram.tiles", 1),)))
    assert small.totals["energy_j"] == pytest.approx(
        whole.totals["energy_j"], rel=1e-12
    )  # a cold batch writes them all
    assert small.per_image_steady["energy_j"] > 10 * whole.per_image_steady["energy_j"]


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_more_block_ram_never_costs_more(precision: str) -> None:
    """Cold and later, with tensors and weights that stay: the energy table is that of the file, whatever the size."""
    given = machine_data("zcu104")
    machines = [parse_architecture(changed(given, [("memories.bram.blocks", n)]), "zcu104") for n in range(16, 313, 24)]
    made = [accelsim.estimate("dcgan32", on=machine, precision=precision) for machine in machines]
    for part in ("totals", "per_image_steady"):
        for key in ("energy_j", "offchip_bytes"):
            figures = [getattr(report, part)[key] for report in made]
            assert all(more <= less * (1 + 1e-12) for less, more in pairwise(figures)), (part, key, figures)
