"""What every command prints alike: progress, a report, one JSON document, a failure; how it ends."""

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer

from accelsim.errors import AccelsimError
from accelsim.usage import USAGE_ERROR, usage_error


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


def run_commands(app: typer.Typer, name: str) -> None:
    """Run what the command line says: exit 0, 2 on bad input with one clear message, 1 on a failed run."""
    gc.set_threshold(200_000)  # most of what a command makes lives to its end: a short one need not look for garbage
    try:
        status = app(prog_name=name, standalone_mode=False)
    except AccelsimError as error:
        fail(str(error), 2)
    except USAGE_ERROR as error:
        if len(sys.argv) < 2:  # the help that no command asks for
            raise SystemExit(2) from None
        fail(str(usage_error(error)), 2)
    except KeyboardInterrupt:
        fail("interrupted", 1)
    except BrokenPipeError:
        raise SystemExit(1) from None
    if isinstance(status, int) and status:
        raise SystemExit(status)


def run_script(command: Callable[..., None], about: str | None) -> None:
    """A script of one typed function: options from its parameters, help from `about`, errors as of every command."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(help=about)(command)
    run_commands(app, f"python {sys.argv[0]}")
