"""Weights as the tiles read them: panels of lanes, each step of inputs in words."""

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.methods import INT32, Method
from accelsim.engine.kernels.skeleton import DIGIT_BITS
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear

Array = NDArray[Any]
Int16s = NDArray[np.int16]


@singledispatch
def by_tap(op: Linear, factors: Array) -> Int16s:
    """Factors as `[groups, out_channels / groups, kh, kw, in_channels / groups]`."""
    raise TypeError(f"{type(op).__name__} has no weights")


@by_tap.register
def _(op: Dense, factors: Array) -> Int16s:
    return factors.astype(np.int16).reshape(1, op.out_features, 1, 1, op.in_features)


@by_tap.register
def _(op: Conv2d, factors: Array) -> Int16s:
    each = op.in_channels // op.groups
    return factors.astype(np.int16).reshape(op.groups, -1, each, *op.kernel).transpose(0, 1, 3, 4, 2)


@by_tap.register
def _(op: ConvTranspose2d, factors: Array) -> Int16s:
    each = op.in_channels // op.groups
    return factors.astype(np.int16).reshape(op.groups, each, -1, *op.kernel).transpose(0, 2, 3, 4, 1)


def in_words(lanes: Int16s, method: Method) -> Array:
    """Registers `[panels, steps, words, bytes]` of weights `[panels, lanes, steps, codes]`, codes a multiple of a word.

    Without instructions: `[panels, lanes, steps * codes]`, or for saturating registers the same with lanes last.
    """
    panels, count, steps, codes = lanes.shape
    if not method.is_native:
        flat = lanes.reshape(panels, count, steps * codes)
        return np.ascontiguousarray(flat.swapaxes(1, 2) if method.tree else flat)
    words = codes // method.codes
    if method.is_planes:
        return _in_planes(lanes, method)
    values = lanes.astype(np.int8) if method.storage == "bytes" else lanes
    if method.digits == 2:
        low = ((lanes.astype(np.int32) + 128) & 255) - 128
        values = np.concatenate([low, (lanes - low) >> DIGIT_BITS], axis=1).astype(np.int16)
    registers = values.reshape(panels, values.shape[1], steps, words, method.codes).transpose(0, 2, 3, 1, 4)
    return _as_bytes(registers, panels, steps, words)


def _as_bytes(registers: Array, panels: int, steps: int, words: int) -> Array:
    """`[panels, steps, words, bytes]` of numbers in this order."""
    each = registers.nbytes // max(1, panels * steps * words)
    return np.ascontiguousarray(registers).reshape(-1).view(np.uint8).reshape(panels, steps, words, each)


def _in_planes(lanes: Int16s, method: Method) -> Array:
    panels, count, steps, codes = lanes.shape
    planes = [lanes < 0] if method.storage == "signs" else [lanes < 0, lanes != 0]
    words = codes // method.codes
    bits = np.packbits(np.stack(planes), axis=-1, bitorder="little").reshape(-1).view(np.uint64)
    registers = bits.reshape(len(planes), panels, count // 8, 8, steps, words)
    return _as_bytes(registers.transpose(1, 4, 5, 2, 0, 3), panels, steps, words)


def pieces(lanes: Int16s, method: Method) -> tuple[int, int]:
    """Into how many pieces each step is cut, and how many pieces are added in 32 bits, exactly for every input.

    lanes: `[panels, lanes, steps, codes]`.
    """
    if not method.wide or method.is_planes or method.in_64_bits or lanes.size == 0:
        return 1, max(1, lanes.shape[2])
    magnitudes = np.abs(lanes.astype(np.int64)) if method.digits == 1 else np.full(lanes.shape, 1 << (DIGIT_BITS - 1))
    steps, codes = lanes.shape[2:]
    for cuts in (1, *(1 << i for i in range(1, codes.bit_length() + 1))):
        size = piece_size(codes, cuts, method)
        padded = np.zeros((*lanes.shape[:3], cuts * size), np.int64)
        padded[..., :codes] = magnitudes
        sums = padded.reshape(-1, steps * cuts, size).sum(2) * method.largest
        if int(sums.max()) <= INT32:
            return cuts, _block(sums)
    return codes, 1


def piece_size(codes: int, cuts: int, method: Method) -> int:
    """Codes of a piece, in whole words."""
    return -(-codes // (cuts * method.codes)) * method.codes


def _block(sums: Array) -> int:
    """How many neighbours can be added, in every block of as many."""
    count = sums.shape[1]
    for parts in range(1, count + 1):
        size = -(-count // parts)
        if int(np.add.reduceat(sums, np.arange(0, count, size), axis=1).max()) <= INT32:
            return int(size)
    return 1
