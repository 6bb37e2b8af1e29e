"""The sample shape that an operator makes, or why it cannot."""

from functools import singledispatch
from math import prod

from accelsim.errors import GraphError
from accelsim.ir.ops import (
    AdaptivePool,
    Add,
    AveragePool,
    BatchNorm,
    Binary,
    ChannelAffine,
    Concat,
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Div,
    DynamicConv2d,
    DynamicConvTranspose2d,
    EdgePad,
    Embedding,
    Expand,
    GlobalAveragePool,
    GroupNorm,
    InstanceNorm,
    Interpolate,
    LayerNorm,
    MatMul,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    OneHot,
    Op,
    Pair,
    Permute,
    Pow,
    PReLU,
    Reduce,
    Reshape,
    ResizeNearest,
    RMSNorm,
    Shape,
    Sides,
    Slice,
    Softmax,
    Sub,
    Take,
    ZeroPad,
    describe,
)


@singledispatch
def result_shape(op: Op, *inputs: Shape) -> Shape:
    """Sample shape of the result; elementwise operators keep that of their one input.

    Raises:
        GraphError: the inputs do not suit the operator.
    """
    _expect(len(inputs) == 1, op, inputs, "takes one input")
    return inputs[0]


def _expect(holds: bool, op: Op, inputs: tuple[Shape, ...], what: str) -> None:
    if not holds:
        got = " and ".join(str(list(shape)) for shape in inputs) or "nothing"
        raise GraphError(f"{describe(op)}: {what}; got sample shape {got}")


def _expect_positive(op: Op, inputs: tuple[Shape, ...], *numbers: int) -> None:
    _expect(min(numbers) >= 1, op, inputs, "sizes, strides, dilations and groups must be 1 or more")


@result_shape.register
def _(op: Dense, *inputs: Shape) -> Shape:
    _expect_positive(op, inputs, op.in_features, op.out_features)
    fits = len(inputs) == 1 and len(inputs[0]) >= 1 and inputs[0][-1] == op.in_features
    _expect(fits, op, inputs, f"takes one input with {op.in_features} features last")
    return (*inputs[0][:-1], op.out_features)


def _expect_image(
    op: Conv2d | ConvTranspose2d | DynamicConv2d | DynamicConvTranspose2d, inputs: tuple[Shape, ...]
) -> None:
    _expect_positive(op, inputs, op.in_channels, op.out_channels, op.groups, *op.kernel, *op.stride, *op.dilation)
    fits = len(inputs) >= 1 and len(inputs[0]) == 3 and inputs[0][0] == op.in_channels
    _expect(fits, op, inputs, f"takes one input [{op.in_channels}, H, W]")
    grouped = op.in_channels % op.groups == 0 and op.out_channels % op.groups == 0
    _expect(grouped, op, inputs, "channels must divide by groups")


def window_count(size: int, kernel: int, stride: int, dilation: int, pads: Pair) -> int:
    """Positions of a window over one padded axis; below 1 when it does not fit."""
    return (size + pads[0] + pads[1] - dilation * (kernel - 1) - 1) // stride + 1


def _window_counts(size: Shape, kernel: Pair, stride: Pair, dilation: Pair, padding: Sides) -> Pair:
    first, second = (
        window_count(size[i], kernel[i], stride[i], dilation[i], (padding[2 * i], padding[2 * i + 1])) for i in range(2)
    )
    return first, second


@result_shape.register(Conv2d)
@result_shape.register(DynamicConv2d)
def _(op: Conv2d | DynamicConv2d, *inputs: Shape) -> Shape:
    _expect_image(op, inputs)
    weights = (op.out_channels, op.in_channels // op.groups, *op.kernel)
    _expect_weights(op, inputs, weights)
    _expect(min(op.padding) >= 0, op, inputs, "padding must be 0 or more")
    extent = _window_counts(inputs[0][1:], op.kernel, op.stride, op.dilation, op.padding)
    _expect(min(extent) >= 1, op, inputs, "the kernel is larger than the padded image")
    return (op.out_channels, *extent)


@result_shape.register(ConvTranspose2d)
@result_shape.register(DynamicConvTranspose2d)
def _(op: ConvTranspose2d | DynamicConvTranspose2d, *inputs: Shape) -> Shape:
    _expect_image(op, inputs)
    _expect_weights(op, inputs, (op.in_channels, op.out_channels // op.groups, *op.kernel))
    extent = [
        (size - 1) * op.stride[i] + op.dilation[i] * (op.kernel[i] - 1) + 1 - op.crop[2 * i] - op.crop[2 * i + 1]
        for i, size in enumerate(inputs[0][1:])
    ]
    _expect(min(extent) >= 1, op, inputs, "the crop leaves nothing")
    return (op.out_channels, *extent)


def _expect_weights(op: Op, inputs: tuple[Shape, ...], weights: Shape) -> None:
    if isinstance(op, DynamicConv2d | DynamicConvTranspose2d):
        _expect(inputs[1:] == (weights,), op, inputs, f"takes weights {list(weights)} as its second input")
    else:
        _expect(len(inputs) == 1, op, inputs, f"takes one input [{op.in_channels}, H, W]")  # type: ignore[union-attr]


@result_shape.register
def _(op: MatMul, *inputs: Shape) -> Shape:
    fits = len(inputs) == 2 and len(inputs[0]) == len(inputs[1]) >= 2
    fits = fits and inputs[0][-1] == inputs[1][-2] and inputs[1][-1] == op.columns
    _expect(fits, op, inputs, f"takes two inputs [..., m, k] and [..., k, {op.columns}]")
    return (*_broadcast(op, inputs, inputs[0][:-2], inputs[1][:-2]), inputs[0][-2], op.columns)


def _broadcast(op: Op, inputs: tuple[Shape, ...], first: Shape, second: Shape) -> Shape:
    fits = all(a == b or 1 in (a, b) for a, b in zip(first, second, strict=True))
    _expect(fits, op, inputs, "axes must be equal or 1")
    return tuple(max(a, b) for a, b in zip(first, second, strict=True))


@result_shape.register(BatchNorm)
@result_shape.register(ChannelAffine)
@result_shape.register(InstanceNorm)
@result_shape.register(GroupNorm)
@result_shape.register(PReLU)
def _(op: BatchNorm | ChannelAffine | InstanceNorm | GroupNorm | PReLU, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and len(inputs[0]) >= 1
    fits = fits and (inputs[0][0] == op.channels or (isinstance(op, PReLU) and op.channels == 1))
    _expect(fits, op, inputs, f"takes one input with {op.channels} channels")
    if isinstance(op, GroupNorm):
        _expect(op.groups >= 1 and op.channels % op.groups == 0, op, inputs, "channels must divide by groups")
    return inputs[0]


@result_shape.register
def _(op: LayerNorm, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and len(op.shape) >= 1 and inputs[0][-len(op.shape) :] == op.shape
    _expect(fits, op, inputs, f"takes one input whose last axes are {list(op.shape)}")
    return inputs[0]


@result_shape.register
def _(op: RMSNorm, *inputs: Shape) -> Shape:
    _expect_axes(op, inputs, op.axes)
    return inputs[0]


def _expect_axes(op: Op, inputs: tuple[Shape, ...], axes: Shape) -> None:
    fits = len(inputs) == 1 and len(set(axes)) == len(axes) >= 1
    _expect(fits and all(0 <= a < len(inputs[0]) for a in axes), op, inputs, "names axes that the input has, each once")


@result_shape.register(Add)
@result_shape.register(Sub)
@result_shape.register(Mul)
@result_shape.register(Div)
@result_shape.register(Pow)
@result_shape.register(Maximum)
@result_shape.register(Minimum)
def _(op: Binary, *inputs: Shape) -> Shape:
    fits = len(inputs) == 2 and len(inputs[0]) == len(inputs[1])
    _expect(fits, op, inputs, "takes two inputs of one rank")
    return _broadcast(op, inputs, *inputs)


@result_shape.register
def _(op: Reduce, *inputs: Shape) -> Shape:
    _expect_axes(op, inputs, op.axes)
    kept = (1 if a in op.axes else n for a, n in enumerate(inputs[0]))
    return tuple(kept) if op.keepdim else tuple(n for a, n in enumerate(inputs[0]) if a not in op.axes)


@result_shape.register
def _(op: Softmax, *inputs: Shape) -> Shape:
    _expect_axes(op, inputs, (op.axis,))
    return inputs[0]


@result_shape.register
def _(op: MaxPool, *inputs: Shape) -> Shape:
    return _pooled(op, inputs, op.kernel, op.stride, op.dilation, op.padding)


@result_shape.register
def _(op: AveragePool, *inputs: Shape) -> Shape:
    return _pooled(op, inputs, op.kernel, op.stride, (1, 1), op.padding)


def _pooled(
    op: Op, inputs: tuple[Shape, ...], kernel: Pair, stride: Pair, dilation: Pair, padding: Sides
) -> tuple[int, int, int]:
    _expect_positive(op, inputs, *kernel, *stride, *dilation)
    _expect(len(inputs) == 1 and len(inputs[0]) == 3, op, inputs, "takes one input [C, H, W]")
    extent = _window_counts(inputs[0][1:], kernel, stride, dilation, padding)
    fits = min(padding) >= 0 and all(padding[2 * i] < dilation[i] * (kernel[i] - 1) + 1 for i in range(2))
    _expect(fits, op, inputs, "padding must be smaller than the window")
    _expect(min(extent) >= 1, op, inputs, "the window is larger than the padded image")
    return (inputs[0][0], *extent)


@result_shape.register(AdaptivePool)
@result_shape.register(Interpolate)
@result_shape.register(ResizeNearest)
def _(op: AdaptivePool | Interpolate | ResizeNearest, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and len(inputs[0]) == len(op.size) + 1
    _expect(fits, op, inputs, f"takes one input with a channel and {len(op.size)} spatial axes")
    steps = () if isinstance(op, AdaptivePool) else op.step
    fits = min(op.size, default=0) >= 1 and (isinstance(op, AdaptivePool) or len(steps) == len(op.size))
    _expect(fits and min(steps, default=0.0) >= 0, op, inputs, "sizes must be 1 or more, each with a step of 0 or more")
    return (inputs[0][0], *op.size)


@result_shape.register
def _(op: Embedding, *inputs: Shape) -> Shape:
    _expect_positive(op, inputs, op.rows, op.features)
    _expect(len(inputs) == 1, op, inputs, "takes one input")
    return (*inputs[0], op.features)


@result_shape.register
def _(op: OneHot, *inputs: Shape) -> Shape:
    _expect_positive(op, inputs, op.classes)
    _expect(len(inputs) == 1, op, inputs, "takes one input")
    return (*inputs[0], op.classes)


@result_shape.register
def _(op: Constant, *inputs: Shape) -> Shape:
    _expect(len(inputs) == 1, op, inputs, "takes one input, for the batch")
    _expect_positive(op, inputs, 1, *op.shape)
    return op.shape


@result_shape.register
def _(op: Concat, *inputs: Shape) -> Shape:
    fits = len(inputs) >= 1 and len({len(s) for s in inputs}) == 1 and 0 <= op.axis < len(inputs[0])
    rest = {(*s[: op.axis], *s[op.axis + 1 :]) for s in inputs}
    _expect(fits and len(rest) == 1, op, inputs, f"inputs must agree in all axes but {op.axis}")
    return tuple(sum(s[a] for s in inputs) if a == op.axis else n for a, n in enumerate(inputs[0]))


@result_shape.register
def _(op: EdgePad, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and len(inputs[0]) == len(op.before) == len(op.after)
    _expect(fits and min(op.before + op.after) >= 0, op, inputs, "takes one input, and pads every axis by 0 or more")
    margin = {"reflect": -1, "circular": 0}
    if op.mode in margin:
        inside = all(max(p) <= n + margin[op.mode] for *p, n in zip(op.before, op.after, inputs[0], strict=True))
        _expect(inside, op, inputs, "pads must be smaller than their axis")
    return tuple(b + n + a for b, n, a in zip(op.before, inputs[0], op.after, strict=True))


@result_shape.register
def _(op: Take, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and 0 <= op.axis < len(inputs[0]) and len(op.index) >= 1
    fits = fits and min(op.index) >= 0 and max(op.index) < inputs[0][op.axis]
    _expect(fits, op, inputs, "every index must lie inside the axis")
    return tuple(len(op.index) if a == op.axis else n for a, n in enumerate(inputs[0]))


@result_shape.register
def _(op: Expand, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and len(inputs[0]) == len(op.shape)
    fits = fits and all(n in (1, wanted) and wanted >= 1 for n, wanted in zip(inputs[0], op.shape, strict=True))
    _expect(fits, op, inputs, "repeats axes of size 1 only")
    return op.shape


@result_shape.register
def _(op: ZeroPad, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and len(inputs[0]) == len(op.before) == len(op.after)
    _expect(fits and min(op.before + op.after) >= 0, op, inputs, "takes one input, and pads every axis by 0 or more")
    return tuple(b + n + a for b, n, a in zip(op.before, inputs[0], op.after, strict=True))


@result_shape.register
def _(op: Slice, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and 0 <= op.axis < len(inputs[0])
    fits = fits and 0 <= op.start < op.stop <= inputs[0][op.axis] and op.step >= 1
    _expect(fits, op, inputs, "the slice must lie inside its axis")
    kept = len(range(op.start, op.stop, op.step))
    return tuple(kept if a == op.axis else n for a, n in enumerate(inputs[0]))


@result_shape.register
def _(op: GlobalAveragePool, *inputs: Shape) -> Shape:
    _expect(len(inputs) == 1 and len(inputs[0]) >= 2, op, inputs, "takes one input [C, ...]")
    return inputs[0][:1]


@result_shape.register
def _(op: Reshape, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and prod(op.shape) == prod(inputs[0]) and min(op.shape, default=1) >= 1
    _expect(fits, op, inputs, f"must keep the {prod(op.shape)} elements")
    return op.shape


@result_shape.register
def _(op: Permute, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and sorted(op.axes) == list(range(len(inputs[0])))
    _expect(fits, op, inputs, "must name each axis once")
    return tuple(inputs[0][a] for a in op.axes)
