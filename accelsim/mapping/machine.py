"""From a machine file to the hierarchy that mappings move words through."""

from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.architecture import Memory as MachineMemory
from accelsim.hardware.number_formats import FormatMatch
from accelsim.hardware.vocabulary import Dimension
from accelsim.mapping.hierarchy import Hierarchy, Memory
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
HELD = {"weights": "W", "activations": "IO", "partial_sums": "O"}


def machine_hierarchy(
    machine: Architecture, match: FormatMatch, weight_bits: int, input_bits: int, sum_bits: int, output_bits: int
) -> Hierarchy:
    """Memories, fan-out and widths for one layer in the given formats (bits per word)."""
    memories = tuple(_memory(memory, machine.clock_hz) for memory in machine.memories)
    return Hierarchy(
        memories=memories,
        fan_level=len(memories) - 1,
        lanes=_lanes(machine, match),
        latch="".join(sorted({letter for name in machine.array.latches for letter in HELD[name]})),
        weight_bits=weight_bits,
        input_bits=input_bits,
        partial_sum_bits=sum_bits,
        output_bits=output_bits,
        mac_pj=match.cost.energy_pj.value,
    )


def _memory(memory: MachineMemory, clock_hz: float) -> Memory:
    bandwidth = memory.bits_per_cycle(clock_hz)
    bandwidth = 0.0 if bandwidth == float("inf") else bandwidth
    held = {letter for name in memory.holds for letter in HELD[name]}
    return Memory(
        name=memory.name,
        holds="".join(letter for letter in "WIO" if letter in held),
        size_bits=memory.size_bits,
        read_pj_per_bit=memory.read_energy_j_per_bit.value * 1e12,
        write_pj_per_bit=memory.write_energy_j_per_bit.value * 1e12,
        read_bandwidth=bandwidth,
        write_bandwidth=bandwidth,
        shared_port=memory.off_chip,
        buffers=2 if memory.double_buffered else 1,
        access_bits=memory.transfer_bits,
    )


def _lanes(machine: Architecture, match: FormatMatch) -> tuple[tuple[str, int], ...]:
    copies: dict[str, int] = {}
    unroll = machine.array.unroll
    for dimension, count in ((unroll.rows, machine.array.rows), (unroll.cols, machine.array.cols)):
        copies[DIMS[dimension]] = copies.get(DIMS[dimension], 1) * int(count)
    for dimension, lanes in machine.lanes(match.key).items():
        copies[DIMS[dimension]] = copies.get(DIMS[dimension], 1) * lanes
    return tuple(copies.items())


def on_chip_memory(machine: Architecture) -> str:
    """Name of the outermost memory on the chip that holds activations: where the memory plan keeps tensors.

    Raises:
        DoesNotFit: the machine has none.
    """
    for memory in machine.memories:
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
