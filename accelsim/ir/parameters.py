"""Which parameters an operator has, their shapes, and which of them are trained."""

from functools import singledispatch

from accelsim.ir.ops import BatchNorm, ChannelAffine, Conv2d, ConvTranspose2d, Dense, Op, Shape

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
