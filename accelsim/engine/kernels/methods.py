"""Which inner product a layer gets, from the ranges of its codes and weights."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from accelsim.engine.bounds import reach
from accelsim.engine.kernels import native, portable
from accelsim.engine.kernels.skeleton import Tile
from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.ir.ops import Dense, Linear
from accelsim.ir.program import Encoding, LinearLayer

Storage = Literal["bytes", "shorts", "signs", "trits"]
INT32 = (1 << 31) - 1
SHORT_BLOCK = 128
"""Products that must be sure to fit 32 bits, or else 16-bit weights are split into two digits."""
LONG_BLOCK = 256
"""The same for the portable loops, which otherwise add in 64 bits."""
FEW_CODES = 32
"""Fewer channels than this leave most of a 64-bit word of a bit plane empty."""


@dataclass(frozen=True)
class Method:
    """How inputs are stored and multiplied.

    offset: added to a code when it is stored. largest: magnitude of a stored code. codes: of a word. unit: places in
    the stored array of a code (of a word, for bit planes). tree: channels of an adder tree, 0 where none saturates.
    """

    storage: Storage
    is_native: bool
    offset: int
    largest: int
    codes: int
    unit: int
    digits: int = 1
    wide: bool = False
    in_64_bits: bool = False
    tree: int = 0
    to_zero: bool = False

    @property
    def word_units(self) -> int:
        """Places in the stored array that a word takes."""
        return self.unit if self.storage in ("signs", "trits") else self.codes * self.unit

    @property
    def is_planes(self) -> bool:
        """Whether codes are bits."""
        return self.storage in ("signs", "trits")

    @property
    def channels(self) -> int:
        """Output channels of the narrower panels; the others have twice as many."""
        return 8 if self.storage == "trits" or self.digits == 2 else 16

    def tile(self, vectors: int, marks: bool) -> Tile:
        """What multiplies panels of `vectors` times `channels` lanes; `marks`: overflows are counted."""
        if self.is_native and self.tree:
            return native.clamped(self.storage, vectors, self.to_zero, marks)
        if self.is_native:  # a register holds 8 channels of signs
            return native.plain(self.storage, vectors * (2 if self.storage == "signs" else 1), self.digits, self.wide)
        if self.tree:
            return portable.clamped(vectors)
        return portable.plain(vectors, np.int64 if self.in_64_bits else np.int32, self.wide)


def plain_method(op: Linear, layer: LinearLayer, source: Encoding, exact: bool, is_native: bool) -> Method:
    """For registers that wrap or are proven not to overflow. `exact`: sums of 64 bits, whatever the register."""
    format, scaling = affine_of(source)
    accumulator, integers = layer.accumulator, integers_of(layer)
    assert accumulator is not None
    lowest, highest = reach(op, layer, source)
    in_32_bits = bool(((integers.bias + lowest >= -INT32) & (integers.bias + highest <= INT32)).all())
    narrow = in_32_bits or (accumulator.bits <= 32 and not exact)
    smallest, largest = int(integers.factors.min(initial=0)), int(integers.factors.max(initial=0))
    few = format.low - scaling.zero_point >= -1 and format.high - scaling.zero_point <= 1
    if is_native and native.counts_bits() and few and smallest >= -1 and largest <= 1 and _depth(op) >= FEW_CODES:
        return Method("trits", True, 0, 1, 64, 16, wide=not narrow)
    if is_native and format.low >= -128 and format.high <= 127 and smallest >= -128 and largest <= 127:
        return Method("bytes", True, 128, 255, 4, 1, wide=not narrow)
    code = max(-format.low, format.high)
    sure = INT32 // max(1, code * max(-smallest, largest))
    if is_native:
        return Method("shorts", True, 0, code, 2, 2, 2 if not narrow and sure < SHORT_BLOCK else 1, not narrow)
    return Method("shorts", False, 0, code, 1, 1, 1, not narrow, in_64_bits=not narrow and sure < LONG_BLOCK)


def saturating_method(op: Linear, layer: LinearLayer, source: Encoding, is_native: bool) -> Method:
    """For registers that saturate."""
    format, scaling = affine_of(source)
    accumulator, integers = layer.accumulator, integers_of(layer)
    assert accumulator is not None
    to_zero = accumulator.overflow == "sat_zero"
    low, high = format.low - scaling.zero_point, format.high - scaling.zero_point
    smallest, largest = int(integers.factors.min(initial=0)), int(integers.factors.max(initial=0))
    tree = min(accumulator.tree, _depth(op))
    product = max(-low, high, 0) * max(-smallest, largest)
    method = Method(
        "shorts", False, 0, max(-low, high), 1, 1, 1, wide=True, in_64_bits=True, tree=tree, to_zero=to_zero
    )
    if not is_native or (1 << (accumulator.bits - 1)) + tree * product > INT32 or low < -(1 << 15) or high >= 1 << 15:
        return method
    method = replace(method, is_native=True, wide=False, in_64_bits=False)
    in_bytes = format.low >= -128 and format.high <= 127 and smallest >= -128 and largest <= 127
    if in_bytes and tree > 2:
        return replace(method, storage="bytes", offset=128, largest=255, codes=4)
    return replace(method, offset=-scaling.zero_point, codes=2, unit=2)


def _depth(op: Linear) -> int:
    """Input channels of a group."""
    return op.in_features if isinstance(op, Dense) else op.in_channels // op.groups


def signs_method(method: Method) -> Method:
    """Where neither inputs nor weights are 0 the signs of trits are enough."""
    return replace(method, storage="signs", unit=8)
