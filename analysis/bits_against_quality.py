"""What a bit less does to the images: quality against the width of the weights.

    python analysis/bits_against_quality.py bits.sqlite --quality psnr_db --out quality.png

One line for each way of spelling the precision (`intN`, `weights=intN,activations=int8`) and for each machine whose
arithmetic gives other images; machines that give the same images wherever both have a point share a line.
"""

import re
from collections import defaultdict
from pathlib import Path

import accelsim
from accelsim.command_output import run_script
from accelsim.formats.text import parse_precision
from accelsim.plots import quality_against_bits


def family(precision: str) -> str:
    """The precision with the width of its weights left open."""
    return re.sub(r"(weights=[a-z]*|^[a-z]+)\d+(\.\d+)?", r"\1N", precision)


def joined(lines: dict[tuple[str, str], dict[int, float]]) -> dict[str, list[tuple[int, float]]]:
    """Lines of (spelling, machine) that agree as one; their machines are named where others differ from them."""
    groups: dict[str, list[tuple[list[str], dict[int, float]]]] = defaultdict(list)
    for (spelling, machine), points in lines.items():
        for machines, known in groups[spelling]:
            both = points.keys() & known.keys()
            if both and all(points[bits] == known[bits] for bits in both):
                machines.append(machine)
                known.update(points)
                break
        else:
            groups[spelling].append(([machine], dict(points)))
    return {
        spelling if len(found) == 1 else f"{spelling} on {', '.join(machines)}": sorted(points.items())
        for spelling, found in groups.items()
        for machines, points in found
    }


def main(results: Path, quality: str = "psnr_db", out: Path = Path("bits_against_quality.png")) -> None:
    """Draw the points that have this quality figure, those left out whose precision is a file."""
    table = accelsim.load_results(results)
    lines = defaultdict(dict)
    for _, row in table[table[quality].notna() & ~table["precision"].str.contains("yaml|yml")].iterrows():
        bits = parse_precision(row["precision"]).weights.bits
        lines[family(row["precision"]), Path(row["on"]).stem][bits] = float(row[quality])
    named = joined(lines)
    for name, points in named.items():
        print(name, *(f"{bits} bits {value:.4g}" for bits, value in points), sep="; ")
    quality_against_bits(named, quality, out)
    print(f"wrote {out}")


if __name__ == "__main__":
    run_script(main, __doc__)
