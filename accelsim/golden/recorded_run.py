"""A run that `accelsim simulate --out` wrote, and the same program once more."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from accelsim.engine.linear_kernel import Array
from accelsim.engine.run import decode
from accelsim.errors import AccelsimError
from accelsim.flow import program_for
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import Workload
from accelsim.hardware.architecture import Machine
from accelsim.ir.graph import Weights
from accelsim.ir.program import Program
from accelsim.ir.store import graph_hash, weights_hash
from accelsim.passes.calibrate import calibrate
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights
from accelsim.report import SCHEMA

T = TypeVar("T")


@dataclass(frozen=True)
class RecordedRun:
    """What report.json says about how the run came about."""

    folder: Path
    workload: str
    hardware: str
    precision: str
    seed: int
    calibration_images: int
    hashes: dict[str, str]

    @property
    def file(self) -> Path:
        """The report."""
        return self.folder / "report.json"


def read_run(folder: Path) -> RecordedRun:
    """The run in a folder.

    Raises:
        AccelsimError: no report there, not one of ours, or of an estimate or a float run.
    """
    file = folder / "report.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "`accelsim simulate ... --out RUN` writes one"
        raise AccelsimError(f"{file}: cannot be read: {error.strerror}", hint) from None
    except ValueError:
        raise AccelsimError(f"{file}: not a JSON file") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise AccelsimError(f"{file}: not a report of `accelsim simulate`; expected schema {SCHEMA!r}")
    return _recorded(folder, file, document.get("provenance"))


def _recorded(folder: Path, file: Path, said: Any) -> RecordedRun:
    said = said if isinstance(said, dict) else {}
    if "seed" in said and said["seed"] is None:
        raise AccelsimError(f"{file}: an estimate, in which nothing ran; vectors need a run of `accelsim simulate`")
    precision = said.get("precision")
    if isinstance(precision, str) and parse_precision(precision).is_float:
        raise AccelsimError(f"{file}: the run computed in {precision}; vectors are of integers, for instance of int8")
    wanted: dict[str, type] = {"workload": str, "hardware": str, "precision": str}
    wanted |= {"seed": int, "calibration_images": int, "hashes": dict}
    for key, kind in wanted.items():
        if not isinstance(said.get(key), kind):
            raise AccelsimError(f"{file}: provenance.{key}: {said.get(key)!r}; expected {_SPOKEN[kind]}")
    if said["seed"] < 0 or said["calibration_images"] < 1:
        raise AccelsimError(f"{file}: provenance: expected a seed of 0 or more and at least one calibration image")
    return RecordedRun(folder, *(said[key] for key in wanted))


_SPOKEN = {str: "text", int: "a whole number", dict: "a mapping"}


def found(load: Callable[[], T], option: str) -> T:
    """What `load` finds by the name in the report.

    Raises:
        AccelsimError: its own error, with the option that says where the thing is.
    """
    try:
        return load()
    except AccelsimError as error:
        raise AccelsimError(str(error.args[0]), f"the run names it so: {option} says where it is now") from None


def program_again(run: RecordedRun, source: Workload, machine: Machine) -> Program:
    """The quantized program of the run.

    Raises:
        AccelsimError: the graph, the weights, the machine or the precision are no longer those of the run.
    """
    precision, weights = parse_precision(run.precision), source.load()
    for what, name, now in (
        ("graph", f"the graph of {source.name}", graph_hash(source.graph)),
        ("weights", f"the weights of {source.name}", weights_hash(weights)),
        ("hardware", f"the machine {machine.name}", machine.content_hash()),
        ("precision", f"the precision {run.precision}", precision.content_hash),
    ):
        if run.hashes.get(what) != now:
            was = str(run.hashes.get(what))
            raise AccelsimError(
                f"{run.file}: hashes.{what}: {name} is not what ran: {now[:12]} now, {was[:12]} then",
                "run `accelsim simulate` again" + _OTHER.get(what, ""),
            )
    return _quantized(run, source, weights, program_for(source, machine, precision))


_OTHER = {
    "graph": ", or name the one that ran with --workload",
    "weights": ", or name the one that ran with --workload",
    "hardware": ", or name the one that ran with --on",
}


def _quantized(run: RecordedRun, source: Workload, weights: Weights, program: Program) -> Program:
    _, folded = normalise(source.graph, weights)
    assert folded is not None
    calibrated = calibrate(program, folded, source.draw_inputs(run.calibration_images, run.seed + 1))
    return quantize_weights(calibrated, folded)


def check_outputs(run: RecordedRun, source: Workload, program: Program, codes: dict[str, Array]) -> int:
    """How many images of `codes` the run stored too.

    Raises:
        AccelsimError: an output is not what the run made.
    """
    file = run.folder / "arrays.safetensors"
    if not file.is_file():
        return 0
    stored, compared = _arrays(file), 0
    for theirs, ours in zip(source.graph.outputs, program.graph.outputs, strict=True):
        before, now = stored.get(f"output.{theirs}"), decode(program, ours, codes[ours])
        if before is None:
            continue
        compared = min(len(before), len(now))
        if not np.array_equal(before[:compared], now[:compared]):
            raise AccelsimError(
                f"{file}: output.{theirs}: this version of accelsim does not make the values of the run",
                "run `accelsim simulate` again",
            )
    return compared


def _arrays(file: Path) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays: dict[str, Array] = load_file(file)
    except (OSError, SafetensorError):
        raise AccelsimError(f"{file}: not a safetensors file") from None
    return arrays
