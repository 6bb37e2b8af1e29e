"""Every rounding and overflow mode, exhaustively: against fractions, apytypes and the examples of UG1399."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, get_args

import apytypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accelsim.formats.rounding import Overflow, Rounding, overflowed, round_reals, shift_right

ROUNDINGS: tuple[Any, ...] = get_args(Rounding)
OVERFLOWS: tuple[Any, ...] = get_args(Overflow)


def nearest(value: Fraction, at_tie: Callable[[int, int], int]) -> int:
    below = math.floor(value)
    if value - below == Fraction(1, 2):
        return at_tie(below, below + 1)
    return below if value - below < Fraction(1, 2) else below + 1


PLAIN: dict[str, Callable[[Fraction], int]] = {
    "trn": math.floor,
    "trn_zero": math.trunc,
    "rnd": lambda v: nearest(v, max),
    "rnd_min_inf": lambda v: nearest(v, min),
    "rnd_inf": lambda v: nearest(v, lambda a, b: b if v > 0 else a),
    "rnd_zero": lambda v: nearest(v, lambda a, b: a if v > 0 else b),
    "rnd_conv": round,  # Python's own, ties to even
}


def plain_overflow(code: int, bits: int, mode: str) -> int:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if low + (mode == "sat_sym") <= code <= high:
        return code
    if mode == "wrap":
        return (code + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
    if mode == "sat_zero":
        return 0
    return high if code > 0 else -high if mode == "sat_sym" else low


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("shift", [-3, -1, 0, 1, 2, 3, 5, 9, 12])
def test_every_small_integer_by_every_mode(rounding: Any, shift: int) -> None:
    x = np.arange(-1030, 1031)
    expected = [PLAIN[rounding](Fraction(int(value)) / Fraction(2) ** shift) for value in x]
    assert shift_right(x, np.array(shift), rounding).tolist() == expected
    assert shift_right(x.astype(object), np.array([shift], object), rounding).tolist() == expected
    assert round_reals(np.ldexp(x.astype(np.float64), -shift), rounding).tolist() == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("overflow", ["sat", "wrap"])  # apytypes has no other
@pytest.mark.parametrize("shift", [1, 2, 4, 7])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_every_small_integer_as_apytypes_casts_it(rounding: str, overflow: Any, shift: int, bits: int) -> None:
    x = np.arange(-512, 512)
    wide = apytypes.APyFixedArray(x.tolist(), int_bits=10 - shift, frac_bits=shift)
    cast = wide.cast(
        int_bits=bits,
        frac_bits=0,
        quantization=getattr(apytypes.QuantizationMode, rounding.upper()),
        overflow=getattr(apytypes.OverflowMode, overflow.upper()),
    )
    ours = overflowed(shift_right(x, np.array(shift), rounding), bits, overflow)  # type: ignore[arg-type]
    np.testing.assert_array_equal(ours, cast.to_numpy())


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("bits", [2, 3, 8, 16])
def test_every_overflow_mode(overflow: Any, bits: int) -> None:
    reach = 3 * 2**bits + 5
    codes = np.arange(-reach, reach + 1) if bits < 16 else np.arange(-reach, reach + 1, 97)
    expected = [plain_overflow(int(code), bits, overflow) for code in codes]
    assert overflowed(codes, bits, overflow).tolist() == expected
    assert overflowed(codes.astype(object), bits, overflow).tolist() == expected


def test_the_examples_of_the_manual() -> None:
    for rounding, above, below in [("rnd", 1.5, -1.0), ("rnd_zero", 1.0, -1.0), ("rnd_min_inf", 1.0, -1.5),
                                   ("rnd_inf", 1.5, -1.5), ("rnd_conv", 1.0, -1.0)]:  # fmt: skip
        halves = shift_right(np.array([5, -5]), np.array(1), rounding)  # type: ignore[arg-type]
        assert (halves / 2).tolist() == [above, below]
    for overflow, above, below in [("sat", 7, -8), ("sat_zero", 0, 0), ("sat_sym", 7, -7), ("wrap", 3, -3)]:
        assert overflowed(np.array([19, -19]), 4, overflow).tolist() == [above, below]  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(value=st.floats(-(2.0**60), 2.0**60), rounding=st.sampled_from(ROUNDINGS))
@example(value=0.49999999999999994, rounding="rnd")  # adding a half and rounding down would give 1
@example(value=-0.49999999999999994, rounding="rnd_inf")
@example(value=0.5 - 2.0**-60, rounding="rnd_conv")
@example(value=2.0**52 + 1, rounding="rnd")
@example(value=-(2.0**51) - 0.5, rounding="rnd_zero")
@example(value=-5e-324, rounding="trn")
def test_reals_are_rounded_exactly(value: float, rounding: Any) -> None:
    assert int(round_reals(np.array([value]), rounding)[0]) == PLAIN[rounding](Fraction(value))


@settings(max_examples=300, deadline=None)
@given(value=st.integers(-(2**80), 2**80), shift=st.integers(-16, 62), rounding=st.sampled_from(ROUNDINGS))
def test_large_integers_are_exact(value: int, shift: int, rounding: Any) -> None:
    expected = PLAIN[rounding](Fraction(value) / Fraction(2) ** shift)
    assert shift_right(np.array([value], object), np.array([shift], object), rounding)[0] == expected
    if abs(value) << max(0, -shift) < 2**62:
        assert shift_right(np.array([value]), np.array([shift]), rounding)[0] == expected
