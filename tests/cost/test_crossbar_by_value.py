"""Energies by value: the fixed ones for values that are equally likely, and what follows from other values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.cost.crossbar_by_value import by_value, mean_square, value_ratios
from accelsim.engine.crossbar_cells import FRACTION
from accelsim.hardware.load import load_architecture
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.reram import Reram, ReramArchitecture
from accelsim.ir.crossbar_target import CellActivity


def chip() -> Reram:
    machine = load_architecture("isaac")
    assert isinstance(machine, ReramArchitecture)
    return machine.reram


def activity(digits: list[int], levels: list[int]) -> CellActivity:
    """Each digit on a row of its own with all these cells, one cycle."""
    squares = [digit * digit for digit in digits]
    return CellActivity(
        rows=len(digits),
        cells=len(digits) * len(levels),
        driven_rows=sum(squares),
        driven_cells=sum(squares) * len(levels),
        driven_conductance=sum(squares) * sum(levels) << FRACTION,
    )


def test_values_that_are_equally_likely_draw_the_fixed_energies() -> None:
    assert value_ratios(activity([0, 1], [0, 1, 2, 3]), chip()) == pytest.approx({"dac": 1, "crossbar": 1})
    assert value_ratios(CellActivity(), chip()) == {"dac": 1, "crossbar": 1}


def test_by_hand_behind_the_access_transistor() -> None:
    on, off = 1 / 22_000, 1 / 3_020_000  # isaac.cell
    mean = (on + off) / 2
    for levels, conductance in (([0], off), ([3], on), ([1, 2], mean)):
        ratios = value_ratios(activity([1, 1, 1, 0], levels), chip())
        assert ratios == pytest.approx({"dac": 1.5, "crossbar": 1.5 * conductance / mean})
    assert value_ratios(activity([0, 0], [3]), chip()) == {"dac": 0, "crossbar": 0}


@given(st.integers(1, 8))
def test_the_mean_square_of_digits(bits: int) -> None:
    assert mean_square(bits) == pytest.approx(np.mean(np.arange(1 << bits) ** 2.0))


def test_only_dacs_and_cells_follow_values() -> None:
    fixed = {name: Quantity(value=2.0, low=1.0, high=4.0) for name in ("dac", "adc", "crossbar", "programming")}
    made = by_value(fixed, activity([1, 1], [3]), chip())
    assert list(made) == list(fixed) and made["adc"] == fixed["adc"] and made["programming"] == fixed["programming"]
    assert (made["dac"].low, made["dac"].value, made["dac"].high) == (2, 4, 8)
    assert made["crossbar"].value > 3.9
