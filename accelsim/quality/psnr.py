"""Peak signal-to-noise ratio and the largest error, against a reference run on the same inputs.

PSNR = 10 log10(MAX^2 / MSE), in dB. MAX is 255 for pixels; for outputs that are not images it is the range (largest
minus smallest value) of the reference. None stands for a figure that does not exist: no error at all, or no finite
number.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError

Pixels = NDArray[np.uint8]
MAX_PIXEL = 255


def psnr_db(reference: Pixels, pixels: Pixels) -> float | None:
    """PSNR of the squared error pooled over all images `[N, ...]`; None if every pixel is the same."""
    errors = _squared_pixel_errors(reference, pixels)
    return _decibel(MAX_PIXEL**2, int(errors.sum()), reference.size)


def psnr_db_mean(reference: Pixels, pixels: Pixels) -> float | None:
    """Mean of the PSNR of each image. Identical images, whose PSNR is infinite, are left out; None if all are."""
    errors = _squared_pixel_errors(reference, pixels)
    return _mean_decibel(MAX_PIXEL**2, errors, reference.size // max(len(reference), 1))


def value_psnr_db(reference: NDArray[Any], values: NDArray[Any]) -> float | None:
    """PSNR of real outputs `[N, ...]`, pooled, with the reference's range as MAX.

    None if all are equal, if the reference is constant, or if a value is not finite.
    """
    return _decibel(_squared_range(reference), float(_squared_errors(reference, values).sum()), reference.size)


def value_psnr_db_mean(reference: NDArray[Any], values: NDArray[Any]) -> float | None:
    """Mean of the PSNR of each sample of real outputs, MAX as in `value_psnr_db`; identical samples are left out."""
    errors = _squared_errors(reference, values)
    if not np.isfinite(errors).all():
        return None
    return _mean_decibel(_squared_range(reference), errors, reference.size // max(len(reference), 1))


def max_abs_error(reference: NDArray[Any], values: NDArray[Any]) -> float | None:
    """Largest absolute difference of real outputs, in float64; 0 when there is no output, None if it is not finite."""
    _check_shapes(reference, values)
    with np.errstate(invalid="ignore"):
        largest = float(np.abs(reference.astype(np.float64) - values.astype(np.float64)).max(initial=0.0))
    return largest if math.isfinite(largest) else None


def _squared_pixel_errors(reference: Pixels, pixels: Pixels) -> NDArray[np.int64]:
    """Sum of squared errors of each image `[N]`, exact."""
    _check_shapes(reference, pixels)
    difference = reference.astype(np.int32) - pixels.astype(np.int32)
    return np.asarray(np.square(difference).sum(axis=tuple(range(1, difference.ndim)), dtype=np.int64))


def _squared_errors(reference: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
    """Sum of squared errors of each sample `[N]`."""
    _check_shapes(reference, values)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = reference.astype(np.float64) - values.astype(np.float64)
        return np.asarray(np.square(difference).sum(axis=tuple(range(1, difference.ndim))))


def _squared_range(reference: NDArray[Any]) -> float:
    if not reference.size or not np.isfinite(reference).all():
        return 0.0
    extent = float(reference.max()) - float(reference.min())
    return extent * extent


def _mean_decibel(squared_max: float, errors: NDArray[Any], size: int) -> float | None:
    each = [decibel for error in errors.tolist() if (decibel := _decibel(squared_max, error, size)) is not None]
    return math.fsum(each) / len(each) if each else None


def _decibel(squared_max: float, squared_error: float, size: int) -> float | None:
    """10 log10(MAX^2 * size / squared error)."""
    if squared_error == 0 or squared_max == 0 or not math.isfinite(squared_error + squared_max):
        return None
    return 10 * math.log10(squared_max / (squared_error / size))


def _check_shapes(reference: NDArray[Any], other: NDArray[Any]) -> None:
    if reference.shape != other.shape:
        raise AccelsimError(f"quality: outputs {list(other.shape)} against a reference {list(reference.shape)}")
