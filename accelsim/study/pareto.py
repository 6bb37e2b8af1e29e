"""The points of a study that nothing beats in two figures at once, and those that the intervals cannot rule out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.study.table import records, swept

_UP = ("psnr", "ssim", "accuracy", "iou", "is_", "images_per_s", "compression_ratio")
_DOWN = (
    "energy",
    "latency",
    "bytes",
    "fid",
    "kid",
    "error",
    "macs",
    "ops",
    "parameters",
    "seconds",
    "bits",
    "lpips",
    "used",
)

FRONT, OPEN, DOMINATED = "front", "open", "dominated"
"""Standing of a point. open: beaten by value, but not beyond the intervals of the constants."""


@dataclass(frozen=True)
class Objective:
    """A column of figures and which way is better. directed: whether that was said, or the key tells it."""

    key: str
    maximise: bool
    directed: bool = True


@dataclass(frozen=True)
class Front:
    """The points compared, by x from low to high, as a DataFrame: swept settings, x, y, their _low and _high where
    there are any, `standing`. left_out: reason -> number of rows not compared."""

    x: Objective
    y: Objective
    table: Any
    labels: tuple[str, ...]
    left_out: dict[str, int]


def objective(key: str, maximise: Sequence[str] = (), minimise: Sequence[str] = ()) -> Objective:
    """The objective of a figure; its direction is guessed from the key unless one of the lists names it.

    `front` refuses one without a direction: first it sees whether there is such a column at all.

    Raises:
        AccelsimError: named in both lists.
    """
    if key in maximise and key in minimise:
        raise AccelsimError(f"{key}: --maximise and --minimise exclude each other")
    if key in maximise or key in minimise:
        return Objective(key, key in maximise)
    name = key.lower()
    up = any(name.startswith(part) or f"_{part}" in name or f".{part}" in name for part in _UP)
    return Objective(key, up, up or any(part in name for part in _DOWN))


def front(results: Any, x: Objective, y: Objective) -> Front:
    """The front of a table of results, as of `load_results`.

    Rows are left out that are not done, that lack a figure, or whose design does not fit its device. Points of one
    machine (equal `on`) share their constants, so they are compared at the low, the given and the high end of the
    intervals together; points of two machines are told apart only where the intervals do not overlap.

    Raises:
        AccelsimError: an unknown column, one that is not numbers or without a direction, or no point left.
    """
    for objective in (x, y):
        key = objective.key
        _check_column(results, key)
        if not objective.directed:
            raise AccelsimError(f"{key}: is more of it better?", hint=f"say --maximise {key} or --minimise {key}")
    table, left_out = _comparable(results, x.key, y.key)
    low, value, high = (_ends(table, (x, y), end) for end in ("low", "value", "high"))
    standing = np.where(nondominated(value), FRONT, DOMINATED).astype(object)
    beaten = _surely_dominated(low, value, high, np.asarray(table["on"].astype(str)))
    standing[(standing == DOMINATED) & ~beaten] = OPEN
    labels = tuple(swept(table))
    figures = [f"{o.key}{end}" for o in (x, y) for end in ("", "_low", "_high") if f"{o.key}{end}" in table]
    shown = table[list(dict.fromkeys(["on", *labels, *figures]))].assign(standing=standing)
    return Front(x, y, shown.sort_values([x.key, y.key], kind="stable", ignore_index=True), labels, left_out)


def document(made: Front) -> dict[str, Any]:
    """The front as plain data, for JSON."""
    objectives = {
        name: {"key": o.key, "better": "more" if o.maximise else "less"} for name, o in (("x", made.x), ("y", made.y))
    }
    return {**objectives, "points": records(made.table), "left_out": made.left_out}


def nondominated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points `[N, 2]`, both figures better when less, no other beats: as good in both, better in one.

    Equal points do not beat each other.
    """
    order = np.lexsort((values[:, 1], values[:, 0]))
    x, y = values[order].T
    starts = np.flatnonzero(np.r_[True, x[1:] != x[:-1]])[np.cumsum(np.r_[True, x[1:] != x[:-1]]) - 1]
    before = np.r_[np.inf, np.minimum.accumulate(y)][starts]  # the best y among points of smaller x
    best = np.empty(len(values), np.bool_)
    best[order] = (y == y[starts]) & (y < before)
    return best


def _surely_dominated(
    low: NDArray[np.float64], value: NDArray[np.float64], high: NDArray[np.float64], machine: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which points `[N, 2]` another beats whatever the constants are within their intervals."""
    ends = np.concatenate([low, value, high], axis=1)
    beaten = np.empty(len(value), np.bool_)
    for i in range(len(value)):
        same = machine == machine[i]
        together = (ends <= ends[i]).all(axis=1) & (value < value[i]).any(axis=1)
        apart = (high <= low[i]).all(axis=1) & (high < low[i]).any(axis=1)
        beaten[i] = bool(np.where(same, together, apart).any())
    return beaten


def _ends(table: Any, objectives: tuple[Objective, Objective], end: str) -> NDArray[np.float64]:
    """`[N, 2]`, less is better: the best, given or worst end of the intervals; figures without one are sure."""
    columns = []
    for objective in objectives:
        side = {"low": "high", "high": "low"}.get(end, end) if objective.maximise else end
        key = objective.key if side == "value" else f"{objective.key}_{side}"
        values = table[key if key in table else objective.key].to_numpy(np.float64)
        columns.append(-values if objective.maximise else values)
    return np.stack(columns, axis=1)


def _check_column(results: Any, key: str) -> None:
    if key not in results.columns:
        raise AccelsimError(
            f"no column {key!r}{did_you_mean(key, results.columns)}",
            hint=f"columns: {', '.join(name for name in results.columns if _is_number(results[name]))}",
        )
    if not _is_number(results[key]):
        raise AccelsimError(f"column {key!r} has no numbers")


def _is_number(column: Any) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(column) and not is_bool_dtype(column) and column.notna().any())


def _comparable(results: Any, x: str, y: str) -> tuple[Any, dict[str, int]]:
    """The rows that can be compared, and why the others cannot."""
    left_out: dict[str, int] = {}
    for status, rows in results.groupby("status", sort=True):
        if status != "done":
            left_out[str(status).replace("_", " ")] = len(rows)
    table = results[results["status"] == "done"]
    for key in dict.fromkeys((x, y)):
        left_out[f"no {key}"] = int(table[key].isna().sum())
        table = table[table[key].notna()]
    if "resources.fits" in table:
        misfits = table["resources.fits"].eq(False)
        left_out["too big for the device"] = int(misfits.sum())
        table = table[~misfits]
    left_out = {reason: count for reason, count in left_out.items() if count}
    if table.empty:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise AccelsimError(f"no point has both {x} and {y}: {reasons or 'no rows'}")
    return table.reset_index(drop=True), left_out
