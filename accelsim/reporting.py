"""From a run's program and cost to the figures of its report."""

import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from accelsim.cost.area import chip_area, memory_leakage_w
from accelsim.cost.energy import total
from accelsim.cost.records import Cost, StepCost
from accelsim.engine.activity import Activity
from accelsim.engine.bounds import accumulator_is_proven
from accelsim.formats.affine import AffineInt
from accelsim.frontend.workload import Workload
from accelsim.hardware.architecture import Machine
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.quantity import Quantity
from accelsim.ir.graph import Node, Weights
from accelsim.ir.ops import Constant, Embedding, describe
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Program, arithmetic, is_view
from accelsim.ir.store import graph_hash, weights_hash
from accelsim.mapping.operators import mac_counts, operations
from accelsim.mapping.tasks import constant_bytes, weight_bytes, weight_owners
from accelsim.report import Figures, Report


@dataclass(frozen=True)
class RunFacts:
    """All that a report says besides the cost.

    seed, weights, calibration_images and activity are None for an estimate; activity also where no integers ran.
    """

    workload: Workload
    machine: Machine
    program: Program
    batch: int
    seed: int | None
    deadline_ms: float | None
    weights: Weights | None
    seconds: float
    calibration_images: int | None = None
    activity: Activity | None = None


def make_report(facts: RunFacts, cost: Cost | NoFormat) -> Report:
    """The report, without quality and arrays. Without a cost its cost fields are None and `assumptions` say why."""
    costs = {step.scheduled.task.node.name: step for step in cost.steps} if isinstance(cost, Cost) else {}
    rows = tuple(_row(facts, node, costs.get(node.name)) for node in facts.program.graph.nodes if not is_view(node))
    counts = _counts(facts, rows)
    if isinstance(cost, NoFormat):
        nothing = dict.fromkeys(_COST_KEYS)
        steady = dict.fromkeys(("offchip_bytes", "energy_j", "latency_s", "images_per_s"))
        said = (cost.reason, *_program_assumptions(facts))
        return Report(_provenance(facts), counts | nothing, {}, steady, {}, {}, None, None, {}, rows, said)
    totals = counts | _cost_totals(facts, cost)
    return Report(
        provenance=_provenance(facts),
        totals=totals,
        per_image={key: totals[key] / facts.batch for key in _PER_IMAGE},
        per_image_steady=_steady(facts, cost),
        energy_by_component_j={name: energy.value for name, energy in cost.energy.items()},
        offchip_bytes_by_operand={kind: bits // 8 for kind, bits in cost.offchip_bits_by_operand.items()},
        resources=_resources(facts.machine, cost),
        memory_plan=_memory_plan(cost),
        quality={},
        layer_rows=rows,
        assumptions=(*_program_assumptions(facts), *_width_assumptions(facts, cost), *cost.assumptions),
    )


_COUNTED = ("macs_zero_inserted", "macs_scatter", "macs_effectual", "ops")
_COST_KEYS = (
    "offchip_read_bytes",
    "offchip_write_bytes",
    "offchip_bytes",
    "energy_j",
    "energy_j_low",
    "energy_j_high",
    "latency_s",
    "images_per_s",
    "meets_deadline",
)
_PER_IMAGE = ("macs", "offchip_read_bytes", "offchip_write_bytes", "offchip_bytes", "energy_j", "latency_s")


def _counts(facts: RunFacts, rows: tuple[Figures, ...]) -> Figures:
    weight_total = sum(row["weight_bytes"] for row in rows) - _shared_bytes(facts.program)
    parameters = facts.workload.graph.trainable_parameters
    macs = [row["macs"] for row in rows]
    return {
        "batch": facts.batch,
        "macs": None if None in macs else sum(macs),
        **{
            key: sum(row[key] for row in rows)
            for key in ("macs_zero_inserted", "macs_scatter", "macs_effectual", "ops")
        },
        "parameters": parameters,
        "weight_bytes": weight_total,
        "compression_ratio": 4 * parameters / weight_total if parameters and weight_total else None,
    }


def _shared_bytes(program: Program) -> int:
    """Bytes of weight codes, tables, norms and slopes of nodes that take what another node stores already.

    The integers of norms and slopes hold the scales of what a node reads and makes: those are each node's own.
    """
    seen: set[str] = set()
    shared = 0
    for again in (program.graph.node(name) for name in weight_owners(program)):
        biases = constant_bytes(program, again) if program.precision.is_float else 0  # integers are of a use's scales
        shared += weight_bytes(program, again) + biases
    for node in program.graph.nodes:
        prefix = node.parameters or node.name
        stored = program.precision.is_float or isinstance(node.op, Embedding | Constant)
        if node.name not in program.linear and parameter_shapes(node.op) and stored:
            shared += constant_bytes(program, node) if prefix in seen else 0
            seen.add(prefix)
    return shared


def _cost_totals(facts: RunFacts, cost: Cost) -> Figures:
    energy, deadline = cost.energy_total, facts.deadline_ms
    read, written = cost.offchip_read_bits // 8, cost.offchip_write_bits // 8
    return {
        "offchip_read_bytes": read,
        "offchip_write_bytes": written,
        "offchip_bytes": read + written,
        "energy_j": energy.value,
        "energy_j_low": energy.low,
        "energy_j_high": energy.high,
        "latency_s": cost.latency_s,
        "images_per_s": facts.batch / cost.latency_s if cost.latency_s else None,
        "meets_deadline": None if deadline is None else cost.latency_s * 1e3 <= deadline,
    }


def _steady(facts: RunFacts, cost: Cost) -> Figures:
    read = (cost.offchip_read_bits - cost.saved_bits) // 8
    written = cost.offchip_write_bits // 8
    per_batch = {
        "offchip_read_bytes": read,
        "offchip_write_bytes": written,
        "offchip_bytes": read + written,
        "energy_j": cost.steady_energy.value,
        "energy_j_low": cost.steady_energy.low,
        "energy_j_high": cost.steady_energy.high,
    }
    steady: Figures = {key: value / facts.batch for key, value in per_batch.items()}
    if not cost.steady_s:
        return steady | {"latency_s": None, "images_per_s": None}
    return steady | {"latency_s": cost.steady_s / facts.batch, "images_per_s": facts.batch / cost.steady_s}


def _row(facts: RunFacts, node: Node, step: StepCost | None) -> Figures:
    graph, program = facts.program.graph, facts.program
    inputs, output = graph.shapes[node.inputs[0]], graph.shapes[node.name]
    macs = mac_counts(node.op, tuple(graph.shapes[name] for name in node.inputs), facts.batch)
    layer = program.linear.get(node.name)
    elementwise = sum(operations(a, output, output) for a in node.epilogue) + operations(node.op, inputs, output)
    executed = step.scheduled.macs if step is not None else None if macs.zero_inserted else 0
    return {
        "name": node.name,
        "op": " -> ".join(type(op).__name__ for op in (node.op, *node.epilogue)),
        "operator": describe(node.op),
        "input_shape": list(inputs),
        "output_shape": list(output),
        "weight_format": None if layer is None else str(layer.weights),
        "input_format": str(program.encodings[node.inputs[0]].format),
        "output_format": str(program.encodings[node.name].format),
        "macs": executed,
        "macs_zero_inserted": macs.zero_inserted,
        "macs_scatter": macs.scatter,
        "macs_effectual": macs.effectual,
        "ops": elementwise * facts.batch,
        "weight_bytes": weight_bytes(program, node) + constant_bytes(program, node),
        "arithmetic": "float" if program.precision.is_float else arithmetic(node),
        "accumulator": _accumulator(facts, node),
        **_seen(facts, node),
        **_converted(facts, node, step),
        **_step_figures(step),
    }


def _step_figures(step: StepCost | None) -> Figures:
    if step is None:
        keys = ("cycles", "latency_s", "utilisation", "bound", "energy_j", "offchip_bytes", "mapping")
        return dict.fromkeys(keys) | {"energy_by_component_j": {}, "accesses_bits": {}}
    scheduled = step.scheduled
    return {
        "cycles": scheduled.cycles,
        "latency_s": step.latency_s,
        "utilisation": step.utilisation,
        "bound": step.bound,
        "energy_j": sum(energy.value for energy in step.energy.values()),
        "offchip_bytes": sum(row.read_bits + row.write_bits for row in scheduled.offchip) // 8,
        "mapping": scheduled.mapping_text,
        "energy_by_component_j": {name: energy.value for name, energy in step.energy.items()},
        "accesses_bits": {
            memory: {kind: {"read": bits[0], "write": bits[1]} for kind, bits in kinds.items()}
            for memory, kinds in step.accesses.items()
        },
        **scheduled.figures,
        **step.figures,
    }


def _accumulator(facts: RunFacts, node: Node) -> str | None:
    """The accumulator, and whether it cannot overflow, or at how many outputs of the run it did."""
    layer = facts.program.linear.get(node.name)
    if layer is None or layer.accumulator is None:
        return None
    if layer.integers is None:
        return str(layer.accumulator)
    if accumulator_is_proven(node.op, layer, facts.program.encodings[node.inputs[0]]):
        return f"{layer.accumulator} proven"
    if facts.activity is None:
        return str(layer.accumulator)
    verb = "wrapped" if layer.accumulator.overflow == "wrap" else "saturated"
    return f"{layer.accumulator} {verb} {facts.activity.layers[node.name].overflowed}"


def _seen(facts: RunFacts, node: Node) -> Figures:
    """What the run saw of the results of one layer; None where nothing ran."""
    seen = None if facts.activity is None else facts.activity.values.get(node.name)
    return {
        "zero_fraction": None if seen is None else seen.zero_fraction,
        "clamped_fraction": None if seen is None else seen.clamped_fraction,
    }


def _converted(facts: RunFacts, node: Node, step: StepCost | None) -> Figures:
    """Of a layer in crossbars, how many conversions of the whole run clipped, and its energy by the values that were
    driven (docs/crossbar.md); None where no integers ran."""
    layer = facts.program.linear.get(node.name)
    if layer is None or layer.crossbar is None:
        return {}
    if facts.activity is None:
        return {"adc_clipped": None, "energy_by_value_j": None}
    from accelsim.cost.crossbar_by_value import by_value
    from accelsim.hardware.reram import ReramArchitecture

    assert isinstance(facts.machine, ReramArchitecture)  # no other has crossbars
    seen = facts.activity.layers[node.name]
    parts = None if step is None else by_value(step.energy, seen.cells, facts.machine.reram).values()
    energy = None if parts is None else sum(part.value for part in parts)
    return {"adc_clipped": seen.adc_clipped, "energy_by_value_j": energy}


def _resources(machine: Machine, cost: Cost) -> Figures | None:
    r = cost.resources
    if r is None:
        return None
    plan, reasons = cost.schedule.plan, dict(r.reasons)
    return {
        "used": dict(r.used),
        "available": dict(r.available),
        "fits": r.fits,
        "limited_by": r.limited_by,
        "reasons": reasons,
        "estimates": {name: {"low": e.low, "high": e.high, "parts": dict(e.parts)} for name, e in r.estimates.items()},
        "on_chip_bytes_used": plan.peak_bytes,
        "on_chip_bytes": plan.capacity_bytes,
        "area_mm2": _area(machine),
        "leakage_w": _leakage(machine),
    }


def _area(machine: Machine) -> Figures | None:
    """mm2 of the chip, by part; None where the machine gives no areas."""
    area = chip_area(machine)
    if area is None:
        return None
    parts = {name: part.value for name, part in area.parts.items()}
    return _interval(area.mm2) | {"parts": parts, "not_counted": list(area.not_counted)}


def _leakage(machine: Machine) -> Figures | None:
    """W by memory; None where the machine says of none what it leaks."""
    watts = memory_leakage_w(machine)
    return _interval(total(watts.values())) | {"parts": {n: w.value for n, w in watts.items()}} if watts else None


def _interval(figure: Quantity) -> Figures:
    return {"value": figure.value, "low": figure.low, "high": figure.high}


def _memory_plan(cost: Cost) -> Figures:
    """What stays on chip and what that saves, as the mappings really did it."""
    plan, made = cost.schedule.plan, cost.schedule
    steps = [
        {
            "name": step.task.node.name,
            "weight_bytes": step.task.weight_bytes + step.task.constant_bytes,
            "pinned_bytes": pinned,
            "weight_reads": step.weight_reads,
            "resident_bytes": resident,
            "live_bytes": live,
        }
        for step, pinned, resident, live in zip(
            made.steps, plan.pinned_bytes, plan.resident_bytes, plan.live_bytes, strict=True
        )
    ]
    weights = cost.offchip_bits_by_operand["weights"] // 8
    return {
        "memory": made.on_chip,
        "weights_in": made.weights_in or made.on_chip,
        "capacity_bytes": plan.capacity_bytes,
        "peak_bytes": plan.peak_bytes,
        "resident": list(plan.resident),
        "pinned_weight_bytes": plan.pinned_weight_bytes,
        "constant_bytes": sum(step.task.constant_bytes for step in made.steps),
        "offchip_weight_bytes_cold": weights,
        "offchip_weight_bytes_steady": weights - cost.saved_bits // 8,
        "gap_bytes": plan.gap_bytes,
        "steps": steps,
    }


BLAS_SUMS = "computed in float32, its sums by the BLAS library, in whatever order that adds"
ORDERED_SUMS = "products and sums in float32, each rounded, in the documented order; results rounded to their formats"


def _program_assumptions(facts: RunFacts) -> tuple[str, ...]:
    sentences, program = [], facts.program
    if facts.workload.random_seed is not None:
        seed = facts.workload.random_seed
        sentences.append(f"weights are random by seed {seed}: quality says nothing about a trained network")
    if program.precision.is_float:
        return (*sentences, BLAS_SUMS if program.precision.is_reference else ORDERED_SUMS)
    nodes = [n for n in program.graph.nodes if not is_view(n)]
    floating = [n.name for n in nodes if arithmetic(n) == "float"]
    if floating:
        sentences.append(f"computed in float64 between integer codes: {', '.join(floating)}")
    formats = [layer.weights for layer in program.linear.values()]
    if any(isinstance(format, AffineInt) and not format.symmetric for format in formats):
        sentences.append(
            "asymmetric weights: the adder that sums each row of inputs for their zero points is not costed"
        )
    return tuple(sentences)


def _width_assumptions(facts: RunFacts, cost: Cost) -> tuple[str, ...]:
    """Why narrower activations may save nothing off chip."""
    precision = facts.program.precision
    if precision.is_float or precision.boundary.bits <= precision.activations.bits:
        return ()
    said = f"network inputs and outputs keep {precision.boundary.bits} bits"
    if cost.schedule.plan.offchip_intermediate_bytes == 0:
        said += "; what lies between stays on chip, so only narrower weights save off-chip bytes"
    return (said,)


def _provenance(facts: RunFacts) -> Figures:
    return {
        "accelsim": _version("accelsim"),
        "git": _git(),
        "workload": facts.workload.name,
        "source": facts.workload.source,
        "hardware": facts.machine.name,
        "precision": str(facts.program.precision),
        "seed": facts.seed,
        "calibration_images": facts.calibration_images,
        "seconds": round(facts.seconds, 3),
        "hashes": {
            "graph": graph_hash(facts.workload.graph),
            "weights": None if facts.weights is None else weights_hash(facts.weights),
            "hardware": facts.machine.content_hash(),
            "precision": facts.program.precision.content_hash,
        },
        "libraries": {"python": platform.python_version(), **{name: _version(name) for name in ("numpy", "numba")}},
    }


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _git() -> str | None:
    """Commit of the checkout that runs, None outside one; that at the first report of a process."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    answer: Any = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None
