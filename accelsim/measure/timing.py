"""Seconds of a call: the best of many, each with cold caches. Processor time of one thread, the clock of several."""

import time
from collections.abc import Callable

import numpy as np

LARGE = 64 << 20
"""Bytes that are written between calls, so that inputs come from memory as a machine file counts them."""
FEWEST = 3


def best_seconds(call: Callable[[], object], budget_s: float, threads: int) -> float:
    """The least time of one call; at least `FEWEST` calls after the first, as many as fit in the budget."""
    clock = time.process_time if threads == 1 else time.perf_counter
    call()
    spoiler = np.zeros(LARGE, np.uint8)
    best, calls, started = float("inf"), 0, time.perf_counter()
    while calls < FEWEST or time.perf_counter() - started < budget_s:
        spoiler += 1
        begun = clock()
        call()
        best = min(best, clock() - begun)
        calls += 1
    return best
