"""What a bit less does to the images: quality against the width of the weights.

    python analysis/bits_against_quality.py RESULTS.sqlite [QUALITY] [OUT.png]

One line for each way of spelling the precision (`intN`, `weights=intN,activations=int8`) and for each machine whose
arithmetic gives other images; machines that give the same images share a line.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

import accelsim
from accelsim.formats.text import parse_precision
from accelsim.plots import quality_against_bits


def family(precision: str) -> str:
    """The precision with the width of its weights left open."""
    return re.sub(r"(weights=[a-z]*|^[a-z]+)\d+(\.\d+)?", r"\1N", precision)


def main(results: str, quality: str = "psnr_db", out: str = "bits_against_quality.png") -> None:
    """Draw the points that have this quality figure, those left out whose precision is a file."""
    table = accelsim.load_results(results)
    lines = defaultdict(dict)
    for _, row in table[table[quality].notna() & ~table["precision"].str.contains("yaml|yml")].iterrows():
        bits = parse_precision(row["precision"]).weights.bits
        lines[family(row["precision"]), Path(row["on"]).stem][bits] = float(row[quality])
    shared = defaultdict(list)
    for (spelling, machine), points in lines.items():
        shared[spelling, tuple(sorted(points.items()))].append(machine)
    named = {f"{spelling} on {', '.join(on)}": points for (spelling, points), on in shared.items()}
    for name, points in named.items():
        print(name, *(f"{bits} bits {value:.4g}" for bits, value in points), sep="; ")
    quality_against_bits(named, quality, Path(out))
    print(f"wrote {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
