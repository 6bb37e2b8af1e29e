"""What converters and cells of crossbars do to the images, and what the converters cost.

    python analysis/crossbar_effects.py --workload dcgan32 --machine isaac --images 64 --out crossbar_effects.png

Prints a Markdown table: a row for each resolution of the ADCs, PSNR against float32 for each variation of the cells.
Draws a grid: a row for each resolution, from left to right three images for each variation. The encoding is `offset`,
`differential`, or `as_given`.
"""

from pathlib import Path

import numpy as np

import accelsim
from accelsim.command_output import run_script
from accelsim.hardware.load import parse_architecture
from accelsim.quality.picture import save_gallery
from accelsim.study.variant import changed, machine_data

BITS = (8, 7, 6, 5, 4)
SIGMAS = (0.0, 0.02, 0.05, 0.1)
SHOWN = 3


def main(
    workload: str = "dcgan32",
    machine: str = "isaac",
    images: int = 64,
    out: Path = Path("crossbar_effects.png"),
    encoding: str = "as_given",
) -> None:
    """Simulate every point; rows appear as they are done."""
    given = machine_data(machine)
    if encoding != "as_given":
        given = changed(given, [("reram.encoding", encoding)])
    heads = " | ".join(f"PSNR at {sigma:.0%}, dB" for sigma in SIGMAS)
    print(f"| ADC bits | energy, µJ | in steady state, µJ | of it ADCs, µJ | {heads} |")
    print("|--:" * (4 + len(SIGMAS)) + "|", flush=True)
    rows = {}
    for bits in BITS:
        reports = []
        for sigma in SIGMAS:
            changes = [("reram.adc.bits", bits), ("reram.cell.sigma_relative", sigma)]
            on = parse_architecture(changed(given, changes), f"{machine} with {bits}-bit ADCs, cells {sigma:g}")
            reports.append(accelsim.simulate(workload, on=on, images=images))
        cold, steady = reports[0].totals["energy_j"], reports[0].per_image_steady["energy_j"]
        joule = cold, steady, reports[0].energy_by_component_j["adc"]
        figures = *(1e6 * energy for energy in joule), *(report.quality["psnr_db"] for report in reports)
        print(f"| {bits} | {' | '.join(f'{figure:.1f}' for figure in figures)} |", flush=True)
        rows["float32"] = np.concatenate([report.float_images[:SHOWN] for report in reports])
        rows[f"{bits}-bit ADCs; cells {', '.join(f'{s:.0%}' for s in SIGMAS)}"] = np.concatenate(
            [report.images[:SHOWN] for report in reports]
        )
    save_gallery(rows, out, columns=SHOWN * len(SIGMAS))
    print(f"wrote {out}")


if __name__ == "__main__":
    run_script(main, __doc__)
