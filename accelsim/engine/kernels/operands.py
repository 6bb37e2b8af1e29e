"""Two matrices of codes as the tiles read them: rows end to end in whole words, columns in panels of lanes."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import compiled

Array = NDArray[Any]
Int64s = NDArray[np.int64]


class Strides(NamedTuple):
    """Elements from one matrix, row and column to the next."""

    matrix: int
    row: int
    column: int


class Packing(NamedTuple):
    """Where the code k of a lane of a panel is stored: word k // codes, all in elements.

    digits: 2 where the high digits, of `digit_bits` bits, follow the low ones. words: of all steps.
    """

    lanes: int
    codes: int
    words: int
    digits: int
    digit_bits: int
    panel_step: int
    word_step: int
    digit_step: int
    lane_step: int


def _lay_rows(
    first: int,
    last: int,
    codes: Array,
    strides: Strides,
    rows: int,
    depth: int,
    offset: int,
    pitch: int,
    out: Array,
    sums: Int64s,
) -> None:
    """Rows first <= r < last of all matrices one after another, code + offset, `pitch` apart; sums of their codes."""
    for index in range(first, last):
        matrix, row = divmod(index, rows)
        start = matrix * strides.matrix + row * strides.row
        into, total = out[index * pitch : (index + 1) * pitch], np.int64(0)
        if strides.column == 1:
            seen = codes[start : start + depth]
            for k in range(len(seen)):
                into[k] = seen[k] + offset
                total += np.int64(seen[k])
        else:
            for k in range(depth):
                code = np.int64(codes[start + k * strides.column])
                into[k] = code + offset
                total += code
        for k in range(depth, pitch):
            into[k] = 0
        sums[index] = total


def _pack_columns(
    first: int,
    last: int,
    codes: Array,
    strides: Strides,
    depth: int,
    columns: int,
    packing: Packing,
    out: Array,
    sums: Int64s,
) -> None:
    """Panels first <= p < last of all matrices `[depth, columns]` one after another; sums `[panels, lanes]`.

    `out` holds zeros where there are no codes.
    """
    per_matrix = -(-columns // packing.lanes)
    for panel in range(first, last):
        matrix, number = divmod(panel, per_matrix)
        begin = number * packing.lanes
        lanes = min(packing.lanes, columns - begin)
        start = matrix * strides.matrix + begin * strides.column
        totals = sums[panel]
        for lane in range(packing.lanes):
            totals[lane] = 0
        for k in range(depth):
            word, place = divmod(k, packing.codes)
            into = panel * packing.panel_step + word * packing.word_step + place
            row = start + k * strides.row
            for lane in range(lanes):
                code = np.int64(codes[row + lane * strides.column])
                totals[lane] += code
                if packing.digits == 1:
                    out[into + lane * packing.lane_step] = code
                else:
                    half = np.int64(1) << (packing.digit_bits - 1)
                    low = ((code + half) & (2 * half - 1)) - half
                    out[into + lane * packing.lane_step] = low
                    out[into + lane * packing.lane_step + packing.digit_step] = (code - low) >> packing.digit_bits


lay_rows, pack_columns = compiled(_lay_rows), compiled(_pack_columns)
