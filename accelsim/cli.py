"""The command line. Everything heavy is imported inside the commands, so that `--help` answers at once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from accelsim.command_output import fail, print_json, progress_bars, run_commands, show_report
from accelsim.errors import AccelsimError
from accelsim.given_workload import given_workload

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Bit-exact simulation and cost of generative networks on hardware.\n\n"
    "Example: [bold]accelsim simulate dcgan32 --on zcu104 --precision int8[/bold]",
)


class Listed(StrEnum):
    """What `list` can list."""

    hardware = "hardware"
    workloads = "workloads"
    formats = "formats"
    metrics = "metrics"
    passes = "passes"


class Goal(StrEnum):
    """What the mapping of a layer can minimise."""

    energy = "energy"
    latency = "latency"
    edp = "edp"
    offchip = "offchip"


WorkloadArgument = Annotated[
    str, typer.Argument(help="A shipped name, a workload YAML, a stored graph, or a module: file.py:Class")
]
On = Annotated[str, typer.Option("--on", help="Machine: a shipped name or a YAML file.")]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help="int8, fixed8.6, float32, weights=int4,activations=int8, or a YAML file.")
]
Batch = Annotated[
    int, typer.Option("--batch", min=1, help="Images that the machine runs at once; the cost is of one batch.")
]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="Shape of one input of a module, as 1x100; repeat for several.")
]
Deadline = Annotated[float | None, typer.Option("--deadline-ms", min=0, help="Latency of one batch to meet, ms.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
Residency = Annotated[
    bool,
    typer.Option("--residency/--no-residency", help="Whether tensors and weights may stay on chip between layers."),
]


@app.command("list")
def list_(what: Annotated[Listed, typer.Argument(help="What to list.")], as_json: AsJson = False) -> None:
    """List what ships: machines, workloads, number formats, metrics, passes.

    Example: [bold]accelsim list hardware[/bold]
    """
    from accelsim.console import print_listing
    from accelsim.listing import listing

    rows = listing(what.value)
    if as_json:
        print_json(rows)
    else:
        print_listing(rows)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A machine, a workload or a stored graph: name or path.")]) -> None:
    """Show a machine as a block diagram, or a workload or graph with its layers, parameters and MACs.

    Example: [bold]accelsim show eyeriss[/bold]
    """
    from accelsim.showing import show_text

    typer.echo(show_text(name))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Machine, workload or sweep YAML files, stored graphs.")],
) -> None:
    """Validate files; every mistake of each as file:line: field: what.

    Example: [bold]accelsim check my_board.yaml[/bold]
    """
    from accelsim.checking import check_file

    wrong = 0
    for path in files:
        try:
            typer.echo(f"{path}: {check_file(path)}")
        except AccelsimError as error:
            wrong += 1
            typer.echo(str(error), err=True)
    if wrong:
        raise typer.Exit(2)


@app.command()
def lower(
    source: Annotated[str, typer.Argument(help="file.py:Class or package.module:callable, without arguments")],
    out: Annotated[Path, typer.Option("--out", help="Folder for NAME.json and NAME.safetensors.")],
    inputs: Inputs = None,
) -> None:
    """Lower a torch module to a stored graph.

    Example: [bold]accelsim lower accelsim.models.dcgan:Generator32 --input 1x100 --out lowered[/bold]
    """
    from accelsim.ir.store import save_graph, save_weights
    from accelsim.ir.text import graph_text

    workload = given_workload(source, inputs)
    try:
        out.mkdir(parents=True, exist_ok=True)
        save_graph(workload.graph, out / f"{workload.name}.json")
        save_weights(workload.load(), out / f"{workload.name}.safetensors")
    except OSError as error:
        raise AccelsimError(f"{out}: cannot be written: {error.strerror}") from None
    typer.echo(graph_text(workload.graph))
    typer.echo(f"{workload.graph.trainable_parameters:,} parameters; wrote {out / workload.name}.json and .safetensors")


@app.command()
def simulate(
    workload: WorkloadArgument,
    on: On,
    precision: PrecisionOption = "int8",
    images: Annotated[int, typer.Option("--images", min=0, help="How many images to simulate.")] = 64,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the inputs.")] = 0,
    batch: Batch = 1,
    inputs: Inputs = None,
    deadline_ms: Deadline = None,
    residency: Residency = True,
    calibration_images: Annotated[
        int, typer.Option("--calibration-images", min=1, help="Inputs whose values fix the ranges of activations.")
    ] = 512,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of the integer kernels.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for report.json, report.csv, images.png.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a generator in the machine's integers: images, quality, energy, latency, traffic.

    Example: [bold]accelsim simulate dcgan32 --on zcu104 --precision int8 --images 64 --seed 0 --out run[/bold]
    """
    from accelsim import simulation

    with progress_bars() as progress:
        report = simulation.simulate(
            given_workload(workload, inputs),
            on=on,
            precision=precision,
            images=images,
            batch=batch,
            seed=seed,
            deadline_ms=deadline_ms,
            residency=residency,
            calibration_images=calibration_images,
            threads=threads,
            progress=progress,
        )
    show_report(report, out, as_json)


@app.command()
def estimate(
    workload: WorkloadArgument,
    on: On,
    precision: PrecisionOption = "int8",
    batch: Batch = 1,
    inputs: Inputs = None,
    deadline_ms: Deadline = None,
    residency: Residency = True,
    goal: Annotated[Goal, typer.Option("--goal", help="What the mapping of each layer minimises.")] = Goal.energy,
    mapping: Annotated[Path | None, typer.Option("--mapping", help="YAML with loops by hand; docs/mapping.md.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for report.json and report.csv.")] = None,
    as_json: AsJson = False,
) -> None:
    """Cost a generator without running it; opens no weight file.

    Example: [bold]accelsim estimate dcgan32 --on zcu104 --precision weights=int4,activations=int8[/bold]
    """
    from accelsim import flow

    report = flow.estimate(
        given_workload(workload, inputs),
        on=on,
        precision=precision,
        batch=batch,
        deadline_ms=deadline_ms,
        residency=residency,
        goal=goal.value,
        mapping=mapping,
    )
    show_report(report, out, as_json)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="Sweep YAML: which workload, machines, precisions; see docs/sweeps.md.")],
    out: Annotated[Path, typer.Option("--out", help="Result file; a sweep that was stopped goes on from it.")] = Path(
        "results.sqlite"
    ),
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; one for each core unless given.")
    ] = None,
    executor: Annotated[
        str | None, typer.Option("--executor", help="dask://host:port or mpi, instead of processes.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", "--table", help="Also write the rows: .csv, .json or .parquet.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run failed points again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run many points, in parallel and resumable; one row a point.

    Example: [bold]accelsim sweep bits.yaml --out results.sqlite --csv results.csv[/bold]
    """
    from accelsim.console import print_sweep
    from accelsim.study import execute
    from accelsim.study.table import check_suffix, records, write_table

    if table is not None:
        check_suffix(table)
    try:
        with progress_bars() as progress:
            made = execute.sweep(file, out=out, workers=workers, executor=executor, retry=retry, progress=progress)
    except KeyboardInterrupt:
        fail(f"interrupted; the points done so far are in {out}: run the same command again to go on", 1)
    except execute.WorkersDied as error:
        fail(str(error), 1)
    if table is not None:
        write_table(made, table)
    if as_json:
        print_json(records(made))
    else:
        print_sweep(made, str(out), None if table is None else str(table))
    if not (made["status"] == "done").any():
        raise typer.Exit(1)


@app.command()
def pareto(
    results: Annotated[Path, typer.Argument(help="Result file of a sweep.")],
    x: Annotated[str, typer.Option("--x", help="Figure along x, by its report key.")] = "energy_j",
    y: Annotated[str, typer.Option("--y", help="Figure along y.")] = "psnr_db",
    maximise: Annotated[
        list[str] | None, typer.Option("--maximise", help="This figure is better when more; else guessed by its key.")
    ] = None,
    minimise: Annotated[list[str] | None, typer.Option("--minimise", help="This figure is better when less.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Figure: .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """The points that no other beats in two figures at once.

    Example: [bold]accelsim pareto results.sqlite --x energy_j --y psnr_db --out pareto.png[/bold]
    """
    from accelsim.console import print_front
    from accelsim.plots import pareto_figure
    from accelsim.study.execute import load_results
    from accelsim.study.pareto import document, front, objective

    directions = maximise or [], minimise or []
    made = front(load_results(results), objective(x, *directions), objective(y, *directions))
    if out is not None:
        pareto_figure(made.table, x, y, (made.x.maximise, made.y.maximise), made.labels, out)
    if as_json:
        print_json(document(made))
        return
    print_front(made.table, made.labels, (x, y), made.left_out)
    if out is not None:
        typer.echo(f"  wrote {out}")


@app.command()
def vectors(
    run: Annotated[Path, typer.Argument(help="Folder that `simulate --out` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="New folder: one inside for each layer, manifest.json, check.c.")],
    layer: Annotated[str | None, typer.Option("--layer", help="Only this layer.")] = None,
    images: Annotated[int, typer.Option("--images", min=1, help="The first so many images of the run.")] = 1,
    workload: Annotated[str | None, typer.Option("--workload", help="Where the run's workload is, if moved.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="Where the run's machine is, if not shipped.")] = None,
    inputs: Inputs = None,
) -> None:
    """Golden vectors of a run for RTL: the integers of every multiplying layer as .npy and $readmemh .mem.

    Example: [bold]accelsim vectors run --out vectors --layer up3[/bold]
    """
    from accelsim.golden.recorded_run import found, read_run
    from accelsim.golden.writing import write_vectors
    from accelsim.hardware.load import load_architecture

    recorded = read_run(run)
    source = found(lambda: given_workload(workload or recorded.workload, inputs), "--workload")
    machine = found(lambda: load_architecture(on or recorded.hardware), "--on")
    with progress_bars() as progress:
        written = write_vectors(recorded, source, machine, out, layer, images, progress)
    for line in written.lines:
        typer.echo(line)


@app.command("validate")
def validate_(
    target: Annotated[list[str] | None, typer.Option("--target", help="Only this target, by its id; repeat.")] = None,
    targets: Annotated[
        Path | None, typer.Option("--targets", help="Somebody else's targets; see docs/validation.md.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Published results against ours; exit 1 where a gated target that is modelled is outside its allowance.

    Example: [bold]accelsim validate --target A2[/bold]
    """
    from accelsim.validation.comparison import compare
    from accelsim.validation.targets_file import read_targets, shipped_targets
    from accelsim.validation_report import document, print_validation

    known = read_targets(shipped_targets() if targets is None else targets)
    with progress_bars() as progress:
        rows = compare(known, target or (), progress)
    if as_json:
        print_json(document(rows))
    else:
        print_validation(known, rows)
    if any(row.misses for row in rows):
        raise typer.Exit(1)


@app.command("selftest")
def selftest_(as_json: AsJson = False) -> None:
    """Compare every compiled kernel with the plain interpreter on this processor; exit 1 where one differs.

    Example: [bold]accelsim selftest[/bold]
    """
    from accelsim.kernel_report import run_selftest

    checks, passed = run_selftest(as_json)
    if as_json:
        print_json(checks)
    if not passed:
        fail("a compiled kernel differs from the interpreter: set ACCELSIM_KERNELS=reference and report this", 1)


@app.command("measure-host")
def measure_host_(
    out: Annotated[Path, typer.Option("--out", help="The machine file to write.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="Cores of the machine.")] = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="To measure for, about.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Measure this computer on half of a set of layers, write it as a machine, and predict the other half.

    Example: [bold]accelsim measure-host --out host.yaml --threads 2[/bold]
    """
    from accelsim.host_report import print_measurement, run_measurement

    with progress_bars() as progress:
        document = run_measurement(out, threads, seconds, progress)
    if as_json:
        print_json(document)
    else:
        print_measurement(document)


@app.command()
def train(
    workload: Annotated[str, typer.Argument(help="dcgan32, mlp32 or resnet20_cifar10")],
    data: Annotated[Path, typer.Option("--data", help="Folder with CIFAR-10 in its binary version.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; an interrupted run goes on from there.")],
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Else as many as its recipe says.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of torch.")] = 1,
) -> None:
    """Train a shipped network; resumable, with a checkpoint each epoch.

    Example: [bold]accelsim train mlp32 --data cifar10 --out training/mlp32[/bold]
    """
    from accelsim.training.recipes import train_network

    with progress_bars() as progress:
        for line in train_network(workload, data, out, epochs, seed, threads, progress):
            typer.echo(line)


def main() -> None:
    """Entry point."""
    run_commands(app, "accelsim")
