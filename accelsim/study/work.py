"""From the points of a study to work: what each needs, its content key, and which points share a run."""

import hashlib
import json
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from accelsim.formats.text import Precision, parse_precision
from accelsim.frontend.workload import Workload, load_workload
from accelsim.ir.store import graph_hash, weights_hash
from accelsim.study.space import Point
from accelsim.study.sweep_checks import located
from accelsim.study.sweep_file import Study
from accelsim.study.variant import Data, changed, lacking, machine_data

SIMULATED_TOGETHER = 16
"""Points of one task at most when they share a simulation; a killed study loses no more than its running tasks."""
ESTIMATED_TOGETHER = 8


@dataclass(frozen=True)
class Job:
    """A point with all that a worker needs, as plain data. `key`: hash of everything that determines the result.

    workload: a name or an absolute path. machine: plain data of the machine with the point's changes. lacks: why the
    point is not applicable, None if it is.
    """

    key: str
    point: Point
    workload: str
    machine: Data
    precision: Precision
    lacks: str | None

    @property
    def title(self) -> str:
        """The machine as errors name it."""
        changes = ", ".join(f"{path}={value}" for path, value in self.point.changes)
        return f"{self.point.on} with {changes}" if changes else self.point.on


Task = tuple[Job, ...]
"""Jobs for one worker: they share workload, precision, images and seed, and so run the network once."""


@dataclass
class _Sources:
    """Workloads and machines, each read once."""

    folder: Path
    workloads: dict[str, tuple[Workload, str]] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    machines: dict[str, Data] = field(default_factory=dict)

    def workload(self, name: str) -> tuple[Workload, str]:
        """The workload and the hash of its graph."""
        if name not in self.workloads:
            made = load_workload(located(self.folder, name))
            self.workloads[name] = (made, graph_hash(made.graph))
        return self.workloads[name]

    def weights_hash(self, name: str) -> str:
        """Hash of the weights, which only a simulation opens."""
        if name not in self.weights:
            self.weights[name] = weights_hash(self.workload(name)[0].load())
        return self.weights[name]

    def machine(self, name: str) -> Data:
        """The machine as plain data."""
        if name not in self.machines:
            self.machines[name] = machine_data(located(self.folder, name))
        return self.machines[name]


def jobs_of(study: Study) -> list[Job]:
    """One job a point, in order.

    Raises:
        AccelsimError: a workload or machine that cannot be read.
    """
    sources = _Sources(study.folder)
    return [_job(point, sources) for point in study.points]


def tasks_of(jobs: list[Job]) -> list[Task]:
    """Jobs grouped by the run that they share, cut into pieces small enough to store often."""
    groups: dict[tuple[Any, ...], list[Job]] = {}
    for job in jobs:
        point = job.point
        inputs = (point.images, point.seed, point.calibration_images)
        shared = (job.workload, repr(job.precision), *inputs) if point.images else (job.workload,)
        groups.setdefault(shared, []).append(job)
    tasks = []
    for shared, group in groups.items():
        size = SIMULATED_TOGETHER if len(shared) > 1 else ESTIMATED_TOGETHER
        tasks += [tuple(group[start : start + size]) for start in range(0, len(group), size)]
    return tasks


def _job(point: Point, sources: _Sources) -> Job:
    base = sources.machine(point.on)
    lacks = next((why for path, _ in point.changes if (why := lacking(base, path))), None)
    machine = base if lacks else changed(base, point.changes)
    precision = parse_precision(located(sources.folder, point.precision))
    content = {
        "accelsim": _version(),
        "graph": sources.workload(point.workload)[1],
        "machine": machine,
        "lacks": lacks,
        "precision": repr(precision),
        "batch": point.batch,
        "deadline_ms": point.deadline_ms,
        "residency": point.residency,
        "simulation": _simulation(point, sources) if point.images else None,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    place = Path(located(sources.folder, point.workload))
    name = str(place.resolve()) if place.is_file() else point.workload
    return Job(hashlib.sha256(text.encode()).hexdigest(), point, name, machine, precision, lacks)


def _simulation(point: Point, sources: _Sources) -> dict[str, Any]:
    """What changes the images, and how they are judged."""
    workload = sources.workload(point.workload)[0]
    return {
        "weights": sources.weights_hash(point.workload),
        "images": point.images,
        "seed": point.seed,
        "calibration_images": point.calibration_images,
        "draws": dict(workload.draws),
        "output_range": list(workload.output_range),
        "metrics": list(workload.metrics),
    }


def _version() -> str | None:
    """None in a checkout that is not installed."""
    try:
        return version("accelsim")
    except PackageNotFoundError:
        return None
