"""The one lossy verb and its inverse."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import AffineInt, Scaling


def along(values: NDArray[Any], ndim: int, axis: int) -> NDArray[Any]:
    """A `[C]` or `[1]` vector shaped so that it broadcasts over `axis` of an array with `ndim` axes."""
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


def quantize(values: NDArray[np.floating], format: AffineInt, scaling: Scaling, axis: int = 0) -> NDArray[np.int64]:
    """Codes of `values`: divide by the scale in float64, round ties to even, add the zero point, saturate."""
    scale = along(scaling.scale, values.ndim, axis)
    codes = np.rint(values.astype(np.float64) / scale) + scaling.zero_point
    saturated: NDArray[np.int64] = np.clip(codes, format.low, format.high).astype(np.int64)
    return saturated


def dequantize(codes: NDArray[np.integer], scaling: Scaling, axis: int = 0) -> NDArray[np.float64]:
    """The real values that codes stand for, in float64."""
    values: NDArray[np.float64] = (codes.astype(np.float64) - scaling.zero_point) * along(
        scaling.scale, codes.ndim, axis
    )
    return values
