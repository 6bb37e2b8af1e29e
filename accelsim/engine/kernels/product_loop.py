"""The loop nest of products of two activations: tiles of rows by columns, with the zero points of both taken off."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.skeleton import BLOCK_TILES, Tile, Work, make_filler, requantized
from accelsim.machine_code import compiled, inlined

Array = NDArray[Any]
Int64s = NDArray[np.int64]
ProductFinish = Literal["sums", "codes"]


class Extent(NamedTuple):
    """Of one matrix of the result; pitch: from a row of the first operand to the next, in units of its array."""

    rows: int
    columns: int
    panels: int
    pitch: int


class Corrections(NamedTuple):
    """What zero points add to a sum: of each row of all first operands, and `[panels of all second ones, lanes]`."""

    of_row: Int64s
    of_lane: Int64s


class Factor(NamedTuple):
    """How a sum becomes a code: round(sum * multiplier * 2**-shift) + zero_point, within low .. high."""

    multiplier: int
    shift: int
    zero_point: int
    low: int
    high: int


def _make_finisher(tile: Tile, finish_as: ProductFinish) -> Callable[..., None]:
    codes, wide = finish_as == "codes", tile.wide

    def finish(sums: Array, row: int, of_row: int, of_lane: Int64s, factor: Factor, line: Array) -> None:
        held, half = sums[row], np.int64(1) << (factor.shift - 1)
        multiplier, shift = factor.multiplier, factor.shift
        zero_point, low, high = factor.zero_point, factor.low, factor.high
        for c in range(len(line)):
            total = int(np.int64(held[c])) + of_row + of_lane[c]
            if codes:
                exact = requantized(total, multiplier, shift) if wide else (total * multiplier + half) >> shift
                total = min(max(exact + zero_point, low), high)
            line[c] = total

    return inlined(finish)


def make_product_driver(tile: Tile, finish_as: ProductFinish) -> Callable[..., None]:
    """Compiled `run(first, last, source, work, extent, of_first, of_second, corrections, factor, out)`.

    Rows first <= w < last of all matrices of the result, one after another. of_first, of_second: which matrix of each
    operand makes a matrix of the result.
    """
    fill, finish = make_filler(tile), _make_finisher(tile, finish_as)
    tall, short, lanes, element, wide = tile.tall, tile.short, tile.lanes, tile.element, tile.wide
    channels = tile.lanes // tile.digits

    def run(
        first: int,
        last: int,
        source: Array,
        work: Work,
        extent: Extent,
        of_first: Int64s,
        of_second: Int64s,
        corrections: Corrections,
        factor: Factor,
        out: Array,
    ) -> None:
        size = tall * BLOCK_TILES
        rows = np.empty(size + tall, np.int64)
        sums = np.zeros((2 * tall, lanes), element)
        totals = np.zeros((2 * tall, lanes), np.int64) if wide else sums
        begin = first
        while begin < last:
            matrix, row = divmod(begin, extent.rows)
            count = min(size, last - begin, extent.rows - row)
            start = of_first[matrix] * extent.rows + row
            for i in range(count + tall):
                rows[i] = (start + min(i, count - 1)) * extent.pitch
            for number in range(extent.panels):
                panel, column, at = of_second[matrix] * extent.panels + number, number * channels, 0
                kept = min(channels, extent.columns - column)
                while at < count:
                    is_tall = count - at > tall - short
                    height = tall if is_tall else short
                    fill(source, rows, at, is_tall, work, panel, sums, totals)
                    for r in range(min(height, count - at)):
                        place, of_row = (begin + at + r) * extent.columns + column, corrections.of_row[start + at + r]
                        finish(totals, r, of_row, corrections.of_lane[panel], factor, out[place : place + kept])
                    at += height
            begin += count

    return compiled(run, f"product {tile.name} {finish_as}")
