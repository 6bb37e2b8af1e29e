"""The sample shape that an operator makes, or why it cannot."""

from functools import singledispatch
from math import prod

from accelsim.errors import GraphError
from accelsim.ir.ops import (
    Add,
    BatchNorm,
    ChannelAffine,
    Conv2d,
    ConvTranspose2d,
    Dense,
    GlobalAveragePool,
    Op,
    Permute,
    Reshape,
    Shape,
    Slice,
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


def _expect_image(op: Conv2d | ConvTranspose2d, inputs: tuple[Shape, ...]) -> None:
    _expect_positive(op, inputs, op.in_channels, op.out_channels, op.groups, *op.kernel, *op.stride, *op.dilation)
    fits = len(inputs) == 1 and len(inputs[0]) == 3 and inputs[0][0] == op.in_channels
    _expect(fits, op, inputs, f"takes one input [{op.in_channels}, H, W]")
    grouped = op.in_channels % op.groups == 0 and op.out_channels % op.groups == 0
    _expect(grouped, op, inputs, "channels must divide by groups")


@result_shape.register
def _(op: Conv2d, *inputs: Shape) -> Shape:
    _expect_image(op, inputs)
    _expect(min(op.padding) >= 0, op, inputs, "padding must be 0 or more")
    extent = [
        (size + op.padding[2 * i] + op.padding[2 * i + 1] - op.dilation[i] * (op.kernel[i] - 1) - 1) // op.stride[i] + 1
        for i, size in enumerate(inputs[0][1:])
    ]
    _expect(min(extent) >= 1, op, inputs, "the kernel is larger than the padded image")
    return (op.out_channels, *extent)


@result_shape.register
def _(op: ConvTranspose2d, *inputs: Shape) -> Shape:
    _expect_image(op, inputs)
    extent = [
        (size - 1) * op.stride[i] + op.dilation[i] * (op.kernel[i] - 1) + 1 - op.crop[2 * i] - op.crop[2 * i + 1]
        for i, size in enumerate(inputs[0][1:])
    ]
    _expect(min(extent) >= 1, op, inputs, "the crop leaves nothing")
    return (op.out_channels, *extent)


@result_shape.register(BatchNorm)
@result_shape.register(ChannelAffine)
def _(op: BatchNorm | ChannelAffine, *inputs: Shape) -> Shape:
    fits = len(inputs) == 1 and len(inputs[0]) >= 1 and inputs[0][0] == op.channels
    _expect(fits, op, inputs, f"takes one input with {op.channels} channels")
    return inputs[0]


@result_shape.register
def _(op: Add, *inputs: Shape) -> Shape:
    _expect(len(inputs) == 2 and inputs[0] == inputs[1], op, inputs, "takes two inputs of one shape")
    return inputs[0]


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
