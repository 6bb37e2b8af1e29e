"""The cost of a program on a machine: one record per step and the totals of one batch."""

from accelsim.cost.as_stored import StoredStep, as_stored, uses_zeros, zero_sentences
from accelsim.cost.energy import Components, Prices, by_component, prices, step_energy, total
from accelsim.cost.kinds import further_energy, kind_assumptions, resources
from accelsim.cost.records import OPERANDS, Cost, StepCost
from accelsim.cost.zeros import NOTHING_KNOWN, KnownZeros
from accelsim.errors import AccelsimError
from accelsim.hardware.architecture import Architecture, Machine
from accelsim.hardware.number_formats import NoFormat
from accelsim.ir.program import Program
from accelsim.mapping.by_hand import GivenMappings, with_mappings
from accelsim.mapping.schedule import schedule
from accelsim.mapping.scheduled import Schedule, ScheduledStep, ScheduleOptions, merged_traffic
from accelsim.mapping.tasks import tasks

MOST_IMAGES = 1_000_000
"""Of a batch: loops are cut in all ways that divide them."""


def cost(
    program: Program,
    machine: Machine,
    batch: int,
    options: ScheduleOptions,
    zeros: KnownZeros = NOTHING_KNOWN,
    mappings: GivenMappings | None = None,
) -> Cost | NoFormat:
    """Map the program and add everything up; NoFormat where the machine cannot multiply its formats.

    zeros: of stored tensors, for machines that gate or compress them. mappings: loops given by hand.

    Raises:
        AccelsimError: the batch is not positive or too large, a layer does not fit, or loops are given that the machine
            or the network cannot have.
    """
    if not 1 <= batch <= MOST_IMAGES:
        raise AccelsimError(f"batch: {batch}; the cost of a batch needs 1 to {MOST_IMAGES:,} images")
    if isinstance(machine, Architecture):
        work = tasks(program, machine, batch)
        if isinstance(work, NoFormat):
            return work
        work = work if mappings is None else with_mappings(work, mappings)
        return _array_cost(schedule(work, machine, batch, options), machine, zeros)
    if mappings is not None:
        raise AccelsimError(f"{machine.name}: kind {machine.kind} has no loops that could be given by hand")
    if machine.kind == "reram":
        from accelsim.cost.crossbar import crossbar_cost

        return crossbar_cost(program, machine, batch, options)
    if machine.kind == "stream":
        from accelsim.cost.stream_cost import stream_cost

        return stream_cost(program, machine, batch)
    raise AccelsimError(f"{machine.name}: kind {machine.kind} has no cost model")


def with_zeros(made: Cost, machine: Machine, zeros: KnownZeros) -> Cost:
    """The cost of the same schedule with other zeros; the same cost where they change nothing."""
    if isinstance(machine, Architecture) and uses_zeros(machine):
        return _array_cost(made.schedule, machine, zeros)
    return made


def _array_cost(made: Schedule, machine: Architecture, zeros: KnownZeros) -> Cost:
    stored, price = as_stored(made.steps, made.plan, machine, zeros), prices(machine)
    steps = tuple(_step_cost(plain, now, machine, price) for plain, now in zip(made.steps, stored, strict=True))
    later = as_stored(made.later, made.plan, machine, zeros)
    later_energy = [  # most steps are the same ones
        step.energy if now is before else _energy(then, machine, price)
        for step, now, before, then in zip(steps, made.later, made.steps, later, strict=True)
    ]
    offchip = [row for step in steps for row in step.scheduled.offchip]
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
        steady_energy=total(by_component(later_energy).values()),
        steady_s=sum(step.step.latency_cycles for step in later) / machine.clock_hz,
        resources=resources(machine, made),
        assumptions=(
            *made.tasks.assumptions,
            *_model_assumptions(made),
            *kind_assumptions(machine, made),
            *zero_sentences(machine, zeros),
            *machine.assumptions(),
        ),
    )


def _step_cost(plain: ScheduledStep, stored: StoredStep, machine: Architecture, price: Prices) -> StepCost:
    accesses: dict[str, dict[str, tuple[int, int]]] = {memory.name: {} for memory in machine.memories}
    for row in merged_traffic(plain.traffic):
        if row.read_bits or row.write_bits:
            accesses[row.memory][row.kind] = (row.read_bits, row.write_bits)
    step = stored.step
    mapping, pace = step.mapping, step.task.pace
    peak = None if pace is None else pace.peak_macs_per_cycle * step.latency_cycles
    return StepCost(
        scheduled=step,
        accesses=accesses,
        energy=_energy(stored, machine, price),
        latency_s=step.latency_cycles / machine.clock_hz,
        utilisation=None if mapping is None or not peak else mapping.problem.macs / peak,
        bound="compute" if step.latency_cycles < 2 * step.cycles else "memory",
        figures=stored.figures,
    )


def _energy(stored: StoredStep, machine: Architecture, price: Prices) -> Components:
    return step_energy(stored.step, machine, price, stored.idle) | further_energy(machine, stored.step)


def _model_assumptions(made: Schedule) -> tuple[str, ...]:
    sentences = [
        "activations, requantization and other operators without MACs cost no arithmetic energy, only their traffic",
        "layers run one after the other; the next layer's weights are not prefetched",
    ]
    if made.plan.gap_bytes:
        sentences.append(f"the memory plan may be up to {made.plan.gap_bytes} off-chip bytes from the best")
    return tuple(sentences)
