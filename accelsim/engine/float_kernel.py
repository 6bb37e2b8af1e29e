"""Programs in floating formats: float32 sums in their order, other operators in float32, results rounded to formats.

Arrays hold values, not codes: float32 represents every value of every format.
"""

from dataclasses import asdict
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.float_ops import run_float_op
from accelsim.engine.linear_kernel import Array
from accelsim.engine.tap_order import ordered_float_sums
from accelsim.errors import AccelsimError
from accelsim.formats.float_store import stored_floats
from accelsim.formats.minifloat import MiniFloat
from accelsim.formats.number_format import FloatingFormat
from accelsim.ir.graph import Node
from accelsim.ir.ops import Conv2d, ConvTranspose2d, DynamicConv2d, DynamicConvTranspose2d, Linear, MatMul, ReLU
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, Program, is_view
from accelsim.ir.shapes import result_shape

Float32s = NDArray[np.float32]


class FloatRunner:
    """Runs the operators of one program whose formats are floating."""

    def __init__(self, program: Program, compiled: bool, threads: int) -> None:
        """Compiled sums over `threads` threads, or plain ones; the results are the same."""
        self._program, self._compiled, self._threads = program, compiled, threads

    def stored(self, name: str, values: Array) -> Float32s:
        """Values `[N, ...]` as the program stores what it calls `name`. A NaN counts as 0.

        Raises:
            AccelsimError: the program is not calibrated.
        """
        encoding = self._program.encodings[name]
        format = _floating(encoding)
        return stored_floats(np.where(np.isnan(values), 0.0, values), format, encoding.scaling)

    def run(self, node: Node, reads: list[Array]) -> Float32s:
        """The stored result of one operator on stored inputs.

        Raises:
            AccelsimError: the program holds no rounded weights.
        """
        if is_view(node) or (isinstance(node.op, ReLU) and not node.epilogue):
            moved: Float32s = run_float_op(node.op, {}, *reads)
            return moved
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as the formats say: infinity, NaN
            real = self._computed(node, reads)
            for activation in node.epilogue:
                real = run_float_op(activation, {}, real)
            return self.stored(node.name, real)

    def _computed(self, node: Node, reads: list[Array]) -> Array:
        op = node.op
        if isinstance(op, get_args(Linear)):
            floats = self._program.linear[node.name].floats
            if floats is None:
                raise AccelsimError("the program holds no rounded weights: quantize it before running it")
            return self._sums(op, reads[0], floats.values, floats.bias)
        if isinstance(op, MatMul):
            return ordered_matmul(reads[0], reads[1])
        if isinstance(op, DynamicConv2d):
            return self._per_sample(op, Conv2d(**asdict(op), bias=False), *reads)
        if isinstance(op, DynamicConvTranspose2d):
            return self._per_sample(op, ConvTranspose2d(**asdict(op), bias=False), *reads)
        tensors = self._program.parameters
        named = {role: tensors[node.parameter(role)].astype(np.float32, copy=False) for role in parameter_shapes(op)}
        return run_float_op(op, named, *reads)

    def _sums(self, op: Linear, x: Float32s, weights: Float32s, bias: Float32s) -> Float32s:
        if not self._compiled:
            return ordered_float_sums(op, x, weights, bias)
        from accelsim.engine.kernels.ordered import ordered_sums  # numba: only where it runs

        return ordered_sums(op, x, weights, bias, self._threads)

    def _per_sample(
        self, op: DynamicConv2d | DynamicConvTranspose2d, fixed: Conv2d | ConvTranspose2d, x: Array, weights: Array
    ) -> Float32s:
        """Every sample with its own weights, one after the other."""
        none = np.zeros((0, *result_shape(op, x.shape[1:], weights.shape[1:])), np.float32)
        bias = np.zeros(op.out_channels, np.float32)
        return np.concatenate([none, *(self._sums(fixed, x[i : i + 1], w, bias) for i, w in enumerate(weights))])


def ordered_matmul(a: Float32s, b: Float32s) -> Float32s:
    """Products `[..., m, k]` x `[..., k, n]` added for rising k; every product and every sum is rounded to float32."""
    sums = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), np.float32)
    for k in range(a.shape[-1]):
        sums += a[..., :, k, None] * b[..., None, k, :]
    return sums


def _floating(encoding: Encoding) -> FloatingFormat:
    format = encoding.format
    if not isinstance(format, FloatingFormat) or (
        isinstance(format, MiniFloat) and format.scaled and encoding.scaling is None
    ):
        raise AccelsimError("the program is not calibrated: calibrate it before running it")
    return format
