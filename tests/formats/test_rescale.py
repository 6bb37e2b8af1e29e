"""Factors as multipliers and shifts, landings, tables and reciprocal roots, against exact fractions."""

import math
from fractions import Fraction
from typing import Any, get_args

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.binary import Binary
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.lookup import GUARD_BITS, Lookup, looked_up, table_bytes, table_layout
from accelsim.formats.reciprocal_root import bit_lengths, integer_root, reciprocal_root
from accelsim.formats.rescale import Rescale, common_rescale, landed, landing, mantissas, rescale, rescaled
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.ternary import Ternary

REAL = st.floats(2.0**-28, 2.0**24) | st.floats(-(2.0**24), -(2.0**-28)) | st.integers(-24, 24).map(lambda e: 2.0**e)


def nearest(exact: Fraction, rounding: str) -> int:
    """The whole number that a mode rounds to, by its name."""
    down, up = math.floor(exact), math.ceil(exact)
    if rounding == "trn" or down == up:
        return down
    if rounding == "trn_zero":
        return down if exact > 0 else up
    if exact - down != Fraction(1, 2):
        return down if exact - down < Fraction(1, 2) else up
    toward, away = (down, up) if exact > 0 else (up, down)
    even = down if down % 2 == 0 else up
    return {"rnd": up, "rnd_min_inf": down, "rnd_inf": away, "rnd_zero": toward, "rnd_conv": even}[rounding]


@given(real=REAL)
def test_factors_are_the_nearest_of_31_bits(real: float) -> None:
    factor = rescale(real)
    m, k = int(factor.multiplier), int(factor.shift)
    assert abs(m) == 1 or 2**30 <= abs(m) < 2**31
    assert abs(Fraction(m) / Fraction(2) ** k - Fraction(real)) <= abs(Fraction(real)) / 2**31
    assert (abs(m) == 1) == (math.frexp(abs(real))[0] == 0.5)
    long = mantissas(real)
    assert 2**30 <= abs(int(long.multiplier)) < 2**31
    assert abs(Fraction(int(long.multiplier)) / Fraction(2) ** int(long.shift) - Fraction(real)) <= abs(real) / 2**31


def test_factors_past_the_ends() -> None:
    made = rescale(np.array([0.0, 2.0**-40 * 1.1, 1e30, -1e30, 2.0**-70, 2.0**40]))
    assert made.multiplier.tolist() == [0, 0, 1, -1, 1, 1]
    assert made.shift.tolist() == [31, 31, -24, -24, 62, -24]
    assert [int(mantissas(real).multiplier) for real in (0.0, 1.0)] == [0, 1 << 30]


@given(first=REAL, second=REAL)
def test_common_factors_share_a_shift(first: float, second: float) -> None:
    multipliers, shift = common_rescale(np.array([first, second]))
    for m, real in zip(multipliers.tolist(), (first, second), strict=True):
        assert abs(Fraction(m) / 2**shift - Fraction(real)) <= Fraction(1, 2 ** (shift + 1))
    assert shift == 1 or 2**29 <= np.abs(multipliers).max() <= 2**30


@settings(max_examples=300)
@given(
    values=st.lists(st.integers(-(2**47), 2**47) | st.integers(-300, 300) | st.just(-(2**47)), min_size=1, max_size=6),
    multiplier=st.integers(-(2**31) + 1, 2**31 - 1) | st.sampled_from([1, -1, 0]),
    shift=st.integers(0, 62),
    rounding=st.sampled_from(get_args(Rounding)),
)
def test_products_are_exact_and_rounded_once(
    values: list[int], multiplier: int, shift: int, rounding: Rounding
) -> None:
    factor = Rescale(np.asarray(multiplier, np.int64), np.asarray(shift, np.int64))
    got = rescaled(np.array(values, np.int64), factor, rounding)
    want = [nearest(Fraction(value * multiplier, 2**shift), rounding) for value in values]
    assert [int(code) for code in got] == want


@given(
    value=st.integers(-(2**20), 2**20), bits=st.integers(2, 16), zero=st.integers(-2, 1), symmetric=st.booleans(),
    overflow=st.sampled_from(get_args(Overflow)),
)  # fmt: skip
def test_landing_holds_codes(value: int, bits: int, zero: int, symmetric: bool, overflow: Overflow) -> None:
    affine = AffineInt(bits, "tensor", symmetric)
    where = landing(affine, Scaling(np.ones(1), 0 if symmetric else zero))
    assert where.rounding == "rnd"
    assert landed(np.array([value]), where)[0] == min(max(value + where.zero_point, affine.low), affine.high)
    fixed = landing(FixedPoint(bits, 0, "trn", overflow), Scaling(np.ones(1), 0))
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    held = {
        "sat": min(max(value, low), high),
        "sat_sym": min(max(value, -high), high),
        "sat_zero": value if low <= value <= high else 0,
        "wrap": (value - low) % 2**bits + low,
    }
    assert (fixed.rounding, landed(np.array([value]), fixed)[0]) == ("trn", held[overflow])
    narrow = where.clamped(-1, 0)
    assert landed(np.array([value]), narrow)[0] == min(
        max(min(max(value + where.zero_point, -1), 0), affine.low), affine.high
    )


def test_landing_of_signs_and_ternary_codes() -> None:
    one = Scaling(np.ones(1), 0)
    signs, ternary = landing(Binary(), one), landing(Ternary(), one)
    assert signs.rounding == "trn" and landed(np.array([-1, 0, 5]), signs).tolist() == [-1, 1, 1]
    assert landed(np.array([-9, -1, 0, 5]), ternary).tolist() == [-1, -1, 0, 1]


@given(bits=st.integers(2, 20), zero=st.integers(-100, 100))
def test_every_code_has_its_entry_or_lies_between_two(bits: int, zero: int) -> None:
    zero = max(-(2 ** (bits - 1)), min(zero, 2 ** (bits - 1) - 1))
    layout = table_layout(bits, zero, knots=True)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if bits <= 12:
        assert layout.codes.tolist() == list(range(low, high + 1))
        assert table_bytes(bits, 8, knots=True) == 2**bits
    else:
        assert layout.origin <= low and high < layout.codes[-1] and zero in layout.codes
        assert layout.count == 2**12 + 2 and table_bytes(bits, 8, knots=True) == 4 * layout.count
    assert table_layout(bits, zero, knots=False).count == 2**bits


@given(
    code=st.integers(-(2**15), 2**15 - 1), zero=st.integers(-(2**15), 2**15 - 1), seed=st.integers(0, 99),
    rounding=st.sampled_from(["rnd", "rnd_conv", "trn"]),
)  # fmt: skip
def test_between_knots_lies_a_line(code: int, zero: int, seed: int, rounding: Rounding) -> None:
    layout = table_layout(16, zero, knots=True)
    knots = np.random.default_rng(seed).integers(-(2**31) + 1, 2**31, layout.count)
    where = landing(FixedPoint(16, 0, rounding, "sat"), Scaling(np.ones(1), 0))
    got = looked_up(np.array([code]), Lookup(knots, layout.origin, layout.spacing, where))[0]
    index, part = divmod(code - layout.origin, 2**layout.spacing)
    first, second = int(knots[index]), int(knots[index + 1])
    line = first + Fraction(second - first) * part / 2**layout.spacing
    assert got == min(max(nearest(line / 2**GUARD_BITS, rounding), -(2**15)), 2**15 - 1)


@settings(max_examples=200)
@given(
    values=st.lists(
        st.integers(1, 2**62) | st.integers(1, 100) | st.sampled_from([2**30 - 1, 2**32]), min_size=1, max_size=5
    )
)
def test_reciprocal_roots_are_the_stated_floors(values: list[int]) -> None:
    roots, exponents = reciprocal_root(np.array(values, np.int64))
    big: Any = np.array([value << 40 for value in values], object)
    wide_roots, wide_exponents = reciprocal_root(big)
    pairs = [*zip(values, roots, exponents, strict=True), *zip(big, wide_roots, wide_exponents, strict=True)]
    for value, root, exponent in ((int(a), int(b), int(c)) for a, b, c in pairs):
        assert exponent == (value.bit_length() - 31) >> 1
        mantissa = value >> 2 * exponent if exponent >= 0 else value << -2 * exponent
        assert 2**30 <= mantissa < 2**32
        assert root == math.isqrt(2**92 // mantissa)
        assert abs(root / 2.0 ** (46 + exponent) * math.sqrt(value) - 1) < 2.0**-29


@given(value=st.integers(0, 2**62) | st.integers(0, 40).map(lambda k: k * k))
def test_roots_and_lengths(value: int) -> None:
    assert integer_root(np.array([value]))[0] == math.isqrt(value)
    assert bit_lengths(np.array([value]))[0] == value.bit_length()
