"""Our counter and mapper against ZigZag's stored results: writes the tables of docs/cross_tool.md.

python benchmarks/zigzag/compare.py                          from what is stored beside this file
python benchmarks/zigzag/compare.py --times ZIGZAG_PYTHON    both tools are timed first, in turns, into times.json
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from zigzag_layers import LAYERS
from zigzag_machines import MEMORIES
from zigzag_rows import CAUSES, HERE, Row, rows_of
from zigzag_times import TIMES, lines_of, measure

PAGE = HERE.parents[1] / "docs" / "cross_tool.md"


def said(holds: bool) -> str:
    """In words."""
    return "yes" if holds else "no"


def tables(rows: dict[str, Row]) -> Iterator[str]:
    """Lines of one machine."""
    names = [name for name, _ in CAUSES]
    yield f"| layer | E of ZigZag, uJ | booked / reported | {' | '.join(f'{name}, %' for name in names)} | E ours, uJ |"
    yield f"|---|---|---|{'---|' * len(names)}---|"
    for label, row in rows.items():
        shares = " | ".join(f"{100 * row.causes[name]:.2f}" for name in names)
        booked = f"{row.stored['energy'] / 1e6:.4g} | {row.booked:.6f}"
        yield f"| {label} | {booked} | {shares} | {row.theirs.energy_pj / 1e6:.4g} |"
    yield ""
    yield "| layer | E best/its | EDP best/its | T reported | T its | T best | off-chip kB its | best | even | wide |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for label, row in rows.items():
        ratios = f"{row.worse['energy']:.4f} | {row.worse['edp']:.4f}"
        spans = f"{row.stored['latency']['total']:.0f} | {row.theirs.cycles:.0f} | {row.edp.cycles:.0f}"
        moved = f"{row.theirs.offchip_bytes / 1e3:.1f} | {row.energy.offchip_bytes / 1e3:.1f}"
        yield f"| {label} | {ratios} | {spans} | {moved} | {said(row.even)} | {said(bool(row.wide))} |"


HEAD = (
    "| machine, network | E of ZigZag, uJ | E its mappings | E best | T of ZigZag | T its mappings | T best EDP |",
    "|---|---|---|---|---|---|---|",
)
SUMS: tuple[Callable[[Row], float], ...] = (
    lambda row: row.stored["energy"] / 1e6,
    lambda row: row.theirs.energy_pj / 1e6,
    lambda row: row.energy.energy_pj / 1e6,
    lambda row: row.stored["latency"]["total"],
    lambda row: row.theirs.cycles,
    lambda row: row.edp.cycles,
)


def totals(machine: str, rows: dict[str, Row]) -> Iterator[str]:
    """A network's sums, layers by how often they run."""
    for network in dict.fromkeys(layer.network for layer in LAYERS):
        own = [row for row in rows.values() if row.stored["layer"]["network"] == network]
        found = [sum(row.stored["layer"]["times"] * value(row) for row in own) for value in SUMS]
        yield f"| {machine}, {network} | " + " | ".join(f"{one:,.0f}" for one in found) + " |"


def exceptions(machine: str, rows: dict[str, Row]) -> Iterator[str]:
    """Where ZigZag's mapping is better than our best under our rules, and where its booking is not ours."""
    worse = [label for label, row in rows.items() if max(row.worse.values()) > 1 + 1e-9]
    for label in worse:
        ratios = ", ".join(f"{goal} {100 * (ratio - 1):+.2f} %" for goal, ratio in rows[label].worse.items())
        yield f"- {machine} {label}: our best against its mapping {ratios}; its mapping is " + (
            "even." if rows[label].even else "uneven."
        )
    if not worse:
        yield f"- {machine}: none."


def put(text: str, name: str, lines: list[str]) -> str:
    """The page with the lines between the two marks of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"{PAGE}: no marks {begin} and {end}")
    return re.sub(f"{begin}.*?{end}", lambda _: "\n".join([begin, *lines, end]), text, flags=re.DOTALL)


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description="Compare with ZigZag's stored mappings.")
    options.add_argument("--times", metavar="ZIGZAG_PYTHON", type=Path, help="the interpreter that has zigzag-dse")
    chosen = options.parse_args()
    if chosen.times:
        TIMES.write_text(json.dumps(measure(chosen.times), indent=1) + "\n")
    text = PAGE.read_text()
    sums: list[str] = []
    worse: list[str] = []
    for machine in MEMORIES:
        rows = rows_of(machine)
        text = put(text, machine, list(tables(rows)))
        sums += totals(machine, rows)
        worse += exceptions(machine, rows)
    text = put(put(text, "sums", [*HEAD, *sums]), "exceptions", worse)
    if TIMES.exists():
        text = put(text, "times", lines_of(json.loads(TIMES.read_text())))
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
