"""Bytes of the constants that an operator needs at run time, from formats and shapes alone.

A multiplying layer's bias and requantization are not among them: `mapping.tasks` counts those with its weights.
"""

from functools import singledispatch
from math import prod

from accelsim.formats.rescale import RESCALE_BYTES
from accelsim.ir.epilogue import functions_of, is_function, lands_before, lookup_bytes
from accelsim.ir.graph import Node
from accelsim.ir.ops import (
    Add,
    BatchNorm,
    ChannelAffine,
    Concat,
    Constant,
    Dense,
    Embedding,
    GroupNorm,
    InstanceNorm,
    Interpolate,
    LayerNorm,
    Linear,
    Maximum,
    Minimum,
    Op,
    PReLU,
    RMSNorm,
    Softmax,
    Sub,
)
from accelsim.ir.program import Program, keeps_codes

OFFSET_BYTES = 6
"""Of an offset or a bias: 48 bits."""
EPS_BYTES = 8
POWER_BYTES = 4
WEIGHT_BYTES = 2


def operator_constant_bytes(program: Program, node: Node) -> int:
    """Bytes of a node's tables, factors and offsets; 0 in floating formats, and where codes are kept as they are."""
    if program.precision.is_float or keeps_codes(node):
        return 0
    bits = program.encodings[node.name].format.bits
    input_bits = program.encodings[node.inputs[0]].format.bits
    functions = functions_of(node)
    table = lookup_bytes(node, input_bits, bits)
    if isinstance(node.op, Linear):
        slopes = bool(functions.functions) and not functions.tabulated
        return table + (RESCALE_BYTES * _scales(program, node.op, node) if slopes else 0)
    if is_function(node):
        return table or RESCALE_BYTES + (OFFSET_BYTES if functions.affine else RESCALE_BYTES)
    slopes_behind = 2 * RESCALE_BYTES if lands_before(node) and not functions.tabulated else 0
    return table + slopes_behind + _core_bytes(node.op, node, program)


def _scales(program: Program, op: Linear, node: Node) -> int:
    """Scales of a layer's weights: one for each output channel, or one."""
    if getattr(program.linear[node.name].weights, "granularity", "tensor") == "tensor":
        return 1
    return op.out_features if isinstance(op, Dense) else op.out_channels


@singledispatch
def _core_bytes(op: Op, node: Node, program: Program) -> int:
    """One factor."""
    return RESCALE_BYTES


@_core_bytes.register
def _(op: PReLU, node: Node, program: Program) -> int:
    return RESCALE_BYTES * (1 + op.channels)


@_core_bytes.register(ChannelAffine)
@_core_bytes.register(BatchNorm)
def _(op: ChannelAffine | BatchNorm, node: Node, program: Program) -> int:
    return (RESCALE_BYTES + OFFSET_BYTES) * op.channels


@_core_bytes.register(Add)
@_core_bytes.register(Sub)
@_core_bytes.register(Maximum)
@_core_bytes.register(Minimum)
@_core_bytes.register(Concat)
def _(op: Op, node: Node, program: Program) -> int:
    return RESCALE_BYTES * len(node.inputs)


@_core_bytes.register(InstanceNorm)
@_core_bytes.register(GroupNorm)
@_core_bytes.register(LayerNorm)
def _(op: InstanceNorm | GroupNorm | LayerNorm, node: Node, program: Program) -> int:
    gains = 1 if not op.affine else prod(op.shape) if isinstance(op, LayerNorm) else op.channels
    return EPS_BYTES + (RESCALE_BYTES + OFFSET_BYTES) * gains


@_core_bytes.register
def _(op: RMSNorm, node: Node, program: Program) -> int:
    return EPS_BYTES + RESCALE_BYTES + OFFSET_BYTES


@_core_bytes.register
def _(op: Softmax, node: Node, program: Program) -> int:
    return (POWER_BYTES << program.encodings[node.inputs[0]].format.bits) + RESCALE_BYTES


@_core_bytes.register
def _(op: Interpolate, node: Node, program: Program) -> int:
    return WEIGHT_BYTES * (2 if op.kind == "linear" else 4) * sum(op.size) + RESCALE_BYTES


@_core_bytes.register(Constant)
@_core_bytes.register(Embedding)
def _(op: Constant | Embedding, node: Node, program: Program) -> int:
    codes = prod(op.shape) if isinstance(op, Constant) else op.rows * op.features
    return -(-codes * program.encodings[node.name].format.bits // 8)
