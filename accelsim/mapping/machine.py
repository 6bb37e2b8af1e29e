"""From a machine file to the hierarchy that mappings move words through."""

from math import prod

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.architecture import Memory as MachineMemory
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.number_formats import FormatMatch
from accelsim.hardware.spatial import SpatialArchitecture
from accelsim.hardware.vocabulary import Dimension
from accelsim.mapping.dataflow import FREE, Dataflow
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.spaces import TransposedForm

DIMS: dict[Dimension, str] = {
    "batch": "N",
    "groups": "G",
    "out_channels": "K",
    "in_channels": "C",
    "out_height": "P",
    "out_width": "Q",
    "kernel_height": "R",
    "kernel_width": "S",
}
OPERANDS = {"weights": "W", "inputs": "I", "outputs": "O"}
REGISTERS = ("flip_flop", "register_file")
HELD = {"weights": "W", "activations": "IO", "inputs": "I", "partial_sums": "O"}


def sizes_of(problem: LayerProblem) -> dict[Dimension, int]:
    """The trips of each dimension, by its name in machine files."""
    return {name: problem.size[dim] for name, dim in DIMS.items()}


def machine_hierarchy(
    machine: Architecture,
    match: FormatMatch,
    weight_bits: int,
    input_bits: int,
    sum_bits: int,
    output_bits: int,
    problem: LayerProblem | None = None,
    cycles_per_step: float = 1.0,
) -> Hierarchy:
    """Memories, fan-out and widths for one layer in the given formats (bits per word).

    Without a problem, of a layer that fills every lane. Bandwidths, and what is drawn all the time, are per step of the
    nest, which takes `cycles_per_step` clock cycles.
    """
    lanes = _lanes(machine, match, problem)
    copies = prod(min(count, problem.size[dim]) if problem else count for dim, count in lanes)
    shared = len(machine.shared_memories)
    memories = tuple(
        _memory(machine, level, cycles_per_step * (copies if level >= shared else 1), _inside(machine, level, match))
        for level in range(len(machine.memories))
    )
    return Hierarchy(
        memories=memories,
        fan_level=shared - 1,
        lanes=lanes,
        latch="".join(sorted({letter for name in machine.array.latches for letter in HELD[name]})),
        weight_bits=weight_bits,
        input_bits=input_bits,
        partial_sum_bits=sum_bits,
        output_bits=output_bits,
        mac_pj=match.cost.energy_pj.value,
        static_pj=machine.static_power_w.value * 1e12 / machine.clock_hz * cycles_per_step,
        at_pe=_at_pe(machine),
    )


def _inside(machine: Architecture, level: int, match: FormatMatch) -> tuple[tuple[str, int], ...] | None:
    """The loops inside a memory where they are not free.

    A core's registers hold the block of results of its kernel, and what one vector instruction takes. Memories side by
    side, of different operands, take their tiles together: no loop runs between them.
    """
    last = level + 1 == len(machine.memories)
    if isinstance(machine, CpuArchitecture) and last:
        block = {**machine.lanes(match.key), **machine.cpu.kernel}
        return tuple((DIMS[dimension], int(count)) for dimension, count in block.items() if count > 1)
    if last or level == 0 or machine.memories[level].per_pe != machine.memories[level + 1].per_pe:
        return None
    run = [_held(memory) for memory in machine.memories[level : level + 2]]
    return None if run[0] & run[1] else ()


def _memory(machine: Architecture, level: int, scale: float, inside: tuple[tuple[str, int], ...] | None) -> Memory:
    """One level; `scale` is by how much a step of all copies moves more than a cycle of one does."""
    memory = machine.memories[level]
    bandwidth = memory.bits_per_cycle(machine.clock_hz) * scale
    bandwidth = 0.0 if bandwidth == float("inf") else bandwidth
    held = _held(memory)
    return Memory(
        name=memory.name,
        holds="".join(letter for letter in "WIO" if letter in held),
        size_bits=memory.size_bits,
        read_pj_per_bit=memory.read_energy_j_per_bit.value * 1e12,
        write_pj_per_bit=memory.write_energy_j_per_bit.value * 1e12 + _network_pj(machine, level),
        read_bandwidth=bandwidth,
        write_bandwidth=bandwidth,
        shared_port=memory.off_chip,
        buffers=2 if memory.double_buffered else 1,
        waits=_waits(machine, level),
        access_bits=max(memory.transfer_bits, _line_bits(machine, level)),
        inside=inside,
        dataflow=_dataflow(machine, memory),
    )


def _waits(machine: Architecture, level: int) -> bool:
    """Whether tiles of a memory come and go as a whole: those of a shared buffer on the chip that holds one at a time.

    Registers are filled and emptied word by word while their neighbours are in use; so are the lines of caches.
    """
    memory = machine.memories[level]
    by_word = memory.per_pe or memory.kind in REGISTERS or isinstance(machine, CpuArchitecture)
    return not (memory.off_chip or memory.double_buffered or by_word)


def _at_pe(machine: Architecture) -> Dataflow:
    stays = machine.array.stationary
    return Dataflow(OPERANDS[stays], said=f"{machine.name}: array.stationary") if stays else FREE


def _dataflow(machine: Architecture, memory: MachineMemory) -> Dataflow:
    given = memory.dataflow
    if given is None:
        return FREE
    loops = given.loops if given.loop_order is None else given.loop_order
    return Dataflow(
        stationary=OPERANDS[given.stationary] if given.stationary else "",
        loops=None if loops is None else "".join(DIMS[dimension] for dimension in loops),
        ordered=given.loop_order is not None,
        tile=tuple((DIMS[dimension], extent.min or 1, extent.max) for dimension, extent in given.tile.items()),
        said=f"{machine.name}: memories.{memory.name}.dataflow",
    )


def _held(memory: MachineMemory) -> set[str]:
    return {letter for name in memory.holds for letter in HELD[name]}


def _network_pj(machine: Architecture, level: int) -> float:
    """What a bit of weights or inputs costs on the network, if this is where the network delivers it, pJ.

    Only the search needs it here: it then knows what a delivery costs. Reports count the network by itself.
    """
    if not isinstance(machine, SpatialArchitecture) or level < len(machine.shared_memories):
        return 0.0
    before = [_held(memory) for memory in machine.memories[len(machine.shared_memories) : level]]
    first = _held(machine.memories[level]).difference(*before)
    return machine.spatial.network_energy_pj_per_bit.value if "O" not in first and first else 0.0


def _line_bits(machine: Architecture, level: int) -> int:
    """Width of a cache line where the next memory is a cache, which takes in whole lines; else 0."""
    if not isinstance(machine, CpuArchitecture) or level + 1 == len(machine.memories):
        return 0
    return 8 * int(machine.cpu.line_bytes) if machine.memories[level + 1].kind == "cache" else 0


def _lanes(machine: Architecture, match: FormatMatch, problem: LayerProblem | None) -> tuple[tuple[str, int], ...]:
    """Copies of each dim: PEs, and what a PE multiplies at once; a core does its vectors one after the other."""
    copies = machine.array.copies(sizes_of(problem) if problem else None)
    if not isinstance(machine, CpuArchitecture):
        for dimension, lanes in machine.lanes(match.key).items():
            copies[dimension] = copies.get(dimension, 1) * lanes
    return tuple((DIMS[dimension], count) for dimension, count in copies.items() if count > 1)


def on_chip_memory(machine: Architecture) -> str:
    """Name of the outermost shared memory on the chip that holds activations: where the memory plan keeps tensors.

    Raises:
        DoesNotFit: the machine has none.
    """
    for memory in machine.shared_memories:
        if not memory.off_chip and "activations" in memory.holds and "weights" in memory.holds:
            return memory.name
    raise DoesNotFit(f"{machine.name}: no memory on the chip holds both weights and activations")


def transposed_form(machine: Architecture) -> TransposedForm:
    """How its loops run a transposed convolution; `phase_layers` moves and multiplies as separate phases would.

    Raises:
        DoesNotFit: the machine runs phases as layers of their own, which is not costed yet.
    """
    if machine.transposed_conv == "phase_layers":
        raise DoesNotFit(f"{machine.name}: transposed_conv: phase_layers is not costed yet; use phase or zero_insert")
    return machine.transposed_conv
