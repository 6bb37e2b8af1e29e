"""Spellings: each parses, prints in full, and parses back; a mistake is one line that says what was expected."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt
from accelsim.formats.float32 import Float32
from accelsim.formats.text import MEANINGS, Precision, parse_format, parse_precision

OPTIONS = ["", ":channel", ":tensor", ":sym", ":asym"]
WIDTHS = range(2, 17)


@pytest.mark.parametrize("bits", WIDTHS)
def test_defaults_of_a_width(bits: int) -> None:
    precision = parse_precision(f"int{bits}")
    assert precision.weights == AffineInt(bits, "channel", symmetric=True)
    assert precision.activations == AffineInt(bits, "tensor", symmetric=False)
    assert str(precision) == f"weights=int{bits}:channel:sym,activations=int{bits}:tensor:asym"
    assert precision.accumulator is None and not precision.is_float
    assert precision.boundary == AffineInt(max(8, bits), "tensor", symmetric=False)


@pytest.mark.parametrize("role", ["weights", "activations"])
@pytest.mark.parametrize("bits", WIDTHS)
def test_every_spelling_prints_in_full_and_parses_back(bits: int, role: str) -> None:
    accepted = 0
    for first, second in itertools.product(OPTIONS, OPTIONS):
        try:
            format = parse_format(f"int{bits}{first}{second}", role)
        except AccelsimError:
            continue
        accepted += 1
        assert isinstance(format, AffineInt) and format.bits == bits
        assert parse_format(str(format), role) == format
        for option in (first, second):
            assert option in f"{format}:"
    assert accepted == (14 if role == "activations" else 21 if bits < 16 else 14)


@given(
    weights=st.builds(AffineInt, st.integers(2, 15), st.sampled_from(["channel", "tensor"]), st.booleans()),
    activations=st.builds(AffineInt, st.integers(2, 16), st.just("tensor"), st.booleans()),
    accumulator=st.none() | st.builds(Accumulator, st.integers(8, 48)),
)
def test_precisions_round_trip(weights: AffineInt, activations: AffineInt, accumulator: Accumulator | None) -> None:
    precision = Precision(weights, activations, accumulator)
    assert parse_precision(str(precision)) == precision
    parts = str(precision).split(",")
    assert parse_precision(" , ".join(reversed(parts))) == precision


@pytest.mark.parametrize("mode", ["single", "double", "float"])
def test_requantization_is_an_option_of_activations(mode: Any) -> None:
    printed = "" if mode == "single" else f":{mode}"
    for text in (f"int8:{mode}", f"weights=int8,activations=int8:{mode}"):
        assert str(parse_precision(text)) == f"weights=int8:channel:sym,activations=int8:tensor:asym{printed}"
    single = parse_precision(f"int4,layers.up1=int8:{mode}").layers[0][1].parts()
    assert single == {"weights": "int8:channel:sym", "activations": f"int8:tensor:asym{printed}"}
    short = parse_precision(f"int4:{mode}:sym")
    assert parse_precision(str(short)) == short
    assert str(short.boundary) == f"int8:tensor:sym{printed}" and short.weights == parse_format("int4", "weights")


def test_float32() -> None:
    precision = parse_precision("float32")
    assert precision == Precision(Float32(), Float32()) == parse_precision(str(precision))
    assert precision.is_float and precision.boundary == Float32()


@pytest.mark.parametrize("text", ["float32", *(f"int{n}" for n in WIDTHS)])
def test_the_list_of_formats_tells_of_each(text: str) -> None:
    assert text == "float32" in MEANINGS or (text.startswith("int") and "int2..int16" in MEANINGS)
    parse_precision(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("in8", "precision: no number format 'in8' (did you mean 'int8'?)"),
        ("float23", "precision: no number format 'float23' (did you mean 'float32'?)"),
        ("", "precision: no number format ''"),
        ("int8:", "precision: no number format 'int8:'"),
        ("INT8", "precision: no number format 'INT8'"),
        ("int1", "precision: int1 is not supported; expected int2 to int16"),
        ("int17", "precision: int17 is not supported; expected int2 to int16"),
        ("int8:symm", "precision: 'int8:symm': unknown option 'symm' (did you mean 'sym'?)"),
        ("int8:sym:asym", "precision: 'int8:sym:asym': :sym and :asym exclude each other"),
        ("weights=int8:tensor:channel,activations=int8", ":channel and :tensor exclude each other"),
        ("int8:double:float", "precision: 'int8:double:float': :double and :float exclude each other"),
        ("int16:asym", "precision: weights=int16:asym: asymmetric weights have 15 bits at most"),
        ("int8:channel", "precision: activations=int8:channel: activations are quantized per tensor (:tensor)"),
        ("weights=int8", "precision: 'weights=int8' lacks activations="),
        ("activations=int8", "lacks weights="),
        ("weight=int8,activations=int8", "precision: unknown part 'weight' (did you mean 'weights'?)"),
        ("weights=int8,weights=int4,activations=int8", "precision: weights= is given twice"),
        ("weights=float32,activations=int8", "float32 cannot be mixed with integers (int8:tensor:asym)"),
        ("weights=int8,activations=float32", "float32 cannot be mixed with integers (int8:channel:sym)"),
        ("weights=fp8e4m3,activations=int8", "fp8e4m3 cannot be mixed with integers (int8:tensor:asym)"),
        ("fp16,last=int8", "fp16 cannot be mixed with integers (int8:channel:sym)"),
        ("fp16,accumulator=acc32", "fp16 takes no accumulator: its sums are float32"),
        ("mxfp4,calibration=mse", "mxfp4 takes no calibration: scales follow the largest value"),
        ("fp8", "no number format 'fp8' (did you mean"),
        ("mxfp8", "no number format 'mxfp8' (did you mean"),
        ("weights=float32,activations=float32,accumulator=acc32", "float32 takes no accumulator"),
        ("weights=int8,activations=int8,accumulator=acc7", "accumulator=acc7: expected a width of 8 to 48 bits"),
        ("weights=int8,activations=int8,accumulator=acc49", "accumulator=acc49: expected a width of 8 to 48 bits"),
        ("weights=int8,activations=int8,accumulator=acc32:satt", "accumulator=acc32:satt: unknown option 'satt'"),
        ("weights=int8,activations=int8,accumulator=", "accumulator=: expected accW with options"),
        ("weights=int8,activations=int8,", "unknown part ''"),
    ],
)
def test_mistakes_are_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(AccelsimError, match=re.escape(message)) as caught:
        parse_precision(text)
    assert "\n" not in caught.value.args[0]


@given(st.text(max_size=20))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        precision = parse_precision(text)
    except AccelsimError:
        return
    assert parse_precision(str(precision)) == precision
