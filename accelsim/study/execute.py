"""Run a study: plan its points, skip what is stored, hand the rest to an executor, store what comes back."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError
from accelsim.study.evaluate import Result, evaluate
from accelsim.study.executors import open_executor
from accelsim.study.store import Store, open_store, settings_text
from accelsim.study.sweep_file import read_sweep
from accelsim.study.table import frame
from accelsim.study.work import Job, Task, jobs_of, tasks_of
from accelsim.yaml_file import Plain

Progress = Callable[[str, int, int], None]
"""`progress("points", done, total)`, called after each task."""


class WorkersDied(AccelsimError):
    """The processes that did the work are gone; what they had finished is stored."""


def _silent(stage: str, done: int, total: int) -> None:
    pass


def sweep(
    source: Path | str | Mapping[str, Plain],
    *,
    out: Path | str | None = None,
    workers: int | None = None,
    executor: str | None = None,
    retry: bool = False,
    progress: Progress = _silent,
) -> Any:
    """Run all points of a sweep file, or of the same content as a mapping; one row a point, in the order of the file.

    Args:
        source: schema `accelsim/sweep/1`.
        out: SQLite file. What it holds already is not run again, so a killed sweep goes on where it stopped. None keeps
            results in memory alone.
        workers: processes; one for each core unless given, and this process alone where 1. A script that asks for more
            than 1 needs `if __name__ == "__main__":` around the call.
        executor: `dask://host:port` or `mpi` instead of processes.
        retry: run failed points again.
        progress: called as work goes on.

    Returns:
        A pandas DataFrame: settings, `status`, `error`, `seconds`, every total and quality figure by its report key,
        and `per_image_steady.KEY`, `energy_by_component_j.KEY`, `offchip_bytes_by_operand.KEY`, `resources.KEY`,
        `resources.used.KEY`.

    Raises:
        AccelsimError: mistakes in the sweep, or not a result file.
        WorkersDied: say for want of memory.
    """
    if workers is not None and workers < 1:
        raise AccelsimError(f"workers: {workers}; expected 1 or more")
    jobs = jobs_of(read_sweep(source))
    with open_store(out) as store:
        store.plan(jobs)
        missing = _missing(jobs, store.status(), retry)
        _run(missing, len(jobs), store, workers or os.cpu_count() or 1, executor, progress)
        rows = store.rows()
        return frame([rows[settings_text(job)] for job in jobs])


def load_results(path: Path | str) -> Any:
    """Every point that the result file holds as a DataFrame, in the order first asked for; columns as of `sweep`.

    Points that have not run yet have status `pending`.

    Raises:
        AccelsimError: no such file, or not a result file.
    """
    with open_store(path, must_exist=True) as store:
        return frame(store.rows().values())


def _missing(jobs: Sequence[Job], status: Mapping[str, str], retry: bool) -> list[Job]:
    """The jobs to run: points that come to the same content are one job."""
    again = {"failed"} if retry else set()
    wanted = {job.key: job for job in jobs if job.key not in status or status[job.key] in again}
    return list(wanted.values())


def _run(jobs: list[Job], total: int, store: Store, workers: int, executor: str | None, progress: Progress) -> None:
    tasks = tasks_of(jobs)
    done = total - len(jobs)
    progress("points", done, total)
    if not tasks:
        return
    with open_executor(executor, min(workers, len(tasks))) as (pool, window):
        try:
            for results in _finished(tasks, pool, window):
                store.add(results)
                done += len(results)
                progress("points", done, total)
        except BrokenExecutor:
            raise WorkersDied(
                f"a worker process died; {done:,} of {total:,} points are stored in {store.place}",
                hint="too little memory? run again with fewer --workers; a Python script that calls accelsim.sweep "
                'needs `if __name__ == "__main__":` around the call',
            ) from None


def _finished(tasks: Iterable[Task], pool: Executor, window: int) -> Iterator[list[Result]]:
    """The results of each task as it finishes, with at most `window` tasks handed out."""
    waiting = deque(tasks)
    running: set[Future[list[Result]]] = set()
    while waiting or running:
        while waiting and len(running) < window:
            running.add(pool.submit(evaluate, waiting.popleft()))
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()
