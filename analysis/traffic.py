"""What crosses the pins of the chip at each point of a study, and what is left of it once weights stay on chip.

    python analysis/traffic.py bits.sqlite --out traffic.png

Prints a table and draws one bar a point: off-chip bytes of a cold batch by operand; the stroke is an image of a later
batch, when the weights that the memory plan pins are on chip already.
"""

from pathlib import Path

import accelsim
from accelsim.command_output import run_script
from accelsim.plots import stacked_bars
from accelsim.study.table import titles

PREFIX = "offchip_bytes_by_operand."
STEADY = "per_image_steady.offchip_bytes"
MOST = 40


def main(results: Path, out: Path = Path("traffic.png")) -> None:
    """Draw the points that have a cost, at most the first 40."""
    table = accelsim.load_results(results)
    table = table[table["offchip_bytes"].notna()].sort_values("on", kind="stable").head(MOST)
    parts = [column for column in table if column.startswith(PREFIX)]
    rows, steady = {}, {}
    for title, (_, row) in zip(titles(table), table.iterrows(), strict=True):
        rows[title] = {part.removeprefix(PREFIX): float(row[part]) for part in parts if row[part] > 0}
        steady[title] = float(row[STEADY])
        print(f"{title}: {row['offchip_bytes']:,} bytes cold, {steady[title]:,.0f} an image in steady state")
    stacked_bars(rows, "offchip_bytes", out, steady, "an image in steady state")
    print(f"wrote {out}")


if __name__ == "__main__":
    run_script(main, __doc__)
