"""Words of .mem files, against Python's own integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.golden.memory_file import Vector, bit_patterns, memory_text, packed_text, save_vector


@given(st.integers(1, 48), st.data())
@settings(max_examples=40)
def test_words_are_twos_complement_of_their_width(bits, data):
    values = data.draw(st.lists(st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1), min_size=1, max_size=6))
    lines = memory_text(bit_patterns(Vector(np.array(values), bits)), bits).decode().splitlines()
    assert [int(line, 16) for line in lines] == [value % (1 << bits) for value in values]
    assert {len(line) for line in lines} == {-(-bits // 4)}


@given(st.integers(1, 16), st.integers(1, 9), st.integers(1, 4), st.data())
@settings(max_examples=40)
def test_packed_words_have_their_first_part_in_the_lowest_bits(bits, parts, words, data):
    codes = st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    values = data.draw(st.lists(st.lists(codes, min_size=parts, max_size=parts), min_size=words, max_size=words))
    vector = Vector(np.array(values), bits)
    text = packed_text(bit_patterns(vector).reshape(words, parts), bits).decode().splitlines()
    expected = [sum((value % (1 << bits)) << (i * bits) for i, value in enumerate(row)) for row in values]
    assert [int(line, 16) for line in text] == expected
    assert {len(line) for line in text} == {-(-bits * parts // 4)}


@pytest.mark.parametrize(
    ("coding", "values", "bits", "words"),
    [("sign", [-1, 1, 1], 1, "0\n1\n1\n"), ("unsigned", [0, 255], 8, "00\nff\n"), ("signed", [-3, 3], 3, "5\n3\n")],
)
def test_codings(tmp_path, coding, values, bits, words):
    array, text = save_vector(Vector(np.array(values), bits, coding), tmp_path, "x")
    assert text.read_text() == words and np.load(array).tolist() == values


def test_long_texts_are_made_in_blocks(monkeypatch):
    vector, words = Vector(np.arange(-50, 50), 9), np.arange(100, dtype=np.uint64).reshape(20, 5)
    whole = memory_text(bit_patterns(vector), 9), packed_text(words, 7)
    monkeypatch.setattr("accelsim.golden.memory_file.BLOCK", 40)
    assert (memory_text(bit_patterns(vector), 9), packed_text(words, 7)) == whole
