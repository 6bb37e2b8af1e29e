"""The length of run-length codes, against a coder of its own that packs and unpacks the words."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from accelsim.cost.run_length import PLAIN, coded_bits, expected_share, stored_share
from accelsim.cost.zeros import TensorZeros
from accelsim.engine.zero_runs import zero_runs
from accelsim.hardware.run_length import RunLength

EYERISS = RunLength(run_bits=5, word_bits=64, flag_bits=1)
LAYOUTS = st.sampled_from([EYERISS, RunLength(run_bits=2, word_bits=32), RunLength(run_bits=4, word_bits=64)])
SAMPLES = st.tuples(st.integers(1, 3), st.integers(1, 90)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 0, 1, 77, 255]))
)


def encode(samples: np.ndarray, bits: int, layout: RunLength) -> list[int]:
    """Words, each pairs of a run of zeros and a value, low bits first; the flag of the last word is set."""
    pairs: list[tuple[int, int]] = []
    for sample in samples.tolist():
        run = 0
        for place, value in enumerate(sample):
            if value == 0 and run < layout.span - 1 and place < len(sample) - 1:
                run += 1
                continue
            pairs.append((run, value))
            run = 0
    each = layout.pairs_per_word(bits)
    words = []
    for start in range(0, len(pairs), each):
        word = 0
        for n, (run, value) in enumerate(pairs[start : start + each]):
            word |= (run | value << layout.run_bits) << n * (layout.run_bits + bits)
        words.append(word)
    if layout.flag_bits:
        words[-1] |= 1 << layout.word_bits - 1
    return words


def decode(words: list[int], shape: tuple[int, int], bits: int, layout: RunLength) -> np.ndarray:
    """The values, as many as the shape has."""
    values: list[int] = []
    pair_bits = layout.run_bits + bits
    for word in words:
        for n in range(layout.pairs_per_word(bits)):
            pair = word >> n * pair_bits & ((1 << pair_bits) - 1)
            values += [0] * (pair & layout.span - 1) + [pair >> layout.run_bits]
    return np.array(values[: shape[0] * shape[1]], np.uint8).reshape(shape)


@settings(max_examples=80)
@given(SAMPLES, st.integers(8, 16), LAYOUTS)
def test_the_code_is_as_long_as_counted_and_decodes(samples: np.ndarray, bits: int, layout: RunLength) -> None:
    words = encode(samples, bits, layout)
    assert all(0 <= word < 1 << layout.word_bits for word in words)
    np.testing.assert_array_equal(decode(words, samples.shape, bits, layout), samples)
    runs = zero_runs(samples, 0)
    assert coded_bits(runs, bits, layout) == len(words) * layout.word_bits
    share = stored_share(TensorZeros(runs.zeros / runs.codes, runs), bits, layout)
    assert share == min(1, Fraction(len(words) * int(layout.word_bits), samples.size * bits))


@pytest.mark.parametrize("zeros", [0.3, 0.5, 0.724, 0.8, 0.97, 1.0])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_is_expected_is_the_length_of_random_zeros(zeros: float, bits: int) -> None:
    values = (np.random.default_rng(0).random((1, 200_000)) >= zeros).astype(np.uint8)
    share = coded_bits(zero_runs(values, 0), bits, EYERISS) / (bits * values.size)
    assert expected_share(zeros, bits, EYERISS) == pytest.approx(share, rel=0.02)


def test_three_pairs_of_sixteen_bits_share_a_word_four_of_eight() -> None:
    assert [EYERISS.pairs_per_word(bits) for bits in (16, 8, 4, 58, 59)] == [3, 4, 7, 1, 0]
    assert expected_share(0.0, 16, EYERISS) == pytest.approx(64 / 48)
    with pytest.raises(ValueError, match="59 bits does not fit"):
        coded_bits(zero_runs(np.zeros((1, 1), np.int8), 0), 59, EYERISS)
    assert stored_share(TensorZeros(1.0), 59, EYERISS) == PLAIN


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).map(sorted), st.sampled_from([4, 8, 16]))
def test_more_zeros_never_take_more_room_and_coding_is_left_out_where_it_would(zeros: list[float], bits: int) -> None:
    shares = [stored_share(TensorZeros(fraction), bits, EYERISS) for fraction in zeros]
    assert all(more <= fewer * (1 + Fraction(1, 10**12)) for fewer, more in pairwise(shares))
    assert all(0 < share <= 1 for share in shares)
    assert stored_share(TensorZeros(0.2), bits, EYERISS) == 1
