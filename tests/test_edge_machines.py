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


def test_what_the_memory_off_chip_cannot_hold_is_said() -> None:
    said = estimate("zcu104", ("memories.ddr.size_mib", 1)).assumptions
    assert any(
        re.match(r"zcu104: ddr has 1,048,576 bytes, weights and the values of one layer take 1,5\d\d,\d{3}", s)
        for s in said
    )
    assert not any("ddr has" in sentence for sentence in estimate("zcu104").assumptions)


@pytest.mark.parametrize("batch", [0, 10**12])
def test_batches_have_bounds(batch: int) -> None:
    with pytest.raises(AccelsimError, match=rf"^batch: {batch}; the cost of a batch needs 1 to 1,000,000 images$"):
        accelsim.estimate("dcgan32", on="zcu104", batch=batch)


@pytest.mark.parametrize(("workload", "machine"), [("dcgan64_torch", "ganax_like"), ("dcgan64_torch", "eyeriss")])
def test_keeping_nothing_serves_no_goal_better(workload: str, machine: str) -> None:
    """Tensors of four images that are kept can squeeze a layer: then they are not kept."""
    for goal, key in (("energy", "energy_j"), ("offchip", "offchip_bytes")):
        kept, apart = (
            accelsim.estimate(workload, on=machine, batch=4, goal=goal, residency=keep).totals[key]  # type: ignore[arg-type]
            for keep in (True, False)
        )
        assert kept <= apart * (1 + 1e-9)
