"""What a worker does: cost every point of a task, and run the network once for all points that share a program."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from accelsim.cost.seen_zeros import codes_runs
from accelsim.engine.activity import Activity
from accelsim.errors import AccelsimError
from accelsim.flow import estimate, program_for
from accelsim.frontend.workload import Workload, load_workload
from accelsim.hardware.load import parse_architecture
from accelsim.ir.program import Program
from accelsim.report import Figures, Report
from accelsim.simulation import run_images
from accelsim.study.space import Point
from accelsim.study.work import Job, Task

Status = Literal["done", "failed", "not_applicable"]


@dataclass(frozen=True)
class Result:
    """The row of a point without its settings. `error`: one sentence, also for a done point that has no cost.

    seconds: spent on this point; a run that several points share is counted at the first of them.
    """

    key: str
    status: Status
    error: str | None
    seconds: float
    figures: Figures


@dataclass(frozen=True)
class _Run:
    """Of one program: its quality and what it saw, with runs of zeros where `counts_runs`."""

    program: Program
    counts_runs: bool
    quality: Mapping[str, float | None]
    activity: Activity | None


@dataclass
class _Runs:
    """The programs run so far in a task. Machines that change no value ask for equal programs."""

    source: Workload
    made: list[_Run] = field(default_factory=list)

    def run(self, program: Program, point: Point, counts_runs: bool) -> _Run:
        """This program on the inputs of a point, run unless an equal one was."""
        for known in self.made:
            if known.program == program and known.counts_runs >= counts_runs:
                return known
        run = run_images(
            self.source,
            program,
            point.images,
            point.seed,
            calibration_images=point.calibration_images,
            counts_runs=counts_runs,
        )
        self.made.append(_Run(program, counts_runs, run.quality, run.activity))
        return self.made[-1]


def evaluate(task: Task) -> list[Result]:
    """One result for each job, in order; a point that fails leaves the others alone.

    Raises:
        AccelsimError: the workload has become unreadable.
    """
    runs = _Runs(load_workload(task[0].workload))
    return [_result(job, runs) for job in task]


def _result(job: Job, runs: _Runs) -> Result:
    if job.lacks is not None:
        return Result(job.key, "not_applicable", f"{job.point.on}: {job.lacks}", 0.0, {})
    started = time.perf_counter()
    try:
        figures, note = _figures(job, runs)
        return Result(job.key, "done", note, time.perf_counter() - started, figures)
    except AccelsimError as error:
        what = "; ".join(str(error.args[0]).splitlines())
    except Exception as error:  # a study outlives what goes wrong at one point, foreseen or not
        what = f"unexpected {type(error).__name__}: {error}"
    return Result(job.key, "failed", what, time.perf_counter() - started, {})


def _figures(job: Job, runs: _Runs) -> tuple[Figures, str | None]:
    """The figures of a point, and why it has no cost if it has none."""
    point = job.point
    machine = parse_architecture(job.machine, job.title, must_fit=False)
    run = None
    if point.images:
        run = runs.run(program_for(runs.source, machine, job.precision), point, codes_runs(machine))
    report = estimate(
        runs.source,
        on=machine,
        precision=job.precision,
        batch=point.batch,
        deadline_ms=point.deadline_ms,
        residency=point.residency,
        seen=None if run is None else run.activity,
    )
    figures = _flat(report)
    if run is not None:
        figures |= run.quality
    return figures, report.assumptions[0] if report.totals["energy_j"] is None else None


def _flat(report: Report) -> Figures:
    """Totals by their own key, the rest as `section.key`."""
    resources = report.resources or {}
    nested: dict[str, Mapping[str, Any]] = {
        "per_image_steady": report.per_image_steady,
        "energy_by_component_j": report.energy_by_component_j,
        "offchip_bytes_by_operand": report.offchip_bytes_by_operand,
        "resources": {key: resources[key] for key in ("fits", "limited_by") if key in resources},
        "resources.used": resources.get("used", {}),
    }
    figures: dict[str, Any] = dict(report.totals)
    return figures | {f"{name}.{key}": value for name, section in nested.items() for key, value in section.items()}
