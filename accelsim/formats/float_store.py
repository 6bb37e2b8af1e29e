"""Rounding to the floating formats: the values that are stored for given ones."""

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import Scaling
from accelsim.formats.block import BlockFormat, block_axis, in_blocks
from accelsim.formats.float32 import Float32
from accelsim.formats.minifloat import MiniFloat, on_grid, scale_for
from accelsim.formats.number_format import FloatingFormat, NumberFormat


def takes_scaling(format: NumberFormat) -> bool:
    """Whether a value stored so needs a scaling, which calibration chooses."""
    return format.scaled if isinstance(format, MiniFloat) else not isinstance(format, FloatingFormat)


def float_scaling(format: FloatingFormat, reach: float) -> Scaling | None:
    """The scaling of an activation tensor whose magnitudes go up to `reach`; None where the format has none."""
    if not isinstance(format, MiniFloat) or not format.scaled:
        return None
    return Scaling(scale_for(format, np.array([reach])), 0)


def stored_floats(values: NDArray[Any], format: FloatingFormat, scaling: Scaling | None) -> NDArray[np.float32]:
    """An activation `[N, ...]` as stored. Blocks run along axis 1 of images `[N, C, H, W]`, else the last."""
    match format:
        case Float32():
            return values.astype(np.float32)
        case MiniFloat():
            scale = 1.0 if scaling is None else float(scaling.scale[0])
            return _narrowed(on_grid(values / scale, format.grid) * scale)
        case BlockFormat():
            return in_blocks(values, format, 1 + block_axis(values.ndim - 1))
        case _:
            assert_never(format)


def stored_float_weights(weights: NDArray[np.float32], format: FloatingFormat) -> NDArray[np.float32]:
    """Weights `[out_channels, in_channels, ...]` as stored: a scale per output channel, or blocks of input channels."""
    match format:
        case Float32():
            return weights
        case MiniFloat():
            reach = np.abs(weights).reshape(len(weights), -1).max(axis=1, initial=0.0).astype(np.float64)
            scale = scale_for(format, reach).reshape(-1, *[1] * (weights.ndim - 1))
            return _narrowed(on_grid(weights / scale, format.grid) * scale)
        case BlockFormat():
            return in_blocks(weights, format, 1)
        case _:
            assert_never(format)


def _narrowed(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values that float32 represents, in float32."""
    return values.astype(np.float32)
