"""Operators that move elements or fetch them from tables; those that are views run on codes as well."""

from collections.abc import Mapping

import numpy as np

from accelsim.engine.float_dispatch import Array, run_float_op
from accelsim.errors import AccelsimError
from accelsim.ir.ops import (
    Concat,
    Constant,
    EdgePad,
    Embedding,
    Expand,
    OneHot,
    Permute,
    Reshape,
    ResizeNearest,
    Slice,
    Take,
    ZeroPad,
)

_PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@run_float_op.register
def _(op: ZeroPad, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return pad(op, inputs[0], 0)


def pad(op: ZeroPad, x: Array, fill: int) -> Array:
    """`x` with `fill` around it: 0 for values, the zero point for codes."""
    return np.pad(x, ((0, 0), *zip(op.before, op.after, strict=True)), constant_values=fill)


@run_float_op.register
def _(op: EdgePad, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    sides = ((0, 0), *zip(op.before, op.after, strict=True))
    return np.asarray(np.pad(inputs[0], sides, mode=_PAD_MODES[op.mode]))  # type: ignore[call-overload]


@run_float_op.register
def _(op: ResizeNearest, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    for axis, (size, step) in enumerate(zip(op.size, op.step, strict=True), start=2):
        # in float32, as torch does it, so that the two round to the same element
        at = (np.arange(size, dtype=np.float32) + np.float32(op.offset)) * np.float32(step)
        x = x.take(np.minimum(np.floor(at).astype(np.int64), x.shape[axis] - 1), axis)
    return x


@run_float_op.register
def _(op: Slice, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    index = [slice(None)] * inputs[0].ndim
    index[op.axis + 1] = slice(op.start, op.stop, op.step)
    return inputs[0][tuple(index)]


@run_float_op.register
def _(op: Take, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0].take(op.index, op.axis + 1)


@run_float_op.register
def _(op: Expand, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.broadcast_to(inputs[0], (len(inputs[0]), *op.shape))


@run_float_op.register
def _(op: Reshape, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0].reshape(len(inputs[0]), *op.shape)


@run_float_op.register
def _(op: Permute, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0].transpose(0, *(a + 1 for a in op.axes))


@run_float_op.register
def _(op: Concat, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.concatenate(inputs, op.axis + 1)


@run_float_op.register
def _(op: Embedding, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return parameters["weight"][_indices(inputs[0], op.rows)]


@run_float_op.register
def _(op: OneHot, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(_indices(inputs[0], op.classes)[..., None] == np.arange(op.classes)).astype(inputs[0].dtype)


def _indices(x: Array, rows: int) -> Array:
    index = np.rint(x).astype(np.int64)
    if index.size and not 0 <= index.min() <= index.max() < rows:
        raise AccelsimError(f"an index of {index.min()} .. {index.max()} into a table of {rows} rows")
    return index


@run_float_op.register
def _(op: Constant, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.broadcast_to(parameters["value"], (len(inputs[0]), *op.shape))
