"""Machine code that the next process finds on disk."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core.caching import FunctionCache

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _sources() -> str:
    """Fingerprint of every file of this package: code compiled from one may contain code of another."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


class _PackageCache(FunctionCache):
    """Keyed by signature, CPU with its features, the sources above, and the name of the variant.

    Numba's own key holds a pickle of what a closure refers to, which differs from process to process.
    """

    def __init__(self, function: Callable[..., Any], variant: str) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._stamp = _sources(), variant  # now: what is compiled later was read now

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return signature, codegen.magic_tuple(), *self._stamp


def compiled(function: Callable[P, R], variant: str = "") -> Callable[P, R]:
    """Machine code that releases the interpreter lock, kept on disk for the next process where that can be written.

    Functions that differ only in the variables they close over need different names of `variant`.
    """
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(function)
    with suppress(RuntimeError):  # no place for the cache: a read-only installation without a home directory
        dispatcher._cache = _PackageCache(function, variant)
    result: Callable[P, R] = dispatcher
    return result
