"""Integers as `.npy`, and as text that Verilog's `$readmemh` reads: one hexadecimal word a line.

A word of b bits has ceil(b / 4) digits, the bits above b are 0; signed numbers are two's complement of b bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Coding = Literal["signed", "unsigned", "sign"]
"""How an integer becomes bits: two's complement, as it is, or one bit that is 1 for +1 and 0 for -1."""

BLOCK = 1 << 20
"""Elements of the largest array on the way to text."""
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


@dataclass(frozen=True)
class Vector:
    """Integers of any shape, in row-major order, each stored in `bits` bits."""

    values: NDArray[Any]
    bits: int
    coding: Coding = "signed"


def bit_patterns(vector: Vector) -> NDArray[np.uint64]:
    """The stored bits of each value, `[n]`."""
    flat = vector.values.reshape(-1).astype(np.int64)
    stored = (flat > 0).astype(np.int64) if vector.coding == "sign" else flat
    return stored.view(np.uint64) & np.uint64((1 << vector.bits) - 1)


def memory_text(patterns: NDArray[np.uint64], bits: int) -> bytes:
    """The lines of words of up to 64 bits."""
    count = -(-bits // 4)
    shifts = np.arange(4 * (count - 1), -1, -4, dtype=np.uint64)
    blocks = (patterns[at] for at in _blocks(len(patterns), count))
    return b"".join(_lines(((block[:, None] >> shifts) & np.uint64(15)).astype(np.uint8)) for block in blocks)


def packed_text(words: NDArray[np.uint64], bits: int) -> bytes:
    """The lines of words `[words, parts]` of parts of `bits` bits each, the first part in the lowest bits."""
    return b"".join(_packed(words[at], bits) for at in _blocks(len(words), words.shape[1] * bits))


def _blocks(rows: int, each: int) -> Iterator[slice]:
    """All rows, as many at a time as make `BLOCK` elements of `each` a row."""
    some = max(1, BLOCK // each)
    return (slice(first, first + some) for first in range(0, rows, some))


def _packed(words: NDArray[np.uint64], bits: int) -> bytes:
    shifts = np.arange(bits, dtype=np.uint64)
    lowest_first = ((words[:, :, None] >> shifts) & np.uint64(1)).astype(np.uint8).reshape(len(words), -1)
    spare = -lowest_first.shape[1] % 4
    padded = np.pad(lowest_first, ((0, 0), (0, spare)))[:, ::-1]
    return _lines(padded.reshape(len(words), -1, 4) @ np.array([8, 4, 2, 1], np.uint8))


def _lines(nibbles: NDArray[np.uint8]) -> bytes:
    characters = np.full((len(nibbles), nibbles.shape[1] + 1), ord("\n"), np.uint8)
    characters[:, :-1] = _DIGITS[nibbles]
    return characters.tobytes()


def save_vector(vector: Vector, folder: Path, name: str) -> tuple[Path, Path]:
    """Write NAME.npy, in the smallest signed integers that fit, and NAME.mem; returns both paths."""
    array, text = folder / f"{name}.npy", folder / f"{name}.mem"
    needed = vector.bits + (vector.coding != "signed")
    dtype = next(kind for kind in (np.int8, np.int16, np.int32, np.int64) if np.dtype(kind).itemsize * 8 >= needed)
    np.save(array, vector.values.astype(dtype), allow_pickle=False)
    text.write_bytes(memory_text(bit_patterns(vector), vector.bits))
    return array, text
