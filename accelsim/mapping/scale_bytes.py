"""Bytes of the shared exponents that floating formats store beside their numbers."""

from math import prod

from accelsim.formats.block import BLOCK, BlockFormat, block_axis, block_count
from accelsim.formats.minifloat import MiniFloat
from accelsim.formats.number_format import NumberFormat
from accelsim.ir.ops import Dense, Linear, Shape

ASSUMPTION = (
    "MX blocks: the scale bytes of weights are stored and moved with them, those of activations (1 byte for 32 values) "
    "are stored but not moved"
)
"""What traffic, which is counted word by word, leaves out."""


def tensor_scale_bytes(shape: Shape, format: NumberFormat) -> int:
    """Of one stored sample of this shape: a byte for each block. The one scale of an fp8 tensor is a constant."""
    return block_count(shape, block_axis(len(shape))) if isinstance(format, BlockFormat) else 0


def weight_scale_bytes(op: Linear, format: NumberFormat) -> int:
    """Of a layer's weights: a byte for each block of input channels, or for each output channel."""
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    if isinstance(format, BlockFormat):
        summed = op.in_features if isinstance(op, Dense) else op.in_channels // op.groups
        taps = 1 if isinstance(op, Dense) else prod(op.kernel)
        return channels * taps * -(-summed // BLOCK)
    return channels if isinstance(format, MiniFloat) and format.scaled else 0
