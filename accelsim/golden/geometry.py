"""What a multiplying layer reads and makes, as one shape of facts for dense layers and both convolutions."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Pair

Operator = Literal["dense", "convolution", "transposed_convolution"]


@dataclass(frozen=True)
class Geometry:
    """Sizes of a layer; a dense layer is a convolution of one pixel, its images are all rows of its input.

    offset: rows and columns before the first: of zero padding, or of a transposed convolution those that are cropped
    (negative: added).
    """

    operator: Operator
    images: int
    in_channels: int
    in_size: Pair
    out_channels: int
    out_size: Pair
    groups: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    offset: Pair

    def facts(self) -> dict[str, int | str]:
        """The fields, pairs as two."""
        pairs = {
            "in": self.in_size,
            "out": self.out_size,
            "kernel": self.kernel,
            "stride": self.stride,
            "dilation": self.dilation,
            "offset": self.offset,
        }
        both = {f"{name}_{axis}": pair[i] for name, pair in pairs.items() for i, axis in enumerate(("rows", "columns"))}
        return {
            "operator": self.operator,
            "images": self.images,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "groups": self.groups,
            **both,
        }


def geometry_of(op: Linear, read: tuple[int, ...], made: tuple[int, ...]) -> Geometry:
    """Of the shapes `[N, ...]` of the layer's input and result."""
    if isinstance(op, Dense):
        rows = int(np.prod(read[:-1]))
        one = (1, 1)
        return Geometry("dense", rows, op.in_features, one, op.out_features, one, 1, one, one, one, (0, 0))
    sides = op.padding if isinstance(op, Conv2d) else op.crop
    return Geometry(
        "convolution" if isinstance(op, Conv2d) else "transposed_convolution",
        read[0],
        op.in_channels,
        (read[2], read[3]),
        op.out_channels,
        (made[2], made[3]),
        op.groups,
        op.kernel,
        op.stride,
        op.dilation,
        (sides[0], sides[2]),
    )


def by_output_channel(op: Linear, weights: NDArray[Any]) -> NDArray[Any]:
    """Weights `[out_channels, in_channels / groups, rows, columns]`, whatever layout the operator keeps them in."""
    match op:
        case Dense():
            return weights.reshape(*weights.shape, 1, 1)
        case Conv2d():
            return weights
        case ConvTranspose2d():
            grouped = weights.reshape(op.groups, op.in_channels // op.groups, -1, *op.kernel).swapaxes(1, 2)
            return grouped.reshape(op.out_channels, op.in_channels // op.groups, *op.kernel)


def words_by_tap(ordered: NDArray[Any]) -> NDArray[Any]:
    """`[words, in_channels / groups]` of weights ordered by output channel: a word for each of its taps, in rows."""
    return np.moveaxis(ordered, 1, 3).reshape(-1, ordered.shape[1])
