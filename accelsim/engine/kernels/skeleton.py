"""The one loop nest of every layer: tiles of output pixels by output channels, each multiplied and finished in turn.

What multiplies a tile is passed in: instructions asked for by name (`tiles`) or plain loops (`portable`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import compiled, inlined

BLOCK_TILES = 64
"""Tiles of one column whose input is used again by the next before it leaves the second-level cache."""
SPLIT_BITS = 24
"""Low bits of a sum that are requantized apart, see `requantized`."""

Finish = Literal["sums", "single", "double", "float", "slopes"]
"""Wrapped sums; requantized ones in one of three modes (formats/requantize.py); those with other factors for negative
sums (of tiles that are not wide), rounded once."""

Array = NDArray[Any]
Int64s = NDArray[np.int64]
Float32s = NDArray[np.float32]


class Work(NamedTuple):
    """What is multiplied: the weights of all panels of lanes, and where their inputs lie, in units of the input array.

    sources: of each panel, its first channel in a pixel. steps: runs of input that are `words` long. per_block: steps
    added in 32 bits before they are spilled into 64. start: what sums begin with, `[panels, lanes]`. trees: of a
    saturating register: trees of a step, words of a tree, units of input between trees, lowest and highest sum.
    corrections: added with each of its trees, `[panels, steps * trees, lanes]`.
    """

    weights: Array
    sources: Int64s
    steps: Int64s
    words: int
    per_block: int
    start: Array
    trees: Int64s
    corrections: Array


class Grid(NamedTuple):
    """Output pixel w is pixel w % pixels of image w // pixels; where it reads and writes, in elements."""

    pixels: int
    columns: int
    source_image: int
    source_row: int
    source_column: int
    target_image: int
    target_row: int
    target_column: int


class Cells(NamedTuple):
    """Runs of lanes that are stored together. Those of panel p are first[p] .. first[p + 1].

    lane, lanes: which. target: where, from the pixel's place in the output. rows, columns: pixels of the grid that
    have this cell at all, from the top left.
    """

    first: Int64s
    lane: Int64s
    lanes: Int64s
    target: Int64s
    rows: Int64s
    columns: Int64s


class Scale(NamedTuple):
    """How a sum becomes what is stored: add bias, keep 64 - spare bits, requantize to [low, high].

    bias, multiplier, shift, half, real: `[panels, lanes]`; half is 2**(shift - 1). bias and `factor`, what a sum
    counts, are of biased tiles only. Those `below` are for negative sums where slopes differ; real, in float32, is of
    mode `float`.
    """

    bias: Int64s
    factor: int
    spare: int
    multiplier: Int64s
    shift: Int64s
    half: Int64s
    multiplier_below: Int64s
    shift_below: Int64s
    half_below: Int64s
    real: Float32s
    zero_point: int
    low: int
    high: int


def _requantized(total: int, multiplier: int, shift: int) -> int:
    """(total * multiplier + 2**(shift - 1)) >> shift, exact within +-2**30; where that is beyond, so is the result.

    For |total| < 2**55, 0 <= multiplier < 2**31, 1 <= shift <= 62. With t = min(shift, 24), total = high * 2**t + low
    the result is (high * multiplier + ((low * multiplier + 2**(shift - 1)) >> t)) >> (shift - t), since a floor of a
    floor is one floor. low * multiplier < 2**55 and the rounding term <= 2**61 fit 64 bits. Only for t = shift can
    `high` pass 2**31; it is clamped there, which moves results only beyond +-2**30 (multiplier 0 gives 0 either way).
    """
    t = min(shift, SPLIT_BITS)
    high = min(max(total >> t, -(1 << 31)), 1 << 31)
    low = total & ((1 << t) - 1)
    return (high * multiplier + ((low * multiplier + (1 << (shift - 1))) >> t)) >> (shift - t)


requantized = compiled(_requantized)
ROUNDED_FIRST = 31
"""Bits that mode `double` drops first."""


def _requantized_twice(total: int, multiplier: int, shift: int) -> int:
    """Mode `double`: `[(total << 31 - shift) * multiplier] >> 31` to nearest, then `>> shift - 31`, ties away from 0.

    For |total| < 2**55, shifts of 1 .. 62 and multipliers of 0 or 2**30 .. 2**31 - 1. Exact within +-2**30; a number
    that passes 2**31 when it is shifted to the left is clamped there, which moves results only beyond that.
    """
    left, right = max(ROUNDED_FIRST - shift, 0), max(shift - ROUNDED_FIRST, 0)
    if left > 0:
        end = (1 << ROUNDED_FIRST) >> left
        total = min(max(total, -end), end)
    once = requantized(total << left, multiplier, ROUNDED_FIRST)
    return (once + ((1 << right) >> 1) - (1 if once < 0 and right > 0 else 0)) >> right


requantized_twice = compiled(_requantized_twice)
FAR = np.float32(1 << 30)
"""Past every code."""


def _locate(
    begin: int, count: int, padded: int, grid: Grid, rows: Int64s, targets: Int64s, ys: Int64s, xs: Int64s
) -> None:
    """Where `count` pixels from `begin` read and write; up to `padded` the last is repeated."""
    for i in range(padded):
        image, pixel = divmod(begin + min(i, count - 1), grid.pixels)
        y, x = divmod(pixel, grid.columns)
        rows[i] = image * grid.source_image + y * grid.source_row + x * grid.source_column
        targets[i] = image * grid.target_image + y * grid.target_row + x * grid.target_column
        ys[i], xs[i] = y, x


locate = compiled(_locate)


@dataclass(frozen=True)
class Tile:
    """What multiplies a tile, and its sizes.

    multiply(source, rows, row, work, panel, step, steps, start, tile): sums of `steps` steps from `step` of panel
    `panel`, for the rows from `row` on. low multiplies `short` rows, high `tall` ones. element: type of the sums.
    digits: 2 where the second half of the lanes holds the high digits of the first. wide: spilled into 64 bits. biased:
    sums begin at 0, and the bias is added in the end.
    """

    name: str
    low: Callable[..., None]
    high: Callable[..., None]
    short: int
    tall: int
    lanes: int
    element: type[np.int32] | type[np.int64]
    digits: int
    wide: bool
    biased: bool
    marks: bool


DIGIT_BITS = 8
"""A 16-bit weight is two digits, high * 2**8 + low."""


def make_filler(tile: Tile) -> Callable[..., None]:
    """Compiled `fill(source, rows, row, tall, work, panel, scale, sums, totals)`: all sums of one tile.

    Narrow tiles leave them in `sums`, with their start; wide ones in `totals`, block by block, without the bias.
    """
    low, high, wide, lanes = tile.low, tile.high, tile.wide, tile.lanes // tile.digits
    two, short, tall_rows = tile.digits == 2, tile.short, tile.tall

    def fill(
        source: Array,
        rows: Int64s,
        row: int,
        tall: bool,
        work: Work,
        panel: int,
        sums: Array,
        totals: Int64s,
    ) -> None:
        height = tall_rows if tall else short
        steps = len(work.steps)
        block = work.per_block if wide else max(1, steps)
        for step in range(0, max(1, steps), block):
            count = min(block, steps - step)
            if tall:
                high(source, rows, row, work, panel, step, count, sums)
            else:
                low(source, rows, row, work, panel, step, count, sums)
            if wide:
                for r in range(height):
                    for c in range(lanes):
                        part = np.int64(sums[r, c])
                        if two:
                            part += np.int64(sums[r, lanes + c]) << DIGIT_BITS
                        totals[r, c] = part if step == 0 else totals[r, c] + part

    return inlined(fill)


def make_finisher(tile: Tile, finish_as: Finish) -> Callable[..., None]:
    """Compiled `finish(sums, row, panel, scale, line)`: one row of sums, wrapped, and as codes if asked for."""
    codes, slopes = finish_as != "sums", finish_as == "slopes"
    twice, real = finish_as == "double", finish_as == "float"
    wide, biased, lanes = tile.wide, tile.biased, tile.lanes // tile.digits

    def finish(sums: Array, row: int, panel: int, scale: Scale, line: Array) -> None:
        bias, multiplier = scale.bias[panel], scale.multiplier[panel]
        shift, half = scale.shift[panel], scale.half[panel]
        multiplier_below, shift_below = scale.multiplier_below[panel], scale.shift_below[panel]
        half_below, factors = scale.half_below[panel], scale.real[panel]
        spare, factor, zero_point, low, high = scale.spare, scale.factor, scale.zero_point, scale.low, scale.high
        held = sums[row]
        for c in range(lanes):
            total = int(np.int64(held[c]))
            if biased:
                total = total * factor + bias[c]
            if biased or spare > 32:
                total = (total << spare) >> spare
            if codes:
                if twice:
                    total = requantized_twice(total, multiplier[c], shift[c])
                elif real:
                    total = int(min(max(np.rint(np.float32(total) * factors[c]), -FAR), FAR))
                elif wide:
                    total = requantized(total, multiplier[c], shift[c])
                elif slopes and total < 0:
                    total = (total * multiplier_below[c] + half_below[c]) >> shift_below[c]
                else:
                    total = (total * multiplier[c] + half[c]) >> shift[c]
                total = min(max(total + zero_point, low), high)
            line[c] = total

    return inlined(finish)


def _store(line: Array, panel: int, cells: Cells, target: int, y: int, x: int, marks: Array, out: Array) -> int:
    """Copy the lanes of each cell of a row to their places; returns how many of these lanes are marked."""
    marked = 0
    for cell in range(cells.first[panel], cells.first[panel + 1]):
        if y < cells.rows[cell] and x < cells.columns[cell]:
            lane, count, begin = cells.lane[cell], cells.lanes[cell], target + cells.target[cell]
            into, seen = out[begin : begin + count], line[lane : lane + count]
            for c in range(len(into)):
                into[c] = seen[c]
            for c in range(lane, min(lane + count, len(marks))):
                marked += marks[c] != 0
    return marked


store = compiled(_store)


def make_driver(tile: Tile, finish_as: Finish) -> Callable[..., int]:
    """Compiled `run(first, last, source, work, grid, cells, scale, out)`: output pixels first <= w < last.

    Returns how many outputs overflowed, where the tile marks them.
    """
    fill, finish = make_filler(tile), make_finisher(tile, finish_as)
    tall, short, lanes, element, wide, marks = tile.tall, tile.short, tile.lanes, tile.element, tile.wide, tile.marks
    channels = tile.lanes // tile.digits
    summed = np.int64 if tile.wide else tile.element

    def run(
        first: int, last: int, source: Array, work: Work, grid: Grid, cells: Cells, scale: Scale, out: Array
    ) -> int:
        size = tall * BLOCK_TILES
        rows, targets = np.empty(size + tall, np.int64), np.empty(size + tall, np.int64)
        ys, xs = np.empty(size + tall, np.int64), np.empty(size + tall, np.int64)
        sums = np.zeros((2 * tall, lanes), element)
        totals = np.zeros((2 * tall, lanes), summed) if wide else sums
        line, unmarked = np.empty(lanes, out.dtype), np.empty((1, 0), element)
        marked = 0
        for begin in range(first, last, size):
            count = min(size, last - begin)
            locate(begin, count, count + tall, grid, rows, targets, ys, xs)
            for panel in range(len(work.sources)):
                cell, at = cells.first[panel], 0
                whole = cells.first[panel + 1] == cell + 1 and cells.lanes[cell] == channels and not marks
                while at < count:
                    is_tall = count - at > tall - short
                    height = tall if is_tall else short
                    fill(source, rows, at, is_tall, work, panel, sums, totals)
                    for r in range(min(height, count - at)):
                        y, x, target = ys[at + r], xs[at + r], targets[at + r]
                        if whole and y < cells.rows[cell] and x < cells.columns[cell]:
                            begins = target + cells.target[cell]
                            finish(totals, r, panel, scale, out[begins : begins + channels])
                        else:
                            finish(totals, r, panel, scale, line)
                            mark = sums[height + r] if marks else unmarked[0]
                            marked += store(line, panel, cells, target, y, x, mark, out)
                    at += height
        return marked

    return compiled(run, f"{tile.name} {finish_as}")
