"""The cost of a program on a machine: one record per step and the totals of one batch."""

from accelsim.cost.crossbar import crossbar_cost
from accelsim.cost.energy import by_component, saved_energy, step_energy, total
from accelsim.cost.kinds import further_energy, kind_assumptions, resources
from accelsim.cost.records import OPERANDS, Cost, StepCost
from accelsim.cost.stream_cost import stream_cost
from accelsim.errors import AccelsimError
from accelsim.hardware.architecture import Architecture, Machine
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.reram import ReramArchitecture
from accelsim.hardware.stream import StreamArchitecture
from accelsim.ir.program import Program
from accelsim.mapping.schedule import Schedule, ScheduledStep, ScheduleOptions, merged_traffic, schedule
from accelsim.mapping.tasks import tasks


def cost(program: Program, machine: Machine, batch: int, options: ScheduleOptions) -> Cost | NoFormat:
    """Map the program and add everything up; NoFormat where the machine cannot multiply its formats.

    Raises:
        AccelsimError: the batch is not positive, or a layer does not fit.
    """
    if batch < 1:
        raise AccelsimError(f"batch: {batch}; the cost of a batch needs at least 1 image")
    if isinstance(machine, Architecture):
        return _array_cost(program, machine, batch, options)
    if isinstance(machine, ReramArchitecture):
        return crossbar_cost(program, machine, batch, options)
    if isinstance(machine, StreamArchitecture):
        return stream_cost(program, machine, batch)
    raise AccelsimError(f"{machine.name}: kind {machine.kind} has no cost model")


def _array_cost(program: Program, machine: Architecture, batch: int, options: ScheduleOptions) -> Cost | NoFormat:
    work = tasks(program, machine, batch)
    if isinstance(work, NoFormat):
        return work
    made = schedule(work, machine, batch, options)
    steps = tuple(_step_cost(step, machine) for step in made.steps)
    offchip = [row for step in made.steps for row in step.offchip]
    saved = total(saved_energy(step, machine, made.on_chip) for step in made.steps)
    return Cost(
        steps=steps,
        schedule=made,
        energy=by_component(step.energy for step in steps),
        latency_s=sum(step.latency_s for step in steps),
        offchip_read_bits=sum(row.read_bits for row in offchip),
        offchip_write_bits=sum(row.write_bits for row in offchip),
        offchip_bits_by_operand={
            kind: sum(row.read_bits + row.write_bits for row in offchip if row.kind == kind) for kind in OPERANDS
        },
        saved_bits=sum(step.saved_bits for step in made.steps),
        saved_energy=saved,
        resources=resources(machine, made),
        assumptions=(
            *work.assumptions,
            *_model_assumptions(made),
            *kind_assumptions(machine, made),
            *machine.assumptions(),
        ),
    )


def _step_cost(step: ScheduledStep, machine: Architecture) -> StepCost:
    accesses: dict[str, dict[str, tuple[int, int]]] = {memory.name: {} for memory in machine.memories}
    for row in merged_traffic(step.traffic):
        if row.read_bits or row.write_bits:
            accesses[row.memory][row.kind] = (row.read_bits, row.write_bits)
    mapping, pace = step.mapping, step.task.pace
    peak = None if pace is None else pace.peak_macs_per_cycle * step.latency_cycles
    return StepCost(
        scheduled=step,
        accesses=accesses,
        energy=step_energy(step, machine) | further_energy(machine, step),
        latency_s=step.latency_cycles / machine.clock_hz,
        utilisation=None if mapping is None or not peak else mapping.problem.macs / peak,
        bound="compute" if step.latency_cycles < 2 * step.cycles else "memory",
    )


def _model_assumptions(made: Schedule) -> tuple[str, ...]:
    sentences = [
        "activations, requantization and other operators without MACs cost no arithmetic energy, only their traffic",
        "layers run one after the other; the next layer's weights are not prefetched",
    ]
    if made.plan.gap_bytes:
        sentences.append(f"the memory plan may be up to {made.plan.gap_bytes} off-chip bytes from the best")
    return tuple(sentences)
