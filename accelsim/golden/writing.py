"""`accelsim vectors`: a folder for each layer of a run, a manifest of all, and a C program that checks them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from accelsim.engine.linear_kernel import LinearKernel
from accelsim.engine.reference import ReferenceKernel
from accelsim.engine.run import Kernels, run_program
from accelsim.errors import AccelsimError, did_you_mean
from accelsim.frontend.workload import Workload
from accelsim.golden.layer_files import SCHEMA, write_layer
from accelsim.golden.layer_vectors import layer_vectors
from accelsim.golden.recorded_run import RecordedRun, check_outputs, program_again
from accelsim.hardware.architecture import Machine
from accelsim.ir.graph import Node
from accelsim.ir.program import Program
from accelsim.mapping.operators import mac_counts

CHECKER = "check.c"
PLAIN_MACS = 1 << 30
"""Products that the plain interpreter sums in some seconds."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Written:
    """What a call of `write_vectors` made. layers: name, folder, outputs and overflowed accumulators of each."""

    folder: Path
    layers: tuple[dict[str, Any], ...]
    images: int
    compared: int
    """Images whose outputs equal those that the run stored."""

    @property
    def lines(self) -> list[str]:
        """What was written, a sentence a line."""
        wide = max(len(row["name"]) for row in self.layers)
        rows = [
            f"{row['name']:{wide}}  {row['outputs']:,} outputs, {row['overflowed']:,} accumulators overflowed"
            for row in self.layers
        ]
        return [
            *rows,
            f"outputs of {self.compared} of {self.images} images compared with those that the run stored: equal",
            f"wrote {self.folder}; check it: cc -O2 {self.folder / CHECKER} -o check && ./check {self.folder}",
        ]


def write_vectors(
    run: RecordedRun,
    source: Workload,
    machine: Machine,
    out: Path,
    layer: str | None = None,
    images: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> Written:
    """Run the program of a recorded run on its first `images` inputs and write what every layer read and made.

    layer: the only one to write. out: a new or an empty folder.

    Raises:
        AccelsimError: the run is not as recorded, no such layer, or a folder that is not empty or cannot be written.
    """
    _check_folder(out)
    program = program_again(run, source, machine)
    nodes = _chosen(program, source.name, layer)
    names = tuple(dict.fromkeys(name for node in nodes for name in (node.inputs[0], node.name)))
    kernels = _kernels(program, [program.graph.node(name) for name in program.linear], images)
    codes = run_program(program, source.draw_inputs(images, run.seed), kernels=kernels, keep=names)
    compared = check_outputs(run, source, program, codes)
    try:
        out.mkdir(parents=True, exist_ok=True)
        rows = _write_layers(program, nodes, codes, out, kernels, progress)
        (out / CHECKER).write_text(checker(), encoding="utf-8")
        (out / "layers.txt").write_text("".join(f"{row['folder']}\n" for row in rows), encoding="utf-8")
        manifest = {
            "schema": SCHEMA,
            "workload": run.workload,
            "hardware": run.hardware,
            "precision": run.precision,
            "seed": run.seed,
            "calibration_images": run.calibration_images,
            "images": images,
            "hashes": run.hashes,
            "layers": rows,
        }
        (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise AccelsimError(f"{out}: cannot be written: {error.strerror}") from None
    return Written(out, tuple(rows), images, compared)


def checker() -> str:
    """The C program."""
    return (files("accelsim.golden") / CHECKER).read_text(encoding="utf-8")


def _check_folder(out: Path) -> None:
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise AccelsimError(f"{out}: cannot be read: {error.strerror}") from None
    if taken:
        raise AccelsimError(f"{out}: not an empty folder; expected a new or an empty one for the vectors")


def _chosen(program: Program, workload: str, layer: str | None) -> list[Node]:
    names = list(program.linear)
    if layer is not None and layer not in names:
        near = did_you_mean(layer, names)
        raise AccelsimError(f"--layer {layer}: no such layer in {workload}{near}", f"its layers: {', '.join(names)}")
    return [program.graph.node(name) for name in (names if layer is None else [layer])]


def _write_layers(
    program: Program, nodes: list[Node], codes: dict[str, Any], out: Path, kernels: Kernels, progress: Progress
) -> list[dict[str, Any]]:
    kernel, rows = _kernel_of(kernels), []
    for number, node in enumerate(nodes):
        made = layer_vectors(program, node, codes[node.inputs[0]], codes[node.name], kernel)
        folder = folder_name(node.name)
        written = write_layer(made, out / folder)
        rows.append(
            {"name": node.name, "folder": folder, "outputs": written["outputs"], "overflowed": written["overflowed"]}
        )
        progress("writing layers", number + 1, len(nodes))
    return rows


def _kernel_of(kernels: Kernels) -> LinearKernel:
    if kernels == "reference":
        return ReferenceKernel()
    from accelsim.engine.kernels.fast import FastKernel  # numba: only where integers run

    fast: LinearKernel = FastKernel()
    return fast


def _kernels(program: Program, nodes: list[Node], images: int) -> Kernels:
    """The plain interpreter, which is obviously right; for more than `PLAIN_MACS` the fast kernels."""
    shapes = program.graph.shapes
    macs = sum(mac_counts(node.op, tuple(shapes[name] for name in node.inputs), images).scatter for node in nodes)
    return "reference" if macs <= PLAIN_MACS else "fast"


def folder_name(layer: str) -> str:
    """The name of a layer as that of a folder."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", re.sub(r"^\.", "_", layer))
