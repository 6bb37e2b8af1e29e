"""Machine code that the next process finds on disk."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _sources(folder: Path) -> str:
    """Fingerprint of every file of a package: code compiled from one may contain code of another."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()


def part(function: Callable[P, R]) -> Callable[P, R]:
    """A part of compiled functions; it lives in their machine code and has no file of its own."""
    import numba

    result: Callable[P, R] = numba.njit(error_model="numpy")(function)
    return result


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A part that is copied into each function that calls it, and so compiled once for each call and not once more."""
    import numba

    result: Callable[P, R] = numba.njit(inline="always", error_model="numpy")(function)
    return result


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Machine code that releases the interpreter lock, kept on disk for the next process where that can be written."""
    import numba
    from numba.core.caching import FunctionCache

    class PackageCache(FunctionCache):
        """By signature and CPU with its features."""

        def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
            return signature, codegen.magic_tuple()

    # Numba names files and symbols by the function and a count of its process: two states of the sources, compiled by
    # two processes, must not meet under one name in a third.
    digest = _sources(Path(function.__code__.co_filename).parent)[:16]
    function.__qualname__ = f"{function.__qualname__}_{digest}"
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(function)
    with suppress(RuntimeError):  # no place for the cache: a read-only installation without a home directory
        dispatcher._cache = PackageCache(function)  # type: ignore[no-untyped-call]
    result: Callable[P, R] = dispatcher
    return result
