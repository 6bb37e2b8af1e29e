import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.quality.pixels import is_image_shape, to_images, to_pixels


@given(st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=20))
def test_unit_range_is_the_stated_rounding(values: list[float]) -> None:
    expected = [min(max(int(np.floor((x + 1) * 127.5 + 0.5)), 0), 255) for x in values]
    assert to_pixels(np.array(values)).tolist() == expected


@given(st.lists(st.floats(-1.5, 1.5, width=32), min_size=1, max_size=20))
def test_the_dtype_of_a_value_does_not_change_its_pixel(values: list[float]) -> None:
    assert to_pixels(np.array(values, np.float32)).tolist() == to_pixels(np.array(values)).tolist()


@given(st.integers(0, 255), st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0), (-2.0, 6.0)]))
def test_every_pixel_comes_back_from_its_value(pixel: int, ends: tuple[float, float]) -> None:
    low, high = ends
    assert to_pixels(np.array([low + pixel * (high - low) / 255]), low, high).tolist() == [pixel]


def test_halves_round_up_and_ends_clamp() -> None:
    values = np.array([0.0, 0.5, 1.5, 254.5, -7.0, 300.0, np.inf, -np.inf, np.nan])
    assert to_pixels(values, 0, 255).tolist() == [0, 1, 2, 255, 0, 255, 255, 0, 0]


@pytest.mark.parametrize("ends", [(1.0, 1.0), (1.0, -1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_an_empty_range_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(AccelsimError, match="output range"):
        to_pixels(np.zeros(1), *ends)


def test_channels_go_last() -> None:
    values = np.zeros((2, 3, 4, 5))
    values[1, 2, 3, 4] = 1
    images = to_images(values)
    assert images.shape == (2, 4, 5, 3)
    assert images[1, 3, 4, 2] == 255
    assert np.count_nonzero(images != 128) == 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 3, 8, 8), True), ((5, 1, 8, 8), True), ((5, 2, 8, 8), False), ((5, 3, 8), False), ((5, 64), False)],
)
def test_which_outputs_are_images(shape: tuple[int, ...], expected: bool) -> None:
    assert is_image_shape(shape) is expected
