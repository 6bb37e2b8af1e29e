"""From an operator of the layer IR to the loops that a machine runs, and its MACs by the three counts."""

from dataclasses import dataclass
from functools import lru_cache, singledispatch
from math import prod
from typing import get_args

from accelsim.ir.ops import (
    AdaptivePool,
    AveragePool,
    BatchNorm,
    ChannelAffine,
    Concat,
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dense,
    DynamicConv2d,
    DynamicConvTranspose2d,
    Embedding,
    GlobalAveragePool,
    GroupNorm,
    InstanceNorm,
    Interpolate,
    LayerNorm,
    Linear,
    MatMul,
    MaxPool,
    OneHot,
    Op,
    Product,
    Reduce,
    RMSNorm,
    ScaleShift,
    Shape,
    Softmax,
    View,
)
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.spaces import Space, TransposedForm, conv_space, transposed_space

Shapes = tuple[Shape, ...]


@dataclass(frozen=True)
class MacCounts:
    """Multiply-accumulates of one layer.

    zero_inserted: a dense engine over the zero-stuffed input. scatter: each input position times each tap, cropped taps
    counted. effectual: real input and surviving output only. Without transposed convolution the first two agree.
    """

    zero_inserted: int
    scatter: int
    effectual: int


_conv_space = lru_cache(maxsize=1024)(conv_space)
_transposed_space = lru_cache(maxsize=1024)(transposed_space)
"""Layers of a network repeat, and reports ask for each of them several times."""


@singledispatch
def layer_problem(op: Op, reads: Shapes, batch: int, form: TransposedForm) -> LayerProblem | None:
    """The loops of a multiplying operator that reads these sample shapes; None for one that does not multiply.

    `form` is how the machine runs a transposed convolution. Where the weights are a value of their own, the samples
    are groups: each has its own weights.
    """
    return None


@layer_problem.register
def _(op: Dense, reads: Shapes, batch: int, form: TransposedForm) -> LayerProblem:
    return LayerProblem(N=batch * prod(reads[0][:-1]), K=op.out_features, C=op.in_features)


@layer_problem.register
def _(op: MatMul, reads: Shapes, batch: int, form: TransposedForm) -> LayerProblem:
    """Along an axis that only the first value has the second one is reused, as weights over samples; along one that
    only the second has the first is, as an input over output channels; along one of both each has its own.
    """
    *leading, rows, inner = reads[0]
    pairs = list(zip(leading, reads[1], strict=False))
    return LayerProblem(
        N=prod(first for first, second in pairs if first != second and second == 1),
        G=batch * prod(first for first, second in pairs if first == second),
        K=op.columns * prod(second for first, second in pairs if first != second and first == 1),
        C=inner,
        h=_conv_space(rows, 1, 1, 1, (0, 0)),
    )


@layer_problem.register(Conv2d)
@layer_problem.register(DynamicConv2d)
def _(op: Conv2d | DynamicConv2d, reads: Shapes, batch: int, form: TransposedForm) -> LayerProblem:
    h, w = (
        _conv_space(
            reads[0][1 + i], op.kernel[i], op.stride[i], op.dilation[i], (op.padding[2 * i], op.padding[2 * i + 1])
        )
        for i in range(2)
    )
    return _convolution(op, batch, h, w)


@layer_problem.register(ConvTranspose2d)
@layer_problem.register(DynamicConvTranspose2d)
def _(op: ConvTranspose2d | DynamicConvTranspose2d, reads: Shapes, batch: int, form: TransposedForm) -> LayerProblem:
    h, w = (
        _transposed_space(
            reads[0][1 + i], op.kernel[i], op.stride[i], op.dilation[i], (op.crop[2 * i], op.crop[2 * i + 1]), form
        )
        for i in range(2)
    )
    return _convolution(op, batch, h, w)


def _convolution(
    op: Conv2d | DynamicConv2d | ConvTranspose2d | DynamicConvTranspose2d, batch: int, h: Space, w: Space
) -> LayerProblem:
    shared = isinstance(op, Conv2d | ConvTranspose2d)
    samples, groups = (batch, op.groups) if shared else (1, batch * op.groups)
    return LayerProblem(samples, groups, op.out_channels // op.groups, op.in_channels // op.groups, h, w)


def mac_counts(op: Op, reads: Shapes, batch: int = 1) -> MacCounts:
    """MACs of one operator on inputs of these sample shapes, for a batch; zeros where it does not multiply."""
    scatter = layer_problem(op, reads, batch, "scatter")
    if scatter is None:
        return MacCounts(0, 0, 0)
    inserted = layer_problem(op, reads, batch, "zero_insert")
    assert inserted is not None
    return MacCounts(inserted.macs, scatter.macs, scatter.macs_effectual)


def operations(op: Op, inputs: Shape, output: Shape) -> int:
    """Operations of one sample that are not MACs, by what each element costs.

    One per result element for elementwise functions; one per input element for sums and maxima over axes; a norm reads
    its input for the mean, again for the variance (2), and scales it (2).
    """
    if isinstance(op, (*get_args(Linear), *get_args(Product), *get_args(View), Constant, Concat, Embedding, OneHot)):
        return 0
    if isinstance(op, Reduce):
        return prod(inputs) * (3 if op.kind == "var" else 2 if op.kind == "norm" else 1)
    if isinstance(op, GlobalAveragePool | AdaptivePool):
        return prod(inputs)
    if isinstance(op, MaxPool | AveragePool):
        return prod(output) * prod(op.kernel)
    if isinstance(op, Interpolate):
        taps = 2 if op.kind == "linear" else 4
        return prod(output) * 2 * taps * len(op.size)
    return PER_ELEMENT.get(type(op), 1) * prod(output)


PER_ELEMENT: dict[type[Op], int] = {
    BatchNorm: 2,
    ChannelAffine: 2,
    ScaleShift: 2,
    Softmax: 3,
    RMSNorm: 3,
    InstanceNorm: 5,
    GroupNorm: 5,
    LayerNorm: 5,
}
"""Operations per element where they are not one."""


def passes(op: Op) -> int:
    """Times that an operator reads its input on the chip.

    A norm: for its statistics (sums and sums of squares) and to scale. Softmax: for the largest, the sum and the result
    (docs/arithmetic.md).
    """
    if isinstance(op, Softmax):
        return 3
    return 2 if isinstance(op, InstanceNorm | GroupNorm | LayerNorm | RMSNorm) else 1


def row_elements(op: Op, shape: Shape) -> int:
    """Values that those passes run over together: the row of a norm or a softmax; of others one."""
    match op:
        case InstanceNorm():
            return prod(shape[1:])
        case GroupNorm():
            return prod(shape) // op.groups
        case LayerNorm():
            return prod(op.shape)
        case RMSNorm():
            return prod(shape[axis] for axis in op.axes)
        case Softmax():
            return shape[op.axis]
        case _:
            return 1
