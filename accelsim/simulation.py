"""The whole of one exact run: workload -> program -> outputs and quality, and what they cost -> report."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.cost.costing import cost
from accelsim.cost.seen_zeros import as_run, codes_runs, stated_zeros
from accelsim.engine.activity import Activity, ActivityCounter
from accelsim.engine.run import Kernels, decode, run_float, run_program
from accelsim.errors import AccelsimError
from accelsim.flow import program_for, resolve
from accelsim.formats.text import Precision
from accelsim.frontend.workload import CALIBRATION_IMAGES, Workload
from accelsim.hardware.architecture import Machine
from accelsim.ir.graph import Weights
from accelsim.ir.program import Program
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.passes.calibrate import calibrate, needs_calibration
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights
from accelsim.quality.against_float import quality
from accelsim.quality.pixels import is_image_shape, to_images
from accelsim.report import Report
from accelsim.reporting import RunFacts, make_report

Progress = Callable[[str, int, int], None]
"""`progress(stage, done, total)`, called after each batch."""


def _silent(stage: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Simulation:
    """One exact run and how good its outputs are. Machines that ask for the same program share it.

    program: with its integers. outputs: real values of the program, by the generator's names, `[N, ...]`.
    reasons: a sentence for each quality figure that is absent. images, float_images: as in `Report`.
    """

    program: Program
    weights: Weights
    inputs: dict[str, NDArray[Any]]
    outputs: dict[str, NDArray[Any]]
    quality: dict[str, float | None]
    reasons: tuple[str, ...]
    images: NDArray[np.uint8] | None
    float_images: NDArray[np.uint8] | None
    calibration_images: int | None = None
    """Of which ranges were taken, None where nothing was."""
    activity: Activity | None = None
    """What the run saw of accumulators and stored values, None where no integers ran."""


def simulate(
    workload: Any,
    *,
    on: str | Path | Machine,
    precision: str | Precision = "int8",
    images: int = 64,
    batch: int = 1,
    seed: int = 0,
    example_inputs: Any = None,
    output_range: tuple[float, float] = (-1.0, 1.0),
    deadline_ms: float | None = None,
    residency: bool = True,
    calibration_images: int = CALIBRATION_IMAGES,
    kernels: Kernels = "fast",
    threads: int = 1,
    progress: Progress = _silent,
) -> Report:
    """Run a generator in the machine's integers and cost it.

    Args:
        workload: a shipped name, a path, or your own `nn.Module` (then `example_inputs` gives the shapes).
        on: a machine by name, path or as loaded.
        precision: for instance "int8" or "weights=int4,activations=int8"; "float32" runs the reference.
        images: how many samples are simulated; never changes the cost.
        batch: samples that the machine runs at once; the cost is for one batch.
        seed: of the inputs; calibration draws others with seed + 1.
        example_inputs: for a module, a tensor or array `[N, ...]` or a list of them.
        output_range: for a module, the real values of black and white.
        deadline_ms: sets `meets_deadline`.
        residency: False lets nothing stay on chip between layers.
        calibration_images: inputs whose float32 values fix the ranges of activations.
        kernels: "native" or "portable" compiled loops or the "reference" interpreter; the result is the same.
        threads: of the fast kernels; the result is the same.
        progress: called as work goes on.

    Raises:
        AccelsimError: bad input, or a layer that the machine cannot hold.
    """
    _check_run(images, seed, kernels, calibration_images)
    started = time.perf_counter()
    source, machine, wanted = resolve(workload, on, precision, example_inputs, output_range)
    program = program_for(source, machine, wanted)
    made = cost(program, machine, batch, ScheduleOptions(residency=residency), stated_zeros(source, program))
    run = run_images(source, program, images, seed, kernels, threads, progress, calibration_images, codes_runs(machine))
    made = as_run(made, machine, run.activity)
    seconds = time.perf_counter() - started
    facts = RunFacts(
        source,
        machine,
        run.program,
        batch,
        seed,
        deadline_ms,
        run.weights,
        seconds,
        run.calibration_images,
        run.activity,
    )
    report = make_report(facts, made)
    return replace(
        report,
        quality=run.quality,
        assumptions=(*report.assumptions, *run.reasons),
        images=run.images,
        float_images=run.float_images,
        inputs=run.inputs,
        outputs=run.outputs,
    )


def _check_run(images: int, seed: int, kernels: str, calibration_images: int) -> None:
    for name, value in (("images", images), ("seed", seed)):
        if value < 0:
            raise AccelsimError(f"{name}: {value}; expected 0 or more")
    if calibration_images < 1:
        raise AccelsimError(f"calibration_images: {calibration_images}; expected 1 or more")
    if kernels not in get_args(Kernels):
        raise AccelsimError(f"kernels: {kernels!r}; expected one of {', '.join(get_args(Kernels))}")


def run_images(
    source: Workload,
    program: Program,
    images: int,
    seed: int,
    kernels: Kernels = "fast",
    threads: int = 1,
    progress: Progress = _silent,
    calibration_images: int = CALIBRATION_IMAGES,
    counts_runs: bool = False,
) -> Simulation:
    """Calibrate, quantize and run the program that `program_for` made; arguments as in `simulate`.

    counts_runs: of zeros in what is stored, for `codes_runs` machines.

    Raises:
        AccelsimError: weights that are missing or not as they should be.
    """
    weights = source.load()
    _, folded = normalise(source.graph, weights)
    assert folded is not None
    inputs = source.draw_inputs(images, seed)
    reference = run_float(source.graph, weights, inputs, on_batch=_counter(progress, "float32 reference", images))
    outputs: dict[str, NDArray[Any]] = dict(reference)
    calibrated: int | None = None
    seen: ActivityCounter | None = None
    if not program.precision.is_reference:
        if needs_calibration(program):
            progress("calibrating", 0, 1)
            calibrated = calibration_images
            program = calibrate(program, folded, source.draw_inputs(calibration_images, seed + 1))
        program = quantize_weights(program, folded)
        count = _counter(progress, str(program.precision), images)
        seen = None if program.precision.is_float else ActivityCounter(counts_runs)
        codes = run_program(program, inputs, kernels=kernels, threads=threads, on_batch=count, activity=seen)
        stored = dict(zip(source.graph.outputs, program.graph.outputs, strict=True))
        outputs = {name: decode(program, value, codes[value]) for name, value in stored.items()}
    judged = _judged(source, program, weights, inputs, outputs, reference)
    return replace(judged, calibration_images=calibrated, activity=None if seen is None else seen.activity())


def _judged(
    source: Workload,
    program: Program,
    weights: Weights,
    inputs: dict[str, NDArray[Any]],
    outputs: dict[str, NDArray[Any]],
    reference: dict[str, NDArray[Any]],
) -> Simulation:
    """The run with its pictures, where the first output is images, and its quality."""
    name = source.graph.outputs[0]
    wanted, made = reference[name], outputs[name]
    pictures: tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None] = (None, None)
    if is_image_shape(made.shape):
        low, high = source.output_range
        pictures = (to_images(wanted, low, high), to_images(made, low, high))
    figures, reasons = quality(wanted, made, *pictures, source.metrics)
    return Simulation(program, weights, inputs, outputs, figures, tuple(reasons), pictures[1], pictures[0])


def _counter(progress: Progress, stage: str, total: int) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress(stage, done, total)

    return count
