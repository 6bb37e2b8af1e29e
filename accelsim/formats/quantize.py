"""The one lossy verb and its inverse."""

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import AffineInt, ChannelScaling, Scaling
from accelsim.formats.binary import Binary, signs
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.rounding import overflowed, round_reals
from accelsim.formats.ternary import Ternary

_LARGE = 2.0**62


def along(values: NDArray[Any], ndim: int, axis: int) -> NDArray[Any]:
    """A `[C]` or `[1]` vector shaped so that it broadcasts over `axis` of an array with `ndim` axes."""
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


def quantize(
    values: NDArray[np.floating], format: IntegerFormat, scaling: Scaling | ChannelScaling, axis: int = 0
) -> NDArray[np.int64]:
    """Codes of `values`: divide by the scale in float64, round, add the zero point, handle overflow.

    Affine integers and ternary codes round ties to even and saturate; fixed point rounds and overflows as the format
    says; a binary code is the sign.
    """
    steps = values.astype(np.float64) / along(scaling.scale, values.ndim, axis)
    match format:
        case AffineInt():
            codes = np.rint(steps) + along(np.atleast_1d(scaling.zero_point), values.ndim, axis)
            return np.asarray(np.clip(codes, format.low, format.high).astype(np.int64))
        case FixedPoint():
            if format.overflow == "wrap":  # exactly into 64 bits; what is infinite counts as 0
                steps = np.fmod(np.where(np.isfinite(steps), steps, 0.0), 2.0**format.bits)
            whole = round_reals(np.clip(steps, -_LARGE, _LARGE), format.rounding)
            return overflowed(whole.astype(np.int64), format.bits, format.overflow)
        case Ternary():
            return np.asarray(np.clip(np.rint(steps), format.low, format.high).astype(np.int64))
        case Binary():
            return signs(steps)
        case _:
            assert_never(format)


def dequantize(codes: NDArray[np.integer], scaling: Scaling | ChannelScaling, axis: int = 0) -> NDArray[np.float64]:
    """The real values that codes stand for, in float64."""
    centred = codes.astype(np.float64) - along(np.atleast_1d(scaling.zero_point), codes.ndim, axis)
    values: NDArray[np.float64] = centred * along(scaling.scale, codes.ndim, axis)
    return values
