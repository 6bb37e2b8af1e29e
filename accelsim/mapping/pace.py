"""How the steps of a loop nest become clock cycles: one a step for an array, less or more for a core.

A core multiplies one word after the other in the nest, `rate` of them a clock cycle in the machine: its nest step is a
part of a cycle. Codes that are packed below a byte are unpacked when they enter the registers and packed when a result
leaves them; that takes cycles in which nothing is multiplied.
"""

from collections.abc import Mapping as Sizes
from dataclasses import dataclass
from math import prod

from accelsim.hardware.architecture import Architecture
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.number_formats import FormatMatch, operand_bits
from accelsim.hardware.vocabulary import Dimension
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.machine import sizes_of
from accelsim.mapping.mapper import Mapping


@dataclass(frozen=True)
class Pace:
    """cycles_per_step: clock cycles of one step of the nest. peak_macs_per_cycle: of the whole machine.

    repack: (operand, bits, cycles a word) of the operands that are unpacked or packed. cycles_per_result: of one core,
    beside the multiplications.
    """

    cycles_per_step: float
    peak_macs_per_cycle: int
    repack: tuple[tuple[str, int, float], ...] = ()
    cycles_per_result: float = 0.0


@dataclass(frozen=True)
class Repacked:
    """Words of one width through the packing of vector registers, and the cycles of one core that they take."""

    bits: int
    words: int
    cycles: float


def pace(
    machine: Architecture, match: FormatMatch, problem: LayerProblem, *, weights: int, inputs: int, outputs: int
) -> Pace:
    """The pace of one layer whose operands have these widths, bits."""
    peak = machine.array.pes * int(match.cost.macs_per_cycle_per_pe)
    if not isinstance(machine, CpuArchitecture):
        return Pace(1.0, peak)
    rate = int(match.cost.macs_per_cycle_per_pe) * machine.cpu.issue_efficiency[match.key].value
    idle = _idle_lanes(machine, machine.lanes(match.key), sizes_of(problem))
    taken = dict(zip("WI", operand_bits(match.key), strict=True))
    widths = (("W", weights), ("I", inputs), ("O", outputs))
    found = []
    for operand, bits in widths:
        repack = machine.cpu.repack(bits)
        if repack is not None and bits != taken.get(operand):  # instructions take codes of the listed width as they are
            found.append((operand, bits, repack.cycles_per_vector.value / machine.cpu.words_per_vector(bits)))
    result = machine.cpu.result(match.key, depthwise(problem))
    return Pace(idle / rate, peak, tuple(found), 0.0 if result is None else result.cycles.value)


def depthwise(problem: LayerProblem) -> bool:
    """Whether nothing is added over channels."""
    return problem.size["C"] == 1 and problem.size["G"] > 1


def _idle_lanes(machine: CpuArchitecture, lanes: Sizes[Dimension, int], sizes: Sizes[Dimension, int]) -> float:
    """Lanes over busy lanes of a vector instruction: a dimension is filled up to whole vectors.

    Cores take whole blocks of results, so it is each core's share that is filled up only where that is less than a
    block. A depthwise layer has one channel a group: its vectors run over the groups.
    """
    cores, found = machine.array.copies(sizes), 1.0
    for dimension, count in lanes.items():
        over: Dimension = dimension
        if dimension in ("in_channels", "out_channels") and sizes["in_channels"] == sizes["out_channels"] == 1:
            over = "groups"
        share = -(-sizes[over] // cores.get(over, 1))
        filled = share if share < machine.cpu.kernel.get(over, share + 1) else sizes[over]
        found *= -(-filled // count) * count / filled
    return found


def repacked(pace: Pace, mapping: Mapping) -> tuple[Repacked, ...]:
    """What a layer unpacks into the innermost memory of each operand, and packs of its finished words."""
    found = []
    hierarchy, problem = mapping.hierarchy, mapping.problem
    busy = _busy(mapping)
    for operand, bits, cycles in pace.repack:
        inward = [t for t in mapping.transfers if t.operand == operand and t.child < hierarchy.levels]
        words = problem.words["O"] if operand == "O" else inward[-1].child_writes if inward else problem.macs
        found.append(Repacked(bits, words, words * cycles / busy))
    return tuple(found)


def result_cycles(pace: Pace, mapping: Mapping) -> float:
    """Cycles in which the cores finish results and multiply nothing."""
    return pace.cycles_per_result * mapping.problem.words["O"] / _busy(mapping)


def _busy(mapping: Mapping) -> int:
    """Copies that have something to do."""
    return prod(min(copies, mapping.problem.size[dim]) for dim, copies in mapping.hierarchy.lanes)
