"""Which listed format multiplies which operands: keys, kinds, and the narrowest that holds both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.formats.minifloat import MINIFLOATS, MiniFloat, on_grid
from accelsim.formats.text import parse_format
from accelsim.hardware.number_formats import (
    Factor,
    FormatCost,
    FormatMatch,
    NoFormat,
    factor,
    factors,
    integer,
    match_format,
)

KINDS = [
    "int2", "int4", "int8", "int16", "ternary", "binary", "float32", "fp16", "bf16", "fp8e4m3", "fp8e5m2",
    "mxint8", "mxfp8e4m3", "mxfp6e3m2", "mxfp6e2m3", "mxfp4",
]  # fmt: skip
TERNARY, BINARY = Factor("ternary", 2), Factor("binary", 1)


def listed(**energies: float) -> dict[str, FormatCost]:
    return {key: FormatCost.model_validate({"macs_per_cycle_per_pe": 1, "energy_pj": e}) for key, e in energies.items()}


def chosen(formats: dict[str, FormatCost], weights: Factor, activations: Factor) -> str | None:
    match = match_format("m", formats, weights, activations)
    return match.key if isinstance(match, FormatMatch) else None


@given(st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_keys_are_read_as_they_are_spelled(weights: str, activations: str) -> None:
    one, other = factors(f"{weights}x{activations}")
    assert (one, other) == (factors(weights)[0], factors(activations)[1])
    assert factors(weights) == (one, one)


@pytest.mark.parametrize("spelling", [k for k in KINDS if k not in ("ternary", "binary")])
def test_a_format_is_the_operand_of_its_own_key(spelling: str) -> None:
    assert factor(parse_format(spelling, "weights")) == factors(spelling)[0]


def test_weights_of_few_levels() -> None:
    assert factor(parse_format("ternary", "weights")) == TERNARY == factors("ternaryxint8")[0]
    assert factor(parse_format("binary", "weights")) == BINARY == factors("binary")[1]
    wide = factor(parse_format("ternary:ttq", "weights"))
    assert wide.kind == "int" and wide.bits > 2  # two magnitudes: its levels are multiplied


@pytest.mark.parametrize("key", ["int8x", "xint8", "fp8", "fp16xxfp16", "ternary8", "mxfp4xx", "int8xint8xint8", ""])
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not spelled like int8"):
        factors(key)


def test_integers_hold_few_levels_and_the_narrowest_wins() -> None:
    formats = listed(int8=1.0, int4xint8=0.6, int2xint8=0.5)
    assert chosen(formats, TERNARY, integer(8)) == "int2xint8"
    assert chosen(formats, BINARY, integer(8)) == "int2xint8"
    assert chosen(formats, integer(3), integer(8)) == "int4xint8"
    assert chosen(formats | listed(ternaryxint8=0.1), TERNARY, integer(8)) == "ternaryxint8"
    assert chosen(formats | listed(ternaryxint8=0.1), BINARY, integer(8)) == "ternaryxint8"  # as narrow, less energy
    assert chosen(formats | listed(ternaryxint8=0.1), integer(2), integer(8)) == "int2xint8"
    assert chosen(listed(binary=0.1), BINARY, BINARY) == "binary"
    assert chosen(listed(binary=0.1), TERNARY, TERNARY) is None
    assert chosen(listed(ternary=0.1), integer(2), integer(2)) is None


def test_floats_and_integers_keep_apart() -> None:
    every = listed(int16=1, float32=9, fp16=3)
    assert chosen(every, integer(17), integer(17)) is None
    assert chosen(listed(int16=1), *factors("fp8e4m3")) is None
    answer = match_format("m", listed(int16=1), *factors("mxfp4xmxfp8e4m3"))
    assert answer == NoFormat("m lists int16: none holds floating-point mxfp4 weights x mxfp8e4m3 activations")


def test_a_float_uses_its_own_key_else_one_that_holds_it() -> None:
    every = listed(float32=9, fp16=3, bf16=2, fp8e4m3=1)
    for name in ("float32", "fp16", "bf16", "fp8e4m3"):
        match = match_format("m", every, *factors(name))
        assert isinstance(match, FormatMatch) and (match.key, match.assumption) == (name, None)
    assert chosen(every, *factors("fp8e5m2")) == "bf16"  # both hold it: the one of less energy
    assert chosen(every, *factors("fp8e4m3xfp16")) == "fp16"
    assert chosen(every, *factors("fp16xbf16")) == "float32"
    assert chosen(every, *factors("mxint8")) == "bf16"
    assert chosen(listed(mxfp8e4m3=1), *factors("fp8e4m3")) is None
    match = match_format("m", every, *factors("fp8e5m2"))
    assert isinstance(match, FormatMatch) and match.assumption == (
        "m does not list fp8e5m2 weights x fp8e5m2 activations: stored and moved at their own width, "
        "computed at the cost of bf16"
    )


@given(st.sampled_from(MINIFLOATS), st.sampled_from(MINIFLOATS), st.floats(width=16, allow_nan=False))
def test_what_one_format_holds_is_on_its_grid(one: MiniFloat, other: MiniFloat, value: float) -> None:
    stored = on_grid(np.array([value]), other.grid)
    if factor(one).holds(factor(other)):
        np.testing.assert_array_equal(on_grid(stored, one.grid), stored)
