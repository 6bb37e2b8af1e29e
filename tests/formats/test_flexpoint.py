"""Autoflex against the published procedure, retold in floating point one write at a time."""

import itertools
import math
import statistics
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.formats.flexpoint import Flexpoint, frozen, predicted
from accelsim.formats.text import parse_format, parse_precision


def published(peaks: list[float], bits: int = 16, exponent_bits: int = 5) -> int:
    """Scale of a tensor after `peaks`, as the manager of the released code keeps it; returns -log2(scale)."""
    high, smallest = bits - 1, 2.0 ** -(2**exponent_bits)
    top = 2**high - 1

    def held(scale: float) -> float:
        return min(max(scale, smallest), 1.0)

    def written(peak: float, scale: float) -> int:
        return min(round(peak / scale), top)

    scale = 1.0
    for _ in range(10):
        g = written(peaks[0], scale) + 1
        if g >= top:
            scale = held(scale * 2 ** (high >> 1))
        elif g < 2 ** (high - 1):
            scale = held(scale * 2.0 ** (len(f"{g:b}") - high))
            if g >= 2 ** max((high >> 1) - 2, 0):
                break
        else:
            break
    queue: deque[float] = deque(maxlen=16)
    for peak in peaks:
        g = written(peak, scale)
        if g >= top:
            queue.clear()
            g <<= 1
        queue.append(g * scale)
        maxval = max(queue) + 3 * statistics.pstdev(queue) + 100 * scale
        scale = held(2.0 ** math.floor(math.log2(maxval)) / 2 ** (high - 1))
    return -round(math.log2(scale))


@given(st.lists(st.floats(2**-20, 2**12), min_size=1, max_size=40))
def test_the_frozen_exponent_is_that_of_the_published_procedure(peaks: list[float]) -> None:
    assert frozen(Flexpoint(16, None), peaks).fraction == published(peaks)


@given(st.lists(st.floats(2**-10, 1.0), min_size=1, max_size=40), st.integers(6, 15))
def test_other_widths(peaks: list[float], bits: int) -> None:
    assert frozen(Flexpoint(bits, None), peaks).fraction == published(peaks, bits)


@given(st.floats(2**-10, 2**10), st.integers(1, 20))
def test_a_steady_tensor_uses_all_bits(peak: float, writes: int) -> None:
    made = frozen(Flexpoint(16, None, gamma=0.0), [peak] * writes)
    assert made.fraction is not None and (1 << 14) <= round(math.ldexp(peak, made.fraction)) < (1 << 15)
    assert frozen(Flexpoint(16, None), [peak] * writes).fraction in (made.fraction, made.fraction - 1)


def test_overflow_forgets_the_past_and_makes_room() -> None:
    steady = frozen(Flexpoint(16, None), [1.0] * 16).fraction
    grown = [frozen(Flexpoint(16, None), [1.0] * 16 + [100.0] * n).fraction for n in range(12)]
    assert steady is not None and grown[0] == steady
    assert all(a is not None and b is not None and b <= a for a, b in itertools.pairwise(grown))
    last = grown[-1]
    assert last is not None and round(math.ldexp(100.0, last)) < (1 << 15) - 1


def test_exponents_stay_in_their_bits() -> None:
    assert frozen(Flexpoint(16, None), [1e9]).fraction == 0
    assert frozen(Flexpoint(16, None), [1e-12] * 4).fraction == 32
    assert frozen(Flexpoint(16, None, exponent_bits=3), [1e-12] * 4).fraction == 8
    assert frozen(Flexpoint(16, None), []).fraction == frozen(Flexpoint(16, None), [0.0, 0.0]).fraction == 0


def test_alpha_two_leaves_one_bit_more_room() -> None:
    seen = [0.75, 0.75]
    one, two = (predicted(Flexpoint(16, None, alpha=alpha), seen, 14) for alpha in (1.0, 2.0))
    assert two == one - 1


@pytest.mark.parametrize(
    "text", ["flex16+5", "flex12+4", "flex16+5:alpha2", "flex16+5:beta2.5:gamma0:history4", "flex8+5:gamma1000000"]
)
def test_spellings_come_back(text: str) -> None:
    assert str(parse_format(text)) == text
    assert str(parse_precision(text)) == f"weights={text},activations={text}"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("flex3+5", "mantissas of 4 to 16"),
        ("flex17+5", "flex2 to flex16"),
        ("flex16+9", "exponent of 2 to 6"),
        ("flex16+5:delta1", "unknown option"),
        ("flex16+5:history0", "history"),
        (f"flex16+5:gamma{'9' * 400}", "expected a smaller gamma"),
        ("flex16", "did you mean"),
    ],
)
def test_mistakes_are_named(text: str, named: str) -> None:
    with pytest.raises(AccelsimError, match=named):
        parse_format(text)
