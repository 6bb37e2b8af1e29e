"""What a workload costs on a machine: workload -> program -> mapping and cost -> report."""

import time
from pathlib import Path
from typing import Any

from accelsim.cost.costing import cost
from accelsim.cost.seen_zeros import as_run, stated_zeros
from accelsim.engine.activity import Activity
from accelsim.errors import AccelsimError, did_you_mean
from accelsim.formats.text import Precision, parse_precision
from accelsim.frontend.workload import Workload, load_workload, workload_of_module
from accelsim.hardware.architecture import Machine
from accelsim.hardware.load import load_architecture
from accelsim.ir.graph import Graph
from accelsim.ir.program import Program
from accelsim.mapping.by_hand import read_mappings
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.mapping.score import GOALS, Goal
from accelsim.passes.formats import assign_formats
from accelsim.passes.normalise import normalise
from accelsim.passes.target import target
from accelsim.report import Report
from accelsim.reporting import RunFacts, make_report


def estimate(
    workload: Any,
    *,
    on: str | Path | Machine,
    precision: str | Precision = "int8",
    batch: int = 1,
    example_inputs: Any = None,
    deadline_ms: float | None = None,
    residency: bool = True,
    goal: Goal = "energy",
    mapping: str | Path | None = None,
    seen: Activity | None = None,
) -> Report:
    """Cost a generator without running it; opens no weight file. Arguments and errors as in `accelsim.simulate`.

    goal: what each layer's mapping minimises: energy, latency, edp or offchip.
    mapping: a YAML file with loops given by hand, see docs/mapping.md.
    seen: what a run of the same program saw, whose zeros are taken instead of those that the workload states.
    """
    if goal not in GOALS:
        raise AccelsimError(f"goal: {goal!r} is not one of: {', '.join(GOALS)}{did_you_mean(goal, GOALS)}")
    started = time.perf_counter()
    source, machine, wanted = resolve(workload, on, precision, example_inputs, (-1.0, 1.0))
    program = program_for(source, machine, wanted)
    given = None if mapping is None else read_mappings(mapping)
    zeros = stated_zeros(source, program)
    made = cost(program, machine, batch, ScheduleOptions(goal, residency), zeros, mappings=given)
    made = as_run(made, machine, seen)
    facts = RunFacts(source, machine, program, batch, None, deadline_ms, None, time.perf_counter() - started)
    return make_report(facts, made)


def program_for(source: Workload, machine: Machine, wanted: Precision) -> Program:
    """Formats, shapes and what the machine does to values, without weights: all that the cost depends on.

    Raises:
        DoesNotFit: the machine cannot compute in these formats.
    """
    graph, _ = normalise(source.graph, None)
    return target(assign_formats(graph, wanted), machine)


def resolve(
    workload: Any,
    on: str | Path | Machine,
    precision: str | Precision,
    example_inputs: Any,
    output_range: tuple[float, float],
) -> tuple[Workload, Machine, Precision]:
    """What the arguments of `estimate` name, loaded."""
    machine = load_architecture(str(on)) if isinstance(on, str | Path) else on
    wanted = parse_precision(precision) if isinstance(precision, str) else precision
    if isinstance(workload, Workload):
        return workload, machine, wanted
    if isinstance(workload, str | Path):
        return load_workload(str(workload)), machine, wanted
    return workload_of_module(workload, example_inputs, output_range), machine, wanted


def lower(module: Any, example_inputs: Any) -> Graph:
    """The layer IR of a torch module; `example_inputs` is one tensor or array `[N, ...]` or a list of them.

    Raises:
        AccelsimError: an operator that is not supported, or a module that `torch.export` refuses.
    """
    return workload_of_module(module, example_inputs).graph
