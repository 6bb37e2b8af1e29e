"""Operators that fetch stored codes: constants, rows of tables, one-hot vectors."""

from typing import get_args

import numpy as np

from accelsim.engine.float_ops import pad, run_float_op
from accelsim.engine.integer_dispatch import Array, Finisher, Integers, Operand, run_integer_op
from accelsim.engine.integer_elementwise import on_codes
from accelsim.errors import AccelsimError
from accelsim.formats.rescale import rescaled
from accelsim.ir.constants import Constants, Stored
from accelsim.ir.ops import Constant, Embedding, OneHot, Op, View, ZeroPad


def moved(op: Op, codes: Array, zero_point: int) -> Array:
    """Codes of a view; a padded zero is the zero point."""
    if isinstance(op, ZeroPad):
        return pad(op, codes, zero_point)
    result: Array = run_float_op(op, {}, codes)
    return result


def _moved_and_finished(op: Op, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    """A view that functions ride on."""
    (operand,) = operands
    codes = np.ascontiguousarray(moved(op, operand.codes, operand.zero_point))
    return on_codes(op, constants, finisher, Operand(codes, operand.zero_point))


for _kind in get_args(View):
    run_integer_op.register(_kind, _moved_and_finished)


def _stored(constants: Constants) -> Stored:
    assert isinstance(constants.core, Stored)
    return constants.core


@run_integer_op.register
def _(op: Constant, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    codes: Array = _stored(constants).codes.astype(finisher.dtype)
    return np.broadcast_to(codes, (len(operands[0].codes), *op.shape))


@run_integer_op.register
def _(op: Embedding, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core = _stored(constants)
    rows: Array = core.codes.astype(finisher.dtype).take(_indices(core, operands[0], op.rows), axis=0)
    return rows


@run_integer_op.register
def _(op: OneHot, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    core = _stored(constants)
    hit = _indices(core, operands[0], op.classes)[..., None] == np.arange(op.classes)
    vectors: Array = core.codes.astype(finisher.dtype).take(hit)
    return vectors


def _indices(core: Stored, operand: Operand, rows: int) -> Integers:
    index = np.asarray(rescaled(operand.centred, core.index, "rnd_conv")).astype(np.int64)
    if index.size and not 0 <= index.min() <= index.max() < rows:
        raise AccelsimError(f"an index of {index.min()} .. {index.max()} into a table of {rows} rows")
    return index
