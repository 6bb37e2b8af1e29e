import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from accelsim.errors import AccelsimError
from accelsim.quality.psnr import max_abs_error, psnr_db, psnr_db_mean, value_psnr_db, value_psnr_db_mean

PIXELS = arrays(np.uint8, (3, 2, 2, 1))


@given(PIXELS, PIXELS)
def test_pixels_follow_the_definition(a: np.ndarray, b: np.ndarray) -> None:
    error = [(int(x) - int(y)) ** 2 for x, y in zip(a.flat, b.flat, strict=True)]
    each = [sum(error[i : i + 4]) / 4 for i in (0, 4, 8)]
    differing = [10 * math.log10(255**2 / mse) for mse in each if mse]
    assert psnr_db(a, b) == (pytest.approx(10 * math.log10(255**2 / (sum(error) / 12))) if any(error) else None)
    assert psnr_db_mean(a, b) == (pytest.approx(sum(differing) / len(differing)) if differing else None)
    assert psnr_db(a, b) == psnr_db(b, a)


def test_known_pixels() -> None:
    black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
    assert psnr_db(black, white) == 0
    assert psnr_db(black, black) is None
    one_off = black.copy()
    one_off[0] += 1
    assert psnr_db(black, one_off) == pytest.approx(48.13080361 + 3.01029996)  # MSE 1/2
    assert psnr_db_mean(black, one_off) == pytest.approx(48.13080361)  # the identical image is left out


def test_large_errors_do_not_overflow() -> None:
    black, white = np.zeros((40, 64, 64, 3), np.uint8), np.full((40, 64, 64, 3), 255, np.uint8)
    assert psnr_db(black, white) == pytest.approx(0, abs=1e-9)


def test_values_use_the_range_of_the_reference() -> None:
    reference = np.array([[0.0, 10.0], [2.0, 4.0]], np.float32)
    values = reference + np.array([[1.0, 1.0], [0.0, 0.0]])
    assert value_psnr_db(reference, values) == pytest.approx(20 + 10 * math.log10(2))
    assert value_psnr_db_mean(reference, values) == pytest.approx(20)
    assert value_psnr_db(reference, reference) is None
    assert value_psnr_db_mean(reference, reference) is None


@given(st.floats(0.01, 100), st.floats(-50, 50))
def test_values_do_not_depend_on_scale_or_offset(scale: float, offset: float) -> None:
    rng = np.random.default_rng(0)
    reference, noise = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    expected = value_psnr_db(reference, reference + noise)
    assert value_psnr_db(reference * scale + offset, (reference + noise) * scale + offset) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_have_no_figure(bad: float) -> None:
    good, broken = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[0.0, bad], [2.0, 4.0]])
    for a, b in ((good, broken), (broken, good), (broken, broken)):
        assert value_psnr_db(a, b) is None
        assert value_psnr_db_mean(a, b) is None
        assert max_abs_error(a, b) is None


def test_a_constant_reference_has_no_range() -> None:
    assert value_psnr_db(np.ones((2, 3)), np.zeros((2, 3))) is None


def test_largest_error_is_taken_in_float64() -> None:
    reference = np.array([[1.0, -3.0]], np.float32)
    assert max_abs_error(reference, np.array([[1.0 + 1e-9, -3.0]])) == pytest.approx(1e-9, rel=1e-6)
    assert max_abs_error(reference, np.array([[1.0, 3.0]])) == 6
    assert max_abs_error(reference, reference) == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(AccelsimError, match=r"\[1, 2\] against a reference \[2, 1\]"):
        max_abs_error(np.zeros((2, 1)), np.zeros((1, 2)))
    with pytest.raises(AccelsimError):
        psnr_db(np.zeros((2, 1), np.uint8), np.zeros((1, 1), np.uint8))
