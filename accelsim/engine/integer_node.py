"""One operator of a program on codes: a multiplying layer through its kernel, any other by its own constants."""

from typing import get_args

import numpy as np

from accelsim.engine.integer_ops import Finisher, Operand, run_integer_op
from accelsim.engine.linear_kernel import Array, LinearKernel, Overflows, affine_of, codes_of_sums
from accelsim.errors import AccelsimError
from accelsim.ir.constants import Constants, Slopes
from accelsim.ir.epilogue import WIDEST_TABLE, functions_of
from accelsim.ir.graph import Node
from accelsim.ir.ops import Clamp, Linear, Product, ReLU
from accelsim.ir.program import Encoding, LinearLayer, Program


def run_integer_node(
    program: Program, node: Node, reads: list[Array], kernel: LinearKernel, overflows: Overflows | None
) -> Array:
    """Stored codes of a node from those that it reads.

    Raises:
        AccelsimError: the program is not quantized, or an index lies outside its table.
    """
    out = program.encodings[node.name]
    format, _ = affine_of(out)
    constants = program.constants.get(node.name)
    if constants is None:
        raise AccelsimError("the program holds no integer weights or constants: quantize it before running it")
    finisher = Finisher(constants.finish, format.dtype, kernel.looked_up)
    if isinstance(node.op, get_args(Linear)):
        return _of_layer(program, node, reads[0], kernel, overflows, constants, finisher)
    zero_points = (affine_of(program.encodings[name])[1].zero_point for name in node.inputs)
    operands = list(map(Operand, reads, zero_points))
    if isinstance(node.op, get_args(Product)):
        return kernel.product(node.op, constants, finisher, *operands)
    return run_integer_op(node.op, constants, finisher, *operands)


def _of_layer(
    program: Program,
    node: Node,
    x: Array,
    kernel: LinearKernel,
    overflows: Overflows | None,
    constants: Constants,
    finisher: Finisher,
) -> Array:
    layer, source, op = program.linear[node.name], program.encodings[node.inputs[0]], node.op
    assert isinstance(op, Linear)
    if isinstance(constants.core, Slopes):
        dtype = finisher.dtype if constants.finish.activation is None else np.int64
        return finisher.activated(kernel.sloped(op, x, source, layer, constants.core, dtype, overflows))
    before = program.before.get(node.name)
    clamps = functions_of(node).clamps if before is None else ()
    landing = before or program.encodings[node.name]
    relu = any(isinstance(one, ReLU) for one in clamps)
    codes = _landed(kernel, op, x, source, layer, landing, relu, overflows)
    if any(isinstance(one, Clamp) for one in clamps):
        codes = np.clip(codes, constants.finish.landing.low, constants.finish.landing.high)
    return finisher.activated(codes)


def _landed(
    kernel: LinearKernel,
    op: Linear,
    x: Array,
    source: Encoding,
    layer: LinearLayer,
    out: Encoding,
    relu: bool,
    overflows: Overflows | None,
) -> Array:
    """Codes of a layer in `out`, which need not be how its result is stored; kernels make codes of 16 bits at most."""
    if out.format.bits <= WIDEST_TABLE:
        return kernel.codes(op, x, source, layer, out, relu, overflows)
    return codes_of_sums(op, kernel.sums(op, x, source, layer, overflows), layer, out, relu)
