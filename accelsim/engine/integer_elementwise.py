"""Functions of one and of two values, element by element, on codes."""

from functools import partial, reduce
from typing import get_args

import numpy as np

from accelsim.engine.integer_dispatch import (
    Array,
    Finisher,
    Integers,
    Operand,
    of_each_code,
    run_integer_op,
    sloped,
)
from accelsim.formats.lookup import Lookup
from accelsim.formats.rescale import rescaled
from accelsim.formats.rounding import shift_right
from accelsim.ir.constants import Affine, Constants, Joined, Scaled, Slopes, Terms
from accelsim.ir.ops import (
    Activation,
    Add,
    BatchNorm,
    ChannelAffine,
    Concat,
    Div,
    Maximum,
    Minimum,
    Mul,
    Op,
    PReLU,
    Sub,
)

QUOTIENT_OF_ZERO = 1 << 20
"""Output codes that x / 0 counts as, with the sign of x: past every format."""


def on_codes(op: Op, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    """Two slopes, a factor and an offset, or a table of all codes."""
    (operand,), core, table = operands, constants.core, constants.finish.activation
    if isinstance(core, Slopes):
        function = partial(_sloped, core, finisher)
        return of_each_code(operand, function) if core.negative.multiplier.size == 1 else function(operand.centred)
    if isinstance(core, Affine):
        return _affine(op, constants, finisher, operand)
    assert isinstance(table, Lookup)
    return finisher.looked_up(operand.codes, table)


def _sloped(slopes: Slopes, finisher: Finisher, codes: Integers) -> Array:
    return finisher.activated(sloped(codes, slopes))


for _kind in (*get_args(Activation), PReLU):
    run_integer_op.register(_kind, on_codes)


@run_integer_op.register(ChannelAffine)
@run_integer_op.register(BatchNorm)
def _affine(op: Op, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core, operand = constants.core, operands[0]
    assert isinstance(core, Affine)

    def result(codes: Integers) -> Array:
        return finisher(shift_right(codes * core.multiplier + core.offset, core.shift, finisher.rounding))

    return of_each_code(operand, result) if core.multiplier.size == 1 else result(operand.centred)


def _terms(core: Terms, *operands: Operand) -> list[Integers]:
    multipliers = core.multipliers.tolist()
    return [
        of_each_code(operand, lambda codes, m=m: codes * m)  # type: ignore[misc]
        for operand, m in zip(operands, multipliers, strict=True)
    ]


@run_integer_op.register(Add)
@run_integer_op.register(Sub)
@run_integer_op.register(Maximum)
@run_integer_op.register(Minimum)
def _(op: Op, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core = constants.core
    assert isinstance(core, Terms)
    join = np.maximum if isinstance(op, Maximum) else np.minimum if isinstance(op, Minimum) else np.add
    return finisher(shift_right(reduce(join, _terms(core, *operands)), core.shift, finisher.rounding))


@run_integer_op.register
def _(op: Mul, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core, (first, second) = constants.core, operands
    assert isinstance(core, Scaled)
    return finisher(rescaled(first.centred * second.centred, core.factors, finisher.rounding))


@run_integer_op.register
def _(op: Div, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core, (first, second) = constants.core, operands
    assert isinstance(core, Scaled)
    right, left = np.maximum(core.factors.shift, 0), np.maximum(-core.factors.shift, 0)
    numerator, denominator = (first.centred * core.factors.multiplier) << left, second.centred
    quotient = shift_right(numerator // np.where(denominator == 0, 1, denominator), right, finisher.rounding)
    return finisher(np.where(denominator == 0, np.sign(numerator) * QUOTIENT_OF_ZERO, quotient))


@run_integer_op.register
def _(op: Concat, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core, landing = constants.core, constants.finish.landing
    assert isinstance(core, Joined)
    parts = [
        np.clip(operand.codes, landing.low, landing.high).astype(finisher.dtype)
        if factors is None
        else of_each_code(operand, lambda codes, f=factors: finisher(rescaled(codes, f, finisher.rounding)))  # type: ignore[misc]
        for operand, factors in zip(operands, core.factors, strict=True)
    ]
    return np.concatenate(parts, op.axis + 1)
