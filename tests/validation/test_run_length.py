"""Run-length coding off chip: the share of plain bits, and which operands are coded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.validation.run_length import coded_share, run_length_bytes
from accelsim.validation.targets_file import StoredZeros


def coded_bits(values: np.ndarray) -> int:
    """The coder itself: a pair of a run (up to 31) and a 16-bit value each, three pairs to a word of 64 bits."""
    pairs, run = 0, 0
    for value in values.tolist():
        if value == 0 and run < 31:
            run += 1
        else:
            pairs, run = pairs + 1, 0
    return 64 * -(-(pairs + (run > 0)) // 3)


@pytest.mark.parametrize("zeros", [0.3, 0.5, 0.724, 0.8])
def test_the_share_is_that_of_the_coder_on_random_zeros(zeros: float) -> None:
    values = np.random.default_rng(0).random(60_000) >= zeros
    assert coded_share(float((~values).mean())) == pytest.approx(coded_bits(values) / (16 * values.size), rel=0.01)


@given(st.floats(0, 1))
def test_coding_is_left_out_where_it_would_not_help(zeros: float) -> None:
    assert 0 <= coded_share(zeros) <= 1
    assert coded_share(0.25) == pytest.approx(1) and coded_share(0.2) == 1


def test_weights_and_unfinished_sums_stay_plain() -> None:
    moved = {kind: {"read": 600, "write": 200} for kind in ("weights", "inputs", "outputs", "partial_sums")}
    assert run_length_bytes(moved, StoredZeros()) == 400
    assert run_length_bytes(moved, StoredZeros(inputs=1.0)) == 300
    assert run_length_bytes(moved, StoredZeros(outputs=0.625)) == pytest.approx(350)
