"""One operator as a unit of a streaming pipeline: what it makes, token by token, and what it waits for.

A token is a pixel with all its channels, in the order of rows. A matrix-vector unit of `pe` x `simd` multipliers
makes the results of one position in

    ceil(neurons / pe) * ceil(channels * taps / simd)   cycles

where `taps` of a transposed convolution are those of the phase that the position belongs to, so that its cycles are its
multiplies by phases over pe * simd, each phase rounded up. A dense unit hands on `pe` results whenever it has them: its
tokens are the folds of its neurons.

A window waits for the whole rows that it reaches into. Of a convolution it waits for more, as in finn-hlslib
(slidingwindow.h): one loop hands out windows word by word and takes in a word of the next `stride` rows beside each, so
that it stands still while that word is missing. Only the last windows of an image wait for nothing beside them.
"""

from dataclasses import dataclass, replace
from functools import singledispatch
from math import prod
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DoesNotFit
from accelsim.ir.graph import Node
from accelsim.ir.ops import (
    Activation,
    AveragePool,
    BatchNorm,
    Binary,
    ChannelAffine,
    Concat,
    Constant,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Linear,
    MaxPool,
    Op,
    PReLU,
    Product,
    Shape,
)
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.operators import layer_problem
from accelsim.mapping.spaces import Space, TransposedForm

Tokens = NDArray[np.int64]
LEAST_FIFO = 2
"""Words of a stream that needs no more: one is written while the other is read."""
LOCAL = (*get_args(Activation), *get_args(Binary), PReLU, BatchNorm, ChannelAffine, Concat)
"""Operators that make a pixel of the same pixel of their inputs."""


@dataclass(frozen=True)
class Matrix:
    """What a layer multiplies with: `neurons` rows; columns and positions of each phase (one, unless transposed)."""

    neurons: int
    columns: tuple[int, ...]
    positions: tuple[int, ...]
    channels: int
    """Input channels: what one pixel brings. A divisor of them is a good `simd`."""
    neuron_folds: int = 1
    """Times that a window is used."""

    def folds(self, pe: int, simd: int) -> int:
        """Words of the weights of one PE: cycles of one position in each phase."""
        return -(-self.neurons // pe) * sum(-(-columns // simd) for columns in self.columns)

    def cycles(self, pe: int, simd: int) -> int:
        """Cycles of one image."""
        phases = zip(self.columns, self.positions, strict=True)
        return -(-self.neurons // pe) * sum(n * max(1, -(-columns // simd)) for columns, n in phases)


@dataclass(frozen=True)
class LineBuffer:
    """Rows of the input that a window holds, `blocks` memories of `rows_per_block` rows, `width` pixels a row."""

    blocks: int
    rows_per_block: int
    width: int
    channels: int

    @property
    def pixels(self) -> int:
        """Input pixels that it holds."""
        return self.blocks * self.rows_per_block * self.width


@dataclass(frozen=True)
class StreamUnit:
    """cycles[i]: of token i. needs[i]: pixel of each input that must be there before it. done_with[i]: pixels of the
    input that no later token reads, once it is made. pixels: of each input. macs: executed for one image."""

    node: Node
    cycles: Tokens
    needs: Tokens
    done_with: Tokens
    pixels: tuple[int, ...]
    macs: int = 0
    matrix: Matrix | None = None
    lines: LineBuffer | None = None
    absorbs: bool = False
    """Whether it takes in its input as fast as that comes, whatever it makes meanwhile."""
    holds_all: bool = False
    """Whether it needs the whole of its input: a buffer of a frame."""

    intake: int = 0
    """Cycles in which a line buffer takes in one pixel."""
    beside: Tokens | None = None
    """Pixels after those of `needs` that must have come in by when the window of a token has been handed out."""

    @property
    def busy_cycles(self) -> int:
        """Cycles of one image."""
        return int(self.cycles.sum())

    @property
    def handing_out(self) -> Tokens:
        """Cycles in which the window of each token is handed out: those of its first neurons."""
        return self.cycles // (self.matrix.neuron_folds if self.matrix else 1)

    @property
    def refill_cycles(self) -> int:
        """Cycles between two images in which nothing is made: the rows of the first window come in once the last window
        of the image before has been read, behind which only the other folds of its neurons are still to work."""
        if self.absorbs or self.matrix is None or not len(self.cycles):
            return 0
        hidden = int(self.cycles[-1] - self.handing_out[-1])
        return max(0, (int(self.needs[0]) + 1) * self.intake - hidden)

    @property
    def fifo_pixels(self) -> int:
        """Pixels that a FIFO in front must hold while the last windows of an image are worked on: the rows of the first
        window of the next one, and what comes in beside a row of windows."""
        if not self.intake:
            return LEAST_FIFO
        return int(self.needs[0]) + 1 + (0 if self.beside is None else int(self.beside.max()))


def stream_unit(node: Node, inputs: tuple[Shape, ...], output: Shape, fold: tuple[int, int], form: str) -> StreamUnit:
    """The unit of one operator; fold is (pe, simd) of a matrix-vector unit. form: `transposed_conv` of the machine.

    Raises:
        DoesNotFit: an operator that a pipeline with its weights on the chip cannot run.
    """
    if isinstance(node.op, get_args(Product)):
        raise DoesNotFit(f"layer {node.name}: multiplies two values; a streaming pipeline multiplies stored weights")
    if form == "scatter":
        raise DoesNotFit(f"layer {node.name}: transposed_conv: scatter is no stream; use phase or zero_insert")
    if isinstance(node.op, get_args(Linear)):
        problem = layer_problem(node.op, inputs, 1, _form(form))
        assert problem is not None
        return _matrix_unit(node.op, node, inputs[0], problem, fold)
    pixels = tuple(_pixels(shape) for shape in inputs)
    if isinstance(node.op, Constant):
        nothing = np.zeros(_pixels(output), np.int64)
        return StreamUnit(node, nothing, nothing, nothing, ())
    if isinstance(node.op, MaxPool | AveragePool) and len(output) == 3:
        return _pool(node, node.op, inputs[0], output)
    tokens = _pixels(output)
    if isinstance(node.op, LOCAL):
        order = np.arange(tokens, dtype=np.int64)
        return StreamUnit(node, np.ones(tokens, np.int64), order, order + 1, pixels)
    each = np.full(tokens, -(-max((*pixels, tokens)) // tokens), np.int64)
    last = np.full(tokens, max(pixels) - 1, np.int64)
    return StreamUnit(node, each, last, _at_the_end(tokens, max(pixels)), pixels, absorbs=True, holds_all=True)


def _form(form: str) -> TransposedForm:
    return "zero_insert" if form == "zero_insert" else "phase"


def _pixels(shape: Shape) -> int:
    """Pixels of a value whose channel is the first axis, or the last where there is no image."""
    return prod(shape[1:]) if len(shape) == 3 else prod(shape[:-1])


def _at_the_end(tokens: int, pixels: int) -> Tokens:
    done = np.zeros(tokens, np.int64)
    done[-1] = pixels
    return done


@singledispatch
def _matrix_unit(op: Op, node: Node, shape: Shape, problem: LayerProblem, fold: tuple[int, int]) -> StreamUnit:
    raise DoesNotFit(f"layer {node.name}: {type(op).__name__} has no streaming unit")


@_matrix_unit.register
def _(op: Dense, node: Node, shape: Shape, problem: LayerProblem, fold: tuple[int, int]) -> StreamUnit:
    pe, simd = fold
    rows, positions = -(-problem.K // pe), problem.N
    cycles = np.full(rows * positions, -(-problem.C // simd), np.int64)
    position = np.repeat(np.arange(positions, dtype=np.int64), rows)
    done = position + (np.arange(rows * positions) % rows == rows - 1)
    matrix = Matrix(problem.K, (problem.C,), (positions,), problem.C, rows)
    return StreamUnit(node, cycles, position, done, (positions,), problem.macs, matrix)


@_matrix_unit.register(Conv2d)
@_matrix_unit.register(ConvTranspose2d)
def _(
    op: Conv2d | ConvTranspose2d, node: Node, shape: Shape, problem: LayerProblem, fold: tuple[int, int]
) -> StreamUnit:
    pe, simd = fold
    transposed = isinstance(op, ConvTranspose2d) and problem.h.positions < problem.h.out_size
    strides = op.stride if transposed else (1, 1)
    (taps_h, first, last), (taps_w, _, _) = _axis(problem.h), _axis(problem.w)
    neurons = problem.G * problem.K
    columns = problem.C * taps_h[:, None] * taps_w[None, :]
    cycles = -(-neurons // pe) * np.maximum(1, -(-columns // simd))
    phases = [columns[i :: strides[0], j :: strides[1]] for i in range(strides[0]) for j in range(strides[1])]
    phases = [phase for phase in phases if phase.size]
    lines = _lines(op, problem, shape, first, last)
    if lines and simd > lines.channels:
        what = f"simd {simd} is more than the {lines.channels} input channels that its window hands out at once"
        raise DoesNotFit(f"layer {node.name}: {what}")
    unit = _windowed(
        node, (cycles, first, last), shape, lines, 0 if isinstance(op, ConvTranspose2d) else prod(op.kernel)
    )
    channels = problem.G * problem.C
    sizes = tuple(int(phase.max()) for phase in phases), tuple(phase.size for phase in phases)
    matrix = Matrix(neurons, *sizes, channels, -(-neurons // pe))
    intake = -(-channels // simd) if unit.lines else 0
    return replace(unit, macs=int(columns.sum()) * neurons, matrix=matrix, intake=intake)


def _axis(space: Space) -> tuple[Tokens, Tokens, Tokens]:
    """Taps of each output, first input that it or a later one reads, and last that it or an earlier one does."""
    made, read = space.outputs, space.inputs
    valid = made >= 0
    taps = np.bincount(made[valid], minlength=space.out_size).astype(np.int64)
    real = valid & (read >= 0)
    last = np.full(space.out_size, -1, np.int64)
    np.maximum.at(last, made[real], read[real])
    first = np.full(space.out_size, space.in_size, np.int64)
    np.minimum.at(first, made[real], read[real])
    return taps, np.minimum.accumulate(first[::-1])[::-1], np.maximum.accumulate(last)


def _lines(
    op: Conv2d | ConvTranspose2d, problem: LayerProblem, shape: Shape, first: Tokens, last: Tokens
) -> LineBuffer | None:
    """finn-hlslib: kernel / stride + 1 blocks of `stride` rows. Of a transposed layer: the rows that its windows reach
    over, and one that comes in meanwhile."""
    channels = problem.G * problem.C
    if isinstance(op, Conv2d):
        if op.kernel == (1, 1) and op.stride == (1, 1):
            return None
        reach = op.dilation[0] * (op.kernel[0] - 1) + 1
        return LineBuffer(-(-reach // op.stride[0]) + 1, op.stride[0], shape[2], channels)
    reach = int((last - np.minimum(first, last)).max()) + 1
    return LineBuffer(reach + 1, 1, shape[2], channels)


def _windowed(
    node: Node, rows: tuple[Tokens, Tokens, Tokens], shape: Shape, lines: LineBuffer | None, beside: int = 0
) -> StreamUnit:
    """Tokens of windows: each needs all rows up to its last, and frees the rows before the first of the next row.

    beside: pixels that come in while one window is handed out, up to the rows that the next row of windows adds.
    """
    cycles, first, last = rows
    height, width = shape[1], shape[2]
    each = cycles.reshape(-1).astype(np.int64)
    if lines is None:  # one tap: a pixel for a pixel
        order = np.arange(len(each), dtype=np.int64)
        return StreamUnit(node, each, order, order + 1, (height * width,))
    wide = cycles.shape[1]
    needs = np.repeat(np.maximum(0, (last + 1) * width - 1), wide)
    coming = np.minimum(beside * np.arange(1, wide + 1, dtype=np.int64), lines.rows_per_block * width)
    coming = np.minimum(np.tile(coming, len(last)), height * width - 1 - needs)
    freed = np.concatenate([np.minimum(first[1:], height), [height]]) * width
    done = np.repeat(np.concatenate([[0], freed[:-1]]), wide)
    done[wide - 1 :: wide] = freed
    return StreamUnit(node, each, needs, done, (height * width,), lines=lines, beside=coming if beside else None)


def _pool(node: Node, op: MaxPool | AveragePool, shape: Shape, output: Shape) -> StreamUnit:
    """A pooling unit takes in one pixel a cycle, and compares or adds as it comes."""
    row = np.arange(output[1], dtype=np.int64)
    reach = (op.dilation[0] if isinstance(op, MaxPool) else 1) * (op.kernel[0] - 1)
    first = np.clip(row * op.stride[0] - op.padding[0], 0, shape[1])
    last = np.clip(row * op.stride[0] - op.padding[0] + reach, 0, shape[1] - 1)
    each = np.full((output[1], output[2]), max(1, op.stride[0] * op.stride[1]), np.int64)
    lines = LineBuffer(1, 1, output[2], output[0])
    return replace(_windowed(node, (each, first, last), shape, lines), absorbs=True)
