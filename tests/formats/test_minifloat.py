"""Every conversion against ml_dtypes and torch, over all codes, all ties, and drawn float32 values."""

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.formats.block import BLOCKS
from accelsim.formats.minifloat import (
    BF16,
    FP8E4M3,
    FP8E5M2,
    FP16,
    MINIFLOATS,
    FloatGrid,
    MiniFloat,
    on_grid,
    scale_for,
)

TYPES = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp8e4m3": ml_dtypes.float8_e4m3fn,
    "fp8e5m2": ml_dtypes.float8_e5m2,
    "mxfp8e4m3": ml_dtypes.float8_e4m3fn,
    "mxfp6e3m2": ml_dtypes.float6_e3m2fn,
    "mxfp6e2m3": ml_dtypes.float6_e2m3fn,
    "mxfp4": ml_dtypes.float4_e2m1fn,
}
GRIDS = {format.name: (format.grid, format.bits) for format in (*MINIFLOATS, *BLOCKS) if format.name in TYPES}
NAMES = list(GRIDS)
TORCH = {"fp16": torch.float16, "bf16": torch.bfloat16}
FLOATS = st.floats(width=32, allow_nan=False)


def codes(name: str) -> np.ndarray:
    """The values of all codes."""
    bits = GRIDS[name][1]
    stored = np.arange(1 << bits, dtype=np.uint16 if bits == 16 else np.uint8).view(TYPES[name])
    with np.errstate(invalid="ignore"):
        return stored.astype(np.float64)


def cast(values: np.ndarray, name: str) -> np.ndarray:
    """What the other implementation makes of them; it saturates where it is told to by a clip."""
    grid, _ = GRIDS[name]
    clipped = np.clip(values, -grid.largest, grid.largest) if grid.saturates else values
    with np.errstate(over="ignore"):
        return clipped.astype(np.float32).astype(TYPES[name]).astype(np.float64)


@pytest.mark.parametrize("name", NAMES)
def test_every_code_is_on_the_grid_and_nothing_lies_above_the_largest(name: str) -> None:
    grid, values = GRIDS[name][0], codes(name)
    finite = values[np.isfinite(values)]
    np.testing.assert_array_equal(on_grid(finite, grid), finite)
    assert finite.max() == grid.largest == -finite.min()
    assert finite[finite > 0].min() == 2.0**grid.spacing_exponent
    assert np.unique(finite).size == 2 * np.unique(on_grid(finite[finite > 0], grid)).size + 1


@pytest.mark.parametrize("name", NAMES)
def test_ties_and_their_neighbours(name: str) -> None:
    """Halfway between any two codes that follow each other, and the float32 on either side of that."""
    grid, values = GRIDS[name][0], codes(name)
    finite = np.unique(values[np.isfinite(values)])
    ties = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
    for probe in (ties, np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf))):
        np.testing.assert_array_equal(on_grid(probe, grid), cast(probe, name))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=200, deadline=None)
@given(values=st.lists(FLOATS, min_size=1, max_size=30))
def test_any_float32(name: str, values: list[float]) -> None:
    probe = np.array(values, np.float32)
    np.testing.assert_array_equal(on_grid(probe, GRIDS[name][0]), cast(probe, name))


@pytest.mark.parametrize("name", NAMES)
def test_signs_of_zeros_stay(name: str) -> None:
    tiny = 2.0 ** (GRIDS[name][0].spacing_exponent - 2)
    made = on_grid(np.array([0.0, -0.0, tiny, -tiny]), GRIDS[name][0])
    assert np.signbit(made).tolist() == [False, True, False, True] and not made.any()


@pytest.mark.parametrize("name", TORCH)
@settings(max_examples=200, deadline=None)
@given(values=st.lists(FLOATS, min_size=1, max_size=30))
def test_torch_casts_alike(name: str, values: list[float]) -> None:
    probe = np.array(values, np.float32)
    other = torch.from_numpy(probe).to(TORCH[name]).to(torch.float64).numpy()
    np.testing.assert_array_equal(on_grid(probe, GRIDS[name][0]), other)


def test_overflow_and_nan() -> None:
    extremes = np.array([np.inf, -np.inf, np.nan, 65519.996, 65520.0, 3.4e38])
    inf, nan = np.inf, np.nan
    np.testing.assert_array_equal(on_grid(extremes, FP16.grid), [inf, -inf, nan, 65504, inf, inf])
    np.testing.assert_array_equal(on_grid(extremes, BF16.grid), [inf, -inf, nan, 65536, 65536, inf])
    np.testing.assert_array_equal(on_grid(extremes, FP8E4M3.grid), [448, -448, nan, 448, 448, 448])
    np.testing.assert_array_equal(on_grid(extremes, FP8E5M2.grid), [57344, -57344, nan, 57344, 57344, 57344])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.sampled_from(NAMES))
def test_rounding_a_float64_is_the_nearest_of_all_codes(values: list[float], name: str) -> None:
    """Not the float32 of it rounded again."""
    grid: FloatGrid = GRIDS[name][0]
    probe = np.clip(np.array(values), -grid.largest, grid.largest)
    finite = np.unique(codes(name)[np.isfinite(codes(name))]) if GRIDS[name][1] == 8 else None
    made = on_grid(probe, grid)
    if finite is not None:
        np.testing.assert_array_equal(np.abs(made - probe), np.abs(finite[None] - probe[:, None]).min(axis=1))
    np.testing.assert_array_equal(on_grid(made, grid), made)


@settings(max_examples=200)
@given(st.sampled_from([FP8E4M3, FP8E5M2]), st.floats(min_value=2.0**-149, max_value=2.0**127, width=32))
def test_a_scale_brings_the_reach_into_the_top_binade(format: MiniFloat, reach: float) -> None:
    scale = float(scale_for(format, np.array([reach]))[0])
    assert np.frexp(scale)[0] == 0.5
    top = 2.0**format.grid.top_exponent
    least = np.float32(2.0**format.grid.spacing_exponent * scale)
    assert (
        np.isfinite(np.float32(format.grid.largest * scale))
        and least > 0
        and float(least) == 2.0 ** (format.grid.spacing_exponent) * scale
    )
    assert top <= reach / scale < 2 * top or least == 2.0**-149


def test_formats_without_a_scale_have_one() -> None:
    for format in (FP16, BF16):
        np.testing.assert_array_equal(scale_for(format, np.array([0.0, 3.0, 1e9])), [1, 1, 1])
    np.testing.assert_array_equal(scale_for(FP8E4M3, np.array([0.0, 1.0, 1.99, 511.0])), [1, 2.0**-8, 2.0**-8, 1])
