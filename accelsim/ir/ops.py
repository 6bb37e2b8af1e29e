"""The operators of the layer IR.

Shapes never name the batch: a value `[N, C, H, W]` has sample shape `(C, H, W)`, and axes are counted in it, so axis 0
is the channel. Parameters (weights, statistics) live outside the graph under `<node.parameters>.<role>`.
"""

from dataclasses import dataclass, fields
from typing import get_args

Shape = tuple[int, ...]
Pair = tuple[int, int]
Sides = tuple[int, int, int, int]
"""Rows before, rows after, columns before, columns after."""


@dataclass(frozen=True)
class Dense:
    """y = W x + b over the last axis. Weight `[out_features, in_features]`."""

    in_features: int
    out_features: int
    bias: bool


@dataclass(frozen=True)
class Conv2d:
    """Cross-correlation with zero padding. Weight `[out_channels, in_channels / groups, kh, kw]`."""

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Sides
    groups: int
    bias: bool


@dataclass(frozen=True)
class ConvTranspose2d:
    """Transposed convolution, then a crop of the full result on four sides.

    The full result has (n - 1) * stride + dilation * (k - 1) + 1 rows; a negative crop adds rows that hold the bias.
    Weight `[in_channels, out_channels / groups, kh, kw]`.
    """

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    crop: Sides
    groups: int
    bias: bool


@dataclass(frozen=True)
class BatchNorm:
    """(x - mean) / sqrt(var + eps) * weight + bias with stored statistics, per channel."""

    channels: int
    eps: float


@dataclass(frozen=True)
class ChannelAffine:
    """x * scale + shift per channel: what is left of a batch norm that nothing can absorb."""

    channels: int


@dataclass(frozen=True)
class ReLU:
    """max(x, 0)."""


@dataclass(frozen=True)
class LeakyReLU:
    """X where x >= 0, else slope * x."""

    slope: float


@dataclass(frozen=True)
class Tanh:
    """Hyperbolic tangent."""


@dataclass(frozen=True)
class Sigmoid:
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True)
class Add:
    """Sum of two values of one shape."""


@dataclass(frozen=True)
class ZeroPad:
    """Zeros before and after each axis of the sample shape."""

    before: Shape
    after: Shape


@dataclass(frozen=True)
class Slice:
    """`x[start:stop:step]` along one axis, 0 <= start < stop <= size."""

    axis: int
    start: int
    stop: int
    step: int


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean over all axes but the channel."""


@dataclass(frozen=True)
class Reshape:
    """The same elements in row-major order under a new sample shape; flattening too."""

    shape: Shape


@dataclass(frozen=True)
class Permute:
    """Output axis i is input axis `axes[i]`, within the sample shape."""

    axes: Shape


Linear = Dense | Conv2d | ConvTranspose2d
"""Operators that multiply and accumulate with weights."""
Activation = ReLU | LeakyReLU | Tanh | Sigmoid
"""Elementwise functions of one value, which can ride on the operator before them."""
View = Reshape | Permute | Slice | ZeroPad
"""Operators that only move codes (a padded zero is the zero point): exact in every format."""
Op = Linear | BatchNorm | ChannelAffine | Activation | Add | GlobalAveragePool | View

OPERATORS: dict[str, type[Op]] = {op.__name__: op for op in get_args(Op)}


def describe(op: Op) -> str:
    """`Conv2d in_channels=3 ...`: name and fields, for text forms and messages."""
    shown = " ".join(f"{f.name}={_plain(getattr(op, f.name))}" for f in fields(op))
    return f"{type(op).__name__} {shown}".strip()


def _plain(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
