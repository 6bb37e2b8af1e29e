"""Functions of one code as tables: one entry for every code, or knots to interpolate between.

Up to `INDEX_BITS` bits a table holds the result of every code. Wider codes address knots 2**spacing codes apart, each
with `GUARD_BITS` bits behind the point of an output code, and what lies between two knots is on the line between them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.rescale import Landing, landed
from accelsim.formats.rounding import shift_right

INDEX_BITS = 12
"""Codes up to this width have an entry each; wider ones share 2**12 + 2 knots."""
GUARD_BITS = 8
KNOT_BYTES = 4
KNOT_LIMIT = (1 << 31) - 1


@dataclass(frozen=True)
class Lookup:
    """entries `[K]`: output codes, or knots in 2**-GUARD_BITS of an output code before its zero point.

    origin: the code of the first entry. spacing: log2 of the codes from one entry to the next; 0: entries are codes.
    landing: how a result between knots becomes a code.
    """

    entries: NDArray[np.int64]
    origin: int
    spacing: int
    landing: Landing


@dataclass(frozen=True)
class Layout:
    """Which codes a table has entries for: origin, origin + 2**spacing, ..., `count` of them."""

    origin: int
    spacing: int
    count: int

    @property
    def codes(self) -> NDArray[np.int64]:
        """The code of each entry."""
        return self.origin + (np.arange(self.count, dtype=np.int64) << self.spacing)


def table_layout(bits: int, zero_point: int, knots: bool) -> Layout:
    """Entries for codes of `bits` bits; without `knots` one for each, with them one is at the zero point."""
    low, spacing = -(1 << (bits - 1)), max(0, bits - INDEX_BITS) if knots else 0
    if not spacing:
        return Layout(low, 0, 1 << bits)
    before = -(-(zero_point - low) >> spacing)
    return Layout(zero_point - (before << spacing), spacing, (1 << INDEX_BITS) + 2)


def table_bytes(bits: int, result_bits: int, knots: bool) -> int:
    """Bytes of a table over codes of `bits` bits whose results have `result_bits`."""
    count = table_layout(bits, 0, knots).count
    return count * KNOT_BYTES if knots and bits > INDEX_BITS else -(-count * result_bits // 8)


def looked_up(codes: NDArray[np.integer], table: Lookup) -> NDArray[np.int64]:
    """The function of each code `[...]`."""
    if not table.spacing:
        return table.entries[codes.astype(np.int64) - table.origin]
    offset = codes.astype(np.int64) - table.origin
    index, part = offset >> table.spacing, offset & ((1 << table.spacing) - 1)
    first, second = table.entries[index], table.entries[index + 1]
    line = (first << table.spacing) + (second - first) * part
    shift = np.asarray(table.spacing + GUARD_BITS, np.int64)
    return landed(shift_right(line, shift, table.landing.rounding), table.landing)
