"""What was made of a file, made anew when the file is another."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
MOST = 64
"""Files that each reader remembers; the one that was first read goes first."""


def read_once(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """`read`, whose result is remembered as long as the bytes of its file stay the same.

    The result must follow from the path and those bytes alone, and nobody may change it. Failures are not remembered.
    """
    known: dict[Path, tuple[bytes, T]] = {}

    @wraps(read)
    def remembered(path: Path) -> T:
        held = known.get(path)
        try:
            content = path.read_bytes()
        except OSError:  # which `read` explains
            return read(path)
        if held is not None and held[0] == content:
            return held[1]
        made = read(path)
        known.pop(path, None)
        if len(known) == MOST:
            del known[next(iter(known))]
        known[path] = content, made
        return made

    return remembered
