"""Results in one SQLite file that survives being killed at any moment.

`points` says which points were asked for, in which order, and which result each has; `results` holds each result once,
under the hash of what determines it. Only the process that runs the study writes, a finished task in one transaction.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError
from accelsim.study.evaluate import Result
from accelsim.study.work import Job

APPLICATION = 0x67616E31
"""SQLite's application_id of a result file."""
BUSY_S = 60.0
"""How long to wait for another study that writes into the same file, seconds."""

_TABLES = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, error TEXT, seconds REAL NOT NULL, figures TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS points (
    position INTEGER PRIMARY KEY, settings TEXT NOT NULL UNIQUE, result TEXT NOT NULL
) STRICT;
"""
_ADD_POINT = """INSERT INTO points (settings, result) VALUES (?, ?)
ON CONFLICT (settings) DO UPDATE SET result = excluded.result WHERE result <> excluded.result"""
_REPLACE_FAILED = "DELETE FROM results WHERE key = ? AND status = 'failed'"
_ADD_RESULT = "INSERT OR IGNORE INTO results (key, status, error, seconds, figures) VALUES (?, ?, ?, ?, ?)"
_ROWS = """SELECT settings, status, error, seconds, figures
FROM points LEFT JOIN results ON points.result = results.key ORDER BY position"""


@dataclass(frozen=True)
class Store:
    """An open result file."""

    place: str
    connection: sqlite3.Connection

    def plan(self, jobs: Sequence[Job]) -> None:
        """Note the points; those that are there keep their place, and point to the new result where it changed."""
        with self.connection:
            self.connection.executemany(_ADD_POINT, [(settings_text(job), job.key) for job in jobs])

    def status(self) -> dict[str, str]:
        """Result key -> status, of all results."""
        return dict(self.connection.execute("SELECT key, status FROM results"))

    def add(self, results: Sequence[Result]) -> None:
        """Keep results, all or none. A result that is there stays, unless it is a failed one."""
        rows = [(r.key, r.status, r.error, r.seconds, json.dumps(r.figures)) for r in results]
        with self.connection:
            self.connection.executemany(_REPLACE_FAILED, [(r.key,) for r in results])
            self.connection.executemany(_ADD_RESULT, rows)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Settings text -> row of the point, in the order first asked for; status pending if it has not run."""
        rows = {}
        for settings, status, error, seconds, figures in self.connection.execute(_ROWS):
            outcome = {"status": status or "pending", "error": error, "seconds": seconds}
            rows[settings] = json.loads(settings) | outcome | json.loads(figures or "{}")
        return rows


def settings_text(job: Job) -> str:
    """The settings of a point as the file spells them."""
    return json.dumps(job.point.settings())


@contextmanager
def open_store(path: Path | str | None, must_exist: bool = False) -> Iterator[Store]:
    """The result file at `path`, made if it is not there; None keeps results in memory.

    Raises:
        AccelsimError: not a result file, or it cannot be opened or written.
    """
    place = ":memory:" if path is None else str(path)
    if must_exist and not Path(place).is_file():
        raise AccelsimError(f"{place}: no such result file", hint="`accelsim sweep FILE --out RESULTS` makes one")
    try:
        with closing(sqlite3.connect(place, timeout=BUSY_S)) as connection:
            _prepare(connection, place)
            yield Store(place, connection)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise AccelsimError(f"{place}: {error}") from None
        raise AccelsimError(f"{place}: not a result file of accelsim ({error})") from None


def _prepare(connection: sqlite3.Connection, place: str) -> None:
    """Durable settings and empty tables; a database of something else is left as it is."""
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if identity != APPLICATION and tables:
        raise AccelsimError(f"{place}: an SQLite file, but not a result file of accelsim")
    connection.execute("PRAGMA journal_mode = WAL")  # readers see a running study; a killed one loses nothing committed
    connection.execute("PRAGMA synchronous = FULL")
    if identity != APPLICATION:
        connection.executescript(_TABLES)
