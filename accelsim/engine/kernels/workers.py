"""Work split over threads: compiled code releases the interpreter lock."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

from accelsim.errors import AccelsimError

R = TypeVar("R")
SHARES = 4
"""Of each thread: the one whose CPU is busy with something else does fewer."""


class Workers:
    """Threads that live as long as this object."""

    def __init__(self, threads: int) -> None:
        """Raises AccelsimError below 1."""
        if threads < 1:
            raise AccelsimError(f"threads={threads}: expected 1 or more")
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def shares(self, total: int, unit: int = 1) -> list[tuple[int, int]]:
        """Ranges that make up 0 .. total, cut at multiples of `unit`."""
        parts = 1 if self._pool is None else self._threads * SHARES
        units = -(-total // unit)
        cuts = [min(total, units * i // parts * unit) for i in range(parts + 1)]
        return [(a, b) for a, b in pairwise(cuts) if a < b]

    def results(self, tasks: Sequence[Callable[[], R]]) -> list[R]:
        """What the tasks return, in their order."""
        if self._pool is None or len(tasks) < 2:
            return [task() for task in tasks]
        return list(self._pool.map(_call, tasks))


def _call(task: Callable[[], R]) -> R:
    return task()
