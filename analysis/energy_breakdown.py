"""Where the energy of each point of a study goes.

    python analysis/energy_breakdown.py bits.sqlite --out energy.png

Prints a table and draws one bar a point: shares of the energy of a batch, and the energy.
"""

from pathlib import Path

import accelsim
from accelsim.command_output import run_script
from accelsim.plots import stacked_bars
from accelsim.study.table import titles

PREFIX = "energy_by_component_j."
MOST = 40


def main(results: Path, out: Path = Path("energy_breakdown.png")) -> None:
    """Draw the points that have a cost, at most the first 40."""
    table = accelsim.load_results(results)
    table = table[table["energy_j"].notna()].sort_values("on", kind="stable").head(MOST)
    parts = [column for column in table if column.startswith(PREFIX)]
    rows = {}
    for title, (_, row) in zip(titles(table), table.iterrows(), strict=True):
        rows[title] = {part.removeprefix(PREFIX): float(row[part]) for part in parts if row[part] > 0}
        shares = ", ".join(f"{part} {joule / row['energy_j']:.0%}" for part, joule in rows[title].items())
        print(f"{title}: {row['energy_j'] * 1e6:,.1f} uJ ({shares})")
    stacked_bars(rows, "energy_j", out, shares=True)
    print(f"wrote {out}")


if __name__ == "__main__":
    run_script(main, __doc__)
