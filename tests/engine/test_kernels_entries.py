"""Tables with an entry for every code, in compiled loops and in numpy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.kernels.entries import entries_of, fast_looked_up, pixel_table
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.lookup import Lookup, looked_up
from accelsim.formats.quantize import dequantize
from accelsim.formats.rescale import landing
from accelsim.quality.pixels import to_images, to_pixels

Array = np.ndarray[Any, Any]


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from([np.int8, np.int16, np.int64]),
    bits=st.integers(2, 12),
    order=st.permutations(range(4)),
    step=st.sampled_from([1, 2]),
    writes=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_entries_of_any_layout(dtype: Any, bits: int, order: list[int], step: int, writes: bool, seed: int) -> None:
    rng, bits = np.random.default_rng(seed), min(bits, 8 * np.dtype(dtype).itemsize)
    low = -(1 << (bits - 1))
    codes = rng.integers(low, -low, rng.integers(0, 6, 4)).astype(dtype).transpose(order)[:, ::step]
    codes.flags.writeable = writes
    result = AffineInt(8, "tensor", symmetric=False)
    table = Lookup(rng.integers(-128, 128, 1 << bits), low, 0, landing(result, Scaling(np.ones(1), 0)))
    made = fast_looked_up(codes, table, np.int8)
    assert made.dtype == np.int8 and made.shape == codes.shape
    np.testing.assert_array_equal(made, looked_up(codes, table))


def test_results_lie_as_codes_do() -> None:
    codes = np.zeros((2, 5, 6, 3), np.int8).transpose(0, 3, 1, 2)
    assert entries_of(codes, np.zeros(256, np.uint8), -128).strides == codes.strides


@pytest.mark.parametrize("bits", [3, 8, 11, 16])
@pytest.mark.parametrize("ends", [(-1.0, 1.0), (0.0, 1.0), (-2.5, 0.3)])
def test_pixels_are_those_of_the_real_values(bits: int, ends: tuple[float, float]) -> None:
    rng, format = np.random.default_rng(bits), AffineInt(bits, "tensor", symmetric=False)
    scaling = Scaling(np.array([3.1 / (1 << bits)]), int(format.low // 3))
    table = pixel_table(format, scaling, lambda values: to_pixels(values, *ends))
    by_pixel: Array = rng.integers(format.low, format.high + 1, (3, 7, 5, 3)).astype(format.dtype)
    for codes in (by_pixel.transpose(0, 3, 1, 2), np.ascontiguousarray(by_pixel.transpose(0, 3, 1, 2))):
        pixels = table(codes)
        assert pixels.flags.c_contiguous and pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, to_images(dequantize(codes, scaling), *ends))
