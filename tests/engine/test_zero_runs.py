"""Runs of zeros, against a plain walk over the codes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from accelsim.engine.zero_runs import ZeroRuns, zero_runs

CODES = st.tuples(st.integers(1, 4), st.integers(0, 40)).flatmap(
    lambda shape: arrays(np.int8, shape, elements=st.sampled_from([0, 0, 0, 1, -3]))
)


def walked(codes: np.ndarray, zero: int) -> tuple[dict[int, int], dict[int, int]]:
    followed: dict[int, int] = {}
    last: dict[int, int] = {}
    for sample in codes.tolist():
        run = 0
        for code in sample:
            if code == zero:
                run += 1
                continue
            followed[run] = followed.get(run, 0) + 1
            run = 0
        if run:
            last[run] = last.get(run, 0) + 1
    return followed, last


@settings(max_examples=60)
@given(CODES, st.sampled_from([0, 1, 5]))
def test_runs_are_those_of_a_walk(codes: np.ndarray, zero: int) -> None:
    runs = zero_runs(codes, zero)
    assert (dict(runs.followed), dict(runs.last)) == walked(codes, zero)
    assert runs.codes == codes.size and runs.zeros == int((codes == zero).sum())


@settings(max_examples=40)
@given(CODES, st.integers(0, 4))
def test_batches_add_up(codes: np.ndarray, cut: int) -> None:
    assert zero_runs(codes[:cut], 0) + zero_runs(codes[cut:], 0) == zero_runs(codes, 0)


def test_a_run_ends_with_its_sample() -> None:
    runs = zero_runs(np.array([[1, 0, 0], [0, 0, 2]], np.int8), 0)
    assert runs == ZeroRuns(6, {0: 1, 2: 1}, {2: 1})


@pytest.mark.parametrize(("length", "pairs"), [(1, 1), (31, 1), (32, 1), (33, 2), (64, 2), (65, 3)])
def test_pairs_of_zeros_alone(length: int, pairs: int) -> None:
    """32 zeros are a run of 31 and a zero that ends it."""
    assert zero_runs(np.zeros((1, length), np.int8), 0).pairs(32) == pairs
    assert zero_runs(np.zeros((3, length), np.int8), 0).pairs(32) == 3 * pairs
