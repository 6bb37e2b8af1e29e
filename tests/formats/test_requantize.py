"""Integer requantization against exact fractions, up to 48-bit sums."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator, wrap
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.requantize import (
    LARGEST_MULTIPLIER,
    Requantization,
    pure_shift,
    requantization,
    requantize,
    requantize_fixed,
)
from accelsim.formats.rounding import Overflow, Rounding

MANY = settings(max_examples=500, deadline=None)
SUMS = st.integers(-(2**47), 2**47 - 1) | st.sampled_from([-(2**47), 2**47 - 1, -(2**31), 2**31 - 1, 0, 1, -1])


def rounded(value: Fraction) -> int:
    """Nearest integer, ties upward."""
    return math.floor(value + Fraction(1, 2))


PLAIN: dict[str, Callable[[Fraction], int]] = {
    "trn": math.floor,
    "trn_zero": math.trunc,
    "rnd": rounded,
    "rnd_min_inf": lambda v: -rounded(-v),
    "rnd_inf": lambda v: rounded(v) if v > 0 else -rounded(-v),
    "rnd_zero": lambda v: -rounded(-v) if v > 0 else rounded(v),
    "rnd_conv": round,
}


def plain_overflow(code: int, bits: int, mode: str) -> int:
    low, high = -(2 ** (bits - 1)) + (mode == "sat_sym"), 2 ** (bits - 1) - 1
    if mode == "wrap":
        return (code + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
    if mode == "sat_zero":
        return code if low <= code <= high else 0
    return min(max(code, low), high)


@MANY
@given(total=SUMS, multiplier=st.integers(0, 2**31 - 1), shift=st.integers(1, 62), zero_point=st.integers(-128, 127))
@example(total=-(2**47), multiplier=2**31 - 1, shift=1, zero_point=-128)
@example(total=2**47 - 1, multiplier=2**31 - 1, shift=62, zero_point=127)
@example(total=-1, multiplier=1, shift=1, zero_point=0)
def test_requantize_is_exact(total: int, multiplier: int, shift: int, zero_point: int) -> None:
    constants = Requantization(np.array([multiplier]), np.array([shift]))
    low, high = -(2**62), 2**62
    exact = rounded(Fraction(total * multiplier, 2**shift)) + zero_point
    sums = np.array([[total]])
    if low <= exact <= high:
        assert requantize(sums, constants, zero_point, low, high, 1).item() == exact
    assert requantize(sums, constants, zero_point, -128, 127, 1).item() == min(max(exact, -128), 127)


@MANY
@given(real=st.floats(2.0**-32, LARGEST_MULTIPLIER, exclude_max=True))
@example(real=2.0**-32)
@example(real=math.nextafter(LARGEST_MULTIPLIER, 0))
@example(real=math.nextafter(1.0, 0))
@example(real=0.5)
def test_constants_are_the_nearest(real: float) -> None:
    constants = requantization(np.array([real]))
    multiplier, shift = int(constants.multiplier[0]), int(constants.shift[0])
    assert 2**30 <= multiplier < 2**31 and 1 <= shift <= 62
    ulp = Fraction(1, 2**shift)
    assert abs(Fraction(multiplier) * ulp - Fraction(real)) <= ulp / 2


@given(real=st.floats(0, 2.0**-32, exclude_max=True), total=st.integers(-(2**31), 2**31 - 1))
def test_below_two_to_the_minus_32_no_32_bit_sum_makes_a_code(real: float, total: int) -> None:
    constants = requantization(np.array([real]))
    assert requantize(np.array([total]), constants, 7, -128, 127, 0).tolist() == [7]
    assert abs(Fraction(total) * Fraction(real)) < Fraction(1, 2)


@given(total=st.integers(-(2**31), 2**31 - 1), real=st.floats(1e-6, 1))
def test_a_32_bit_sum_lands_within_half_a_code_of_the_real_product(total: int, real: float) -> None:
    got = requantize(np.array([total]), requantization(np.array([real])), 0, -(2**40), 2**40, 0).item()
    assert abs(got - Fraction(total) * Fraction(real)) <= Fraction(1, 2) + abs(Fraction(total) * Fraction(real)) / 2**31


@pytest.mark.parametrize("real", [-1e-30, -1.0, math.nextafter(2.0**30, 0), 2.0**30, math.inf, -math.inf, math.nan])
def test_impossible_multipliers_are_refused(real: float) -> None:
    with pytest.raises(AccelsimError, match=r"requantization multiplier .*: expected a value in \[0, 2\*\*30\)"):
        requantization(np.array([0.5, real]))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_lie_along_the_axis(axis: int) -> None:
    constants = requantization(np.array([1.0, 0.5, 0.25]))
    sums = np.full((3, 3, 3), 100)
    codes = requantize(sums, constants, 0, -128, 127, axis)
    for channel, expected in enumerate([100, 50, 25]):
        assert (np.take(codes, channel, axis) == expected).all()


def test_nothing_requantizes_to_nothing() -> None:
    codes = requantize(np.zeros((0, 2, 3), np.int64), requantization(np.array([1.0, 0.5])), 0, -128, 127, 1)
    assert codes.shape == (0, 2, 3) and codes.dtype == np.int64


@MANY
@given(total=st.integers(-(2**62), 2**62), other=st.integers(-(2**61), 2**61), bits=st.integers(8, 48))
def test_wrap_is_modular(total: int, other: int, bits: int) -> None:
    register = Accumulator(bits)

    def held(value: int) -> int:
        return int(wrap(np.array([value]), register)[0])

    assert -(2 ** (bits - 1)) <= held(total) < 2 ** (bits - 1)
    assert (held(total) - total) % 2**bits == 0
    assert held(held(total) + held(other)) == held(total + other)


@MANY
@given(
    total=SUMS,
    shift=st.integers(-60, 120),
    bits=st.integers(2, 16),
    rounding=st.sampled_from(get_args(Rounding)),
    overflow=st.sampled_from(get_args(Overflow)),
    relu=st.booleans(),
)
@example(total=2**47 - 1, shift=-1, bits=16, rounding="rnd", overflow="wrap", relu=False)
@example(total=-1, shift=100, bits=2, rounding="trn", overflow="sat", relu=False)
def test_between_fixed_point_formats_a_sum_is_shifted(
    total: int, shift: int, bits: int, rounding: Any, overflow: Any, relu: bool
) -> None:
    format = FixedPoint(bits, 0, rounding, overflow)
    exact = plain_overflow(PLAIN[rounding](Fraction(total) / Fraction(2) ** shift), bits, overflow)
    constants = pure_shift(shift, 2)
    assert constants.multiplier.tolist() == [1, 1] and (constants.shift == constants.shift[0]).all()
    got = requantize_fixed(np.array([[total, 0]]), constants, format, relu, 1)
    assert got.tolist() == [[max(exact, 0) if relu else exact, 0]] and got.dtype == np.int64


@MANY
@given(
    total=SUMS,
    multiplier=st.integers(2**30, 2**31 - 1),
    shift=st.integers(1, 62),
    rounding=st.sampled_from(get_args(Rounding)),
    overflow=st.sampled_from(get_args(Overflow)),
)
def test_from_affine_operands_to_fixed_point_the_product_is_shifted(
    total: int, multiplier: int, shift: int, rounding: Any, overflow: Any
) -> None:
    constants = Requantization(np.array([multiplier]), np.array([shift]))
    exact = PLAIN[rounding](Fraction(total * multiplier, 2**shift))
    got = requantize_fixed(np.array([total]), constants, FixedPoint(9, 0, rounding, overflow), relu=False, axis=0)
    assert got.tolist() == [plain_overflow(exact, 9, overflow)]
