"""Every number format on one generator: a table and a sheet of the same latents, format by format.

    python analysis/format_gallery.py --workload dcgan32 --machine zcu104 --images 1000 --out formats.png

The table is Markdown: PSNR against float32, Fréchet distance, bytes of the weights, energy of one cold image.
"""

from pathlib import Path

import accelsim
from accelsim.command_output import run_script
from accelsim.quality.picture import save_gallery

FORMATS = """
float32 fp16 bf16 fp8e4m3 fp8e5m2 mxint8 mxfp8e4m3 mxfp6e3m2 mxfp6e2m3 mxfp4
int16 int8 int8:double int8:float int6 int4 int4:em int3:em int2:em fixed16.10 fixed8 fixed8,calibration=mse flex16+5
codebook256 codebook16 codebook4 log5 log4 tanh8 tanh4 weights=int4,activations=int8 weights=int2,activations=int16
int8,accumulator=acc20:sat:tree16 int8,accumulator=acc16:sat
ternary ternary:ttq ternary:tgan binary binary:apgan binary:bnn
weights=ternary,activations=ternary weights=binary,activations=binary
"""


def figure(value: float | None, form: str) -> str:
    """A figure as the table shows it; a dash where there is none."""
    return "–" if value is None else format(value, form)


def main(
    workload: str = "dcgan32", machine: str = "zcu104", images: int = 1000, out: Path = Path("formats.png")
) -> None:
    """Simulate the workload in every format; rows appear as they are done."""
    print("| precision | PSNR, dB | Fréchet distance | weight bytes | energy, µJ |\n|---|--:|--:|--:|--:|", flush=True)
    rows = {}
    for precision in FORMATS.split():
        report = accelsim.simulate(workload, on=machine, precision=precision, images=images)
        distance = next((v for k, v in report.quality.items() if k.startswith("fid")), None)
        energy = report.totals["energy_j"]
        cells = figure(report.quality["psnr_db"], ".2f"), figure(distance, ".2f")
        costs = f"{report.totals['weight_bytes']:,}", figure(energy and energy * 1e6, ".1f")
        print(f"| `{precision}` | {' | '.join((*cells, *costs))} |", flush=True)
        rows[precision] = report.images
    save_gallery(rows, out)


if __name__ == "__main__":
    run_script(main, __doc__)
