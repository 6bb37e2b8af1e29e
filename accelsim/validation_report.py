"""The answer of `accelsim validate`: ours, published, error, allowed, and what was fitted on what."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from accelsim.console import terminal
from accelsim.validation.comparison import Row
from accelsim.validation.targets_file import Targets, TargetSpec

COLUMNS = ("", "ours", "published", "error", "allowed", "")


def document(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain data, for `--json`; error and allowed are fractions."""
    return [
        {
            "id": row.id,
            "quantity": row.quantity,
            "ours": row.ours,
            "published": row.published,
            "error": row.error,
            "allowed": row.allowed,
            "within": row.within,
            "gated": row.gated,
            "source": row.source,
            "fitted_on": row.fitted_on,
            "reason": row.reason,
        }
        for row in rows
    ]


def print_validation(targets: Targets, rows: Sequence[Row]) -> None:
    """A table for each target that is modelled, a line for each that is not, and the count of both."""
    console = terminal()
    shown = {row.id for row in rows}
    left = list(rows)
    unmodelled: list[TargetSpec] = []
    for target in targets.targets:
        if target.id not in shown:
            continue
        mine, left = left[: len(target.quantities)], left[len(target.quantities) :]
        if target.recipe is None:
            unmodelled.append(target)
            continue
        console.print(f"{target.id}  {target.title}", style="bold", markup=False, highlight=False)
        console.print(_table(mine))
        for line in (f"fitted on: {target.fitted_on}", f"source: {target.source} ({target.status})"):
            console.print(f"    {line}", markup=False, highlight=False)
        console.print()
    if unmodelled:
        console.print("Not modelled", style="bold")
    for target in unmodelled:
        console.print(f"{target.id:<4} {target.title}: {target.not_modelled}", markup=False, highlight=False)
    console.print(_summary(rows), markup=False, highlight=False)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index in (0, len(COLUMNS) - 1) else "right", no_wrap=True)
    for row in rows:
        assert row.ours is not None and row.error is not None
        error = f"{row.error:+.1%}" if row.error else "0"
        allowed = f"{row.allowed:.3g}".rstrip("0").rstrip(".") if 0 < row.allowed < 1e-3 else f"{row.allowed:.0%}"
        table.add_row(
            f"    {row.quantity}", figure(row.ours), figure(row.published), error, allowed or "0", verdict(row)
        )
    return table


def figure(value: float) -> str:
    """A number with all digits where it is whole, else with five that count."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.5g}"


def verdict(row: Row) -> str:
    """Whether the row is within its allowance, and by how many percentage points it is not."""
    if row.within or row.error is None:
        return "within"
    beyond = f"outside by {100 * (abs(row.error) - row.allowed):.2g} points"
    return beyond if row.gated else f"{beyond}, not gated"


def _summary(rows: Sequence[Row]) -> str:
    gated = [row for row in rows if row.gated]
    within = sum(row.within is True for row in gated)
    outside = sum(row.misses for row in gated)
    absent = sum(row.within is None for row in gated)
    return f"{within} of {len(gated)} gated quantities within their allowance, {outside} outside, {absent} not modelled"
