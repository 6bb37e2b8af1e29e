"""From an operator of the layer IR to the loops that a machine runs, and its MACs by the three counts."""

from dataclasses import dataclass
from functools import singledispatch
from math import prod

from accelsim.ir.ops import (
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
)
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.spaces import TransposedForm, conv_space, transposed_space


@dataclass(frozen=True)
class MacCounts:
    """Multiply-accumulates of one layer.

    zero_inserted: a dense engine over the zero-stuffed input. scatter: each input position times each tap, cropped taps
    counted. effectual: real input and surviving output only. Without transposed convolution the first two agree.
    """

    zero_inserted: int
    scatter: int
    effectual: int


@singledispatch
def layer_problem(op: Op, inputs: Shape, batch: int, form: TransposedForm) -> LayerProblem | None:
    """The loops of a multiplying operator on sample shape `inputs`; None for an operator that does not multiply.

    `form` is how the machine runs a transposed convolution.
    """
    return None


@layer_problem.register
def _(op: Dense, inputs: Shape, batch: int, form: TransposedForm) -> LayerProblem:
    return LayerProblem(N=batch * prod(inputs[:-1]), K=op.out_features, C=op.in_features)


@layer_problem.register
def _(op: Conv2d, inputs: Shape, batch: int, form: TransposedForm) -> LayerProblem:
    h, w = (
        conv_space(
            inputs[1 + i], op.kernel[i], op.stride[i], op.dilation[i], (op.padding[2 * i], op.padding[2 * i + 1])
        )
        for i in range(2)
    )
    return LayerProblem(batch, op.groups, op.out_channels // op.groups, op.in_channels // op.groups, h, w)


@layer_problem.register
def _(op: ConvTranspose2d, inputs: Shape, batch: int, form: TransposedForm) -> LayerProblem:
    h, w = (
        transposed_space(
            inputs[1 + i], op.kernel[i], op.stride[i], op.dilation[i], (op.crop[2 * i], op.crop[2 * i + 1]), form
        )
        for i in range(2)
    )
    return LayerProblem(batch, op.groups, op.out_channels // op.groups, op.in_channels // op.groups, h, w)


def mac_counts(op: Op, inputs: Shape, batch: int = 1) -> MacCounts:
    """MACs of one operator for a batch; zeros where it does not multiply."""
    scatter = layer_problem(op, inputs, batch, "scatter")
    if scatter is None:
        return MacCounts(0, 0, 0)
    inserted = layer_problem(op, inputs, batch, "zero_insert")
    assert inserted is not None
    return MacCounts(inserted.macs, scatter.macs, scatter.macs_effectual)


@singledispatch
def operations(op: Op, inputs: Shape, output: Shape) -> int:
    """Operations of one sample that are not MACs: one per result element for an elementwise operator."""
    return prod(output)


@operations.register(Dense)
@operations.register(Conv2d)
@operations.register(ConvTranspose2d)
@operations.register(Reshape)
@operations.register(Permute)
@operations.register(Slice)
@operations.register(ZeroPad)
def _(op: Op, inputs: Shape, output: Shape) -> int:
    return 0


@operations.register
def _(op: ChannelAffine, inputs: Shape, output: Shape) -> int:
    return 2 * prod(output)


@operations.register
def _(op: BatchNorm, inputs: Shape, output: Shape) -> int:
    return 2 * prod(output)


@operations.register
def _(op: GlobalAveragePool, inputs: Shape, output: Shape) -> int:
    return prod(inputs)
