"""Fixed point: codes and values, the fraction that calibration chooses, spellings of HLS."""

import re
from fractions import Fraction
from typing import Any, get_args

import apytypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.formats.affine import Scaling
from accelsim.formats.fixed import FRACTION_LIMIT, FixedPoint, coarsened, holding
from accelsim.formats.quantize import dequantize, quantize
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.text import parse_format

ROUNDINGS: tuple[Any, ...] = get_args(Rounding)
OVERFLOWS: tuple[Any, ...] = get_args(Overflow)
FORMATS = st.builds(
    FixedPoint,
    st.integers(2, 16),
    st.integers(-20, 30),
    st.sampled_from(ROUNDINGS),
    st.sampled_from(OVERFLOWS),
)
REALS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def scaling_of(format: FixedPoint) -> Scaling:
    return Scaling(np.array([format.unit]), 0)


@settings(max_examples=200, deadline=None)
@given(format=FORMATS)
def test_every_code_is_its_own_value(format: FixedPoint) -> None:
    codes = np.arange(format.low, format.high + 1)
    assert codes.astype(format.dtype).tolist() == codes.tolist()
    assert len(codes) == 2**format.bits - (format.overflow == "sat_sym")
    values = dequantize(codes, scaling_of(format))
    assert [Fraction(v) for v in values[:5]] == [int(c) * Fraction(2) ** -(format.fraction or 0) for c in codes[:5]]
    np.testing.assert_array_equal(quantize(values, format, scaling_of(format)), codes)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("overflow", ["sat", "wrap"])
@pytest.mark.parametrize(("bits", "fraction"), [(8, 6), (6, -1), (5, 7), (16, 10)])
def test_reals_become_the_codes_of_apytypes(rounding: str, overflow: str, bits: int, fraction: int) -> None:
    rng = np.random.default_rng(bits)
    values = np.concatenate(
        [rng.normal(0, 2.0 ** (bits - fraction - 2), 500), np.arange(-40, 40) / 2.0 ** (fraction + 1)]
    )
    format = FixedPoint(bits, fraction, rounding, overflow)  # type: ignore[arg-type]
    exact = apytypes.APyFixedArray.from_float(values, int_bits=24, frac_bits=36)  # above 64 bits its wrap is off
    kept = exact.to_numpy()
    cast = exact.cast(
        int_bits=bits - fraction,
        frac_bits=fraction,
        quantization=getattr(apytypes.QuantizationMode, rounding.upper()),
        overflow=getattr(apytypes.OverflowMode, overflow.upper()),
    )
    codes = quantize(kept, format, scaling_of(format))
    np.testing.assert_array_equal(dequantize(codes, scaling_of(format)), cast.to_numpy())


@settings(max_examples=300, deadline=None)
@given(format=FORMATS, low=REALS, high=REALS)
def test_the_chosen_fraction_is_the_largest_that_holds_the_range(format: FixedPoint, low: float, high: float) -> None:
    low, high = sorted((low, high))
    chosen = holding(format, low, high)
    assert chosen.fraction is not None and chosen.bits == format.bits and abs(chosen.fraction) <= FRACTION_LIMIT
    ends = np.array([min(low, 0.0), max(high, 0.0)])
    if not ends.any():
        assert chosen.fraction == format.bits - 1
        return

    def clipped(fraction: int) -> bool:
        exact = FixedPoint(16, fraction, format.rounding, "wrap")  # rounding alone, seen in a wide format
        steps = np.ldexp(ends, fraction)
        if np.abs(steps).max() > 2**14:
            return True
        codes = quantize(steps, FixedPoint(16, 0, exact.rounding, "wrap"), Scaling(np.ones(1), 0))
        return bool(codes[0] < format.low or codes[1] > format.high) if format.bits < 15 else False

    if format.bits < 15:
        assert not clipped(chosen.fraction)
        assert chosen.fraction == FRACTION_LIMIT or clipped(chosen.fraction + 1)
    back = dequantize(quantize(ends, chosen, scaling_of(chosen)), scaling_of(chosen))
    assert np.abs(back - ends).max() <= chosen.unit


def test_known_fractions() -> None:
    eight = FixedPoint(8, None)
    for low, high, fraction in [(0, 127, 0), (-128, 0, 0), (0, 127.4, 0), (0, 127.5, -1), (-128.6, 0, -1), (-1, 0.5, 7),
                                (-1, 1, 6), (0, 1e-9, 36), (-1e9, 1e9, -23)]:  # fmt: skip
        assert holding(eight, low, high).fraction == fraction, (low, high)
    assert holding(FixedPoint(8, None, "trn"), 0, 127.9).fraction == 0
    assert holding(FixedPoint(8, None, "rnd_conv", "sat_sym"), -128, 0).fraction == -1
    assert coarsened(FixedPoint(8, 6), 0.3).fraction == 1 and coarsened(FixedPoint(8, 6), 1e-9).fraction == 6


def test_infinities_have_codes() -> None:
    values = np.array([np.inf, -np.inf])
    expected = {"sat": [127, -128], "sat_sym": [127, -127], "sat_zero": [0, 0], "wrap": [0, 0]}
    for overflow in OVERFLOWS:
        codes = quantize(values, FixedPoint(8, 4, "rnd", overflow), Scaling(np.array([2.0**-4]), 0))
        assert codes.tolist() == expected[overflow]


@given(format=FORMATS, role=st.sampled_from(["weights", "activations"]))
def test_spellings_round_trip(format: FixedPoint, role: str) -> None:
    assert parse_format(str(format), role) == format
    open_point = FixedPoint(format.bits, None, format.rounding, format.overflow)
    assert parse_format(str(open_point), role) == open_point


@pytest.mark.parametrize(("text", "full"), [
    ("fixed8.6", "fixed8.6:rnd_conv:sat"),
    ("fixed8", "fixed8:rnd_conv:sat"),
    ("fixed8.-2", "fixed8.-2:rnd_conv:sat"),
    ("fixed4.9:wrap", "fixed4.9:rnd_conv:wrap"),
    ("fixed8.6:sat_sym:trn_zero", "fixed8.6:trn_zero:sat_sym"),
    ("fixed8.6:AP_RND:AP_SAT_ZERO", "fixed8.6:rnd:sat_zero"),
    ("ap_fixed<16,6>", "fixed16.10:trn:wrap"),
    ("ap_fixed<8, -2>", "fixed8.10:trn:wrap"),
    ("ap_fixed<8,12>", "fixed8.-4:trn:wrap"),
    ("ap_fixed<8,2,AP_RND>", "fixed8.6:rnd:wrap"),
    ("ap_fixed<8,2,AP_RND_CONV,AP_SAT_SYM>", "fixed8.6:rnd_conv:sat_sym"),
    ("ap_fixed<8,2,rnd_inf,sat>", "fixed8.6:rnd_inf:sat"),
])  # fmt: skip
def test_spellings(text: str, full: str) -> None:
    assert str(parse_format(text)) == full


@pytest.mark.parametrize(("text", "message"), [
    ("fixed17.4", "precision: fixed17 is not supported; expected fixed2 to fixed16"),
    ("fixed1", "precision: fixed1 is not supported"),
    ("fixed8.161", "expected 160 fraction bits or less, not 161"),
    ("fixed8.6:rnd:trn", "precision: 'fixed8.6:rnd:trn': rnd and trn are both rounding modes"),
    ("fixed8.6:sat:sat", "sat and sat are both overflow modes"),
    ("fixed8.6:rnd_cov", "unknown option 'rnd_cov' (did you mean 'rnd_conv'?)"),
    ("fixd8.6", "precision: no number format 'fixd8.6'"),
    ("fixed8.", "precision: no number format 'fixed8.'"),
    ("ap_ufixed<8,2>", "codes are signed here; ap_fixed with one more bit"),
    ("ap_fixed<8>", "expected ap_fixed<W,I>"),
    ("ap_fixed<8,2,AP_SAT,AP_RND,3>", "expected ap_fixed<W,I>"),
    ("ap_fixed<8,2,AP_WRAP_SM>", "unknown option 'AP_WRAP_SM'"),
    ("ap_fixed<32,2>", "precision: fixed32 is not supported"),
    ("ap_int<8>", "ap_int<8> is ap_fixed<8,8>"),
])  # fmt: skip
def test_mistakes_are_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(AccelsimError, match=re.escape(message)) as caught:
        parse_format(text)
    assert "\n" not in caught.value.args[0]
