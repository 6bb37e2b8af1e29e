"""Accumulators: their spelling, and one addition in each overflow mode against another library."""

import re
from typing import get_args

import numpy as np
import pytest
from apytypes import APyFixed, OverflowMode
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import NARROWEST, Accumulator, default_accumulator, held, wrap
from accelsim.formats.rounding import Overflow
from accelsim.formats.text import parse_accumulator, parse_precision

ACCUMULATORS = st.sampled_from(get_args(Overflow)).flatmap(
    lambda overflow: st.builds(
        Accumulator, st.integers(NARROWEST[overflow], 48), st.just(overflow), st.integers(1, 65536)
    )
)


@given(accumulator=ACCUMULATORS)
def test_every_accumulator_prints_and_parses_back(accumulator: Accumulator) -> None:
    assert parse_accumulator(str(accumulator)) == accumulator
    text = f"weights=int8,activations=int8,accumulator={accumulator}"
    assert parse_precision(text).accumulator == accumulator
    assert str(parse_precision(text)).endswith(f"accumulator={accumulator}")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("acc20", "acc20:wrap"),
        ("acc24:sat:tree16", "acc24:sat:tree16"),
        ("acc18:tree4:sat_sym", "acc18:sat_sym:tree4"),
        ("acc2:sat_zero:tree1", "acc2:sat_zero"),
        ("acc48:tree2", "acc48:wrap:tree2"),
    ],
)
def test_spellings(text: str, canonical: str) -> None:
    assert str(parse_accumulator(text)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acc7", "expected a width of 8 to 48 bits"),
        ("acc1:sat", "expected a width of 2 to 48 bits"),
        ("acc49:sat", "expected a width of 2 to 48 bits"),
        ("acc" + "9" * 5000, "expected a width of 8 to 48 bits"),
        ("acc24:sat:tree0", "expected a tree of 1 to 65536 products"),
        ("acc24:sat:tree65537", "expected a tree of 1 to 65536 products"),
        ("acc24:sat:wrap", ":sat and :wrap exclude each other"),
        ("acc24:tree4:tree4", ":tree4 and :tree4 exclude each other"),
        ("acc24:sat:tree", "unknown option 'tree' (did you mean 'treeT'?)"),
        ("acc24:SAT", "unknown option 'SAT'; expected one of sat, sat_sym, sat_zero, wrap, treeT"),
        ("acc24:", "expected accW with options, for example acc32:wrap or acc24:sat:tree16"),
        ("24", "expected accW with options"),
    ],
)
def test_mistakes_are_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(AccelsimError, match=re.escape(f"precision: accumulator={text}: {message}")) as caught:
        parse_accumulator(text)
    assert "\n" not in caught.value.args[0]


def test_default_widths() -> None:
    assert [str(default_accumulator(*bits)) for bits in ((8, 8), (2, 8), (9, 8), (8, 9), (16, 16))] == [
        *["acc32:wrap"] * 2,
        *["acc48:wrap"] * 3,
    ]


@settings(max_examples=300, deadline=None)
@given(total=st.integers(-(2**50), 2**50), accumulator=ACCUMULATORS)
def test_what_is_held_against_another_library(total: int, accumulator: Accumulator) -> None:
    bits, low, high = accumulator.bits, accumulator.low, accumulator.high
    exact = APyFixed(total % 2**52, bits=52, int_bits=52)

    def cast(mode: OverflowMode) -> int:
        return int(float(exact.cast(int_bits=bits, frac_bits=0, overflow=mode)))

    match accumulator.overflow:
        case "wrap":
            expected = cast(OverflowMode.WRAP)
        case "sat":
            expected = cast(OverflowMode.SAT)
        case "sat_sym":
            expected = max(cast(OverflowMode.SAT), -high)
        case "sat_zero":
            expected = total if cast(OverflowMode.SAT) == total else 0
    for sums in (np.array([total]), np.array([total], object)):
        assert held(sums, accumulator).tolist() == [expected]
    assert low <= expected <= high
    if accumulator.overflow == "wrap":
        assert wrap(np.array([total]), accumulator).tolist() == [expected]
