"""The compiled loops: gather the window of each output, multiply it with every weight row, finish the sums.

Everything compiled is in this file, because the cache of compiled code only sees changes of the file itself.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

WIDE = 0
"""Block length that asks for 64-bit sums throughout."""
TILE_ELEMENTS = 1 << 17
"""Elements of the windows handled together: 256 KiB of int16, about half of a second-level cache."""
TILE_WINDOWS = 64
TILE_CHANNELS = 64
SPLIT_BITS = 24
"""Low bits of a sum that are requantized apart, see `requantized`."""

Int16s = NDArray[np.int16]
Int64s = NDArray[np.int64]
P = ParamSpec("P")
R = TypeVar("R")


class Grid(NamedTuple):
    """Where windows begin and outputs go, in elements; window w is pixel w % pixels of image w // pixels."""

    pixels: int
    columns: int
    source_image: int
    source_row: int
    source_column: int
    source_group: int
    target_origin: int
    target_image: int
    target_row: int
    target_column: int
    target_channel: int


class Work(NamedTuple):
    """What one phase multiplies: weights `[groups, out_channels / groups, K]`, 0 past the runs that fill a window."""

    weights: Int16s
    block: int
    starts: Int64s
    lengths: Int64s
    grid: Grid


class Epilogue(NamedTuple):
    """What happens to a sum: add bias, keep 64 - spare bits, requantize to [low, high]; vectors per output channel."""

    bias: Int64s
    spare: int
    multiplier: Int64s
    shift: Int64s
    zero_point: int
    low: int
    high: int


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Machine code that releases the interpreter lock, kept on disk for the next process where that can be written."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        result: Callable[P, R] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no place for the cache: a read-only installation without a home directory
        result = numba.njit(**options)(function)
    return result


@compiled
def _dot_in_32_bits(x: Int16s, w: Int16s) -> int:
    total = np.int32(0)
    for k in range(len(x)):
        total = np.int32(total + np.int32(x[k]) * np.int32(w[k]))
    return int(total)


@compiled
def _dot_in_64_bits(x: Int16s, w: Int16s) -> int:
    total = 0
    for k in range(len(x)):
        total += int(np.int64(x[k]) * np.int64(w[k]))
    return total


@compiled
def multiply(windows: Int16s, count: int, weights: Int16s, first: int, block: int, totals: Int64s) -> None:
    """Sums of products of the first `count` windows `[n, K]` and len(totals) weight rows `[m, K]` from row `first`.

    32-bit sums of `block` products, added up in 64 bits: exact if no block exceeds 32 bits, else exact modulo 2**32.
    With block WIDE every product is added in 64 bits.
    """
    length = weights.shape[1]
    step = length if block == WIDE else block
    for start in range(0, length, step):
        for k in range(min(len(totals), len(weights) - first)):
            row = weights[first + k, start : start + step]
            for i in range(count):
                window = windows[i, start : start + step]
                part = _dot_in_64_bits(window, row) if block == WIDE else _dot_in_32_bits(window, row)
                totals[k, i] = part if start == 0 else totals[k, i] + part


@compiled
def requantized(total: int, multiplier: int, shift: int) -> int:
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


@compiled
def gather(image: Int16s, source: int, starts: Int64s, lengths: Int64s, window: Int16s) -> None:
    """One window `[K]`: runs of `lengths` elements of the image at `source` + `starts`, end to end."""
    filled = 0
    for run in range(len(starts)):
        begin, length = source + starts[run], lengths[run]
        seen, into = image[begin : begin + length], window[filled : filled + length]
        for k in range(len(into)):
            into[k] = seen[k]
        filled += length


@compiled
def finish(
    totals: Int64s, channel: int, epilogue: Epilogue, targets: Int64s, offset: int, sums: Int64s, codes: Int16s
) -> None:
    """Store the totals of one channel, wrapped, in `sums`, or their codes in `codes`, at `targets` + `offset`."""
    bias, spare = epilogue.bias[channel], epilogue.spare
    multiplier, shift = epilogue.multiplier[channel], epilogue.shift[channel]
    zero_point, low, high = epilogue.zero_point, epilogue.low, epilogue.high
    for i in range(len(totals)):
        totals[i] = ((totals[i] + bias) << spare) >> spare
    if len(sums) > 0:
        for i in range(len(totals)):
            sums[targets[i] + offset] = totals[i]
        return
    for i in range(len(totals)):
        totals[i] = min(max(requantized(totals[i], multiplier, shift) + zero_point, low), high)
    for i in range(len(totals)):
        codes[targets[i] + offset] = totals[i]


@compiled
def run_windows(
    first: int, last: int, image: Int16s, work: Work, epilogue: Epilogue, sums: Int64s, codes: Int16s
) -> None:
    """Outputs of windows first <= w < last in all channels, into `sums` or `codes`: the one that is not empty."""
    grid = work.grid
    groups, each, length = work.weights.shape
    rows = max(1, min(TILE_WINDOWS, TILE_ELEMENTS // length, last - first))
    windows = np.zeros((rows, length), np.int16)
    totals = np.empty((min(each, TILE_CHANNELS), rows), np.int64)
    targets = np.empty(rows, np.int64)
    for begin in range(first, last, rows):
        count = min(rows, last - begin)
        for group in range(groups):
            for i in range(count):
                image_index, pixel = divmod(begin + i, grid.pixels)
                row, column = divmod(pixel, grid.columns)
                source = image_index * grid.source_image + row * grid.source_row + column * grid.source_column
                gather(image, source + group * grid.source_group, work.starts, work.lengths, windows[i])
                target = image_index * grid.target_image + row * grid.target_row + column * grid.target_column
                targets[i] = grid.target_origin + target
            for channel in range(0, each, TILE_CHANNELS):
                multiply(windows, count, work.weights[group], channel, work.block, totals)
                for k in range(min(len(totals), each - channel)):
                    number = group * each + channel + k
                    offset = number * grid.target_channel
                    finish(totals[k, :count], number, epilogue, targets, offset, sums, codes)
