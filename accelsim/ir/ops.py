"""The operators of the layer IR.

Shapes never name the batch: a value `[N, C, H, W]` has sample shape `(C, H, W)`, and axes are counted in it, so axis 0
is the channel. Parameters (weights, statistics) live outside the graph under `<node.parameters>.<role>`.
"""

from dataclasses import dataclass, fields
from typing import Literal, get_args

from accelsim.ir import activations

ReLU = activations.ReLU
LeakyReLU = activations.LeakyReLU
ELU = activations.ELU
Tanh = activations.Tanh
Sigmoid = activations.Sigmoid
Softplus = activations.Softplus
GELU = activations.GELU
SiLU = activations.SiLU
Mish = activations.Mish
HardSigmoid = activations.HardSigmoid
HardSwish = activations.HardSwish
Clamp = activations.Clamp
ScaleShift = activations.ScaleShift
Power = activations.Power
Abs = activations.Abs
Exp = activations.Exp
Log = activations.Log
Sin = activations.Sin
Cos = activations.Cos
Sign = activations.Sign
Activation = activations.Activation

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
class MatMul:
    """`[..., m, k] @ [..., k, columns]`; leading axes of size 1 broadcast."""

    columns: int


@dataclass(frozen=True)
class DynamicConv2d:
    """A `Conv2d` without bias whose weights `[out_channels, in_channels / groups, kh, kw]` are its second input."""

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Sides
    groups: int


@dataclass(frozen=True)
class DynamicConvTranspose2d:
    """A `ConvTranspose2d` without bias whose weights `[in_channels, out_channels / groups, kh, kw]` are an input."""

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    crop: Sides
    groups: int


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
class InstanceNorm:
    """(x - mean) / sqrt(var + eps) over all axes but the channel; then weight and bias per channel if affine."""

    channels: int
    eps: float
    affine: bool


@dataclass(frozen=True)
class GroupNorm:
    """As `InstanceNorm` over each group of channels together."""

    channels: int
    groups: int
    eps: float
    affine: bool


@dataclass(frozen=True)
class LayerNorm:
    """(x - mean) / sqrt(var + eps) over the last axes, of sizes `shape`; then weight and bias of that shape."""

    shape: Shape
    eps: float
    affine: bool


@dataclass(frozen=True)
class RMSNorm:
    """X / sqrt(mean(x ** 2) + eps) over some axes, not centred: PixelNorm over the channel, RMSNorm over the last."""

    axes: Shape
    eps: float


@dataclass(frozen=True)
class PReLU:
    """X where x >= 0, else slope * x with a trained slope per channel; `channels` 1 means one slope for all."""

    channels: int


@dataclass(frozen=True)
class Add:
    """Sum."""


@dataclass(frozen=True)
class Sub:
    """Difference."""


@dataclass(frozen=True)
class Mul:
    """Product."""


@dataclass(frozen=True)
class Div:
    """Quotient."""


@dataclass(frozen=True)
class Pow:
    """First to the power of the second."""


@dataclass(frozen=True)
class Maximum:
    """The larger."""


@dataclass(frozen=True)
class Minimum:
    """The smaller."""


@dataclass(frozen=True)
class Reduce:
    """Over some axes, which stay with size 1 if `keepdim`. var is that of the population, norm the Euclidean one."""

    kind: Literal["mean", "sum", "var", "norm", "max", "min"]
    axes: Shape
    keepdim: bool


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean over all axes but the channel."""


@dataclass(frozen=True)
class MaxPool:
    """Largest of each window; padding never wins."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Sides


@dataclass(frozen=True)
class AveragePool:
    """Mean of each window; `count_padding` counts the padded zeros among its elements."""

    kernel: Pair
    stride: Pair
    padding: Sides
    count_padding: bool


@dataclass(frozen=True)
class AdaptivePool:
    """Mean or maximum of windows floor(i * n / size) .. ceil((i + 1) * n / size) of each spatial axis."""

    kind: Literal["mean", "max"]
    size: Shape


@dataclass(frozen=True)
class Softmax:
    """exp(x) / sum(exp(x)) along one axis."""

    axis: int


@dataclass(frozen=True)
class Interpolate:
    """Spatial axes resized to `size`, linear or cubic (a = -0.75) in each; `step` is the input step per output.

    Output i is at i * step with aligned corners, else at (i + 1/2) * step - 1/2.
    """

    kind: Literal["linear", "cubic"]
    size: Shape
    step: tuple[float, ...]
    align_corners: bool


@dataclass(frozen=True)
class Embedding:
    """Row of the table `weight` `[rows, features]` for each index; the features are a new last axis."""

    rows: int
    features: int


@dataclass(frozen=True)
class OneHot:
    """1 at the index and 0 elsewhere, along a new last axis of `classes`."""

    classes: int


@dataclass(frozen=True)
class Constant:
    """The stored tensor `value`, the same for each sample; the input only says how many samples there are."""

    shape: Shape


@dataclass(frozen=True)
class Concat:
    """The inputs one after the other along an axis."""

    axis: int


@dataclass(frozen=True)
class ZeroPad:
    """Zeros before and after each axis of the sample shape."""

    before: Shape
    after: Shape


@dataclass(frozen=True)
class EdgePad:
    """More elements before and after each axis: mirrored without the edge, the edge repeated, or wrapped around."""

    before: Shape
    after: Shape
    mode: Literal["reflect", "replicate", "circular"]


@dataclass(frozen=True)
class ResizeNearest:
    """Spatial axes resized to `size`: output i is input floor((i + offset) * step)."""

    size: Shape
    step: tuple[float, ...]
    offset: float


@dataclass(frozen=True)
class Slice:
    """`x[start:stop:step]` along one axis, 0 <= start < stop <= size."""

    axis: int
    start: int
    stop: int
    step: int


@dataclass(frozen=True)
class Take:
    """Output i is input `index[i]` along one axis: flips, rolls and other selections."""

    axis: int
    index: Shape


@dataclass(frozen=True)
class Expand:
    """Axes of size 1 repeated up to `shape`."""

    shape: Shape


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
Product = MatMul | DynamicConv2d | DynamicConvTranspose2d
"""Operators that multiply and accumulate two values."""
Norm = BatchNorm | ChannelAffine | InstanceNorm | GroupNorm | LayerNorm | RMSNorm
Binary = Add | Sub | Mul | Div | Pow | Maximum | Minimum
"""Functions of two values of one rank; axes of size 1 broadcast."""
Pool = GlobalAveragePool | MaxPool | AveragePool | AdaptivePool
View = Reshape | Permute | Slice | Take | Expand | ZeroPad | EdgePad | ResizeNearest
"""Operators that only compute addresses (a padded zero is the zero point): nothing is stored, exact in every format."""
Op = (
    Linear | Product | Norm | Activation | PReLU | Binary | Reduce | Pool | Softmax | Interpolate
    | Embedding | OneHot | Constant | Concat | View
)  # fmt: skip

OPERATORS: dict[str, type[Op]] = {op.__name__: op for op in get_args(Op)}


def describe(op: Op) -> str:
    """`Conv2d in_channels=3 ...`: name and fields, for text forms and messages."""
    shown = " ".join(f"{f.name}={_plain(getattr(op, f.name))}" for f in fields(op))
    return f"{type(op).__name__} {shown}".strip()


def _plain(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
