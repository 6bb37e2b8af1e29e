"""All operators of a program, one after the other, on one batch: what one thread does on its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.activity import ActivityCounter
from accelsim.engine.crossbar_kernel import CrossbarKernel
from accelsim.engine.float_kernel import FloatRunner
from accelsim.engine.float_ops import run_float_op
from accelsim.engine.integer_moves import moved
from accelsim.engine.integer_node import run_integer_node
from accelsim.engine.linear_kernel import LinearKernel, Overflows, affine_of
from accelsim.formats.quantize import dequantize, quantize
from accelsim.ir.graph import Node
from accelsim.ir.ops import Op, ReLU, View
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Program, arithmetic, is_view, keeps_codes

Array = NDArray[Any]
Collect = Callable[[Array], Array]


@dataclass(frozen=True)
class Chain:
    """A program with the kernels that run it. Several threads may call it at a time where its kernel allows that.

    collects: the values that are wanted, by name, and what is made of each.
    """

    program: Program
    kernel: LinearKernel
    floats: FloatRunner | None
    collects: Mapping[str, Collect]
    dead: Mapping[str, list[str]]

    def __call__(
        self, inputs: Mapping[str, Array], first: int, activity: ActivityCounter | None = None
    ) -> dict[str, Array]:
        """The wanted values `[N, ...]` of inputs `[N, ...]`, floats or codes, that begin with image `first`."""
        program, floats = self.program, self.floats
        values: dict[str, Array] = {}
        for name, x in inputs.items():
            if floats is not None:
                values[name] = floats.stored(name, x)
                continue
            format, scaling = affine_of(program.encodings[name])
            values[name] = quantize(x, format, scaling).astype(format.dtype)
            if activity is not None:
                activity.stored(name, values[name], format, scaling)
        kernel = self.kernel.from_image(first) if isinstance(self.kernel, CrossbarKernel) else self.kernel
        for node in program.graph.nodes:
            reads = [values[name] for name in node.inputs]
            made = floats.run(node, reads) if floats else _run_node(program, node, reads, kernel, activity)
            values[node.name] = made
            for name in self.dead.get(node.name, ()):
                del values[name]
        return {name: collect(values[name]) for name, collect in self.collects.items()}


def _run_node(
    program: Program, node: Node, reads: list[Array], kernel: LinearKernel, activity: ActivityCounter | None
) -> Array:
    codes = _codes(program, node, reads, kernel, None if activity is None else activity.overflows(node.name))
    if activity is not None and not is_view(node):
        activity.stored(node.name, codes, *affine_of(program.encodings[node.name]))
    if activity is not None and node.name in program.linear:
        activity.made(node.name, codes)
    return codes


def _codes(
    program: Program, node: Node, reads: list[Array], kernel: LinearKernel, overflows: Overflows | None
) -> Array:
    format, scaling = affine_of(program.encodings[node.name])
    if keeps_codes(node):
        return _move(node.op, reads[0], scaling.zero_point)
    if arithmetic(node) == "integer":
        return run_integer_node(program, node, reads, kernel, overflows)
    sources = [affine_of(program.encodings[name])[1] for name in node.inputs]
    values = [dequantize(codes, source) for codes, source in zip(reads, sources, strict=True)]
    tensors = program.parameters
    named = {role: tensors[node.parameter(role)].astype(np.float64) for role in parameter_shapes(node.op)}
    real = run_float_op(node.op, named, *values)
    for activation in node.epilogue:
        real = run_float_op(activation, {}, real)
    real = np.where(np.isnan(real), 0.0, real)  # 0 ** -1 and roots of negative numbers
    stored: Array = quantize(real, format, scaling).astype(format.dtype)
    return stored


def _move(op: Op, codes: Array, zero_point: int) -> Array:
    if isinstance(op, ReLU):
        return np.asarray(np.maximum(codes, codes.dtype.type(zero_point)))
    return moved(op, codes, zero_point) if isinstance(op, View) else np.asarray(run_float_op(op, {}, codes))
