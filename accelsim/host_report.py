"""The answer of `accelsim measure-host`: the machine file, and how well it predicts what it was not made from."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from accelsim.console import terminal
from accelsim.errors import AccelsimError
from accelsim.measure.host import Host, measure_host
from accelsim.yaml_file import Plain

WITHIN = 0.25


def run_measurement(
    out: Path, threads: int, seconds: float, progress: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """Measure, write the file, and return the predictions as plain data.

    Raises:
        AccelsimError: the file cannot be written (said before anything is measured), or a setting is out of range.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a"):
            pass
    except OSError as error:
        raise AccelsimError(f"{out}: cannot be written: {error.strerror}") from None
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in out.stem) or "host"
    host = measure_host(threads, seconds, name, progress)
    out.write_text(yaml_text(host.data))
    rows = [{**asdict(row), "error": row.error} for row in host.rows]
    return {"machine": str(out), "layers": rows, "summary": _summary(host)}


def yaml_text(data: dict[str, Plain]) -> str:
    """A machine as YAML: a line a value, mappings of plain values in braces."""
    head = "# Written by `accelsim measure-host`: half of its layers made this file, the other half judged it.\n"
    return head + "".join(f"{line}\n" for key, value in data.items() for line in _lines(key, value, ""))


def _lines(key: str, value: Plain, indent: str) -> list[str]:
    if isinstance(value, dict) and any(isinstance(part, dict | list) for part in value.values()):
        inner = [line for k, v in value.items() for line in _lines(k, v, indent + "  ")]
        return [f"{indent}{key}:", *inner]
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return [f"{indent}{key}:", *(f"{indent}  - {json.dumps(part)}" for part in value)]
    return [f"{indent}{key}: {json.dumps(value)}"]


def _summary(host: Host) -> dict[str, dict[str, float]]:
    found = {}
    for format in dict.fromkeys(row.format for row in host.rows):
        errors = [abs(row.error) for row in host.rows if row.format == format]
        found[format] = {
            "median_error": median(errors),
            "largest_error": max(errors),
            "share_within_25_percent": sum(error <= WITHIN for error in errors) / len(errors),
        }
    return found


def print_measurement(document: dict[str, Any]) -> None:
    """Tables of the predicted layers and of each format."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("layer that the machine was not made from")
    for head in ("format", "measured, ms", "predicted, ms", "error"):
        table.add_column(head, justify="right")
    for row in document["layers"]:
        times = (f"{row['measured_ms']:.3f}", f"{row['predicted_ms']:.3f}", f"{row['error']:+.1%}")
        table.add_row(row["layer"], row["format"], *times)
    console = terminal()
    console.print(table)
    for format, made in document["summary"].items():
        share = f"{made['share_within_25_percent']:.0%} of layers within {WITHIN:.0%}"
        console.print(
            f"{format}: error {made['median_error']:.1%} in the median, {made['largest_error']:.1%} at most, {share}",
            highlight=False,
        )
    console.print(f"wrote {document['machine']}; energies in it are judgements: no power was measured", highlight=False)
