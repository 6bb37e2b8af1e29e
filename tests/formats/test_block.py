"""MX blocks against their definition, element by element with the element types of ml_dtypes."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.formats.block import BLOCK, BLOCKS, MXFP4, MXINT8, BlockFormat, block_axis, block_count, in_blocks

ELEMENTS = {
    "mxfp8e4m3": (ml_dtypes.float8_e4m3fn, 8, 448.0),
    "mxfp6e3m2": (ml_dtypes.float6_e3m2fn, 4, 28.0),
    "mxfp6e2m3": (ml_dtypes.float6_e2m3fn, 2, 7.5),
    "mxfp4": (ml_dtypes.float4_e2m1fn, 2, 6.0),
}


def defined(block: list[float], name: str) -> list[float]:
    """One block, as the OCP specification puts it."""
    largest = max(abs(v) for v in block)
    emax = ELEMENTS[name][1] if name in ELEMENTS else 0
    exponent = -127 if largest == 0 else max(-127, math.frexp(largest)[1] - 1 - emax)
    made = []
    for value in block:
        part = math.ldexp(value, -exponent)
        if name == "mxint8":
            code = min(127, max(-127, round(part * 64)))
            made.append(math.ldexp(code / 64, exponent))
        else:
            kind, _, top = ELEMENTS[name]
            element = float(np.float32(min(top, max(-top, part))).astype(kind).astype(np.float64))
            made.append(math.ldexp(element, exponent))
    return made


@pytest.mark.parametrize("format", BLOCKS, ids=str)
@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(-(2.0**100), 2.0**100, width=32) | st.floats(-4, 4, width=16), min_size=1, max_size=80)
)
def test_blocks_are_as_defined(format: BlockFormat, values: list[float]) -> None:
    probe = np.array(values, np.float32)[None]
    cut = [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]
    want = [made for block in cut for made in defined(block, str(format))]
    np.testing.assert_array_equal(in_blocks(probe, format, 1)[0], np.array(want))


@pytest.mark.parametrize("format", BLOCKS, ids=str)
@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_what_is_stored_stays(format: BlockFormat, values: list[float]) -> None:
    once = in_blocks(np.array(values, np.float32), format, 0)
    assert np.isfinite(once).all()
    np.testing.assert_array_equal(in_blocks(once, format, 0), once)


def test_the_axis_is_the_one_that_shares_a_scale() -> None:
    values = np.random.default_rng(0).standard_normal((2, 40, 3, 5)).astype(np.float32)
    made = in_blocks(values, MXFP4, 1)
    for n, y, x in np.ndindex(2, 3, 5):
        rows = values[n, :, y, x]
        want = defined(rows[:32].tolist(), "mxfp4") + defined(rows[32:].tolist(), "mxfp4")
        np.testing.assert_array_equal(made[n, :, y, x], np.array(want, np.float32))
    assert made.flags.c_contiguous and made.dtype == np.float32


def test_extremes() -> None:
    largest = float(np.finfo(np.float32).max)
    made = in_blocks(np.array([np.inf, -np.inf, np.nan, 1.0], np.float32), MXINT8, 0)
    np.testing.assert_array_equal(made, np.array([2.0**127 * 127 / 64, -(2.0**127) * 127 / 64, 0, 0], np.float32))
    assert in_blocks(np.array([largest], np.float32), MXFP4, 0)[0] == 6 * 2.0**125
    assert not in_blocks(np.zeros((2, 3), np.float32), MXFP4, 1).any()
    assert in_blocks(np.zeros((2, 0), np.float32), MXFP4, 1).shape == (2, 0)
    tiny = np.array([2.0**-149, 2.0**-128, 2.0**-133], np.float32)
    np.testing.assert_array_equal(in_blocks(tiny, MXINT8, 0), [0, 2.0**-128, 2.0**-133])


@given(st.lists(st.integers(1, 70), min_size=1, max_size=3), st.data())
def test_blocks_are_counted_as_they_are_cut(shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    counted = sum(1 for index in np.ndindex(*shape) if index[axis] % BLOCK == 0) if math.prod(shape) < 20000 else None
    if counted is not None:
        assert block_count(tuple(shape), axis) == counted
    assert block_axis(len(shape)) == (0 if len(shape) == 3 else len(shape) - 1)
