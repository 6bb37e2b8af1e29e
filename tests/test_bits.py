"""Fewer bits, fewer bytes and less energy on every shipped machine; where not, the report says why."""

from functools import cache
from itertools import permutations

import pytest

import accelsim
from accelsim.report import Report

MACHINES = ("zcu104", "pynq_z2", "rpi4", "isaac", "eyeriss")
FORMATS = {
    "int2": (2, 2),
    "int4": (4, 4),
    "weights=int4,activations=int8": (4, 8),
    "int6": (6, 6),
    "int8": (8, 8),
    "fixed8.6": (8, 8),
    "int12": (12, 12),
    "fixed16.10": (16, 16),
}
"""Bits of (weights, activations)."""
NARROWER = [
    (a, b)
    for a, b in permutations(FORMATS, 2)
    if FORMATS[a] != FORMATS[b] and all(x <= y for x, y in zip(FORMATS[a], FORMATS[b], strict=True))
]
BYTES_EXPLAINED = "what lies between stays on chip, so only narrower weights save off-chip bytes"
ENERGY_EXPLAINED = "can cost more energy and time than the narrower codes save"


@cache
def report(machine: str, precision: str) -> Report:
    return accelsim.estimate("dcgan32", on=machine, precision=precision)


def says(made: Report, sentence: str) -> bool:
    return any(sentence in said for said in made.assumptions)


@pytest.mark.parametrize("machine", MACHINES)
def test_bytes_fall_with_bits_or_the_report_says_why(machine: str) -> None:
    for narrow, wide in NARROWER:
        less, more = (report(machine, precision) for precision in (narrow, wide))
        saved = more.totals["offchip_bytes"] - less.totals["offchip_bytes"]
        assert saved >= 0, (narrow, wide)
        assert saved > 0 or says(less, BYTES_EXPLAINED), (narrow, wide)
        if FORMATS[narrow][0] < FORMATS[wide][0]:
            assert saved > 0, (narrow, wide)


@pytest.mark.parametrize("machine", MACHINES)
def test_energy_falls_with_bits_or_the_report_says_why(machine: str) -> None:
    for narrow, wide in NARROWER:
        less, more = (report(machine, precision) for precision in (narrow, wide))
        assert less.totals["energy_j"] < more.totals["energy_j"] or says(less, ENERGY_EXPLAINED), (narrow, wide)


def test_there_is_something_to_explain() -> None:
    """Codes of 4 bits on a core are unpacked; accelerators and 16 against 8 bits have no such excuse."""
    core = [report("rpi4", precision) for precision in ("int4", "int8", "fixed16.10")]
    assert core[0].totals["energy_j"] > core[1].totals["energy_j"] < core[2].totals["energy_j"]
    assert [says(made, ENERGY_EXPLAINED) for made in core] == [True, False, False]
    assert not any(says(report(machine, "int4"), ENERGY_EXPLAINED) for machine in MACHINES if machine != "rpi4")
