"""The memory cliff: what a bit less does to off-chip traffic when the network starts to fit on chip.

    python analysis/memory_cliff.py --workload dcgan32 --machine zcu104 --out cliff.png

Prints a table and draws the figure: off-chip bytes an image in steady state, with the memory plan and without.
"""

from pathlib import Path

import accelsim
from accelsim.command_output import run_script
from accelsim.plots import bytes_against_bits

BITS = (16, 12, 10, 8, 7, 6, 5, 4, 3, 2)


def main(workload: str = "dcgan32", machine: str = "zcu104", out: Path = Path("memory_cliff.png")) -> None:
    """Estimate the workload at every width, with and without residency."""
    kept, moved = [], []
    print(f"{workload} on {machine}\n{'bits':>5}{'weight bytes':>14}{'pinned':>12}{'an image':>12}{'nothing kept':>14}")
    for bits in BITS:
        plan = accelsim.estimate(workload, on=machine, precision=f"int{bits}")
        none = accelsim.estimate(workload, on=machine, precision=f"int{bits}", residency=False)
        kept.append((bits, plan.per_image_steady["offchip_bytes"]))
        moved.append((bits, none.per_image_steady["offchip_bytes"]))
        pinned = plan.memory_plan["pinned_weight_bytes"]
        weights = plan.totals["weight_bytes"]
        print(f"{bits:>5}{weights:>14,}{pinned:>12,}{kept[-1][1]:>12,.0f}{moved[-1][1]:>14,.0f}")
    bytes_against_bits({"memory plan": kept, "nothing kept on chip": moved}, out)
    print(f"wrote {out}")


if __name__ == "__main__":
    run_script(main, __doc__)
