"""The same tiles as plain loops, for every CPU: windows are copied end to end, so that the compiler vectorizes dots."""

from functools import cache

import numpy as np

from accelsim.engine.kernels.skeleton import Array, Int64s, Tile, Work
from accelsim.machine_code import compiled

TALL, SHORT = 16, 4
LANES = 16
"""Lanes of one of the one or two "registers" of a tile."""


def _dot_in_32_bits(x: Array, w: Array) -> int:
    total = np.int32(0)
    for k in range(len(x)):
        total = np.int32(total + np.int32(x[k]) * np.int32(w[k]))
    return int(total)


def _dot_in_64_bits(x: Array, w: Array) -> int:
    total = np.int64(0)
    for k in range(len(x)):
        total += np.int64(x[k]) * np.int64(w[k])
    return int(total)


def _multiply_rows(
    height: int, source: Array, rows: Int64s, row: int, work: Work, panel: int, step: int, steps: int, sums: Array
) -> None:
    words = work.words
    windows = np.empty((height, steps * words), np.int16)
    for r in range(height):
        begin = rows[row + r] + work.sources[panel]
        for s in range(steps):
            run = begin + work.steps[step + s]
            seen, window = source[run : run + words], windows[r, s * words : (s + 1) * words]
            for k in range(len(window)):
                window[k] = seen[k]
    for lane in range(sums.shape[1]):
        weights = work.weights[panel, lane, step * words : (step + steps) * words]
        for r in range(height):
            dot = dot_in_64_bits(windows[r], weights) if sums.itemsize == 8 else dot_in_32_bits(windows[r], weights)
            sums[r, lane] = work.start[panel, lane] + dot


def _clamp_rows(
    height: int, source: Array, rows: Int64s, row: int, work: Work, panel: int, step: int, steps: int, sums: Array
) -> None:
    """Addition by addition, in 64 bits; trees also holds the zero point and whether what overflows becomes 0."""
    tree, low, high, zero_point, to_zero = work.trees[2], work.trees[3], work.trees[4], work.trees[5], work.trees[6]
    words = work.words
    for r in range(height):
        held, marks = sums[r], sums[height + r]
        for lane in range(len(held)):
            held[lane], marks[lane] = work.start[panel, lane], 0
        for s in range(steps):
            begin = rows[row + r] + work.sources[panel] + work.steps[s]
            for first in range(0, words, tree):
                for k in range(first, min(first + tree, words)):
                    x, weights = np.int64(source[begin + k]) - zero_point, work.weights[panel, s * words + k]
                    for lane in range(len(held)):
                        held[lane] += x * np.int64(weights[lane])
                for lane in range(len(held)):
                    total = held[lane]
                    inside = min(max(total, low), high)
                    marks[lane] |= total ^ inside
                    held[lane] = 0 if to_zero != 0 and total != inside else inside


dot_in_32_bits, dot_in_64_bits = compiled(_dot_in_32_bits), compiled(_dot_in_64_bits)
multiply_rows, clamp_rows = compiled(_multiply_rows), compiled(_clamp_rows)


def _short(source: Array, rows: Int64s, row: int, work: Work, panel: int, step: int, steps: int, sums: Array) -> None:
    multiply_rows(SHORT, source, rows, row, work, panel, step, steps, sums)


def _tall(source: Array, rows: Int64s, row: int, work: Work, panel: int, step: int, steps: int, sums: Array) -> None:
    multiply_rows(TALL, source, rows, row, work, panel, step, steps, sums)


def _clamped(source: Array, rows: Int64s, row: int, work: Work, panel: int, step: int, steps: int, sums: Array) -> None:
    clamp_rows(SHORT, source, rows, row, work, panel, step, steps, sums)


short, tall, clamped_rows = compiled(_short), compiled(_tall), compiled(_clamped)


@cache
def plain(vectors: int, element: type[np.int32] | type[np.int64], wide: bool) -> Tile:
    """Sums of 16-bit codes by 16-bit weights in 32 bits (modulo 2**32) or 64; see `Tile`."""
    name = f"portable {vectors} {element.__name__} {wide}"
    return Tile(name, short, tall, SHORT, TALL, vectors * LANES, element, 1, wide, wide, marks=False)


@cache
def clamped(vectors: int) -> Tile:
    """Sums of 16-bit codes by 16-bit weights in a saturating register of up to 62 bits; see `Tile`."""
    name = f"portable clamped {vectors}"
    return Tile(
        name, clamped_rows, clamped_rows, SHORT, SHORT, vectors * LANES, np.int64, 1, wide=True, biased=True, marks=True
    )
