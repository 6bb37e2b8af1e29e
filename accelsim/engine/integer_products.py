"""Products of two values on codes: exact sums of products, one factor."""

from dataclasses import asdict

import numpy as np

from accelsim.engine.integer_dispatch import Array, Finisher, Operand, run_integer_op
from accelsim.engine.integer_sums import finished_sums
from accelsim.engine.reference import accumulate
from accelsim.ir.constants import Constants
from accelsim.ir.ops import Conv2d, ConvTranspose2d, DynamicConv2d, DynamicConvTranspose2d, MatMul


@run_integer_op.register
def _(op: MatMul, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    first, second = operands
    return finished_sums(np.matmul(first.centred, second.centred), constants, finisher)


@run_integer_op.register(DynamicConv2d)
@run_integer_op.register(DynamicConvTranspose2d)
def _(
    op: DynamicConv2d | DynamicConvTranspose2d, constants: Constants, finisher: Finisher, *operands: Operand
) -> Array:
    """Every sample with its own weights, one after the other."""
    plain = (Conv2d if isinstance(op, DynamicConv2d) else ConvTranspose2d)(**asdict(op), bias=False)
    x, weights = operands[0].centred, operands[1].centred
    sums = [accumulate(plain, x[i : i + 1], weights[i]) for i in range(len(x))]
    return finished_sums(np.concatenate(sums) if sums else accumulate_nothing(plain, x, weights), constants, finisher)


def accumulate_nothing(op: Conv2d | ConvTranspose2d, x: Array, weights: Array) -> Array:
    """The empty result of an empty batch."""
    return accumulate(op, x, np.zeros(weights.shape[1:], np.int64))
