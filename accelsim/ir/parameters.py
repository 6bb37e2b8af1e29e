"""Which parameters an operator has, their shapes, and which of them are trained."""

from functools import singledispatch

from accelsim.ir.ops import (
    BatchNorm,
    ChannelAffine,
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Op,
    PReLU,
    Shape,
)

STATISTICS = ("mean", "var")
"""Roles that are measured, not trained: they do not count as trainable parameters."""


@singledispatch
def parameter_shapes(op: Op) -> dict[str, Shape]:
    """Role -> shape. Operators without parameters have none."""
    return {}


def _with_bias(weight: Shape, out: int, bias: bool) -> dict[str, Shape]:
    return {"weight": weight, "bias": (out,)} if bias else {"weight": weight}


@parameter_shapes.register
def _(op: Dense) -> dict[str, Shape]:
    return _with_bias((op.out_features, op.in_features), op.out_features, op.bias)


@parameter_shapes.register
def _(op: Conv2d) -> dict[str, Shape]:
    return _with_bias((op.out_channels, op.in_channels // op.groups, *op.kernel), op.out_channels, op.bias)


@parameter_shapes.register
def _(op: ConvTranspose2d) -> dict[str, Shape]:
    return _with_bias((op.in_channels, op.out_channels // op.groups, *op.kernel), op.out_channels, op.bias)


@parameter_shapes.register
def _(op: BatchNorm) -> dict[str, Shape]:
    return dict.fromkeys(("weight", "bias", *STATISTICS), (op.channels,))


@parameter_shapes.register
def _(op: ChannelAffine) -> dict[str, Shape]:
    return {"scale": (op.channels,), "shift": (op.channels,)}


@parameter_shapes.register(InstanceNorm)
@parameter_shapes.register(GroupNorm)
def _(op: InstanceNorm | GroupNorm) -> dict[str, Shape]:
    return {"weight": (op.channels,), "bias": (op.channels,)} if op.affine else {}


@parameter_shapes.register
def _(op: LayerNorm) -> dict[str, Shape]:
    return {"weight": op.shape, "bias": op.shape} if op.affine else {}


@parameter_shapes.register
def _(op: PReLU) -> dict[str, Shape]:
    return {"slope": (op.channels,)}


@parameter_shapes.register
def _(op: Embedding) -> dict[str, Shape]:
    return {"weight": (op.rows, op.features)}


@parameter_shapes.register
def _(op: Constant) -> dict[str, Shape]:
    return {"value": op.shape}
