"""What a program costs as a streaming pipeline on an FPGA.

Components: `mac`, `block_ram` and `lut_ram` (weights, thresholds, line buffers, FIFOs), `offchip`, `static` (the
device) and `board` (all else on the board) over the latency of the batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from accelsim.cost.energy import MAC, STATIC, Components, by_component, minus, total
from accelsim.cost.fpga_resources import Resources
from accelsim.cost.records import OPERANDS, Cost, StepCost
from accelsim.cost.stream_resources import LayerRoom, layer_room, stream_resources
from accelsim.cost.stream_search import balanced_folding
from accelsim.errors import AccelsimError, DoesNotFit
from accelsim.hardware.architecture import PICO, Machine
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.stream import Folding, StreamArchitecture
from accelsim.ir.program import Program
from accelsim.mapping.scheduled import merged_traffic
from accelsim.mapping.stream_schedule import BLOCK_RAM, LUT_RAM, OFFCHIP, StreamSchedule, StreamStep, stream_schedule

BOARD = "board"


@dataclass(frozen=True)
class StreamSummary:
    """A pipeline in a few figures: cycles of the initiation interval and of one image, and what it takes."""

    interval_cycles: int
    latency_cycles: int
    images_per_s: float
    latency_s: float
    bottleneck: str
    resources: Resources


def stream_summary(program: Program, machine: StreamArchitecture) -> StreamSummary | NoFormat:
    """Interval, rate, latency and resources of a program on a machine; NoFormat where its formats have no cost.

    Raises:
        DoesNotFit: as in `stream_cost`.
    """
    made = _made(program, machine, 1)
    if isinstance(made, NoFormat):
        return made
    timing = made.timing
    assert timing is not None
    rooms = _rooms(made, machine)
    return StreamSummary(
        interval_cycles=timing.interval,
        latency_cycles=timing.latency,
        images_per_s=machine.clock_hz / timing.interval,
        latency_s=timing.latency / machine.clock_hz,
        bottleneck=timing.bottleneck,
        resources=stream_resources(rooms, machine, made.output_fifo),
    )


def stream_cost(program: Program, machine: Machine, batch: int) -> Cost | NoFormat:
    """Build the pipeline and add everything up; NoFormat where its formats have no cost.

    Raises:
        DoesNotFit: its memories need more blocks than the device has, or an operator that no stream can run.
    """
    assert isinstance(machine, StreamArchitecture)
    made = _made(program, machine, batch)
    if isinstance(made, NoFormat):
        return made
    rooms = _rooms(made, machine)
    resources = stream_resources(rooms, machine, made.output_fifo)
    _must_hold(program, machine, resources)
    scheduled = tuple(
        replace(
            step,
            bram18=rooms[step.task.node.name].bram18,
            weight_bram18=rooms[step.task.node.name].weight_bram18,
            uram=rooms[step.task.node.name].uram,
            luts=rooms[step.task.node.name].luts,
        )
        for step in made.steps
        if isinstance(step, StreamStep)
    )
    made = replace(made, steps=scheduled)
    steps = tuple(_step_cost(step, machine, made) for step in scheduled)
    offchip = [row for step in scheduled for row in step.offchip]
    components = by_component(step.energy for step in steps)
    return Cost(
        steps=steps,
        schedule=made,
        energy=components,
        latency_s=sum(step.latency_s for step in steps),
        offchip_read_bits=sum(row.read_bits for row in offchip),
        offchip_write_bits=sum(row.write_bits for row in offchip),
        offchip_bits_by_operand={
            kind: sum(row.read_bits + row.write_bits for row in offchip if row.kind == kind) for kind in OPERANDS
        },
        saved_bits=0,
        steady_energy=minus(total(components.values()), _filling(machine, made)),
        steady_s=None if made.timing is None else batch * made.timing.interval / machine.clock_hz,
        resources=resources,
        assumptions=(*made.tasks.assumptions, *_sentences(program, machine, made, resources), *machine.assumptions()),
    )


def _made(program: Program, machine: StreamArchitecture, batch: int) -> StreamSchedule | NoFormat:
    given = _given(program, machine)
    if given is not None:
        fifo = (int(given.output_fifo[0]), int(given.output_fifo[1])) if given.output_fifo else None
        return stream_schedule(program, machine, batch, given.layers, fifo)
    folds = balanced_folding(program, machine)
    return folds if isinstance(folds, NoFormat) else stream_schedule(program, machine, batch, folds)


def _given(program: Program, machine: StreamArchitecture) -> Folding | None:
    """The folding of the file for this network and these widths.

    Raises:
        AccelsimError: it folds layers that the network does not have.
    """
    precision = program.precision
    found = machine.folding_for(program.graph.name, precision.weights.bits, precision.activations.bits)
    unknown = [name for name in found.layers if name not in program.graph.makers] if found else []
    if found and unknown:
        raise AccelsimError(f"{machine.name}: {found.network} has no layer {unknown[0]!r}, which its folding names")
    return found


def _rooms(made: StreamSchedule, machine: StreamArchitecture) -> Mapping[str, LayerRoom]:
    assert made.layers is not None
    return {name: layer_room(layer, machine) for name, layer in made.layers.items()}


def _must_hold(program: Program, machine: StreamArchitecture, resources: Resources) -> None:
    for name in ("bram36", "uram"):
        used, available = resources.used[name] or 0, resources.available[name]
        if used > available:
            raise DoesNotFit(
                f"{machine.name}: {program.graph.name} needs {used:,} {name} blocks of {available:,}: a streaming "
                "pipeline keeps all weights on the chip"
            )


def _step_cost(step: StreamStep, machine: StreamArchitecture, made: StreamSchedule) -> StepCost:
    accesses: dict[str, dict[str, tuple[int, int]]] = {OFFCHIP: {}, BLOCK_RAM: {}, LUT_RAM: {}}
    for row in merged_traffic(step.traffic):
        accesses[row.memory][row.kind] = (row.read_bits, row.write_bits)
    latency_s = step.latency_cycles / machine.clock_hz
    assert made.timing is not None and step.layer is not None
    multipliers = step.layer.pe * step.layer.simd
    bound_by_link = made.timing.bottleneck not in (made.layers or {})
    return StepCost(
        scheduled=step,
        accesses=accesses,
        energy=_energy(step, machine, latency_s),
        latency_s=latency_s,
        utilisation=step.layer.unit.macs / (multipliers * made.timing.interval) if multipliers else None,
        bound="memory" if bound_by_link else "compute",
    )


def _filling(machine: StreamArchitecture, made: StreamSchedule) -> Quantity:
    """What the device and the board draw while the pipeline fills: in a long run an image costs one interval of it."""
    assert made.timing is not None
    filling_s = max(0, made.timing.latency - made.timing.interval) / machine.clock_hz
    return (machine.static_power_w + machine.stream.board_power_w) * filling_s


def _energy(step: StreamStep, machine: StreamArchitecture, latency_s: float) -> Components:
    section = machine.stream
    energy: Components = {}
    if step.layer is not None and step.layer.mac is not None:
        energy[MAC] = step.layer.mac.cost.energy_j * step.macs
    for memory, price in (
        (BLOCK_RAM, section.block_ram_energy_pj_per_bit * PICO),
        (LUT_RAM, section.lut_ram_energy_pj_per_bit * PICO),
    ):
        rows = [row for row in step.traffic if row.memory == memory]
        energy[memory] = price * sum(row.read_bits + row.write_bits for row in rows)
    energy[OFFCHIP] = machine.link_energy_j_per_bit * sum(row.read_bits + row.write_bits for row in step.offchip)
    energy[STATIC] = machine.static_power_w * latency_s
    energy[BOARD] = section.board_power_w * latency_s
    return energy


def _sentences(
    program: Program, machine: StreamArchitecture, made: StreamSchedule, resources: Resources
) -> tuple[str, ...]:
    timing, given = made.timing, _given(program, machine)
    assert timing is not None
    rate = machine.clock_hz / timing.interval
    lut = resources.estimates["lut"]
    folded = f"of {given.source}" if given else "found by search"
    return (
        f"{machine.name}: a pipeline, folding {folded}: an image every {timing.interval:,} cycles ({rate:,.6g} "
        f"images/s in a long batch), set by {timing.bottleneck}; one image alone takes {timing.latency:,} cycles",
        "latency of a step is by how much it makes the image later than the steps before it; units work at once",
        "weights and thresholds are on the chip before the first image and stay there",
        "pipeline registers inside a unit, and the driver of the host, take no time",
        f"{machine.name}: {resources.used['lut']:,} LUTs ({lut.low:,} to {lut.high:,}) is an estimate from the "
        "structure of each unit, without the link to the host, its interconnect, and what synthesis adds for timing",
        "flip-flops are those of named registers, a lower bound",
        "thresholds, requantization and operators without MACs cost no arithmetic energy, only their traffic; energies "
        "do not depend on values",
    )
