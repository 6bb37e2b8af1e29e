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


def gemmlowp(total: int, real: float) -> int:
    """C++ of gemmlowp (fixedpoint.h) and TFLite (QuantizeMultiplier), line by line, in unbounded integers."""
    fraction, exponent = math.frexp(real)
    quantized = math.floor(Fraction(fraction) * 2**31 + Fraction(1, 2))
    if quantized == 2**31:
        quantized, exponent = quantized // 2, exponent + 1
    if exponent < -31:
        quantized = exponent = 0
    ab = (total << max(exponent, 0)) * quantized
    nudge = 2**30 if ab >= 0 else 1 - 2**30
    high = math.trunc(Fraction(ab + nudge, 2**31))  # C division truncates
    right = max(-exponent, 0)
    mask = (1 << right) - 1
    threshold = (mask >> 1) + (high < 0)
    return (high >> right) + ((high & mask) > threshold)


REALS = st.floats(2.0**-34, 2.0**8) | st.sampled_from(
    [1.0, 0.5, 0.25, 2.0, math.nextafter(1, 0), 2.0**-32, 3 * 2.0**-8]
)
INT32 = st.integers(-(2**31), 2**31 - 1) | st.integers(-300, 300)


@MANY
@given(total=INT32 | SUMS, real=REALS, zero_point=st.integers(-128, 127))
@example(total=-3, real=0.5, zero_point=0)
@example(total=-(2**31), real=math.nextafter(1, 0), zero_point=0)
@example(total=2**47 - 1, real=255.9, zero_point=0)
def test_double_rounding_is_gemmlowp(total: int, real: float, zero_point: int) -> None:
    constants = requantization(np.array([real]), "double")
    low, high = -(2**60), 2**60
    got = requantize(np.array([[total]]), constants, zero_point, low, high, 1)
    assert got.tolist() == [[gemmlowp(total, real) + zero_point]] and got.dtype == np.int64


def test_rounding_twice_differs_from_once_at_ties() -> None:
    real, totals = np.array([0.25]), np.array([-6, -2, 2, 6, 7])
    once, twice = (requantize(totals, requantization(real, mode), 0, -128, 127, 0) for mode in ("single", "double"))
    assert once.tolist() == [-1, 0, 1, 2, 2] and twice.tolist() == [-2, -1, 1, 2, 2]
    near_tie = np.array([math.nextafter(0.25, 0)])  # 0.25 in 31 bits, so that nothing changes
    assert requantize(totals, requantization(near_tie, "double"), 0, -128, 127, 0).tolist() == [-2, -1, 1, 2, 2]


@MANY
@given(total=INT32 | SUMS, real=REALS, zero_point=st.integers(-128, 127))
@example(total=2**24 + 1, real=0.5, zero_point=0)
@example(total=5, real=0.5, zero_point=0)
def test_float_factors_round_in_float32(total: int, real: float, zero_point: int) -> None:
    product = float(np.float32(np.float64(np.float32(total)) * np.float64(np.float32(real))))  # 48 bits, rounded once
    exact = min(max(round(Fraction(product)) + zero_point, -128), 127)
    constants = requantization(np.array([real]), "float")
    assert requantize(np.array([total]), constants, zero_point, -128, 127, 0).tolist() == [exact]


@pytest.mark.parametrize("mode", ["single", "double", "float"])
def test_channels_have_their_own_factors_in_every_mode(mode: Any) -> None:
    constants = requantization(np.array([4.0, 1.0, 0.25]), mode)
    assert constants.mode == mode and (constants.factor is not None) == (mode == "float")
    codes = requantize(np.full((2, 3, 2), -30), constants, 5, -128, 127, 1)
    assert codes[:, 0].tolist() == [[-115, -115]] * 2
    assert codes[:, 1].tolist() == [[-25, -25]] * 2
    assert codes[0, 2, 0] == {"single": -2, "double": -3, "float": -3}[mode]  # -7.5 up, away from 0, to even
    empty = requantize(np.zeros((0, 3), np.int64), constants, 0, -128, 127, 1)
    assert empty.shape == (0, 3) and empty.dtype == np.int64


def test_constants_round_ties_upward() -> None:
    """Halves of the last bit of a 31-bit multiplier, as C's `round` has them."""
    odd = (2**30 + 2) * 2.0**-31 + 2.0**-32
    assert requantization(np.array([odd])).multiplier.tolist() == [2**30 + 3]
