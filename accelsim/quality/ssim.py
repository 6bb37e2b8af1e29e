"""Structural similarity, Wang, Bovik, Sheikh, Simoncelli, IEEE Transactions on Image Processing 13(4), 2004.

With Gaussian weighted means m, variances v and covariance c of 11 x 11 windows (sigma 1.5, weights that sum to 1):

    ssim = (2 m_a m_b + C1) (2 c + C2) / ((m_a^2 + m_b^2 + C1) (v_a + v_b + C2))
    C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2

averaged over all windows that lie inside the image, over its channels (each on its own) and over the images.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
IMAGES_TOGETHER = 64
"""Images whose windows are in memory at once."""


def ssim(reference: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> tuple[float | None, str | None]:
    """Mean SSIM of images `[N, H, W, C]`, 1 where they are equal; or None and why there is no such figure.

    Raises:
        AccelsimError: the shapes differ.
    """
    if reference.shape != pixels.shape:
        raise AccelsimError(f"quality: images {list(pixels.shape)} against a reference {list(reference.shape)}")
    count, height, width, _ = reference.shape
    if not count:
        return None, "there are no images"
    if min(height, width) < WINDOW:
        return None, f"images of {height} x {width} are smaller than its {WINDOW} x {WINDOW} window"
    starts = range(0, count, IMAGES_TOGETHER)
    means = [_of_each(reference[i : i + IMAGES_TOGETHER], pixels[i : i + IMAGES_TOGETHER]) for i in starts]
    return math.fsum(np.concatenate(means).tolist()) / count, None


def _of_each(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """SSIM of each image `[N]`."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = _weighted(x), _weighted(y)
    variances = _weighted(x * x) + _weighted(y * y) - (mean_x**2 + mean_y**2)
    covariance = _weighted(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    index = likeness / ((mean_x**2 + mean_y**2 + C1) * (variances + C2))
    return np.asarray(index.mean(axis=(1, 2, 3)))


def _weighted(values: NDArray[Any]) -> NDArray[np.float64]:
    """Gaussian means of the windows inside `[N, H, W, C]`, rows first, then columns."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    for axis in (1, 2):
        length = values.shape[axis] - WINDOW + 1
        parts = (w * values.take(range(i, i + length), axis=axis) for i, w in enumerate(weights))
        values = sum(parts, start=np.zeros(()))
    return values
