"""A layer made ready for the skeleton: what belongs to its weights, one image size and how its values are stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.folding import Fold, folds
from accelsim.engine.kernels.methods import Method
from accelsim.engine.kernels.phases import image_shape, offsets
from accelsim.engine.kernels.skeleton import Cells, Grid, Work
from accelsim.engine.kernels.weights import by_tap, in_words, piece_size, pieces
from accelsim.ir.ops import Dense, Linear, Pair, Shape
from accelsim.ir.shapes import result_shape

Array = NDArray[Any]
Int64s = NDArray[np.int64]
NO_CHANNEL = -1


@dataclass(frozen=True)
class Pass:
    """One run of the skeleton over all pixels of a grid.

    channels: output channel of each lane `[panels, lanes]`, or NO_CHANNEL. depth: inputs of a lane. weight_sums: of
    each lane.
    """

    work: Work
    grid: Grid
    cells: Cells
    channels: Int64s
    weight_sums: Int64s
    depth: int
    vectors: int


@dataclass(frozen=True)
class Geometry:
    """image: channels, rows, columns of an input. padding: zeros around its rows and columns. out: as `image`."""

    image: tuple[int, int, int]
    padding: tuple[Pair, Pair]
    out: tuple[int, int, int]
    out_shape: Shape
    passes: tuple[Fold, ...]

    @property
    def padded(self) -> Pair:
        """Rows and columns with the zeros."""
        return self.image[1] + sum(self.padding[0]), self.image[2] + sum(self.padding[1])

    @property
    def reads_padding(self) -> bool:
        """Whether there are any."""
        return any(map(sum, self.padding))


def geometry(op: Linear, sample: Shape, lanes: int) -> Geometry:
    """The passes of a layer over inputs of shape `sample`, in tiles of up to `lanes` channels."""
    out_shape = result_shape(op, sample)
    image, out = image_shape(op, sample), image_shape(op, out_shape)
    each = out[0] // (1 if isinstance(op, Dense) else op.groups)
    passes = folds(op, out[1], out[2], each, lanes)
    padding = (
        _margins([(offsets(p.rows), p.rows[0].stride, p.grid[0]) for p in passes], image[1]),
        _margins([(offsets(p.columns), p.columns[0].stride, p.grid[1]) for p in passes], image[2]),
    )
    return Geometry(image, padding, out, out_shape, passes)


def _margins(reads: list[tuple[tuple[int, ...], int, int]], size: int) -> Pair:
    first = min((taps[0] for taps, _, _ in reads if taps), default=0)
    last = max((taps[-1] + stride * (count - 1) for taps, stride, count in reads if taps), default=0)
    return max(0, -first), max(0, last - size + 1)


def pitch_of(op: Linear, channels: int, method: Method) -> int:
    """Places of the stored array that a pixel takes."""
    if not method.is_planes:
        return channels * method.unit
    groups = 1 if isinstance(op, Dense) else op.groups
    return groups * -(-(channels // groups) // method.codes) * method.unit


def pack(op: Linear, factors: Array, shape: Geometry, method: Method, corrected: int) -> tuple[Pass, ...]:
    """The passes of a layer. `corrected`: what each tree of a saturating register subtracts, times its weights."""
    taps = by_tap(op, factors)
    return tuple(_pack_pass(op, taps, fold, shape, method, corrected) for fold in shape.passes)


def _pack_pass(op: Linear, taps: Array, fold: Fold, shape: Geometry, method: Method, corrected: int) -> Pass:
    pixel = pitch_of(op, shape.image[0], method)
    dense = _united(taps, fold)  # [groups, cells, out, rows, columns, in]
    steps, runs = _runs(dense, fold, shape, method, pixel)
    lanes, channels, cells = _panels(runs, fold, shape, method)
    cuts, block = pieces(lanes, method)
    size = piece_size(lanes.shape[3], cuts, method)
    padded = np.zeros((*lanes.shape[:3], cuts * size), np.int16)
    padded[..., : lanes.shape[3]] = lanes
    ahead = np.arange(cuts) * (size // method.codes * method.word_units)
    groups, panels = len(taps), lanes.shape[0]
    trees, corrections, words = _trees(padded, method, corrected)
    work = Work(
        weights=in_words(words.reshape(*words.shape[:2], words.shape[2] * cuts, words.shape[3] // cuts), method),
        sources=np.repeat(np.arange(groups), panels // groups) * (pixel // groups),
        steps=(steps[:, None] + ahead).reshape(-1),
        words=size // method.codes,
        per_block=block,
        start=np.zeros(0, np.int32),
        trees=trees,
        corrections=corrections,
    )
    sums = padded.sum(axis=(2, 3), dtype=np.int64)
    depth, vectors = dense[0, 0, 0].size, lanes.shape[1] // method.channels
    return Pass(work, _grid(op, fold, shape, pixel), cells, channels, sums, depth, vectors)


def _united(taps: Array, fold: Fold) -> Array:
    """Weights of every cell over the union of what they read, 0 where a cell does not read."""
    rows, columns = offsets(fold.rows), offsets(fold.columns)
    groups, each_out, _, _, each_in = taps.shape
    united = np.zeros((groups, len(fold.cells), each_out, len(rows), len(columns), each_in), np.int16)
    for cell, (y, x) in enumerate(fold.cells):
        for row, dy in y.taps:
            for column, dx in x.taps:
                united[:, cell, :, rows.index(dy), columns.index(dx)] = taps[:, :, row, column]
    return united


def _runs(dense: Array, fold: Fold, shape: Geometry, method: Method, pixel: int) -> tuple[Int64s, Array]:
    """Where each step begins, and the weights as `[groups, cells, out, steps, codes]`, whole words where bits are.

    Neighbouring columns that all channels are read of lie end to end: they are one step.
    """
    rows, columns = np.array(offsets(fold.rows), np.int64), np.array(offsets(fold.columns), np.int64)
    rows, columns = rows + shape.padding[0][0], columns + shape.padding[1][0]
    if method.is_planes:
        filled = -(-dense.shape[-1] // method.codes) * method.codes
        dense = np.concatenate([dense, np.zeros((*dense.shape[:-1], filled - dense.shape[-1]), np.int16)], axis=-1)
    pitch = pixel * shape.padded[1]
    groups, cells, out = dense.shape[:3]
    if groups == 1 and not method.tree and len(columns) > 0 and (np.diff(columns) == 1).all():
        return rows * pitch + columns[0] * pixel, dense.reshape(
            groups, cells, out, len(rows), len(columns) * dense.shape[-1]
        )
    steps = (rows[:, None] * pitch + columns * pixel).reshape(-1)
    return steps, dense.reshape(groups, cells, out, len(steps), dense.shape[-1])


def _panels(runs: Array, fold: Fold, shape: Geometry, method: Method) -> tuple[Array, Int64s, Cells]:
    """Weights `[panels, lanes, steps, codes]`, the channel of each lane, and the cells."""
    groups, cells, each, steps, codes = runs.shape
    needed = cells * each
    width = method.channels if needed <= method.channels and method.digits == 1 else 2 * method.channels
    if method.digits == 2:
        width = 2 * method.channels
    pieces_of = [(c, first, min(each - first, width)) for c in range(cells) for first in range(0, each, width)]
    together = max(1, width // each)
    by_panel = [pieces_of[i : i + together] for i in range(0, len(pieces_of), together)]
    lanes = np.zeros((groups * len(by_panel), width, steps, codes), np.int16)
    channels = np.full((groups * len(by_panel), width), NO_CHANNEL, np.int64)
    found: list[tuple[int, int, int, int, int]] = []
    first_cells = [0]
    for group in range(groups):
        for number, parts in enumerate(by_panel):
            panel, lane = group * len(by_panel) + number, 0
            for cell, first, count in parts:
                lanes[panel, lane : lane + count] = runs[group, cell, first : first + count]
                channel = group * each + first
                channels[panel, lane : lane + count] = np.arange(channel, channel + count)
                y, x = fold.cells[cell]
                target = (y.start * shape.out[2] + x.start) * shape.out[0] + channel
                before = found[-1] if lane else (0, 0, 0, 0, 0)
                if (before[0] + before[1], before[2] + before[1], *before[3:]) == (lane, target, y.count, x.count):
                    found[-1] = (before[0], before[1] + count, *before[2:])  # it lies right after the last
                else:
                    found.append((lane, count, target, y.count, x.count))
                lane += count
            first_cells.append(len(found))
    columns = np.array(found, np.int64).reshape(-1, 5).T.copy()
    return lanes, channels, Cells(np.array(first_cells, np.int64), *columns)


def _trees(padded: Array, method: Method, corrected: int) -> tuple[Int64s, Array, Array]:
    """Parameters and corrections of a saturating register, and the weights in the words of its trees."""
    if not method.tree:
        return np.zeros(7, np.int64), np.zeros((1, 1, 1), np.int32), padded
    panels, lanes, steps, codes = padded.shape
    trees = -(-codes // method.tree)
    words = -(-method.tree // method.codes)
    if not method.is_native:
        return np.array([trees, words, method.tree, 0, 0, 0, 0], np.int64), np.zeros((1, 1, 1), np.int32), padded
    whole = np.zeros((panels, lanes, steps, trees * method.tree), np.int16)
    whole[..., :codes] = padded
    split = np.zeros((panels, lanes, steps, trees, words * method.codes), np.int16)
    split[..., : method.tree] = whole.reshape(panels, lanes, steps, trees, method.tree)
    corrections = -corrected * split.sum(axis=4, dtype=np.int64)
    ordered = corrections.transpose(0, 2, 3, 1).reshape(panels, steps * trees, lanes).astype(np.int32)
    parameters = np.array([trees, words, method.tree * method.unit, 0, 0, 0, 0], np.int64)
    return parameters, np.ascontiguousarray(ordered), split.reshape(panels, lanes, steps, trees * words * method.codes)


def _grid(op: Linear, fold: Fold, shape: Geometry, pixel: int) -> Grid:
    rows, columns = fold.grid
    height, width = shape.padded
    channels, out_rows, out_columns = shape.out
    y, x = fold.rows[0], fold.columns[0]
    return Grid(
        pixels=rows * columns,
        columns=columns,
        source_image=height * width * pixel,
        source_row=y.stride * width * pixel,
        source_column=x.stride * pixel,
        target_image=out_rows * out_columns * channels,
        target_row=y.step * out_columns * channels,
        target_column=x.step * channels,
    )
