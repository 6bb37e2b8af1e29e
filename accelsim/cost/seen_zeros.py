"""What is known of zeros: from the workload before a run, from what the run saw after it."""

from accelsim.cost.costing import with_zeros
from accelsim.cost.records import Cost
from accelsim.cost.zeros import KnownZeros, TensorZeros
from accelsim.engine.activity import Activity
from accelsim.errors import AccelsimError
from accelsim.frontend.workload import Workload
from accelsim.hardware.architecture import Architecture, Machine
from accelsim.hardware.number_formats import NoFormat
from accelsim.ir.program import Program, storage_roots


def stated_zeros(source: Workload, program: Program) -> KnownZeros:
    """Zeros that the workload states.

    Raises:
        AccelsimError: of a value that this program does not store, as a layer that is part of another.
    """
    stored = set(storage_roots(program.graph).values())
    for name in source.activity:
        if name not in stored:
            raise AccelsimError(f"workload {source.name}: activity of {name!r}, which is no value that is stored")
    return KnownZeros(
        "workload",
        {name: TensorZeros(spec.zero_fraction) for name, spec in source.activity.items()},
        {name: spec.zero_multiplies for name, spec in source.activity.items() if spec.zero_multiplies is not None},
    )


def codes_runs(machine: Machine) -> bool:
    """Whether a run must count runs of zeros for the cost of this machine."""
    return isinstance(machine, Architecture) and machine.memories[0].run_length is not None


def as_run(made: Cost | NoFormat, machine: Machine, seen: Activity | None) -> Cost | NoFormat:
    """The cost with the zeros that a run saw, where it saw integers and the machine makes use of them."""
    if isinstance(made, NoFormat) or seen is None:
        return made
    values = {name: TensorZeros(value.zero_fraction, value.runs) for name, value in seen.values.items()}
    return with_zeros(made, machine, KnownZeros("run", values))
