"""The SRAM fit against CACTI's own points: those that it was fitted to, and those that were made later."""

from typing import cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.hardware.sram_fit import FIGURES, UNSEEN, Bank, Figure, Transistors, estimated, fit, points, sram_figures

TRANSISTORS = cast(tuple[Transistors, ...], get_args(Transistors))
STATED = {  # docs/technology.md: mean and largest abs(fitted / CACTI - 1) on unseen points, share within the interval
    ("lstp", "read_pj"): (0.07, 0.52, 0.98),
    ("lstp", "write_pj"): (0.06, 0.23, 1),
    ("lstp", "leakage_mw"): (0.06, 0.19, 0.95),
    ("lstp", "area_mm2"): (0.06, 0.24, 0.99),
    ("hp", "read_pj"): (0.08, 0.40, 1),
    ("hp", "write_pj"): (0.06, 0.21, 1),
    ("hp", "leakage_mw"): (0.04, 0.13, 1),
    ("hp", "area_mm2"): (0.05, 0.20, 0.98),
}


@pytest.mark.parametrize("transistors", TRANSISTORS)
@pytest.mark.parametrize("figure", FIGURES)
def test_unseen_points_are_as_near_as_stated(transistors: Transistors, figure: Figure) -> None:
    mean, most, share = STATED[transistors, figure]
    chosen = [point for point in points(UNSEEN) if point.bank.transistors == transistors]
    made = [estimated(point.bank, figure) for point in chosen]
    truth = [point.figures[figure] for point in chosen]
    errors = [abs(ours.value / theirs - 1) for ours, theirs in zip(made, truth, strict=True)]
    inside = [ours.low <= theirs <= ours.high for ours, theirs in zip(made, truth, strict=True)]
    assert len(chosen) == 140
    assert mean - 0.01 < sum(errors) / len(errors) <= mean and most - 0.01 < max(errors) <= most
    assert sum(inside) / len(inside) >= share


def test_unseen_points_are_not_among_the_others() -> None:
    assert not {point.bank for point in points(UNSEEN)} & {point.bank for point in points()}


@pytest.mark.parametrize("transistors", TRANSISTORS)
@pytest.mark.parametrize("figure", FIGURES)
def test_the_interval_holds_every_point_of_the_fit(transistors: Transistors, figure: Figure) -> None:
    chosen = [point for point in points() if point.bank.transistors == transistors]
    ratios = [point.figures[figure] / estimated(point.bank, figure).value for point in chosen]
    made = fit(transistors, figure)
    assert min(ratios) == pytest.approx(made.low) and max(ratios) == pytest.approx(made.high)
    assert made.low < 1 < made.high and len(ratios) == 228


@settings(max_examples=60)
@given(st.sampled_from(TRANSISTORS), st.floats(22, 64), st.floats(4096, 2**20), st.sampled_from((16, 32, 64, 128, 256)))
def test_a_larger_bank_costs_more_and_a_smaller_node_less_area(
    transistors: Transistors, node: float, size: float, bits: int
) -> None:
    bank, larger = Bank(transistors, node, size, bits), Bank(transistors, node, 1.5 * size, bits)
    for figure in FIGURES:
        assert estimated(larger, figure).value > estimated(bank, figure).value > 0
    assert estimated(Bank(transistors, node + 1, size, bits), "area_mm2").value > estimated(bank, "area_mm2").value


def test_banks_multiply_what_stands_and_not_what_an_access_costs() -> None:
    bank = Bank("lstp", 28, 65_536, 64)
    one, four = sram_figures(bank, 1), sram_figures(bank, 4)
    assert four["read_energy_pj_per_bit"] == one["read_energy_pj_per_bit"]
    assert four["leakage_mw"].value == pytest.approx(4 * one["leakage_mw"].value)
    assert four["area_mm2"].value == pytest.approx(4 * one["area_mm2"].value)


@pytest.mark.parametrize(
    ("bank", "said"),
    [
        (Bank("lstp", 16, 65_536, 64), "nodes of 22 to 65 nm, not 16"),
        (Bank("lstp", 28, 512, 64), "banks of 1 KiB to 2 MiB, not 0.5 KiB"),
        (Bank("lstp", 28, 65_536, 8), "accesses of 16 to 256 bits, not 8"),
        (Bank("lstp", 28, 2048, 256), "128 words and more, not 64"),
        (Bank("lstp", 28, 65_536, 64), None),
    ],
)
def test_what_lies_outside_of_the_points_is_refused(bank: Bank, said: str | None) -> None:
    assert (bank.refusal or "").endswith(said or "")
    assert (bank.refusal is None) == (said is None)
