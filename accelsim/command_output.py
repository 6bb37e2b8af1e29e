"""What every command of the command line prints alike: progress, a report, one JSON document, a failure."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A progress line per stage on stderr, nothing when that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        stages: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(stage, total=total)
            bar.update(stages[stage], completed=done, total=total)

        yield progress


def show_report(report: Any, out: Path | None, as_json: bool) -> None:
    """A report as tables or JSON; written to a folder where one is given."""
    from accelsim.console import print_report

    written = () if out is None else report.save(out)
    if as_json:
        sys.stdout.write(report.json())
        return
    print_report(report)
    if written:
        sys.stdout.write(f"  wrote {', '.join(map(str, written))}\n")


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def fail(message: str, code: int) -> NoReturn:
    """The message on stderr, and the end with this exit code."""
    sys.stderr.write(f"{message}\n")
    raise SystemExit(code)
