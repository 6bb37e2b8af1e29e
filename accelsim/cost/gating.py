"""What rests in the PEs while the input of a multiply is zero.

Where a layer pads or inserts zeros is known exactly; of the other multiplies the part with a zero input is that of the
stored tensor, as if each input were multiplied as often as any other.
"""

from math import prod

import numpy as np

from accelsim.cost.zeros import KnownZeros
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.spatial import SpatialArchitecture, ZeroGating
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.scheduled import ScheduledStep


def gating_of(machine: Architecture) -> ZeroGating | None:
    """How the machine gates; None where it does not."""
    return machine.spatial.zero_gating if isinstance(machine, SpatialArchitecture) else None


def real_multiplies(problem: LayerProblem) -> int:
    """Multiplies of an input that is stored: not a padded or inserted zero."""
    pairs = prod(int(np.count_nonzero(space.inputs >= 0)) for space in (problem.h, problem.w))
    return problem.N * problem.G * problem.K * problem.C * pairs


def idle_share(step: ScheduledStep, zeros: KnownZeros) -> float:
    """Part of the multiplies of a step whose input is zero; 0 where it multiplies nothing."""
    if step.mapping is None:
        return 0.0
    stated = zeros.multiplied.get(step.task.node.name)
    if stated is not None:
        return stated
    problem = step.mapping.problem
    return 1 - real_multiplies(problem) * (1 - zeros.of(step.task.reads[0]).fraction) / problem.macs


def gated_bits(step: ScheduledStep, machine: Architecture, idle: float) -> dict[str, float]:
    """Memory -> bits that are not read where an `idle` part of the multiplies has a zero input.

    Only reads that serve one multiply each: what several share is read unless all rest, and counts as read.
    """
    gating = gating_of(machine)
    if gating is None or step.mapping is None:
        return {}
    hierarchy, macs = step.mapping.hierarchy, step.mapping.problem.macs
    return {
        hierarchy.memories[t.parent].name: idle * t.parent_reads * hierarchy.word_bits(t.operand)
        for t in step.mapping.transfers
        if t.operand != "O"
        and t.child == hierarchy.levels
        and t.parent_reads == macs
        and hierarchy.memories[t.parent].name in gating.reads
    }
