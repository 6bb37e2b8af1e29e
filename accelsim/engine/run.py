"""Run a graph in float32, or a program in its integers, batch by batch."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from math import prod
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.activity import ActivityCounter
from accelsim.engine.crossbar_kernel import CrossbarKernel
from accelsim.engine.float_kernel import FloatRunner
from accelsim.engine.float_ops import run_float_op
from accelsim.engine.integer_moves import moved
from accelsim.engine.integer_node import run_integer_node
from accelsim.engine.linear_kernel import (
    Array,
    LinearKernel,
    Overflows,
    affine_of,
)
from accelsim.engine.reference import ReferenceKernel
from accelsim.errors import AccelsimError
from accelsim.formats.quantize import dequantize, quantize
from accelsim.ir.graph import Graph, Node, Weights
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Op, ReLU, View
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Program, arithmetic, is_view, keeps_codes

Kernels = Literal["fast", "native", "portable", "reference"]
"""What multiplies: the instructions of this CPU where it has them, compiled loops without, or the plain interpreter.
`fast` is what ACCELSIM_KERNELS names, else `native`. All give the same bits."""
Observe = Callable[[str, Array], None]


def batches(inputs: Mapping[str, Array], size: int) -> Iterator[dict[str, Array]]:
    """The inputs in slices of `size` along the batch; one empty slice when there is nothing."""
    total = len(next(iter(inputs.values())))
    for start in range(0, max(total, 1), size):
        yield {name: values[start : start + size] for name, values in inputs.items()}


ELEMENTS = 1 << 26
"""Of the largest array that a batch may need: 256 MB in float32."""


def _fitting(graph: Graph, most: int) -> int:
    """Samples of a batch that keep every array within `ELEMENTS`, as far as one sample does."""
    return max(1, min(most, ELEMENTS // max(_width(graph, node) for node in graph.nodes) if graph.nodes else most))


def _width(graph: Graph, node: Node) -> int:
    """Elements of the widest array of one operator for one sample: its result, or the patches of a convolution."""
    made = prod(graph.shapes[node.name])
    if isinstance(node.op, Conv2d):
        return max(made, made // node.op.out_channels * node.op.in_channels * prod(node.op.kernel))
    if isinstance(node.op, ConvTranspose2d):
        read = prod(graph.shapes[node.inputs[0]][1:])
        return max(made, read * node.op.out_channels * prod(node.op.kernel))
    return made


def _last_reads(graph: Graph, kept: Collection[str]) -> dict[str, list[str]]:
    """Node -> the values that nothing reads after it."""
    last = {name: node.name for node in graph.nodes for name in (*node.inputs, node.name)}
    dead: dict[str, list[str]] = {}
    for value, node in last.items():
        if value not in kept:
            dead.setdefault(node, []).append(value)
    return dead


def _parameters(node: Node, op: Op, weights: Weights, dtype: type) -> dict[str, Array]:
    return {role: weights[node.parameter(role)].astype(dtype, copy=False) for role in parameter_shapes(op)}


def run_float(
    graph: Graph,
    weights: Weights,
    inputs: Mapping[str, Array],
    batch: int | None = None,
    observe: Observe = lambda name, value: None,
    on_batch: Callable[[int], None] = lambda done: None,
    threads: int = 1,
    observe_before: Observe = lambda name, value: None,
) -> dict[str, NDArray[np.float32]]:
    """Outputs `[N, ...]` in float32 by name. `observe(name, value)` sees every value of every batch.

    `observe_before(name, value)` sees what functions that ride on an operator act on.

    Without a `batch` it is 32, less where the patches of the widest convolution would not fit in memory.
    `threads` of the BLAS: its matrices are small here, and a second thread often costs more than it brings.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads, user_api="blas"):
        return _run_float(graph, weights, inputs, batch or _fitting(graph, 32), observe, on_batch, observe_before)


def _run_float(
    graph: Graph,
    weights: Weights,
    inputs: Mapping[str, Array],
    batch: int,
    observe: Observe,
    on_batch: Callable[[int], None],
    observe_before: Observe,
) -> dict[str, NDArray[np.float32]]:
    collected: dict[str, list[Array]] = {name: [] for name in graph.outputs}
    dead = _last_reads(graph, graph.outputs)
    for piece in batches(inputs, batch):
        values: dict[str, Array] = {name: x.astype(np.float32, copy=False) for name, x in piece.items()}
        for name, value in values.items():
            observe(name, value)
        for node in graph.nodes:
            reads = [values[name] for name in node.inputs]
            result = run_float_op(node.op, _parameters(node, node.op, weights, np.float32), *reads)
            if node.epilogue:
                observe_before(node.name, result)
            for activation in node.epilogue:
                result = run_float_op(activation, {}, result)
            values[node.name] = result
            observe(node.name, result)
            for name in dead.get(node.name, ()):
                del values[name]
        for name, parts in collected.items():
            parts.append(values[name])
        on_batch(len(next(iter(piece.values()))))
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def run_program(
    program: Program,
    inputs: Mapping[str, Array],
    batch: int | None = None,
    kernels: Kernels = "fast",
    threads: int = 1,
    keep: Collection[str] = (),
    on_batch: Callable[[int], None] = lambda done: None,
    activity: ActivityCounter | None = None,
) -> dict[str, Array]:
    """Codes `[N, ...]` of the outputs (and of the values in `keep`) by name. Float inputs are quantized first.

    In floating formats it is their values, in float32; `activity` sees integers only.
    Results do not depend on `batch`, `kernels` or `threads`; nor does what `activity`, where given, sees of them.
    """
    kernels = _chosen(kernels)
    floats = FloatRunner(program, kernels != "reference", threads) if program.precision.is_float else None
    kernel, first = _kernel_of(program, kernels, threads), 0
    wanted = tuple(dict.fromkeys((*program.graph.outputs, *keep)))
    collected: dict[str, list[Array]] = {name: [] for name in wanted}
    dead = _last_reads(program.graph, wanted)
    for piece in batches(inputs, batch or _fitting(program.graph, 64)):
        values: dict[str, Array] = {}
        for name, x in piece.items():
            if floats is not None:
                values[name] = floats.stored(name, x)
                continue
            format, scaling = affine_of(program.encodings[name])
            values[name] = quantize(x, format, scaling).astype(format.dtype)
            if activity is not None:
                activity.stored(name, values[name], format, scaling)
        here = kernel.from_image(first) if isinstance(kernel, CrossbarKernel) else kernel
        first += len(next(iter(piece.values())))
        for node in program.graph.nodes:
            reads = [values[name] for name in node.inputs]
            made = floats.run(node, reads) if floats else _run_node(program, node, reads, here, activity)
            values[node.name] = made
            for name in dead.get(node.name, ()):
                del values[name]
        for name in wanted:
            collected[name].append(values[name])
        on_batch(len(next(iter(piece.values()))))
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def _kernel_of(program: Program, kernels: Kernels, threads: int) -> LinearKernel:
    """What runs the layers, by way of crossbars where some are in those."""
    kernel = _kernel(kernels, threads)
    in_crossbars = any(layer.crossbar is not None for layer in program.linear.values())
    return CrossbarKernel(kernel, threads) if in_crossbars else kernel


def _kernel(kernels: Kernels, threads: int) -> LinearKernel:
    if kernels == "reference":
        return ReferenceKernel()
    from accelsim.engine.kernels.fast import FastKernel  # numba: only where integers run

    fast: LinearKernel = FastKernel(threads, is_native=kernels == "native")
    return fast


def _chosen(kernels: Kernels) -> Kernels:
    wanted = os.environ.get("ACCELSIM_KERNELS", "native") if kernels == "fast" else kernels
    for known in get_args(Kernels):
        if wanted == known != "fast":
            chosen: Kernels = known
            return chosen
    raise AccelsimError(f"ACCELSIM_KERNELS={wanted!r}: expected reference, portable or native")


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
    real = run_float_op(node.op, _parameters(node, node.op, program.parameters, np.float64), *values)
    for activation in node.epilogue:
        real = run_float_op(activation, {}, real)
    real = np.where(np.isnan(real), 0.0, real)  # 0 ** -1 and roots of negative numbers
    stored: Array = quantize(real, format, scaling).astype(format.dtype)
    return stored


def _move(op: Op, codes: Array, zero_point: int) -> Array:
    if isinstance(op, ReLU):
        return np.asarray(np.maximum(codes, codes.dtype.type(zero_point)))
    return moved(op, codes, zero_point) if isinstance(op, View) else np.asarray(run_float_op(op, {}, codes))


def decode(program: Program, name: str, codes: Array) -> NDArray[np.float64]:
    """The real values of a value's codes."""
    if program.precision.is_float:
        return codes.astype(np.float64)
    return dequantize(codes, affine_of(program.encodings[name])[1])
