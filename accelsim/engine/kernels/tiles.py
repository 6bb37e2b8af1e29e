"""The innermost loops as LLVM instructions: a tile of rows x lanes is multiplied while its sums stay in registers.

Numba's vectorizer reaches a tenth of what the dot-product instructions of AVX-512 VNNI do, so they are asked for here
by name. Rows are output pixels, lanes output channels. A step is a run of input that lies end to end, in words: the
input is read where it lies (no windows are copied), one word at a time, and multiplied with that word of every lane.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

Value = Any
"""A value in LLVM; llvmlite has no types of its own to check."""
Builder = Any
cgutils: Any = untyped_cgutils

REGISTER_BYTES = 64


@dataclass(frozen=True)
class Product:
    """How one word of input is multiplied: `add(builder, sums, inputs, weights)` gives the new sums.

    lane: integer type of a lane. words: machine words of the lane's width that make a word of input (bit planes: 2).
    """

    lane: Any
    words: int
    add: Callable[[Builder, Value, list[Value], list[Value]], Value]

    @property
    def vector(self) -> Any:
        """The type of one register of lanes."""
        return ir.VectorType(self.lane, REGISTER_BYTES * 8 // self.lane.width)


def _called(name: str, vector: Any) -> Callable[[Builder, Value, list[Value], list[Value]], Value]:
    def add(builder: Builder, sums: Value, inputs: list[Value], weights: list[Value]) -> Value:
        kind = ir.FunctionType(vector, [vector, vector, vector])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [sums, inputs[0], weights[0]])

    return add


def _ones(builder: Builder, bits: Value) -> Value:
    kind = ir.FunctionType(bits.type, [bits.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.ctpop.v8i64"), [bits])


def _differing(builder: Builder, sums: Value, inputs: list[Value], weights: list[Value]) -> Value:
    """Counts the places where the signs differ: a dot product of n signs is n - 2 * that."""
    return builder.add(sums, _ones(builder, builder.xor(inputs[0], weights[0])))


def _signed(builder: Builder, sums: Value, inputs: list[Value], weights: list[Value]) -> Value:
    """Words are (sign, not 0): agreeing places count 1, differing ones -1, as far as neither is 0."""
    both = builder.and_(inputs[1], weights[1])
    differing = builder.and_(both, builder.xor(inputs[0], weights[0]))
    sums = builder.add(sums, _ones(builder, builder.xor(both, differing)))
    return builder.sub(sums, _ones(builder, differing))


_I32, _I64 = ir.IntType(32), ir.IntType(64)
_V32 = ir.VectorType(_I32, 16)
BYTES = Product(_I32, 1, _called("llvm.x86.avx512.vpdpbusd.512", _V32))
"""4 unsigned bytes of input by 4 signed weights, exact modulo 2**32."""
SHORTS = Product(_I32, 1, _called("llvm.x86.avx512.vpdpwssd.512", _V32))
"""2 signed 16-bit inputs by 2 such weights, exact modulo 2**32."""
SIGNS = Product(_I64, 1, _differing)
TRITS = Product(_I64, 2, _signed)


@dataclass(frozen=True)
class Clamp:
    """What a saturating register does after each addition, and whether lanes that ever overflowed are marked."""

    to_zero: bool
    marks: bool


def _at(builder: Builder, address: Value, kind: Any) -> Value:
    loaded = builder.load(builder.inttoptr(address, kind.as_pointer()))
    loaded.align = 1
    return loaded


def _put(builder: Builder, value: Value, address: Value) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 1


def _plus(builder: Builder, address: Value, count: Value | None, size: int) -> Value:
    """address + count * size, or address + size without a count."""
    offset = ir.Constant(_I64, size)
    return builder.add(address, offset if count is None else builder.mul(count, offset))


def _in_all_lanes(builder: Builder, scalar: Value, vector: Any) -> Value:
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count))


@dataclass(frozen=True)
class _Tile:
    """Sums in registers: [rows][vectors] of stack places that LLVM turns into registers."""

    product: Product
    rows: int
    vectors: int

    @property
    def weight_bytes(self) -> int:
        return REGISTER_BYTES * self.vectors * self.product.words

    @property
    def word_bytes(self) -> int:
        return self.product.words * int(self.product.lane.width) // 8

    def started(self, builder: Builder, start: Value | None) -> list[list[Value]]:
        kind = self.product.vector
        empty = ir.Constant(kind, None)
        first = [
            empty if start is None else _at(builder, _plus(builder, start, None, REGISTER_BYTES * v), kind)
            for v in range(self.vectors)
        ]
        return [[cgutils.alloca_once_value(builder, value) for value in first] for _ in range(self.rows)]

    def sources(self, builder: Builder, source: Value, rows_at: Value) -> list[Value]:
        return [
            builder.add(source, _at(builder, _plus(builder, rows_at, None, 8 * row), _I64)) for row in range(self.rows)
        ]

    def multiply_word(self, builder: Builder, sums: list[list[Value]], inputs: list[Value], weights: Value) -> None:
        """Add the products of one word of each row, at the addresses `inputs`."""
        product = self.product
        each = [
            [
                _at(builder, _plus(builder, weights, None, REGISTER_BYTES * (v * product.words + w)), product.vector)
                for w in range(product.words)
            ]
            for v in range(self.vectors)
        ]
        size = int(product.lane.width) // 8
        for row, address in enumerate(inputs):
            words = [
                _in_all_lanes(
                    builder, _at(builder, _plus(builder, address, None, size * w), product.lane), product.vector
                )
                for w in range(product.words)
            ]
            for v in range(self.vectors):
                place = sums[row][v]
                builder.store(product.add(builder, builder.load(place), words, each[v]), place)

    def store(self, builder: Builder, places: list[list[Value]], target: Value, first_row: int = 0) -> None:
        for row in range(self.rows):
            for v in range(self.vectors):
                offset = REGISTER_BYTES * ((first_row + row) * self.vectors + v)
                _put(builder, builder.load(places[row][v]), _plus(builder, target, None, offset))


def plain_tile(product: Product, rows: int, vectors: int) -> Any:
    """Intrinsic `(source, rows_at, steps_at, steps, words, weights, start, target)`, all addresses or counts.

    rows_at, steps_at: int64 offsets in bytes of each row and of each step. weights: `[steps][words][vectors]`
    registers. start: what every row of the tile begins with. target: the tile `[rows][vectors]` registers.
    """
    tile = _Tile(product, rows, vectors)

    def generate(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        source, rows_at, steps_at, steps, words, weights, start, target = args
        sums = tile.started(builder, start)
        sources = tile.sources(builder, source, rows_at)
        with cgutils.for_range(builder, steps) as step:
            offset = _at(builder, _plus(builder, steps_at, step.index, 8), _I64)
            begins = [builder.add(row, offset) for row in sources]
            block = builder.add(weights, builder.mul(step.index, _plus_bytes(builder, words, tile.weight_bytes)))
            with cgutils.for_range(builder, words) as word:
                inputs = [_plus(builder, row, word.index, tile.word_bytes) for row in begins]
                tile.multiply_word(builder, sums, inputs, _plus(builder, block, word.index, tile.weight_bytes))
        tile.store(builder, sums, target)
        return context.get_dummy_value()

    def typed(
        typing: Any,
        source: Any,
        rows_at: Any,
        steps_at: Any,
        steps: Any,
        words: Any,
        weights: Any,
        start: Any,
        target: Any,
    ) -> Any:
        return types.void(*[types.intp] * 8), generate

    return intrinsic(typed)


def _plus_bytes(builder: Builder, words: Value, size: int) -> Value:
    return builder.mul(words, ir.Constant(_I64, size))


def clamped_tile(product: Product, rows: int, vectors: int, clamp: Clamp) -> Any:
    """Intrinsic of a saturating register.

    `(source, rows_at, steps_at, steps, trees, words, stride, weights, corrections, low, high, start, target)`: as in
    `plain_tile`, with the `words` of `trees` adder trees in each step, which lie `stride` bytes of input apart.
    corrections: `[steps][trees][vectors]` registers, added with each tree. low, high: the least and the largest sum.
    Where overflows are marked, the tile is followed by one of the same size, not 0 where a sum ever overflowed.
    """
    tile = _Tile(product, rows, vectors)

    def generate(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        source, rows_at, steps_at, steps, trees, words, stride, weights, corrections, low, high, start, target = args
        bounds = [_in_all_lanes(builder, builder.trunc(x, _I32), product.vector) for x in (low, high)]
        sums, marks = tile.started(builder, start), tile.started(builder, None) if clamp.marks else None
        sources = tile.sources(builder, source, rows_at)
        with cgutils.for_range(builder, steps) as step:
            offset = _at(builder, _plus(builder, steps_at, step.index, 8), _I64)
            begins = [builder.add(row, offset) for row in sources]
            with cgutils.for_range(builder, trees) as tree:
                number = builder.add(builder.mul(step.index, trees), tree.index)
                _correct(builder, tile, sums, _plus(builder, corrections, number, REGISTER_BYTES * vectors))
                ahead = builder.mul(tree.index, stride)
                block = builder.add(weights, builder.mul(number, _plus_bytes(builder, words, tile.weight_bytes)))
                with cgutils.for_range(builder, words) as word:
                    at = _plus(builder, ahead, word.index, tile.word_bytes)
                    inputs = [builder.add(row, at) for row in begins]
                    tile.multiply_word(builder, sums, inputs, _plus(builder, block, word.index, tile.weight_bytes))
                _hold(builder, tile, sums, marks, bounds, clamp.to_zero)
        tile.store(builder, sums, target)
        if marks is not None:
            tile.store(builder, marks, target, first_row=rows)
        return context.get_dummy_value()

    def typed(
        typing: Any,
        source: Any,
        rows_at: Any,
        steps_at: Any,
        steps: Any,
        trees: Any,
        words: Any,
        stride: Any,
        weights: Any,
        corrections: Any,
        low: Any,
        high: Any,
        start: Any,
        target: Any,
    ) -> Any:
        return types.void(*[types.intp] * 13), generate

    return intrinsic(typed)


def _correct(builder: Builder, tile: _Tile, sums: list[list[Value]], corrections: Value) -> None:
    for v in range(tile.vectors):
        correction = _at(builder, _plus(builder, corrections, None, REGISTER_BYTES * v), tile.product.vector)
        for row in sums:
            builder.store(builder.add(builder.load(row[v]), correction), row[v])


def _hold(
    builder: Builder,
    tile: _Tile,
    sums: list[list[Value]],
    marks: list[list[Value]] | None,
    bounds: list[Value],
    to_zero: bool,
) -> None:
    """Bring every sum back into its register."""
    low, high = bounds
    kind = ir.FunctionType(low.type, [low.type, low.type])
    smaller = cgutils.get_or_insert_function(builder.module, kind, "llvm.smin.v16i32")
    larger = cgutils.get_or_insert_function(builder.module, kind, "llvm.smax.v16i32")
    for row in range(tile.rows):
        for v in range(tile.vectors):
            total = builder.load(sums[row][v])
            held = builder.call(larger, [builder.call(smaller, [total, high]), low])
            if marks is not None:
                mark = builder.load(marks[row][v])
                builder.store(builder.or_(mark, builder.xor(total, held)), marks[row][v])
            if to_zero:
                fits = builder.icmp_signed("==", total, held)
                held = builder.select(fits, held, ir.Constant(held.type, None))
            builder.store(held, sums[row][v])
