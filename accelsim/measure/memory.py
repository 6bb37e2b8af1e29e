"""Caches as the system names them, and what a copy moves through each."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL = {1: 32 << 10, 2: 1 << 20}
"""Bytes of first and second level where the system names none."""
DRAM_COPY = 64 << 20
Bytes = NDArray[np.uint8]
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Cache:
    """A level of data cache; `named`: by the system, else a usual size."""

    level: int
    size_bytes: int
    line_bytes: int
    named: bool


def caches(folder: Path = CACHES) -> tuple[Cache, ...]:
    """Data and unified caches of the first core, innermost first."""
    found: dict[int, Cache] = {}
    for index in sorted(folder.glob("index*")):
        text = {name: _read(index / name) for name in ("type", "level", "size", "coherency_line_size")}
        size = re.fullmatch(r"(\d+)([KMG]?)", text["size"])
        if text["type"] in ("Data", "Unified") and text["level"].isdecimal() and size:
            line = int(text["coherency_line_size"]) if text["coherency_line_size"].isdecimal() else 64
            level = int(text["level"])
            found[level] = Cache(level, int(size[1]) * _UNITS[size[2]], line, True)
    for level, size_bytes in USUAL.items():
        found.setdefault(level, Cache(level, size_bytes, 64, False))
    return tuple(found[level] for level in sorted(found))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def copy_gb_per_s(size_bytes: int, threads: int, seconds: float) -> float:
    """What copying a block of this size back and forth reads and writes together, all threads at once, GB/s."""
    each = max(4096, size_bytes // 2)  # source and target together fill what is asked
    blocks = [(np.ones(each, np.uint8), np.zeros(each, np.uint8)) for _ in range(threads)]
    turns = max(1, (4 << 20) // each)
    best, started = float("inf"), time.perf_counter()

    def copy(block: tuple[Bytes, Bytes]) -> None:
        for _ in range(turns):
            np.copyto(block[1], block[0])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(copy, blocks))
        while best == float("inf") or time.perf_counter() - started < seconds:
            begun = time.perf_counter()
            list(pool.map(copy, blocks))
            best = min(best, time.perf_counter() - begun)
    return 2 * each * turns * threads / best / 1e9
