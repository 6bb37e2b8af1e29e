"""Machine code that the next process finds on disk."""

import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core import sigutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.environment import Environment
from numba.core.runtime.nrt import rtsys

P = ParamSpec("P")
R = TypeVar("R")
_UNWRAPPED: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Options that numba's stubs leave out: a third less to compile."""


@cache
def _sources(folder: Path) -> str:
    """Fingerprint of every file of a package, as code compiled from one may contain code of another, and of this."""
    files = (*sorted(folder.glob("*.py")), Path(__file__))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


class _WithoutNumba(CompileResultCacheImpl):
    """What is written of a compiled function: its machine code, and for each part of it the constants of its errors.

    A part that is numba's own would name its module, and that be imported with the code: all of numba's arrays, then
    scipy, for globals that machine code never reads.
    """

    def reduce(self, cres: Any) -> tuple[Any, ...]:
        *code, environments = super().reduce(cres)  # type: ignore[no-untyped-call]
        return *code, tuple(_without_module(each) for each in environments)


def _without_module(environment: Any) -> Any:
    if not environment.globals["__name__"].startswith("numba."):
        return environment
    bare = Environment({"__name__": __name__})
    bare.env_name = environment.env_name
    bare.consts[:] = environment.consts
    return bare


class _PackageCache(FunctionCache):
    """By signature and CPU with its features.

    Processes that compile a function for different signatures at the same time may give both files one number.
    """

    _impl_class = _WithoutNumba

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return signature, codegen.magic_tuple()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for this signature, or None.

        Numba's own would first import all that it can compile, which takes longer than everything else here. Machine
        code of loops over arrays only needs the runtime that allocates them; compiling imports the rest when it must.
        """
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            found: Any = self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        wanted = sigutils.normalize_signature(sig)[0]  # type: ignore[no-untyped-call]
        if found is not None and found.signature.args == wanted:
            return found
        _announce()
        return None


@cache
def _announce() -> None:
    """Say once, to a person, why the first run takes long."""
    if sys.stderr.isatty():
        sys.stderr.write("compiling for this processor, once: up to a minute; later runs start at once\n")


def part(function: Callable[P, R]) -> Callable[P, R]:
    """A part of compiled functions: it lives in their machine code, without a file. Python cannot call it."""
    result: Callable[P, R] = numba.njit(error_model="numpy", **_UNWRAPPED)(function)
    return result


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A part that is copied into each function that calls it, and so compiled once for each call and not once more."""
    result: Callable[P, R] = numba.njit(inline="always", error_model="numpy")(function)
    return result


def compiled(function: Callable[P, R], variant: str = "") -> Callable[P, R]:
    """Machine code that releases the interpreter lock, kept on disk for the next process where that can be written.

    Functions that differ only in the variables they close over need different names of `variant`.
    """
    # Numba names files and symbols by the function and a count of its process. Two variants, or two states of the
    # sources, that two processes compiled must not meet under one name in a third.
    sources = _sources(Path(function.__code__.co_filename).parent)
    digest = hashlib.sha256(f"{variant} {sources}".encode()).hexdigest()[:16]
    function.__qualname__ = f"{function.__qualname__}_{digest}"
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(function)
    with suppress(RuntimeError):  # no place for the cache: a read-only installation without a home directory
        dispatcher._cache = _PackageCache(function)  # type: ignore[no-untyped-call]
    result: Callable[P, R] = dispatcher
    return result
