import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.quality.fid import Statistics, frechet_distance, statistics_of


def gaussian(mean: list[float], covariance: list[list[float]]) -> Statistics:
    return Statistics(np.array(mean, float), np.array(covariance, float), 100)


def drawn(seed: int, size: int, rank: int) -> Statistics:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(size, rank))
    return Statistics(rng.normal(size=size), factor @ factor.T, 100)


def trace_of_root_by_newton(product: np.ndarray) -> float:
    """Independent oracle: the Denman-Beavers iteration for the root of C1 C2 itself, not of its symmetric form."""
    root, inverse = product, np.eye(len(product))
    for _ in range(60):
        root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
    return float(np.trace(root))


def test_diagonal_closed_form() -> None:
    a = gaussian([0, 0, 0], [[4, 0, 0], [0, 9, 0], [0, 0, 1]])
    b = gaussian([1, 2, 2], [[1, 0, 0], [0, 16, 0], [0, 0, 0]])
    assert frechet_distance(a, b) == pytest.approx(9 + (2 - 1) ** 2 + (3 - 4) ** 2 + 1)


def test_two_by_two_closed_form() -> None:
    # tr sqrt(M) = sqrt(tr M + 2 sqrt(det M)) for a 2x2 M = C1 C2: here trace 8, determinant 15
    a, b = gaussian([1, 0], [[2, 1], [1, 2]]), gaussian([0, 0], [[3, -1], [-1, 2]])
    product = a.covariance @ b.covariance
    assert product.tolist() == [[5, 0], [1, 3]]
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + 5 - 2 * (8 + 2 * 15**0.5) ** 0.5, abs=1e-12)


def test_one_dimension_is_the_difference_of_deviations() -> None:
    assert frechet_distance(gaussian([3], [[25]]), gaussian([1], [[4]])) == pytest.approx(4 + 9)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(2, 8))
def test_agrees_with_a_root_found_by_iteration(seed: int, size: int) -> None:
    a, b = drawn(seed, size, size + 4), drawn(seed + 1, size, size + 4)
    root = trace_of_root_by_newton(a.covariance @ b.covariance)
    shift = ((a.mean - b.mean) ** 2).sum()
    expected = shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-7, abs=1e-7)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 12))
def test_is_a_distance(seed: int, size: int, rank: int) -> None:
    a, b = drawn(seed, size, rank), drawn(seed + 1, size, rank)
    scale = float(np.trace(a.covariance) + np.trace(b.covariance)) + 1
    assert frechet_distance(a, a) <= 1e-12 * scale
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), abs=1e-12 * scale)
    assert frechet_distance(a, b) >= 0


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_a_translation_adds_its_squared_length(seed: int, size: int) -> None:
    a = drawn(seed, size, size)
    step = np.random.default_rng(seed + 2).normal(size=size)
    moved = Statistics(a.mean + step, a.covariance, 5)
    assert frechet_distance(a, moved) == pytest.approx(float(step @ step), rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_a_rotation_changes_nothing(seed: int, size: int) -> None:
    a, b = drawn(seed, size, size), drawn(seed + 1, size, size)
    turn = np.linalg.qr(np.random.default_rng(seed + 2).normal(size=(size, size)))[0]
    turned = [Statistics(turn @ s.mean, turn @ s.covariance @ turn.T, 5) for s in (a, b)]
    assert frechet_distance(*turned) == pytest.approx(frechet_distance(a, b), rel=1e-8, abs=1e-8)


def test_statistics_are_unbiased() -> None:
    found = statistics_of(np.array([[1, 2], [3, 2], [5, 8]], np.float32))
    assert found.mean.tolist() == [3, 4]
    assert found.covariance.tolist() == [[4, 6], [6, 12]]
    assert found.count == 3
    table = np.random.default_rng(0).normal(size=(50, 6))
    np.testing.assert_allclose(statistics_of(table).covariance, np.cov(table, rowvar=False), rtol=1e-12)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(AccelsimError, match="N >= 2"):
        statistics_of(np.zeros((1, 4)))
    with pytest.raises(AccelsimError, match=r"N, D"):
        statistics_of(np.zeros((5, 4, 1)))
    good = gaussian([0, 0], [[1, 0], [0, 1]])
    with pytest.raises(AccelsimError, match="eigenvalue -1"):
        frechet_distance(good, gaussian([0, 0], [[1, 0], [0, -1]]))
    with pytest.raises(AccelsimError, match="not finite"):
        frechet_distance(good, gaussian([0, 0], [[1, 0], [0, np.nan]]))
    with pytest.raises(AccelsimError, match="expected"):
        frechet_distance(good, Statistics(np.zeros(2), np.zeros((3, 3)), 2))
    with pytest.raises(AccelsimError, match="dimensions"):
        frechet_distance(good, gaussian([0], [[1]]))


def test_negative_noise_is_taken_as_zero() -> None:
    noisy, clean = gaussian([0, 0], [[1, 0], [0, -1e-12]]), gaussian([0, 0], [[1, 0], [0, 0]])
    assert frechet_distance(noisy, clean) == pytest.approx(0, abs=1e-11)
