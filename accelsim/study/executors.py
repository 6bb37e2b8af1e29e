"""Where the work of a study is done: here, in processes, on a dask cluster, over MPI. All are the same interface."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from accelsim.errors import AccelsimError

CLUSTER_WINDOW = 256
"""Tasks handed to a cluster at once; how many workers it has is its own affair."""


class InProcess(Executor):
    """Runs a call at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # the signature of Executor.submit
        """A future that is finished already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # it belongs to whoever asks for the result
            future.set_exception(error)
        return future


@contextmanager
def open_executor(spec: str | None, workers: int) -> Iterator[tuple[Executor, int]]:
    """An executor and how many tasks to hand it at once.

    spec: None for processes of this computer (one worker: this process), `dask://host:port`, or `mpi`.

    Raises:
        AccelsimError: an unknown spec, or an extra that is not installed.
    """
    if spec is None:
        yield from _local(workers)
    elif spec.startswith("dask://"):
        distributed = _needs("distributed", "dask")
        try:
            client = distributed.Client(spec.replace("dask://", "tcp://", 1))
        except (OSError, ValueError) as error:
            raise AccelsimError(f"--executor {spec}: {error}") from None
        with client, client.get_executor() as executor:
            yield executor, CLUSTER_WINDOW
    elif spec == "mpi":
        with _needs("mpi4py.futures", "mpi").MPIPoolExecutor() as executor:
            yield executor, CLUSTER_WINDOW
    else:
        raise AccelsimError(f"--executor {spec}: expected dask://host:port or mpi")


def _local(workers: int) -> Iterator[tuple[Executor, int]]:
    if workers <= 1:
        yield InProcess(), 1
        return
    spawn = multiprocessing.get_context("spawn")  # forking a process that runs threads is not safe
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=follow_parent)
    try:
        yield pool, 2 * workers  # a worker that is done finds its next task waiting
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def follow_parent() -> None:
    """Of a worker process: end silently on Ctrl-C, and when the parent is gone however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _needs(module: str, extra: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError:
        raise AccelsimError(
            f"--executor {extra} needs {module.partition('.')[0]}, which is not installed",
            hint=f"pip install 'accelsim[{extra}]'",
        ) from None
