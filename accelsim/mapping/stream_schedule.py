"""A whole program as one streaming pipeline: every operator a unit, weights on the chip, images through one by one.

Only inputs and outputs of the network cross the link. Steps run at the same time; what is called the latency of a step
is by how much it makes the image later than the steps before it (the slowest one also carries the intervals of the
other images of a batch), so that latencies of steps add up to the latency of the batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, prod

import numpy as np

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import BLOCK_BITS
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.stream import Fold, StreamArchitecture
from accelsim.ir.graph import Node
from accelsim.ir.ops import Constant, Shape
from accelsim.ir.program import Program, is_view, storage_roots
from accelsim.mapping.residency import MemoryPlan
from accelsim.mapping.scheduled import Schedule, ScheduledStep
from accelsim.mapping.stream_layer import Folds, StreamLayer, StreamMemory, place, stream_layer
from accelsim.mapping.stream_timing import Timing, pipeline_timing
from accelsim.mapping.stream_unit import LEAST_FIFO, Tokens
from accelsim.mapping.tasks import Task, Tasks, task_of, tensor_bytes
from accelsim.mapping.traffic import Traffic

OFFCHIP, BLOCK_RAM, LUT_RAM = "offchip", "block_ram", "lut_ram"
LEVELS = {OFFCHIP: 0, BLOCK_RAM: 1, LUT_RAM: 2}
BUFFERS = frozenset({"lines", "fifo", "frame"})


@dataclass(frozen=True)
class StreamStep(ScheduledStep):
    """One unit. `cycles` of all images that it works; blocks and slices are filled in by the cost."""

    layer: StreamLayer | None = None
    first_cycle: int = 0
    last_cycle: int = 0
    images: int = 1
    bram18: int = 0
    weight_bram18: int = 0
    uram: int = 0
    luts: int = 0

    @property
    def macs(self) -> int:
        """Multiplies of all images."""
        return 0 if self.layer is None else self.layer.unit.macs * self.images

    @property
    def mapping_text(self) -> str | None:
        """Its folding."""
        layer = self.layer
        if layer is None or not layer.pe:
            return None
        cycles = f"{layer.unit.busy_cycles:,} cycles an image"
        return f"pe {layer.pe} x simd {layer.simd}, {layer.neuron_folds} x {layer.column_folds} folds, {cycles}"

    @property
    def figures(self) -> dict[str, int]:
        """Folding, cycles of one image, when its first and last results of the first image are there, and its room."""
        layer = self.layer
        return {
            "pe": layer.pe if layer else 0,
            "simd": layer.simd if layer else 0,
            "image_cycles": layer.unit.busy_cycles if layer else 0,
            "first_cycle": self.first_cycle,
            "last_cycle": self.last_cycle,
            "fifo_words": sum(m.depth for m in layer.memories if m.kind == "fifo") if layer else 0,
            "dsps": layer.dsps if layer else 0,
            "bram18": self.bram18,
            "weight_bram18": self.weight_bram18,
            "uram_blocks": self.uram,
            "luts": self.luts,
        }


@dataclass(frozen=True)
class StreamSchedule(Schedule):
    """The pipeline: its steps are `StreamStep`s. layers: by node; output_fifo: in front of the link."""

    timing: Timing | None = None
    layers: Mapping[str, StreamLayer] | None = None
    output_fifo: StreamMemory | None = None


def stream_schedule(
    program: Program, machine: StreamArchitecture, batch: int, folds: Folds, output_fifo: tuple[int, int] | None = None
) -> StreamSchedule | NoFormat:
    """The pipeline of a program with a folding for each multiplying layer, or why its formats have no cost.

    Raises:
        DoesNotFit: an operator that no stream can run, or a layer without a folding.
    """
    tensors = storage_roots(program.graph)
    nodes = [node for node in program.graph.nodes if not is_view(node)]
    layers = pipeline_layers(program, machine, folds, nodes)
    if isinstance(layers, NoFormat):
        return layers
    reads = {node.name: _reads(node, tensors) for node in nodes}
    outputs = frozenset(tensors[name] for name in program.graph.outputs)
    timing = pipeline_timing(
        tuple(layer.unit for layer in layers.values()),
        reads,
        {value.name: _arriving(program, value.name, value.shape, machine) for value in program.graph.inputs},
        {name: _leaving(program, name, machine) for name in outputs},
    )
    layers = _with_fifos(program, machine, folds, nodes, layers, timing, reads)
    tasks = {node.name: task_of(program, node, tensors) for node in nodes}
    stored = {name: program.graph.shapes[name] for name in set(tensors.values())}
    sizes = {name: tensor_bytes(prod(shape), program.encodings[name].format) for name, shape in stored.items()}
    steps = _steps([tasks[node.name] for node in nodes], layers, timing, batch, frozenset(reads), outputs)
    work = Tasks(tuple(step.task for step in steps), sizes, outputs, _assumptions(layers))
    depth, width = output_fifo or (0, 0)
    fifo = StreamMemory("fifo", width, depth, 1, place(width, depth, machine)) if output_fifo else None
    return StreamSchedule(
        steps, _plan(steps, machine, layers), BLOCK_RAM, work, timing=timing, layers=layers, output_fifo=fifo
    )


def pipeline_layers(
    program: Program, machine: StreamArchitecture, folds: Folds, nodes: list[Node]
) -> dict[str, StreamLayer] | NoFormat:
    """The layers of all nodes by name, with FIFOs as deep as each needs by itself.

    Raises:
        DoesNotFit: an operator that no stream can run, a layer without a folding, or a folding beyond the layer.
    """
    layers: dict[str, StreamLayer] = {}
    for node in nodes:
        fold = folds.get(node.name)
        if node.name in program.linear and fold is None:
            raise DoesNotFit(f"layer {node.name}: {machine.name} has no folding for it")
        layer = stream_layer(program, node, machine, fold)
        if isinstance(layer, NoFormat):
            return layer
        _check_fold(layer)
        layers[node.name] = layer
    return layers


def _check_fold(layer: StreamLayer) -> None:
    matrix, where = layer.unit.matrix, f"layer {layer.unit.node.name}"
    if matrix is None:
        return
    if layer.pe > matrix.neurons:
        raise DoesNotFit(f"{where}: pe {layer.pe} is more than its {matrix.neurons} output channels")
    if layer.simd > max(matrix.columns):
        raise DoesNotFit(f"{where}: simd {layer.simd} is more than the {max(matrix.columns)} products of a result")


def _with_fifos(
    program: Program,
    machine: StreamArchitecture,
    folds: Mapping[str, Fold],
    nodes: list[Node],
    layers: Mapping[str, StreamLayer],
    timing: Timing,
    reads: Mapping[str, tuple[str, ...]],
) -> dict[str, StreamLayer]:
    """Where ways part and meet again, what waits for the longer way needs room; a single way may just wait."""
    readers: dict[str, int] = {}
    for values in reads.values():
        for value in values:
            readers[value] = readers.get(value, 0) + 1
    found = dict(layers)
    for node in nodes:
        meets = len(reads[node.name]) > 1
        depths = tuple(
            timing.fifo_depths[node.name, index] if meets or readers[value] > 1 else LEAST_FIFO
            for index, value in enumerate(reads[node.name])
        )
        if any(depth > LEAST_FIFO for depth in depths):
            layer = stream_layer(program, node, machine, folds.get(node.name), depths)
            assert isinstance(layer, StreamLayer)
            found[node.name] = layer
    return found


def _reads(node: Node, tensors: Mapping[str, str]) -> tuple[str, ...]:
    return () if isinstance(node.op, Constant) else tuple(tensors[name] for name in node.inputs)


def _arriving(program: Program, name: str, shape: Shape, machine: StreamArchitecture) -> Tokens:
    """Cycles of each pixel of an input, as fast as the link brings it."""
    pixels = prod(shape[1:]) if len(shape) == 3 else prod(shape[:-1])
    bits = prod(shape) // pixels * program.encodings[name].format.bits
    ends = np.ceil(np.arange(pixels + 1) * bits / machine.port_bits_per_cycle).astype(np.int64)
    return ends[1:] - ends[:-1]


def _leaving(program: Program, name: str, machine: StreamArchitecture) -> int:
    return ceil(prod(program.graph.shapes[name]) * program.encodings[name].format.bits / machine.port_bits_per_cycle)


def _steps(
    tasks: list[Task],
    layers: Mapping[str, StreamLayer],
    timing: Timing,
    batch: int,
    made: frozenset[str],
    outputs: frozenset[str],
) -> tuple[StreamStep, ...]:
    reached = 0
    steps = []
    for task in tasks:
        name = task.node.name
        later = max(0, timing.last(name) - reached) if len(timing.made[name]) else 0
        reached += later
        waited = (batch - 1) * timing.interval if timing.bottleneck.removeprefix("output ") == name else 0
        layer = layers[name]
        steps.append(
            StreamStep(
                task=task,
                mapping=None,
                traffic=_traffic(task, layer, batch, made, outputs),
                cycles=batch * layer.unit.busy_cycles,
                latency_cycles=float(later + waited),
                weight_reads=0,
                saved_bits=0,
                layer=layer,
                first_cycle=timing.first(name),
                last_cycle=timing.last(name),
                images=batch,
            )
        )
    rest = timing.latency + (batch - 1) * timing.interval - sum(step.latency_cycles for step in steps)
    return (replace(steps[0], latency_cycles=steps[0].latency_cycles + rest), *steps[1:]) if steps else ()


def _traffic(
    task: Task, layer: StreamLayer, batch: int, made: frozenset[str], outputs: frozenset[str]
) -> tuple[Traffic, ...]:
    """Bits of all images: through the link, and through the memories in blocks and in LUTs."""
    rows = [row for memory in layer.memories for row in _memory_traffic(task, layer, memory, batch)]
    for name, elements, bits in zip(task.reads, task.read_elements, task.read_bits, strict=True):
        if name not in made:
            rows.append(Traffic(0, OFFCHIP, "inputs", read_bits=batch * elements * bits))
    if task.writes in outputs:
        rows.append(Traffic(0, OFFCHIP, "outputs", write_bits=batch * task.write_elements * task.write_bits))
    return tuple(rows)


def _memory_traffic(task: Task, layer: StreamLayer, memory: StreamMemory, batch: int) -> list[Traffic]:
    """Weights are read in each cycle, thresholds and constants once a result, windows word by word."""
    level = LEVELS[memory.place]
    unit = layer.unit
    inputs = batch * (task.read_elements[0] * task.read_bits[0] if task.reads else 0)
    match memory.kind:
        case "weights":
            bits = batch * unit.busy_cycles * layer.pe * layer.simd * layer.weight_bits
            return [Traffic(level, memory.place, "weights", read_bits=bits)]
        case "thresholds" | "constants":
            bits = batch * task.write_elements * memory.width * memory.copies // layer.pe
            return [Traffic(level, memory.place, "weights", read_bits=bits)]
        case "tables":
            return [Traffic(level, memory.place, "weights", read_bits=batch * task.write_elements * memory.width)]
        case "lines":
            bits = batch * unit.busy_cycles // layer.neuron_folds * memory.width
            return [Traffic(level, memory.place, "inputs", read_bits=bits, write_bits=inputs)]
        case "fifo" | "frame":
            return [Traffic(level, memory.place, "inputs", read_bits=inputs, write_bits=inputs)]


def _plan(steps: tuple[StreamStep, ...], machine: StreamArchitecture, layers: Mapping[str, StreamLayer]) -> MemoryPlan:
    """What the report says of memory: everything stays on the chip, all of the time."""
    buffers = tuple(sum(-(-m.bits // 8) for m in layer.memories if m.kind in BUFFERS) for layer in layers.values())
    weights = tuple(step.task.weight_bytes + step.task.constant_bytes for step in steps)
    rows = [row for step in steps for row in step.offchip]
    moved = {
        name: sum(r.read_bits + r.write_bits for r in rows if r.kind == name) // 8 for name in ("inputs", "outputs")
    }
    device = machine.fpga
    return MemoryPlan(
        resident=tuple(step.task.writes for step in steps),
        pinned_bytes=weights,
        resident_bytes=buffers,
        live_bytes=(sum(weights) + sum(buffers),) * len(steps),
        capacity_bytes=(int(device.bram36) * BLOCK_BITS["bram36"] + int(device.uram) * BLOCK_BITS["uram"]) // 8,
        offchip_weight_bytes_steady=0,
        offchip_weight_bytes_cold=0,
        offchip_input_bytes=moved["inputs"],
        offchip_output_bytes=moved["outputs"],
        offchip_intermediate_bytes=0,
    )


def _assumptions(layers: Mapping[str, StreamLayer]) -> tuple[str, ...]:
    said = [layer.mac.assumption for layer in layers.values() if layer.mac and layer.mac.assumption]
    return tuple(dict.fromkeys(said))
