"""How fast the instruction of a tile alone is: the ceiling that a kernel is measured against."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from accelsim.engine.kernels import native
from accelsim.engine.kernels.skeleton import Array, Int64s, Tile, Work
from accelsim.machine_code import compiled

WORDS, CALLS, ROUNDS = 64, 2000, 30
"""A tile of so many words reads 16 KiB, which a first-level cache holds."""
CODES = {"bytes": 4, "shorts": 2, "signs": 64, "trits": 64}


def _make_loop(tile: Tile) -> Callable[..., None]:
    multiply = tile.high

    def loop(calls: int, source: Array, rows: Int64s, work: Work, sums: Array) -> None:
        for _ in range(calls):
            multiply(source, rows, 0, work, 0, 0, 1, sums)

    return compiled(loop, tile.name)


def _round(product: str) -> tuple[Callable[[], None], int]:
    """A run over the same few registers, and its products."""
    tile = native.plain(product, 2, 1, False)
    size = 64 * 2 * (2 if product == "trits" else 1)
    nothing = np.zeros(1, np.int64)
    work = Work(
        np.zeros((1, 1, WORDS, size), np.uint8),
        nothing,
        nothing,
        WORDS,
        1,
        np.zeros((1, tile.lanes), tile.element),
        np.zeros(7, np.int64),
        np.zeros((1, 1, 1), np.int32),
    )
    source, rows = np.zeros(WORDS * 16 + 64, np.uint8), np.zeros(tile.tall, np.int64)
    sums, loop = np.zeros((tile.tall, tile.lanes), tile.element), _make_loop(tile)
    loop(1, source, rows, work, sums)
    return partial(loop, CALLS, source, rows, work, sums), CALLS * WORDS * tile.tall * tile.lanes * CODES[product]


def instruction_peak(product: str) -> float:
    """GMAC/s of one thread for `bytes`, `shorts`, `signs` or `trits`, by its CPU time: best of many runs."""
    run, products = _round(product)
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.thread_time()
        run()
        best = min(best, time.thread_time() - started)
    return products / best / 1e9


def instruction_peak_of_threads(product: str, threads: int) -> float:
    """GMAC/s of so many threads together, by the clock: best of many runs."""
    rounds = [_round(product) for _ in range(threads)]
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for done in [pool.submit(run) for run, _ in rounds]:
                done.result()
            best = min(best, time.perf_counter() - started)
    return sum(products for _, products in rounds) / best / 1e9
