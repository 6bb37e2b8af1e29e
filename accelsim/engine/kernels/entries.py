"""Tables with an entry for every code, read in compiled loops: functions behind layers, pixels of images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.places import by_place
from accelsim.formats.affine import Scaling
from accelsim.formats.lookup import Lookup, looked_up
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.quantize import dequantize
from accelsim.machine_code import compiled

Array = NDArray[Any]


def _read(codes: Array, entries: Array, origin: int, out: Array) -> None:
    """out[i] = entries[codes[i] - origin]; all flat."""
    for i in range(len(codes)):
        out[i] = entries[np.int64(codes[i]) - origin]


read = compiled(_read)


def entries_of(codes: Array, entries: Array, origin: int) -> Array:
    """The entry of each code `[...]` in the same places of memory; entry 0 is that of code `origin`.

    Codes beyond the table are not caught.
    """
    ordered, order = by_place(codes)
    out = np.empty(ordered.shape, entries.dtype)
    read(ordered.reshape(-1), entries, origin, out.reshape(-1))
    return out.transpose(np.argsort(order))


def fast_looked_up(codes: Array, table: Lookup, dtype: type[np.signedinteger[Any]]) -> Array:
    """`looked_up`, as `dtype`."""
    if table.spacing or codes.dtype == object:
        return looked_up(codes, table).astype(dtype)
    return entries_of(codes, table.entries.astype(dtype), table.origin)


@dataclass(frozen=True)
class PixelTable:
    """The pixel of every code from `lowest` on."""

    pixels: NDArray[np.uint8]
    lowest: int

    def __call__(self, codes: Array) -> NDArray[np.uint8]:
        """Codes `[N, C, H, W]`, int8 or int16, as pixels `[N, H, W, C]`."""
        return np.ascontiguousarray(entries_of(codes, self.pixels, self.lowest).transpose(0, 2, 3, 1))


def pixel_table(
    format: IntegerFormat, scaling: Scaling, pixels_of: Callable[[NDArray[np.float64]], NDArray[np.uint8]]
) -> PixelTable:
    """What `pixels_of` makes of the real value of each code, one after the other."""
    codes = np.arange(format.low, format.high + 1)
    return PixelTable(np.ascontiguousarray(pixels_of(dequantize(codes, scaling))), format.low)
