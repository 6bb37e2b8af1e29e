"""A whole program on a chip of crossbars: weights in cells, activations in the buffers, layers one after the other.

The first batch brings all weights from off chip once and programs them into the cells; later batches find them there. A
network that takes more crossbars than the chip has is programmed anew in each batch, layer by layer; a layer that is
larger than the chip runs in passes. A product of two values has its second one programmed for every sample.
"""

import math
from dataclasses import dataclass, replace
from typing import get_args

from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.reram import ReramArchitecture
from accelsim.ir.graph import Node
from accelsim.ir.ops import Constant, Dense, Linear, MatMul, Product
from accelsim.ir.program import Program, is_view, storage_roots
from accelsim.mapping.addressed import addressed
from accelsim.mapping.crossbar import CrossbarLayer, crossbar_layer
from accelsim.mapping.residency import MemoryPlan, Step, plan
from accelsim.mapping.scheduled import Schedule, ScheduledStep, ScheduleOptions
from accelsim.mapping.tasks import Task, Tasks, task_of, tensor_bytes
from accelsim.mapping.traffic import Traffic

OFFCHIP, EDRAM, CELLS = "offchip", "edram", "cells"
VALUES_SUM_BITS = 32
"""Width of the sums of a product of two values, which have no accumulator of their own."""


@dataclass(frozen=True)
class CrossbarStep(ScheduledStep):
    """One step. `cycles` and `latency_cycles` are cycles of a crossbar; `layer` is None where nothing is multiplied."""

    layer: CrossbarLayer | None = None
    bus_bits: int = 0
    router_bits: int = 0
    saved_cells: int = 0
    """Cells that a later batch does not program again."""
    spared_cycles: float = 0.0
    """Cycles of a crossbar that a later batch does not wait for weights and constants."""

    @property
    def macs(self) -> int:
        """Multiplies that the matrices execute."""
        return 0 if self.layer is None else self.layer.macs

    @property
    def mapping_text(self) -> str | None:
        """One line a matrix."""
        return None if self.layer is None else str(self.layer)

    @property
    def figures(self) -> dict[str, int]:
        """Crossbars and what happens at their edges."""
        layer = self.layer
        return {
            "crossbars": 0 if layer is None else layer.crossbars,
            "dac_events": 0 if layer is None else layer.dac_events,
            "adc_conversions": 0 if layer is None else layer.adc_conversions,
            "sum_adds": 0 if layer is None else layer.sum_adds,
            "cell_writes": 0 if layer is None else layer.cells,
        }


@dataclass(frozen=True)
class _Room:
    """What holds for every step: the plan, whether weights stay in the cells, tensors that must leave the chip."""

    machine: ReramArchitecture
    batch: int
    plan: MemoryPlan
    weights_stay: bool
    outputs: frozenset[str]


def crossbar_schedule(
    program: Program, machine: ReramArchitecture, batch: int, options: ScheduleOptions
) -> Schedule | NoFormat:
    """Schedule every step, or say why the machine has no cost for the program's formats.

    Raises:
        DoesNotFit: the input lines of a layer do not fit into all buffers together.
    """
    graph, tensors = program.graph, storage_roots(program.graph)
    cut: list[tuple[Task, CrossbarLayer | None]] = []
    for node in graph.nodes:
        if is_view(node):
            continue
        layer = _layer(program, node, machine, batch)
        if isinstance(layer, NoFormat):
            return layer
        cut.append((task_of(program, node, tensors), layer))
    stored = set(tensors.values())
    sizes = {name: tensor_bytes(math.prod(graph.shapes[name]), program.encodings[name].format) for name in stored}
    outputs = frozenset(tensors[name] for name in graph.outputs)
    keep = options.residency
    fits = sum(layer.crossbars for _, layer in cut if layer) <= machine.reram.crossbars
    kept = plan(
        tuple(_plan_step(task, layer) for task, layer in cut),
        sizes,
        outputs,
        machine.reram.edram_bytes,
        batch=batch,
        keep_activations=keep,
        pin_weights=keep,
    )
    room = _Room(machine, batch, kept, fits and keep, outputs)
    steps = _steps(cut, room, program)
    work = Tasks(tuple(task for task, _ in cut), sizes, outputs, ())
    return Schedule(steps, _with_cells(kept, steps), EDRAM, work, weights_in=CELLS)


def _layer(program: Program, node: Node, machine: ReramArchitecture, batch: int) -> CrossbarLayer | NoFormat | None:
    """The matrices of a multiplying operator; of two values, the second is what the cells hold."""
    if isinstance(node.op, get_args(Linear)):
        weight_bits = program.linear[node.name].weights.bits
    elif isinstance(node.op, get_args(Product)):
        weight_bits = program.encodings[node.inputs[1]].format.bits
    else:
        return None
    bits = program.encodings[node.inputs[0]].format.bits
    refused = machine.refusal(weight_bits, bits, program.precision.is_float)
    if refused:
        return refused
    reads = tuple(program.graph.shapes[name] for name in node.inputs)
    layer = crossbar_layer(node.op, reads, batch, weight_bits, bits, machine.reram, machine.transposed_conv)
    if isinstance(node.op, Dense | MatMul):
        return layer
    return replace(layer, problem=addressed(layer.problem, program.graph, node.inputs[0]))


def _plan_step(task: Task, layer: CrossbarLayer | None) -> Step:
    """What the step needs in the buffers: input lines and one line of results; only constants wait there."""
    work = 0
    if layer is not None:
        problem = layer.problem
        results = problem.G * problem.K * problem.w.out_size
        work = -(-(layer.line_words * task.read_bits[0] + results * task.write_bits) // 8)
    return Step(task.node.name, task.reads, (task.writes,), _buffered_bytes(task, layer), work)


def _buffered_bytes(task: Task, layer: CrossbarLayer | None) -> int:
    """Constants, and tables of an operator without a matrix: they wait in the buffers."""
    return task.constant_bytes + (task.weight_bytes if layer is None else 0)


def _with_cells(kept: MemoryPlan, steps: tuple[CrossbarStep, ...]) -> MemoryPlan:
    """The plan of the buffers, with the weights that stay in cells among what is pinned."""
    held = tuple(step.saved_bits // 8 for step in steps)
    weights = sum(step.task.weight_bytes + step.task.constant_bytes for step in steps)
    return replace(
        kept,
        pinned_bytes=held,
        offchip_weight_bytes_cold=weights,
        offchip_weight_bytes_steady=weights - sum(held),
    )


def _steps(cut: list[tuple[Task, CrossbarLayer | None]], room: _Room, program: Program) -> tuple[CrossbarStep, ...]:
    made = {task.writes for task, _ in cut}
    seen: set[str] = set()
    steps = []
    for index, (task, layer) in enumerate(cut):
        there = frozenset(name for name in room.plan.resident if name in made or name in seen)
        steps.append(_step(index, task, layer, there, room, program))
        seen.update(task.reads)
    return tuple(steps)


def _step(
    index: int, task: Task, layer: CrossbarLayer | None, there: frozenset[str], room: _Room, program: Program
) -> CrossbarStep:
    chip = room.machine.reram
    linear = program.linear.get(task.node.name)
    sum_bits = linear.accumulator.bits if linear and linear.accumulator else VALUES_SUM_BITS
    traffic = _traffic(task, layer, there, room, sum_bits)
    loaded = 8 * (task.weight_bytes + task.constant_bytes)
    streamed = sum(row.read_bits + row.write_bits for row in traffic if row.memory == OFFCHIP) - loaded
    cycles = _cycles(task, layer, room)
    stay = room.weights_stay and linear is not None
    saved = 8 * (room.plan.pinned_bytes[index] + (task.weight_bytes if stay else 0))
    loading = _load_cycles(loaded, layer, room)
    latency = loading + max(cycles, streamed / chip.offchip_bits_per_cycle)
    return CrossbarStep(
        task=task,
        mapping=None,
        traffic=traffic,
        cycles=cycles,
        latency_cycles=latency + (chip.pipeline_cycles if layer else 0),
        weight_reads=1,
        saved_bits=saved,
        layer=layer,
        bus_bits=_bus_bits(task, layer, room.batch, sum_bits),
        router_bits=loaded + _router_bits(task, layer, room, sum_bits),
        saved_cells=layer.cells if layer and stay else 0,
        spared_cycles=loading - _load_cycles(loaded - saved, None if stay else layer, room),
    )


def _traffic(
    task: Task, layer: CrossbarLayer | None, there: frozenset[str], room: _Room, sum_bits: int
) -> tuple[Traffic, ...]:
    """All that moves through the link, the buffers and into the cells, in bits."""
    constants = 8 * _buffered_bytes(task, layer)
    weights = 8 * (task.weight_bytes + task.constant_bytes) - constants
    rows = [
        Traffic(0, OFFCHIP, "weights", read_bits=weights + constants),
        Traffic(1, EDRAM, "weights", read_bits=constants, write_bits=constants),
        Traffic(2, CELLS, "weights", write_bits=weights),
    ]
    for name, elements, bits in zip(task.reads, task.read_elements, task.read_bits, strict=True):
        moved = room.batch * elements * bits
        arriving = moved * (layer.tiles if layer else 1)
        sent = moved if name in there else 0
        rows.append(Traffic(0, OFFCHIP, "inputs", read_bits=moved - sent))
        rows.append(Traffic(1, EDRAM, "inputs", read_bits=sent, write_bits=arriving))
    rows.append(Traffic(1, EDRAM, "inputs", read_bits=_fetched_bits(task, layer, room.batch)))
    if isinstance(task.node.op, get_args(Product)):
        matrix = room.batch * task.read_elements[1] * task.read_bits[1]
        rows += [Traffic(1, EDRAM, "inputs", read_bits=matrix), Traffic(2, CELLS, "inputs", write_bits=matrix)]
    if layer is not None and layer.results_scattered:
        read, written = layer.sums_scattered * sum_bits, layer.results_scattered * sum_bits
        rows.append(Traffic(1, EDRAM, "partial_sums", read_bits=read, write_bits=written))
    moved = _output_bits(task, room.batch)
    lies_there = isinstance(task.node.op, Constant)  # off chip, where who needs it reads it
    leaving = moved if task.writes in room.outputs or not (task.writes in there or lies_there) else 0
    rows.append(Traffic(1, EDRAM, "outputs", read_bits=leaving, write_bits=moved))
    rows.append(Traffic(0, OFFCHIP, "outputs", write_bits=leaving))
    return tuple(row for row in rows if row.read_bits or row.write_bits)


def _output_bits(task: Task, batch: int) -> int:
    return batch * task.write_elements * task.write_bits


def _fetched_bits(task: Task, layer: CrossbarLayer | None, batch: int) -> int:
    """Bits that the step itself reads from the buffers of its tiles."""
    if layer is not None:
        return layer.fetched_words * task.read_bits[0]
    once = sum(batch * elements * bits for elements, bits in zip(task.read_elements, task.read_bits, strict=True))
    return task.passes * once


def _bus_bits(task: Task, layer: CrossbarLayer | None, batch: int, sum_bits: int) -> int:
    """From the buffers to the crossbars, sums of row groups to the adder of the tile, results to the buffers."""
    sums = layer.partial_sums_on_bus * sum_bits if layer else 0
    return _fetched_bits(task, layer, batch) + sums + _output_bits(task, batch)


def _router_bits(task: Task, layer: CrossbarLayer | None, room: _Room, sum_bits: int) -> int:
    """Inputs to each tile of the step, sums that finish in another tile, results that leave the chip."""
    arriving = sum(room.batch * n * bits for n, bits in zip(task.read_elements, task.read_bits, strict=True))
    sums = layer.partial_sums_between_tiles * sum_bits if layer else 0
    lies_there = isinstance(task.node.op, Constant)
    leaving = task.writes in room.outputs or not (task.writes in room.plan.resident or lies_there)
    return arriving * (layer.tiles if layer else 1) + sums + (_output_bits(task, room.batch) if leaving else 0)


def _cycles(task: Task, layer: CrossbarLayer | None, room: _Room) -> int:
    """Input cycles of the layer, again for each pass; without multiplies one element per clock of the digital part."""
    chip = room.machine.reram
    if layer is not None:
        return layer.cycles * -(-layer.crossbars // chip.crossbars)
    elements = room.batch * max((task.write_elements, *(task.passes * n for n in task.read_elements)))
    return math.ceil(elements / (room.machine.clock_hz * chip.cycle_s))


def _load_cycles(bits: int, layer: CrossbarLayer | None, room: _Room) -> float:
    """Bringing weights and constants on chip; cells are programmed meanwhile, a row at a time in all crossbars."""
    chip = room.machine.reram
    arriving = bits / chip.offchip_bits_per_cycle
    if layer is None or chip.cell.write_ns is None:
        return arriving
    rows = min(chip.rows, max(matrix.rows for matrix in layer.matrices))
    passes = -(-layer.crossbars // chip.crossbars)
    return max(arriving, rows * passes * chip.cell.write_ns.value * 1e-9 / chip.cycle_s)
