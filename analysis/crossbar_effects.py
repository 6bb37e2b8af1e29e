"""What converters and cells of crossbars do to the images, and what both cost, also by the values of the run.

    python analysis/crossbar_effects.py --workload dcgan32 --machine isaac --images 64 --out crossbar_effects.png

Prints three Markdown tables, a row for each resolution of the ADCs and a column for each variation of the cells: energy
and PSNR against float32; the energy of DACs and cells by the values that the run drove, against the fixed one; the same
by layer, for the first point. Draws the grid. The encoding is `offset`, `differential`, or `as_given`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.command_output import run_script
from accelsim.cost.costing import cost
from accelsim.cost.crossbar_by_value import by_value
from accelsim.cost.records import Cost
from accelsim.engine.crossbar_activity import cell_activity, row_loads
from accelsim.engine.run import run_program
from accelsim.errors import AccelsimError
from accelsim.flow import program_for
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import Workload, load_workload
from accelsim.hardware.load import parse_architecture
from accelsim.hardware.reram import ReramArchitecture
from accelsim.ir.ops import Linear
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.simulation import Simulation, run_images
from accelsim.study.variant import changed, machine_data

BITS = (8, 7, 6, 5, 4)
SIGMAS = (0.0, 0.02, 0.05, 0.1)
SHOWN = 3
PARTS = ("dac", "crossbar")
MICRO = 1e6


@dataclass(frozen=True)
class Point:
    """One resolution and one variation. layers: energy of DACs and of cells, fixed and by value, J of one image."""

    cost: Cost
    run: Simulation
    layers: dict[str, dict[str, tuple[float, float]]]

    def summed(self, by_value: bool) -> float:
        """J of all DACs and cells."""
        return sum(pair[by_value] for parts in self.layers.values() for pair in parts.values())


def point(source: Workload, machine: ReramArchitecture, images: int) -> Point:
    """Cost and run one machine."""
    program = program_for(source, machine, parse_precision("int8"))
    made = cost(program, machine, 1, ScheduleOptions())
    if not isinstance(made, Cost):
        raise AccelsimError(f"{machine.name}: {made.reason}")
    run = run_images(source, program, images, seed=0)
    return Point(made, run, _layers(run, made, machine))


def _layers(run: Simulation, made: Cost, machine: ReramArchitecture) -> dict[str, dict[str, tuple[float, float]]]:
    program, fixed = run.program, {step.scheduled.task.node.name: step.energy for step in made.steps}
    reads = {name: program.graph.node(name).inputs[0] for name in program.linear}
    codes = run_program(program, run.inputs, keep=reads.values())
    layers = {}
    for name, layer in program.linear.items():
        op, x = program.graph.node(name).op, codes[reads[name]]
        assert isinstance(op, get_args(Linear)) and layer.crossbar is not None
        loads = list(row_loads(op, x.shape[1:], layer, layer.crossbar))
        seen = cell_activity(op, x, program.encodings[reads[name]], loads, layer.crossbar)
        energy = by_value(fixed[name], seen, machine.reram)
        layers[name] = {part: (fixed[name][part].value, energy[part].value) for part in PARTS}
    return layers


def main(
    workload: str = "dcgan32",
    machine: str = "isaac",
    images: int = 64,
    out: Path = Path("crossbar_effects.png"),
    encoding: str = "as_given",
) -> None:
    """Run every point, then print the tables and draw the grid."""
    source, given, points = load_workload(workload), machine_data(machine), {}
    if encoding != "as_given":
        given = changed(given, [("reram.encoding", encoding)])
    for bits in BITS:
        for sigma in SIGMAS:
            changes = [("reram.adc.bits", bits), ("reram.cell.sigma_relative", sigma)]
            on = parse_architecture(changed(given, changes), f"{machine} with {bits}-bit ADCs, cells {sigma:g}")
            if not isinstance(on, ReramArchitecture):
                raise AccelsimError(f"{machine} is of kind {on.kind}; expected reram")
            points[bits, sigma] = point(source, on, images)
    print_quality(points)
    print_by_value(points)
    print_by_layer(points[BITS[0], SIGMAS[0]])
    draw(points, out)
    print(f"\nwrote {out}")


def table(heads: list[str], rows: list[list[str]]) -> None:
    """A Markdown table, figures to the right."""
    print(f"\n| {' | '.join(heads)} |\n|{'--:|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def print_quality(points: dict[tuple[int, float], Point]) -> None:
    """Energy of one image, cold and in steady state, and PSNR."""
    rows = []
    for bits in BITS:
        made = points[bits, SIGMAS[0]].cost
        joule = made.energy_total.value, made.steady_energy.value, made.energy["adc"].value
        psnr = (points[bits, sigma].run.quality["psnr_db"] for sigma in SIGMAS)
        rows.append([str(bits), *(f"{MICRO * energy:.1f}" for energy in joule), *(f"{figure:.1f}" for figure in psnr)])
    heads = ["ADC bits", "energy, µJ", "in steady state, µJ", "of it ADCs, µJ"]
    table([*heads, *(f"PSNR at {sigma:.0%}, dB" for sigma in SIGMAS)], rows)


def print_by_value(points: dict[tuple[int, float], Point]) -> None:
    """DACs and cells by value, how far that is from fixed, and how far the whole in steady state."""
    rows = []
    for bits in BITS:
        first, line = points[bits, SIGMAS[0]], []
        for sigma in SIGMAS:
            one = points[bits, sigma]
            fixed, moved = one.summed(False), one.summed(True) - one.summed(False)
            whole = moved / one.cost.steady_energy.value
            line.append(f"{MICRO * (fixed + moved):.3f} ({moved / fixed:+.1%}; {whole:+.1%})")
        rows.append([str(bits), f"{MICRO * first.summed(False):.3f}", *line])
    table(["ADC bits", "fixed, µJ", *(f"by value at {sigma:.0%}, µJ" for sigma in SIGMAS)], rows)


def print_by_layer(one: Point) -> None:
    """DACs and cells of each layer."""
    rows = []
    for name, parts in one.layers.items():
        pairs = (parts[part] for part in PARTS)
        figures = (f"{MICRO * fixed:.3f} | {MICRO * value:.3f} | {value / fixed - 1:+.1%}" for fixed, value in pairs)
        rows.append([name, *figures])
    heads = (f"{part}, fixed, µJ | by value, µJ | apart" for part in ("DACs", "cells"))
    table(["layer", *" | ".join(heads).split(" | ")], rows)


def draw(points: dict[tuple[int, float], Point], out: Path) -> None:
    """Rows of ADC bits, columns of variation, `SHOWN` images in each field with its PSNR; float32 above."""
    from matplotlib.figure import Figure

    columns, lines = len(SIGMAS), len(BITS) + 1
    figure = Figure(figsize=(2.35 * columns + 0.8, 0.98 * lines + 0.45), dpi=110, layout="constrained")
    axes: Any = figure.subplots(lines, columns)
    for place in range(columns):
        _field(axes[0, place], next(iter(points.values())).run.float_images if place == 0 else None)
    axes[0, 0].set_ylabel("float32", fontsize=10)
    for line, bits in enumerate(BITS, 1):
        for place, sigma in enumerate(SIGMAS):
            one, field = points[bits, sigma], axes[line, place]
            _field(field, one.run.images)
            field.set_xlabel(f"{one.run.quality['psnr_db']:.1f} dB", fontsize=8, labelpad=1)
            if line == 1:
                field.set_title(f"cells vary by {sigma:.0%}", fontsize=10)
        axes[line, 0].set_ylabel(f"{bits}-bit\nADCs", fontsize=10)
    figure.savefig(out)


def _field(axes: Any, images: NDArray[np.uint8] | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if images is not None:
        gap = np.full((images.shape[1], 2, images.shape[3]), 255, np.uint8)
        shown = [part for image in images[:SHOWN] for part in (image, gap)][:-1]
        axes.imshow(np.concatenate(shown, axis=1), interpolation="nearest")


if __name__ == "__main__":
    run_script(main, __doc__)
