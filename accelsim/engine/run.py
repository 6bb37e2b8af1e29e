"""Run a graph in float32, or a program in its integers, batch by batch."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.activity import ActivityCounter
from accelsim.engine.batching import batches, even, fitting, last_reads
from accelsim.engine.crossbar_kernel import CrossbarKernel
from accelsim.engine.float_kernel import FloatRunner
from accelsim.engine.float_ops import run_float_op
from accelsim.engine.linear_kernel import Array, LinearKernel, affine_of
from accelsim.engine.program_chain import Chain, Collect
from accelsim.engine.reference import ReferenceKernel
from accelsim.errors import AccelsimError
from accelsim.formats.quantize import dequantize
from accelsim.ir.graph import Graph, Node, Weights
from accelsim.ir.ops import Op
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Program

Kernels = Literal["fast", "native", "portable", "reference"]
"""What multiplies: the instructions of this CPU where it has them, compiled loops without, or the plain interpreter.
`fast` is what ACCELSIM_KERNELS names, else `native`. All give the same bits."""
Observe = Callable[[str, Array], None]
MANY = 4
"""Images for each thread from which on each runs whole batches of its own."""


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
        return _run_float(graph, weights, inputs, batch or fitting(graph, 32), observe, on_batch, observe_before)


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
    dead = last_reads(graph, graph.outputs)
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
    collect: Mapping[str, Collect] | None = None,
) -> dict[str, Array]:
    """Codes `[N, ...]` of the outputs (and of the values in `keep`) by name. Float inputs are quantized first.

    In floating formats it is their values, in float32; `activity` sees integers only. Results do not depend on `batch`
    (64 where none is given, less where that would not fit), `kernels` or `threads`; nor does what `activity`, where
    given, sees of them.

    collect: by name, what is made of the codes of every batch, by the thread that made them, in place of these codes.

    Each of several threads takes batches through the whole program, so that they stay in its cache and never wait for
    each other; with few images, the threads share each operator instead.

    Raises:
        AccelsimError: `threads` below 1; a program that is not quantized; an index outside its table.
    """
    if threads < 1:
        raise AccelsimError(f"threads={threads}: expected 1 or more")
    kernels, total = _chosen(kernels), len(next(iter(inputs.values())))
    apart = threads if _is_separable(program, kernels) and total >= MANY * threads else 1
    made_of, wanted = collect or {}, dict.fromkeys((*program.graph.outputs, *keep))
    runs = Chain(
        program,
        _kernel_of(program, kernels, 1 if apart > 1 else threads),
        FloatRunner(program, kernels != "reference", threads) if program.precision.is_float else None,
        {name: made_of.get(name, np.asarray) for name in wanted},
        last_reads(program.graph, wanted),
    )
    size = even(total, batch or fitting(program.graph, 64, apart), apart)
    tasks = [
        partial(_outcome, runs, piece, number * size, None if activity is None else activity.emptied())
        for number, piece in enumerate(batches(inputs, size))
    ]
    collected: dict[str, list[Array]] = {name: [] for name in wanted}
    for done in _results(tasks, apart):
        for name, parts in collected.items():
            parts.append(done.values[name])
        if activity is not None and done.activity is not None:
            activity.add(done.activity)
        on_batch(done.images)
    return {name: np.concatenate(parts) for name, parts in collected.items()}


@dataclass(frozen=True)
class _Outcome:
    """Of one batch."""

    images: int
    values: dict[str, Array]
    activity: ActivityCounter | None


def _outcome(runs: Chain, piece: Mapping[str, Array], first: int, activity: ActivityCounter | None) -> _Outcome:
    return _Outcome(len(next(iter(piece.values()))), runs(piece, first, activity), activity)


def _results(tasks: Sequence[Callable[[], _Outcome]], threads: int) -> Iterator[_Outcome]:
    """What the tasks return, in their order, as soon as it is there."""
    if threads == 1:
        yield from (task() for task in tasks)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(_call, tasks)


def _call(task: Callable[[], _Outcome]) -> _Outcome:
    return task()


def _is_separable(program: Program, kernels: Kernels) -> bool:
    """Whether several threads may run a batch each: only the compiled kernels of whole numbers are made for that."""
    return kernels != "reference" and not program.precision.is_float and not _in_crossbars(program)


def _in_crossbars(program: Program) -> bool:
    return any(layer.crossbar is not None for layer in program.linear.values())


def _kernel_of(program: Program, kernels: Kernels, threads: int) -> LinearKernel:
    """What runs the layers, by way of crossbars where some are in those."""
    kernel = _kernel(kernels, threads)
    return CrossbarKernel(kernel, threads) if _in_crossbars(program) else kernel


def _kernel(kernels: Kernels, threads: int) -> LinearKernel:
    if kernels == "reference":
        return ReferenceKernel()
    from accelsim.engine.kernels.fast import FastKernel  # numba: only where integers run

    fast: LinearKernel = FastKernel(threads, is_native=kernels == "native")
    return fast


def _chosen(kernels: Kernels) -> Kernels:
    """What `fast` stands for."""
    wanted = os.environ.get("ACCELSIM_KERNELS", "native") if kernels == "fast" else kernels
    for known in get_args(Kernels):
        if wanted == known != "fast":
            chosen: Kernels = known
            return chosen
    raise AccelsimError(f"ACCELSIM_KERNELS={wanted!r}: expected reference, portable or native")


def decode(program: Program, name: str, codes: Array) -> NDArray[np.float64]:
    """The real values of a value's codes."""
    if program.precision.is_float:
        return codes.astype(np.float64)
    return dequantize(codes, affine_of(program.encodings[name])[1])
