"""MX blocks: elements of few bits that share a power-of-two scale (OCP Microscaling Formats Specification 1.0)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.minifloat import FP8E4M3, FloatGrid, on_grid

BLOCK = 32
"""Elements that share a scale."""
SCALE_BITS = 8
"""E8M0: a biased exponent alone, 2**-127 .. 2**127."""
SMALLEST_SCALE = -127
"""Its least exponent."""


@dataclass(frozen=True)
class BlockFormat:
    """`bits` bits an element, and SCALE_BITS for each block of BLOCK elements."""

    name: str
    bits: int
    grid: FloatGrid

    @property
    def factor_bits(self) -> int:
        """Width of what is multiplied."""
        return self.bits

    def __str__(self) -> str:
        return self.name


MXINT8 = BlockFormat("mxint8", 8, FloatGrid(6, 0, 127 / 64))
"""Multiples of 1/64; the code -128 is not used."""
MXFP8E4M3 = BlockFormat("mxfp8e4m3", 8, FP8E4M3.grid)
MXFP6E3M2 = BlockFormat("mxfp6e3m2", 6, FloatGrid(2, -2, 28.0))
MXFP6E2M3 = BlockFormat("mxfp6e2m3", 6, FloatGrid(3, 0, 7.5))
MXFP4 = BlockFormat("mxfp4", 4, FloatGrid(1, 0, 6.0))
BLOCKS = (MXINT8, MXFP8E4M3, MXFP6E3M2, MXFP6E2M3, MXFP4)


def in_blocks(values: NDArray[Any], format: BlockFormat, axis: int) -> NDArray[np.float32]:
    """The values that blocks along `axis` hold; the last block of each row is shorter where BLOCK does not divide it.

    The scale of a block is 2**(floor(log2 of the largest magnitude) - exponent of the largest element), 2**-127 at the
    least (and for a block of zeros); elements are the nearest, ties to even, and saturate. Infinity counts as the
    largest float32, NaN as 0.
    """
    limit = float(np.finfo(np.float32).max)
    rows = np.moveaxis(np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=limit, neginf=-limit), axis, -1)
    length = rows.shape[-1]
    filled = np.zeros((*rows.shape[:-1], -(-length // BLOCK) * BLOCK))
    filled[..., :length] = rows
    blocks = filled.reshape(*rows.shape[:-1], -1, BLOCK)
    largest = np.abs(blocks).max(axis=-1, keepdims=True)
    exponent = np.frexp(largest)[1] - 1 - format.grid.top_exponent
    scale = np.ldexp(1.0, np.where(largest > 0, np.maximum(exponent, SMALLEST_SCALE), SMALLEST_SCALE))
    held = (on_grid(blocks / scale, format.grid) * scale).reshape(filled.shape)[..., :length]
    return np.ascontiguousarray(np.moveaxis(held, -1, axis).astype(np.float32))


def block_axis(sample_axes: int) -> int:
    """Axis of a sample along which a stored value is cut into blocks: the channels of [C, H, W], else the last."""
    return 0 if sample_axes == 3 else sample_axes - 1


def block_count(shape: tuple[int, ...], axis: int) -> int:
    """Blocks, and so scale bytes, of a tensor of this shape cut along `axis`."""
    count = -(-shape[axis] // BLOCK) if shape else 1
    for other, size in enumerate(shape):
        count *= 1 if other == axis else size
    return count
