import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from accelsim.hardware.quantity import Count, PositiveCount, PositiveQuantity, Quantity

quantity = TypeAdapter(Quantity).validate_python
count = TypeAdapter(Count).validate_python


def test_a_plain_number_is_its_own_interval() -> None:
    q = quantity(15)
    assert (q.value, q.low, q.high, q.source, q.status) == (15.0, 15.0, 15.0, None, None)


def test_spelled_out_and_half_open() -> None:
    q = quantity({"value": 15, "low": 5.7, "source": "GANAX", "status": "recalled"})
    assert (q.value, q.low, q.high, q.source, q.status) == (15.0, 5.7, 15.0, "GANAX", "recalled")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"value": 3, "low": 5}, "needs low <= value <= high, not 5, 3, 3"),
        ({"value": 3, "high": 2}, "needs low <= value <= high, not 3, 3, 2"),
        (-1, "greater than or equal to 0"),
        (float("inf"), "finite number"),
        (float("nan"), "finite number"),
        ("15", "a number, or a mapping"),
        (True, "a number, or a mapping"),
        (None, "a number, or a mapping"),
        ([1], "a number, or a mapping"),
        ({"low": 1, "high": 2}, "Field required"),
        ({"value": "15", "low": 1}, "valid number"),
        ({"value": 1, "status": "sure"}, "'verified'"),
        ({"value": 1, "sauce": "x"}, "Extra inputs"),
        ({"value": 1, "source": ""}, "at least 1"),
    ],
)
def test_what_is_not_a_quantity_is_one_error(data: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        quantity(data)
    assert caught.value.error_count() == 1
    assert message in str(caught.value)


def test_positive_means_that_the_whole_interval_is() -> None:
    positive = TypeAdapter(PositiveQuantity).validate_python
    assert positive({"value": 2, "low": 0.1}).value == 2
    for data in (0, {"value": 2, "low": 0}):
        with pytest.raises(ValidationError, match="greater than 0"):
            positive(data)


intervals = st.lists(st.floats(0, 1e6), min_size=3, max_size=3).map(sorted)


@given(intervals, intervals, st.floats(0, 1e3))
def test_sums_and_multiples_bound_every_choice_of_their_parts(a: list[float], b: list[float], factor: float) -> None:
    qa, qb = (Quantity(value=v[1], low=v[0], high=v[2]) for v in (a, b))
    total, scaled = qa + qb, factor * qa
    assert (total.low, total.value, total.high) == (a[0] + b[0], a[1] + b[1], a[2] + b[2])
    assert (scaled.low, scaled.value, scaled.high) == (a[0] * factor, a[1] * factor, a[2] * factor)
    assert scaled == qa * factor


def test_a_count_is_an_int_with_a_source() -> None:
    dsp = count({"value": 1728, "source": "DS891", "status": "verified"})
    assert dsp == 1728 and dsp // 2 == 864 and isinstance(dsp, int)
    assert (dsp.source, dsp.status) == ("DS891", "verified")
    again = pickle.loads(pickle.dumps(dsp))
    assert (again, again.source, again.status) == (1728, "DS891", "verified")
    assert count(dsp).source == "DS891"
    assert count(0) == 0


@pytest.mark.parametrize("data", [1.0, "1", True, None, -1, {"value": 1.5}, {"valu": 1}, {"value": 1, "low": 0}])
def test_what_is_not_a_count(data: object) -> None:
    with pytest.raises(ValidationError):
        count(data)


@pytest.mark.parametrize("data", [0, -3, {"value": -3}])
def test_a_positive_count_is_at_least_one(data: object) -> None:
    with pytest.raises(ValidationError, match=r"must be at least 1, not (0|-3)"):
        TypeAdapter(PositiveCount).validate_python(data)


@pytest.mark.parametrize("data", [0, -3.5, {"value": -3}])
def test_a_positive_quantity_is_greater_than_0(data: object) -> None:
    with pytest.raises(ValidationError, match=r"must be greater than 0, not (0|-3)"):
        TypeAdapter(PositiveQuantity).validate_python(data)
