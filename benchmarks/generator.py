"""Whole generators beside torch: latents to 8-bit pixels, 10,000 images; `make bench` puts it into docs/benchmarks.md.

Ours is the program that `simulate` runs: int8, calibrated and quantized beforehand, then everything of every image:
latents to codes, layers, codes to pixels (by a table of all codes). torch runs the module with the same weights in
float32. Both take turns; a figure is the best of its rounds.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import PAGE, load, put

from accelsim.engine.kernels.entries import pixel_table
from accelsim.engine.linear_kernel import affine_of
from accelsim.engine.run import run_float, run_program
from accelsim.flow import program_for
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import CALIBRATION_IMAGES, Workload, load_workload
from accelsim.hardware.load import load_architecture
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights
from accelsim.quality.pixels import to_images, to_pixels

Array = np.ndarray[Any, Any]
GENERATORS = {"dcgan32": "accelsim.models.dcgan:Generator32", "mlp32": "accelsim.models.mlp:Generator"}
BATCHES = (32, 64, 128, 256, 512)
TRIED = 1024
"""Images by which batch and layout of each side are chosen."""
HEADING = "Whole generators: latents to 8-bit pixels"


@dataclass(frozen=True)
class Time:
    """Of one run, in seconds."""

    cpu: float
    wall: float


def integer_program(source: Workload) -> Program:
    """As `simulate` makes it for int8."""
    weights = source.load()
    _, folded = normalise(source.graph, weights)
    assert folded is not None
    program = program_for(source, load_architecture("zcu104"), parse_precision("int8"))
    return quantize_weights(calibrate(program, folded, source.draw_inputs(CALIBRATION_IMAGES, 1)), folded)


def ours(source: Workload, program: Program, latents: dict[str, Array], batch: int, threads: int) -> Array:
    """Pixels `[N, H, W, C]` by the integer engine."""
    name = program.graph.outputs[0]
    pixels = pixel_table(*affine_of(program.encodings[name]), lambda values: to_pixels(values, *source.output_range))
    return run_program(program, latents, batch=batch, threads=threads, collect={name: pixels})[name]


def torch_module(name: str, source: Workload) -> torch.nn.Module:
    """The float32 module with the shipped weights."""
    home, kind = GENERATORS[name].split(":")
    module: torch.nn.Module = getattr(import_module(home), kind)().eval()
    renamed = {role.replace(".mean", ".running_mean").replace(".var", ".running_var"): x for role, x in _held(source)}
    missing, unexpected = module.load_state_dict(renamed, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    return module


def _held(source: Workload) -> list[tuple[str, torch.Tensor]]:
    return [(role, torch.from_numpy(values.copy())) for role, values in source.load().items()]


def by_torch(module: torch.nn.Module, latents: torch.Tensor, batch: int) -> Array:
    """The same by torch."""
    made = []
    for piece in latents.split(batch):
        pixels = ((module(piece) + 1) * 127.5 + 0.5).floor_().clamp_(0, 255).to(torch.uint8)
        made.append(pixels.permute(0, 2, 3, 1).contiguous())
    return torch.cat(made).numpy()


def timed(run: Callable[[], object]) -> Time:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Time(time.process_time() - cpu, time.perf_counter() - wall)


def in_turns(runs: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, Time]:
    """Best CPU time and best wall time of each."""
    seen: dict[Any, list[Time]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            seen[key].append(timed(run))
    return {key: Time(min(t.cpu for t in times), min(t.wall for t in times)) for key, times in seen.items()}


def best_of(runs: dict[Any, Callable[[], object]]) -> Any:
    for run in runs.values():
        run()
    times = in_turns(runs, 3)
    return min(times, key=lambda key: times[key].cpu)


def rows(name: str, images: int, rounds: int) -> list[str]:
    """One for each count of threads."""
    source = load_workload(name)
    program, module = integer_program(source), torch_module(name, source)
    latents, few = source.draw_inputs(images, 0), source.draw_inputs(TRIED, 2)
    (key,) = latents
    tensor, sample = torch.from_numpy(latents[key]), torch.from_numpy(few[key])
    modules = {"NCHW": module, "NHWC": torch_module(name, source).to(memory_format=torch.channels_last)}
    torch.set_num_threads(1)
    our_batch = best_of({b: lambda b=b: ours(source, program, few, b, 1) for b in BATCHES})
    layout, batch = best_of(
        {(k, b): lambda m=m, b=b: by_torch(m, sample, b) for k, m in modules.items() for b in BATCHES}
    )
    plain = to_images(run_float(source.graph, source.load(), few)[source.graph.outputs[0]], *source.output_range)
    assert np.abs(plain.astype(int) - by_torch(module, sample, 64)).mean() < 0.01, "torch runs another network"
    lines = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        times = in_turns(
            {
                "ours": lambda t=threads: ours(source, program, latents, our_batch, t),
                "torch": lambda: by_torch(modules[layout], tensor, batch),
            },
            rounds,
        )
        a, b = times["ours"], times["torch"]
        lines.append(
            f"| {name} | {threads} | {a.cpu:.2f} | {a.wall:.2f} | {b.cpu:.2f} | {b.wall:.2f} "
            f"| {b.cpu / a.cpu:.2f} | {b.wall / a.wall:.2f} | {our_batch}, {batch} {layout} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    before = load()
    with torch.inference_mode():
        made = [line for name in GENERATORS for line in rows(name, arguments.images, arguments.rounds)]
    lines = [
        f"{arguments.images:,} images, int8 beside torch {torch.__version__} float32 with the same weights, in turns:",
        "everything from float latents to uint8 pixels, both sides with the batch (and layout) that suits them best.",
        f"Best of {arguments.rounds} rounds, in seconds. Load average {before} before, {load()} after.",
        "",
        "| generator | threads | CPU | wall | torch CPU | torch wall | x torch, CPU | x torch, wall | batches |",
        "|---|---|---|---|---|---|---|---|---|",
        *made,
    ]
    put(arguments.out, HEADING, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
