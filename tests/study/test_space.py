import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.study.space import Choices, Point, RandomDraws, Range, Space

CONSTANTS = {"workload": "w", "on": "m"}
KEYS = ("precision", "images", "batch", "machine.clock_mhz", "machine.memories.bram.blocks")
lists = st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)
grids = st.dictionaries(st.sampled_from(KEYS[:3]), lists, max_size=3)


@given(grids, st.integers(1, 3), st.data())
def test_points_are_the_product_of_grid_and_zip_in_order(grid, length, data):
    column = st.lists(st.integers(1, 99), min_size=length, max_size=length, unique=True)
    zipped = data.draw(st.dictionaries(st.sampled_from(KEYS[3:]), column, max_size=2))
    space = Space(CONSTANTS, grid, zipped)
    points = space.points()
    rows = length if zipped else 1
    assert space.size == len(points) == math.prod(map(len, grid.values())) * rows
    assert len(set(points)) == len(points)
    for i, point in enumerate(points):  # a mixed-radix counter: zip is the last digit, the grid's first key the first
        settings, rest = point.settings(), i
        for values in [range(rows), *reversed(grid.values())]:
            rest, digit = divmod(rest, len(values))
            if isinstance(values, range):
                assert all(settings[key] == column[digit] for key, column in zipped.items())
            else:
                key = next(k for k, v in grid.items() if v is values)
                assert settings[key] == values[digit]


def test_settings_name_every_choice_in_one_order():
    point = Space(CONSTANTS, {"machine.b": [[1, 2]], "machine.a": [3], "precision": ["int4"]}, {}).points()[0]
    assert point == Point("w", "m", "int4", changes=(("a", 3), ("b", [1, 2])))
    assert list(point.settings()) == [
        "workload", "on", "precision", "images", "seed", "calibration_images", "batch", "deadline_ms", "residency",
        "machine.a", "machine.b",
    ]  # fmt: skip
    assert point.settings()["machine.b"] == "[1, 2]"


ranges = st.builds(
    lambda low, span, log, integer: Range(low, low + span, log, integer),
    st.integers(1, 50), st.integers(1, 500), st.booleans(), st.booleans(),
)  # fmt: skip


@given(ranges, st.integers(0, 2**32), st.integers(1, 30))
def test_draws_stay_in_range_and_do_not_move_when_there_are_more(draw, seed, count):
    values = [row["batch"] for row in RandomDraws(count, seed, {"batch": draw}).rows()]
    assert all(draw.low <= value <= draw.high for value in values)
    assert all(isinstance(value, int if draw.integer else float) for value in values)
    both = RandomDraws(count + 5, seed, {"images": Choices((1, 2, 3)), "batch": draw}).rows()
    assert list(dict.fromkeys(row["batch"] for row in both))[: len(values)] == values


def test_draws_fill_the_range():
    drawn = RandomDraws(400, 0, {"batch": Range(2, 5, integer=True), "on": Choices(("a", "b"))}).rows()
    assert {(row["batch"], row["on"]) for row in drawn} == {(b, on) for b in range(2, 6) for on in "ab"}
    logs = [row["batch"] for row in RandomDraws(500, 1, {"batch": Range(1, 10_000, log=True)}).rows()]
    assert sum(value < 100 for value in logs) == pytest.approx(250, abs=40)
