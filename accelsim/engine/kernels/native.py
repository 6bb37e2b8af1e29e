"""Tiles of AVX-512 instructions, and whether this CPU has them."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import binding

from accelsim.engine.kernels.skeleton import Array, Int64s, Tile, Work
from accelsim.engine.kernels.tiles import BYTES, SHORTS, SIGNS, TRITS, Clamp, Product, clamped_tile, plain_tile
from accelsim.machine_code import inlined

NEEDED = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni")
"""Features without which nothing here is used."""
TALL, SHORT = 12, 4
"""Rows of a tile: with two registers of lanes 24 sums, two of weights and one of input, of the 32 there are."""
MARKING = 6
"""Rows of a tile whose sums have a second register each, for the marks, or of four registers of lanes."""
WIDTHS = (1, 2)
"""Registers of lanes of a tile."""


def available() -> bool:
    """Whether this CPU, and the target that numba compiles for where that was set by hand, has the instructions."""
    present = binding.get_host_cpu_features()
    config: Any = numba.config
    features, cpu = config.CPU_FEATURES, config.CPU_NAME
    if features is not None:
        return all(f"+{name}" in features.split(",") and present.get(name, False) for name in NEEDED)
    return cpu in (None, "host") and all(present.get(name, False) for name in NEEDED)


def cpu_name() -> str:
    """What the compiler calls this CPU."""
    return str(binding.get_host_cpu_name())


def counts_bits() -> bool:
    """Whether there is an instruction that counts the ones of eight words at once."""
    return bool(binding.get_host_cpu_features().get("avx512vpopcntdq", False))


def _plain(product: Product, height: int, vectors: int, name: str) -> Callable[..., None]:
    tile: Any = plain_tile(product, height, vectors)

    def multiply(
        source: Array, rows: Int64s, row: int, work: Work, panel: int, step: int, steps: int, sums: Array
    ) -> None:
        tile(
            source.ctypes.data + work.sources[panel],
            rows.ctypes.data + 8 * row,
            work.steps.ctypes.data + 8 * step,
            steps,
            work.words,
            work.weights.ctypes.data + panel * work.weights.strides[0] + step * work.weights.strides[1],
            work.start.ctypes.data + panel * work.start.strides[0],
            sums.ctypes.data,
        )

    return inlined(multiply)


def _clamped(product: Product, height: int, vectors: int, clamp: Clamp, name: str) -> Callable[..., None]:
    tile: Any = clamped_tile(product, height, vectors, clamp)

    def multiply(
        source: Array, rows: Int64s, row: int, work: Work, panel: int, step: int, steps: int, sums: Array
    ) -> None:
        tile(
            source.ctypes.data + work.sources[panel],
            rows.ctypes.data + 8 * row,
            work.steps.ctypes.data,
            steps,
            work.trees[0],
            work.trees[1],
            work.trees[2],
            work.weights.ctypes.data + panel * work.weights.strides[0],
            work.corrections.ctypes.data + panel * work.corrections.strides[0],
            work.trees[3],
            work.trees[4],
            work.start.ctypes.data + panel * work.start.strides[0],
            sums.ctypes.data,
        )

    return inlined(multiply)


@cache
def plain(product: str, vectors: int, digits: int, wide: bool) -> Tile:
    """Sums of `bytes`, `shorts`, `signs` or `trits`; see `Tile`."""
    chosen = {"bytes": BYTES, "shorts": SHORTS, "signs": SIGNS, "trits": TRITS}[product]
    name = f"native {product} {vectors} {digits} {wide}"
    tall = TALL if chosen.words == 1 and vectors <= max(WIDTHS) else MARKING
    short, high = _plain(chosen, SHORT, vectors, name), _plain(chosen, tall, vectors, name)
    element, biased = (np.int32, wide) if chosen.lane.width == 32 else (np.int64, True)
    return Tile(
        name, short, high, SHORT, tall, vectors * chosen.vector.count, element, digits, wide, biased, marks=False
    )


@cache
def clamped(product: str, vectors: int, to_zero: bool, marks: bool) -> Tile:
    """Saturating sums of `bytes` or `shorts`; see `Tile`."""
    chosen = {"bytes": BYTES, "shorts": SHORTS}[product]
    name = f"native clamped {product} {vectors} {to_zero} {marks}"
    clamp, tall = Clamp(to_zero, marks), MARKING if marks else TALL
    short, high = (_clamped(chosen, height, vectors, clamp, name) for height in (SHORT, tall))
    return Tile(name, short, high, SHORT, tall, vectors * 16, np.int32, 1, wide=False, biased=False, marks=marks)
