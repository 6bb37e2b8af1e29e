"""From a network's real outputs to 8-bit pixels: the one rounding that every figure and every picture uses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError


def is_image_shape(shape: tuple[int, ...]) -> bool:
    """Whether an output of this shape holds images: `[N, 1 or 3, H, W]`."""
    return len(shape) == 4 and shape[1] in (1, 3)


def to_pixels(values: NDArray[Any], low: float = -1.0, high: float = 1.0) -> NDArray[np.uint8]:
    """`clamp(floor((x - low) * 255 / (high - low) + 0.5), 0, 255)`, computed in float64, any shape.

    For (-1, 1) that is `clamp(floor((x + 1) * 127.5 + 0.5), 0, 255)`. A NaN becomes 0: a broken pixel is drawn black.

    Raises:
        AccelsimError: the range is empty or not finite.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise AccelsimError(f"output range: got ({low}, {high}), expected two finite numbers, the lower first")
    scaled = values.astype(np.float64)
    scaled -= low
    scaled *= 255 / (high - low)
    scaled += 0.5
    np.floor(scaled, out=scaled)
    np.clip(scaled, 0, 255, out=scaled)
    return np.nan_to_num(scaled, copy=False, nan=0.0).astype(np.uint8)


def to_images(values: NDArray[Any], low: float = -1.0, high: float = 1.0) -> NDArray[np.uint8]:
    """Outputs `[N, C, H, W]` in (low, high) as pixels `[N, H, W, C]`; see `to_pixels`."""
    return np.ascontiguousarray(to_pixels(values, low, high).transpose(0, 2, 3, 1))
