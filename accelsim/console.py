"""What the command line prints: tables for people. Data for programs are in the report's JSON."""

from accelsim.report import Report


def print_report(report: Report) -> None:
    """The layer table and the totals, for people."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for name in (
        "layer",
        "output",
        "MACs",
        "off-chip B",
        "energy uJ",
        "latency us",
        "array use",
        "bound",
        "arithmetic",
    ):
        table.add_column(name, justify="left" if name in ("layer", "output", "bound", "arithmetic") else "right")
    for row in report.layer_rows:
        table.add_row(
            row["name"],
            "x".join(map(str, row["output_shape"])),
            f"{row['macs']:,}" if row["macs"] is not None else "",
            _number(row["offchip_bytes"], 1, ",.0f"),
            _number(row["energy_j"], 1e6, ",.2f"),
            _number(row["latency_s"], 1e6, ",.1f"),
            _number(row["utilisation"], 100, ".0f", " %"),
            row["bound"] or "",
            row["arithmetic"],
        )
    console.print(table)
    for line in summary(report):
        console.print(line, highlight=False)


def _number(value: float | None, scale: float, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value * scale:{form}}{unit}"


def summary(report: Report) -> list[str]:
    """The totals in a few lines of text."""
    t, q = report.totals, report.quality
    lines = [
        f"{report.provenance['workload']} on {report.provenance['hardware']}, {report.provenance['precision']}",
        f"  MACs {t['macs_zero_inserted']:,} zero-inserted, {t['macs_scatter']:,} scatter, "
        f"{t['macs_effectual']:,} effectual; {t['parameters']:,} parameters in {t['weight_bytes']:,} bytes",
    ]
    if t["energy_j"] is None:
        lines.append(f"  no cost: {report.assumptions[0]}")
    else:
        lines += _cost_lines(report)
    if q:
        figures = [f"{name} {value:.4g}" for name, value in q.items() if value is not None]
        lines.append(f"  against float: {', '.join(figures)}")
    return lines


def _cost_lines(report: Report) -> list[str]:
    t, steady = report.totals, report.per_image_steady
    parts = ", ".join(f"{name} {joule * 1e6:.2f}" for name, joule in report.energy_by_component_j.items())
    resources = report.resources or {}
    used = resources.get("used", {})
    available = resources.get("available", {})
    limit = resources.get("limited_by")
    fits = ", ".join(f"{n} {used[n]}/{available[n]}" for n in used if used[n] is not None and used[n] > 0)
    return [
        f"  batch of {t['batch']}, cold: {t['offchip_bytes']:,} bytes off chip, "
        f"{t['energy_j'] * 1e6:.2f} uJ ({t['energy_j_low'] * 1e6:.0f} to {t['energy_j_high'] * 1e6:.0f}), "
        f"{t['latency_s'] * 1e6:.1f} us, {t['images_per_s']:,.0f} images/s",
        f"  energy in uJ: {parts}",
        f"  an image in steady state: {steady['offchip_bytes']:,.0f} bytes off chip, {steady['energy_j'] * 1e6:.2f} uJ",
        f"  {'fits' if resources.get('fits', True) else 'does not fit'}: {fits} ({limit} runs out first)",
    ]


def print_listing(rows: list[dict[str, str]]) -> None:
    """Names and meanings in two columns."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(f"[bold]{row['name']}[/bold]", row["meaning"])
    Console().print(table)
