"""Products of two matrices of codes, exact, with the inner products of the layers.

With codes a + o as they are stored (o = 128 where they are multiplied as unsigned bytes, else 0) and zero points z, y:

    sum (a - z)(b - y) = sum (a + o) b - (z + o) sum b - y (sum a - k z)

The first sum is what instructions make; the others are one number of each column and one of each row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import ceil, prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.integer_dispatch import Operand
from accelsim.engine.kernels import native, portable
from accelsim.engine.kernels.operands import Packing, Strides, lay_rows, pack_columns
from accelsim.engine.kernels.places import flat
from accelsim.engine.kernels.product_loop import Corrections, Extent, Factor, ProductFinish, make_product_driver
from accelsim.engine.kernels.skeleton import DIGIT_BITS, Tile, Work
from accelsim.engine.kernels.workers import Workers

Array = NDArray[Any]
Int64s = NDArray[np.int64]
REGISTER_LANES = 16
BYTE_DEPTH = 1 << 15
"""Products of 8-bit codes, even of 255 x 255, whose sum fits 32 bits."""
SHORT_DEPTH = 1 << 8
"""Products of 16 by 8 bits, and as many of 16-bit codes by a digit, the same."""


@dataclass(frozen=True)
class _Method:
    """codes: of a word. unit: places in the stored rows of a code. step: codes that are added in 32 bits."""

    is_native: bool
    is_bytes: bool
    digits: int
    codes: int
    step: int

    @property
    def offset(self) -> int:
        return 128 if self.is_native and self.is_bytes else 0

    @property
    def unit(self) -> int:
        return 2 if self.is_native and not self.is_bytes else 1

    def tile(self, vectors: int, wide: bool) -> Tile:
        if self.is_native:
            return native.plain("bytes" if self.is_bytes else "shorts", vectors, self.digits, wide)
        return portable.plain(vectors, np.int64 if wide else np.int32, wide)


def _method(first: Array, second: Array, is_native: bool) -> _Method:
    narrow = [values.dtype == np.int8 for values in (first, second)]
    if not is_native:
        return _Method(False, all(narrow), 1, 1, BYTE_DEPTH if all(narrow) else 1 << 62)
    if all(narrow):
        return _Method(True, True, 1, 4, BYTE_DEPTH)
    return _Method(True, False, 1 if any(narrow) else 2, 2, SHORT_DEPTH)


_making = Lock()
_driver = cache(make_product_driver)


def matrix_product(
    first: Operand,
    second: Operand,
    factor: Factor | None,
    dtype: type[np.signedinteger[Any]],
    workers: Workers,
    is_native: bool,
) -> Array:
    """`[..., m, k] @ [..., k, n]` of codes minus their zero points; leading axes broadcast. Codes are int8 or int16.

    Exact sums without a `factor`, else the codes that it makes of them, for sums below 2**55; as `dtype`.
    """
    (*leading_first, rows, depth), (*leading_second, _, columns) = first.codes.shape, second.codes.shape
    leading = np.broadcast_shapes(leading_first, leading_second)
    out = np.empty((*leading, rows, columns), dtype)
    if not out.size:
        return out
    method = _method(first.codes, second.codes, is_native)
    steps = max(1, ceil(depth / method.step))
    words = max(1, ceil(depth / (method.codes * steps)))
    wide = steps > 1 or not method.is_bytes
    vectors = 2 if method.digits == 2 or columns > REGISTER_LANES else 1
    with _making:
        tile = method.tile(vectors, wide)
        finish_as: ProductFinish = "sums" if factor is None else "codes"
        driver = _driver(tile, finish_as)
    source, row_sums = _laid(first.codes, method, steps * words * method.codes, workers)
    work, lane_sums = _packed(second.codes, method, tile, steps, words, workers)
    corrections = Corrections(
        of_row=-second.zero_point * (row_sums - depth * first.zero_point),
        of_lane=-(first.zero_point + method.offset) * lane_sums,
    )
    lanes = tile.lanes // tile.digits
    extent = Extent(rows, columns, -(-columns // lanes), steps * words * method.codes * method.unit)
    of_first, of_second = _which(leading_first, leading), _which(leading_second, leading)
    numbers = Factor(0, 1, 0, 0, 0) if factor is None else factor
    workers.results(
        [
            partial(driver, a, b, source, work, extent, of_first, of_second, corrections, numbers, out.reshape(-1))
            for a, b in workers.shares(out.size // columns, tile.tall)
        ]
    )
    return out


def _which(own: Sequence[int], leading: Sequence[int]) -> Int64s:
    """Of each matrix of the result, which one of an operand makes it."""
    numbers = np.arange(prod(own)).reshape(own)
    return np.ascontiguousarray(np.broadcast_to(numbers, leading)).reshape(-1)


def _matrices(codes: Array) -> tuple[Array, Strides, int]:
    """Flat memory of matrices, where they lie, and how many there are."""
    count = prod(codes.shape[:-2])
    memory, strides = flat(codes.reshape(count, *codes.shape[-2:]))
    return memory, Strides(*strides), count


def _laid(codes: Array, method: _Method, pitch: int, workers: Workers) -> tuple[Array, Int64s]:
    rows, depth = codes.shape[-2:]
    memory, strides, count = _matrices(codes)
    laid = np.empty(count * rows * pitch, np.uint8 if method.offset else np.int16)
    sums = np.empty(count * rows, np.int64)
    workers.results(
        [
            partial(lay_rows, a, b, memory, strides, rows, depth, method.offset, pitch, laid, sums)
            for a, b in workers.shares(count * rows)
        ]
    )
    return laid.view(np.uint8) if method.is_native else laid, sums


def _packed(codes: Array, method: _Method, tile: Tile, steps: int, words: int, workers: Workers) -> tuple[Work, Int64s]:
    depth, columns = codes.shape[-2:]
    memory, strides, count = _matrices(codes)
    lanes = tile.lanes // tile.digits
    panels = count * -(-columns // lanes)
    packing = _packing(method, lanes, steps * words)
    packed = np.zeros(panels * packing.panel_step, np.int8 if method.is_native and method.is_bytes else np.int16)
    sums = np.empty((panels, lanes), np.int64)
    workers.results(
        [
            partial(pack_columns, a, b, memory, strides, depth, columns, packing, packed, sums)
            for a, b in workers.shares(panels)
        ]
    )
    work = Work(
        weights=packed.view(np.uint8).reshape(panels, steps, words, -1)
        if method.is_native
        else packed.reshape(panels, lanes, -1),
        sources=np.zeros(panels, np.int64),
        steps=np.arange(steps) * (words * method.codes * method.unit),
        words=words,
        per_block=1,
        start=np.zeros((panels, tile.lanes), tile.element),
        trees=np.zeros(7, np.int64),
        corrections=np.zeros((1, 1, 1), np.int32),
    )
    return work, sums


def _packing(method: _Method, lanes: int, words: int) -> Packing:
    if not method.is_native:  # the codes of a lane lie end to end
        return Packing(lanes, words, 1, 1, DIGIT_BITS, lanes * words, 0, 0, words)
    lane, digit = method.codes, method.codes * lanes
    word = digit * method.digits
    return Packing(lanes, method.codes, words, method.digits, DIGIT_BITS, words * word, word, digit, lane)
