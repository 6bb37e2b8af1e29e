"""Rows of a study as a DataFrame, and that as CSV, JSON or Parquet."""

import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError
from accelsim.study.space import MACHINE, SETTINGS

SUFFIXES = (".csv", ".json", ".parquet")
_OUTCOME = ("status", "error", "seconds")


def frame(rows: Iterable[Mapping[str, Any]]) -> Any:
    """A DataFrame: settings first, changes of the machine next to them, then status, error, seconds and figures.

    Whole numbers stay exact where some rows lack them (pandas' Int64).
    """
    import pandas

    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    changes = sorted(key for key in columns if key.startswith(MACHINE))
    first = [*SETTINGS, *changes, *_OUTCOME]
    ordered = [*first, *(key for key in columns if key not in first)]
    return pandas.DataFrame({key: _column([row.get(key) for row in rows]) for key in ordered})


def swept(table: Any) -> list[str]:
    """The settings in which the rows differ, in the order of the columns."""
    settings = [key for key in table.columns if key in SETTINGS or key.startswith(MACHINE)]
    return [key for key in settings if table[key].nunique(dropna=False) > 1]


def titles(table: Any) -> list[str]:
    """What tells each row from the others, in a few words: `zcu104, int8, blocks 312`."""
    keys = swept(table) or ["on", "precision"]
    rows = table[keys].itertuples(index=False)
    return [", ".join(_words(key, value) for key, value in zip(keys, row, strict=True)) for row in rows]


def records(table: Any) -> list[dict[str, Any]]:
    """The rows as plain values; what is missing is None."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): _plain(value) for key, value in row.items()} for row in plain.to_dict("records")]


def check_suffix(path: Path) -> None:
    """Raises AccelsimError unless `write_table` knows the suffix, and has what it needs."""
    if path.suffix not in SUFFIXES:
        raise AccelsimError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise AccelsimError(f"{path}: Parquet needs pyarrow, which is not installed", hint="pip install pyarrow")


def write_table(table: Any, path: Path) -> None:
    """The table as .csv, .json (a list of rows) or .parquet, by the suffix.

    Raises:
        AccelsimError: another suffix, no pyarrow, or a file that cannot be written.
    """
    check_suffix(path)
    try:
        if path.suffix == ".csv":
            table.to_csv(path, index=False)
        elif path.suffix == ".json":
            path.write_text(json.dumps(records(table), indent=1) + "\n", encoding="utf-8")
        else:
            table.to_parquet(path, index=False)
    except OSError as error:
        raise AccelsimError(f"{path}: cannot be written: {error.strerror}") from None


def _words(key: str, value: Any) -> str:
    if key in ("workload", "on"):
        return Path(value).stem
    value = f"{value:.4g}" if isinstance(value, float) else value
    return str(value) if key == "precision" else f"{key.rpartition('.')[2]} {value}"


def _column(values: list[Any]) -> Any:
    import pandas

    given = [value for value in values if value is not None]
    whole = bool(given) and all(isinstance(value, int) and not isinstance(value, bool) for value in given)
    if whole and len(given) < len(values) and all(abs(value) < 2**63 for value in given):
        return pandas.array(values, dtype="Int64")
    return values


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
