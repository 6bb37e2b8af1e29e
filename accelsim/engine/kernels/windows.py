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
def dot(window: Int16s, weights: Int16s, block: int) -> int:
    """Sum of products of two vectors of one length.

    32-bit sums of `block` products, added up in 64 bits: exact if no block exceeds 32 bits, else exact modulo 2**32
    provided that one block holds all. With block WIDE every product is added in 64 bits.
    """
    total = 0
    if block == WIDE:
        for k in range(len(window)):
            total += int(np.int64(window[k]) * np.int64(weights[k]))
        return total
    for start in range(0, len(window), block):
        x, w = window[start : start + block], weights[start : start + block]
        part = np.int32(0)
        for k in range(len(x)):
            part = np.int32(part + np.int32(x[k]) * np.int32(w[k]))
        total += int(part)
    return total


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
def place_windows(first: int, count: int, grid: Grid, sources: Int64s, targets: Int64s) -> None:
    """First element read and element written (channel 0) of `count` windows from number `first`."""
    for i in range(count):
        image, pixel = divmod(first + i, grid.pixels)
        row, column = divmod(pixel, grid.columns)
        sources[i] = image * grid.source_image + row * grid.source_row + column * grid.source_column
        targets[i] = (
            grid.target_origin + image * grid.target_image + row * grid.target_row + column * grid.target_column
        )


@compiled
def gather(image: Int16s, sources: Int64s, starts: Int64s, lengths: Int64s, windows: Int16s) -> None:
    """Windows `[n, K]` of an image: runs of `lengths` elements at `starts` from each source, end to end."""
    for i in range(len(sources)):
        filled = 0
        for run in range(len(starts)):
            begin = sources[i] + starts[run]
            seen = image[begin : begin + lengths[run]]
            into = windows[i, filled : filled + lengths[run]]
            for k in range(len(into)):
                into[k] = seen[k]
            filled += lengths[run]


@compiled
def finish(totals: Int64s, targets: Int64s, channel: int, epilogue: Epilogue, sums: Int64s, codes: Int16s) -> None:
    """Store the totals of one channel, wrapped, in `sums`, or their codes in `codes`: the one that is not empty."""
    bias, spare = epilogue.bias[channel], epilogue.spare
    for i in range(len(targets)):
        totals[i] = ((totals[i] + bias) << spare) >> spare
    if len(sums) > 0:
        for i in range(len(targets)):
            sums[targets[i]] = totals[i]
        return
    multiplier, shift = epilogue.multiplier[channel], epilogue.shift[channel]
    zero_point, low, high = epilogue.zero_point, epilogue.low, epilogue.high
    for i in range(len(targets)):
        totals[i] = min(max(requantized(totals[i], multiplier, shift) + zero_point, low), high)
    for i in range(len(targets)):
        codes[targets[i]] = totals[i]


@compiled
def run_windows(
    first: int,
    last: int,
    image: Int16s,
    weights: Int16s,
    block: int,
    starts: Int64s,
    lengths: Int64s,
    grid: Grid,
    epilogue: Epilogue,
    sums: Int64s,
    codes: Int16s,
) -> None:
    """Outputs of windows first <= w < last in all channels. Weights `[groups, out / groups, K]`, 0 past the runs."""
    groups, each, length = weights.shape
    rows = max(8, min(TILE_WINDOWS, TILE_ELEMENTS // length, last - first))
    windows = np.zeros((rows, length), np.int16)
    totals, sources, targets = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    for begin in range(first, last, rows):
        count = min(rows, last - begin)
        place_windows(begin, count, grid, sources, targets)
        for group in range(groups):
            gather(image, sources[:count], starts, lengths, windows)
            for k in range(each):
                for i in range(count):
                    totals[i] = dot(windows[i], weights[group, k], block)
                finish(totals, targets[:count], group * each + k, epilogue, sums, codes)
                targets[:count] += grid.target_channel
            sources[:count] += grid.source_group
