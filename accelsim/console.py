"""What the command line prints: tables for people. Data for programs are in the report's JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from accelsim.report import Figures, Report

_COLUMNS = {
    "layer": "left",
    "output": "left",
    "MACs": "right",
    "off-chip\nbytes": "right",
    "energy\nuJ": "right",
    "latency\nus": "right",
    "array\nuse": "right",
    "bound\nby": "left",
    "arith-\nmetic": "left",
}


def print_report(report: Report) -> None:
    """The layer table and the totals, at most 80 columns wide for short layer names."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name, justify in _COLUMNS.items():
        table.add_column(name, justify="left" if justify == "left" else "right", no_wrap=True)
    for row in report.layer_rows:
        table.add_row(
            row["name"],
            "x".join(map(str, row["output_shape"])),
            "" if row["macs"] is None else f"{row['macs']:,}",
            _number(row["offchip_bytes"], 1, ",.0f"),
            _number(row["energy_j"], 1e6, ",.2f"),
            _number(row["latency_s"], 1e6, ",.1f"),
            _number(row["utilisation"], 100, ".0f", " %"),
            row["bound"] or "",
            row["arithmetic"],
        )
    console = terminal()
    console.print(table)
    for line in summary(report):
        console.print(line, highlight=False, markup=False)


def terminal() -> Console:
    """As wide as the terminal; wide enough for any table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def _number(value: float | None, scale: float, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value * scale:{form}}{unit}"


def summary(report: Report) -> list[str]:
    """The totals in a few lines of text."""
    t, q, made = report.totals, report.quality, report.provenance
    lines = [
        f"{made['workload']} on {made['hardware']}: {made['precision'].replace(',', ', ')}",
        f"  MACs          {t['macs_zero_inserted']:,} zero-inserted, {t['macs_scatter']:,} scatter, "
        f"{t['macs_effectual']:,} effectual",
        f"  parameters    {t['parameters']:,} in {t['weight_bytes']:,} bytes",
    ]
    if t["energy_j"] is None:
        lines.append(f"  cost          none: {report.assumptions[0]}")
    else:
        lines += _cost_lines(report)
    if q:
        figures = [f"{name} {value:.4g}" for name, value in q.items() if value is not None]
        lines.append(f"  quality       {', '.join(figures)} (against the float32 generator)")
    return lines


_MOST_PARTS = 4
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def _scale(value: float, unit: str) -> tuple[float, str]:
    """(factor, name) of the SI unit in which a value reads best: 3.4e-4 J is 340 uJ."""
    size, prefix = next((p for p in _PREFIXES if abs(value) >= p[0]), _PREFIXES[-1])
    return 1 / size, prefix + unit


def _cost_lines(report: Report) -> list[str]:
    t, steady = report.totals, report.per_image_steady
    joule, energy = _scale(t["energy_j"], "J")
    second, time = _scale(t["latency_s"], "s")
    parts = {name: part for name, part in report.energy_by_component_j.items() if part}
    shown = ", ".join(f"{name} {part * joule:,.2f}" for name, part in parts.items())
    return [
        f"  batch of {t['batch']:<4} {t['offchip_bytes']:,} bytes off chip (weights loaded once), "
        f"{t['latency_s'] * second:,.1f} {time}, {_number(t['images_per_s'], 1, ',.4g')} images/s",
        f"  energy        {t['energy_j'] * joule:,.2f} {energy} ({t['energy_j_low'] * joule:,.4g} to "
        f"{t['energy_j_high'] * joule:,.4g}): {shown}",
        f"  steady state  {steady['offchip_bytes']:,.0f} bytes off chip, {steady['energy_j'] * joule:,.2f} {energy} "
        f"an image{_rate(steady)}",
        *_resource_lines(report),
    ]


def _rate(steady: Figures) -> str:
    """Images a second in a long run."""
    return f", {steady['images_per_s']:,.4g} images/s" if steady.get("images_per_s") else ""


def _resource_lines(report: Report) -> list[str]:
    resources = report.resources
    if resources is None:
        return []
    used, available = resources["used"], resources["available"]
    roughly = {
        name: "at least " if e["high"] is None else "about " for name, e in resources.get("estimates", {}).items()
    }
    shown = ", ".join(f"{name} {roughly.get(name, '')}{used[name]}/{available[name]}" for name in used if used[name])
    return [
        f"  {'fits' if resources['fits'] else 'DOES NOT FIT':<13} {shown}; {resources['limited_by']} runs out first",
        *_area_lines(resources),
    ]


def _area_lines(resources: Figures) -> list[str]:
    area = resources["area_mm2"]
    if area is None:
        return []
    largest = sorted(area["parts"].items(), key=lambda part: -part[1])[:_MOST_PARTS]
    parts = ", ".join(f"{name} {part:.3g}" for name, part in largest)
    parts += " and smaller parts" if len(area["parts"]) > len(largest) else ""
    without = f"; without {', '.join(area['not_counted'])}" if area["not_counted"] else ""
    return [f"  area          {area['value']:.3g} mm2 ({area['low']:.3g} to {area['high']:.3g}): {parts}{without}"]


def print_listing(rows: list[dict[str, str]]) -> None:
    """Names and meanings in two columns."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(f"[bold]{row['name']}[/bold]", row["meaning"])
    terminal().print(table)


_SWEEP = {
    "energy_j": ("energy\nuJ", 1e6, ",.2f"),
    "latency_s": ("latency\nus", 1e6, ",.1f"),
    "offchip_bytes": ("off-chip\nbytes", 1, ",.0f"),
    "per_image_steady.offchip_bytes": ("bytes an image,\nsteady state", 1, ",.0f"),
    "psnr_db": ("PSNR\ndB", 1, ".2f"),
}
_MOST_ROWS = 60


def print_sweep(table: Any, place: str, written: str | None) -> None:
    """The main figures of a study, one row a point (the first 60), and how its points ended."""
    from accelsim.study.table import records, swept

    keys = swept(table) or ["on", "precision"]
    figures = [key for key in _SWEEP if key in table]
    shown = _figure_table([*keys, *(_SWEEP[key][0] for key in figures), "status"], len(keys))
    for row in records(table.head(_MOST_ROWS)):
        cells = [_figure(row[key], *_SWEEP[key][1:]) for key in figures]
        shown.add_row(*(_setting(row[key]) for key in keys), *cells, _ending(row))
    console = terminal()
    console.print(shown)
    lines = [f"  first {_MOST_ROWS} of {len(table):,} points"] if len(table) > _MOST_ROWS else []
    counts = ", ".join(
        f"{count:,} {status.replace('_', ' ')}" for status, count in table["status"].value_counts().items()
    )
    reasons = table["error"].dropna().value_counts()
    lines += [f"  {count:,} x {reason}" for reason, count in list(reasons.items())[:8]]
    lines.append(f"  {counts}; wrote {place}{f', {written}' if written else ''}")
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _setting(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _ending(row: Mapping[str, Any]) -> str:
    misfit = row.get("resources.fits") is False
    return f"{row['status'].replace('_', ' ')}{', does not fit' if misfit else ''}"


def print_front(table: Any, labels: Sequence[str], keys: tuple[str, str], left_out: Mapping[str, int]) -> None:
    """The front and the points that intervals leave open, by x; how many are beaten or were not compared."""
    from accelsim.plots import unit_of

    names = list(labels) or ["on"]
    (unit_x, x), (unit_y, y) = (unit_of(key, table[key]) for key in keys)
    heads = [f"{key}\n{unit}".strip() for key, unit in zip(keys, (unit_x, unit_y), strict=True)]
    shown = _figure_table([*names, heads[0], "low to high", heads[1], "standing"], len(names))
    for _, row in table[table["standing"] != "dominated"].iterrows():
        ends = [row[f"{keys[0]}{end}"] for end in ("_low", "_high")] if f"{keys[0]}_low" in table else []
        interval = " to ".join(f"{end / x:,.4g}" for end in ends)
        figures = f"{row[keys[0]] / x:,.4g}", interval, f"{row[keys[1]] / y:,.4g}"
        shown.add_row(*(_setting(row[name]) for name in names), *figures, row["standing"])
    console = terminal()
    console.print(shown)
    counts = table["standing"].value_counts()
    lines = [f"  {counts.get('front', 0)} of {len(table)} points on the front, {counts.get('dominated', 0)} beaten"]
    if counts.get("open", 0):
        lines[0] += f", {counts['open']} open: beaten by value, not beyond the intervals of the constants"
    if left_out:
        lines.append(f"  left out: {', '.join(f'{count} {reason}' for reason, count in left_out.items())}")
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _figure_table(columns: Sequence[str], words: int) -> Table:
    """An empty table: the first columns and the last are words, the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for place, name in enumerate(columns):
        left = place < words or place == len(columns) - 1
        table.add_column(name.replace("machine.", ""), justify="left" if left else "right", no_wrap=True)
    return table


def _figure(value: Any, scale: float, form: str) -> str:
    return "" if value is None else f"{value * scale:{form}}"
