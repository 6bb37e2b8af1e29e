"""The memories that a mapping moves words through, with their sizes, ports and energies.

Independent of how a machine is described to users: whoever reads machine files builds a Hierarchy from them.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

from accelsim.errors import AccelsimError
from accelsim.mapping.dataflow import FREE, Dataflow
from accelsim.mapping.layer_problem import DIMS, OPERANDS
from accelsim.mapping.nest import Wiring


@dataclass(frozen=True)
class Memory:
    """One level. The size is of one copy; bandwidths, in bits per cycle, of all copies; 0 = never a bottleneck."""

    name: str
    holds: str
    """Operands: any of W (weights), I (inputs), O (outputs and partial sums)."""
    size_bits: int
    read_pj_per_bit: float
    write_pj_per_bit: float
    read_bandwidth: float = 0.0
    write_bandwidth: float = 0.0
    shared_port: bool = False
    """Reads and writes share `read_bandwidth`; `write_bandwidth` is not used."""
    buffers: int = 1
    """2: double buffered, every tile takes its size twice."""
    waits: bool = False
    """A tile comes in, or sums go out, only while the tile that was there is not in use; else word by word beside it.
    Not below the fan-out."""
    access_bits: int = 0
    """Each fetch from here, and each drain into it, moves at least this many bits."""
    reserved_bits: int = 0
    """Taken by what lives through the layer: not for tiles."""
    inside: tuple[tuple[str, int], ...] | None = None
    """None: the mapper chooses the loops inside this memory. Else how often each dim runs there, at most; a dim that is
    not named does not run."""
    dataflow: Dataflow = FREE
    """What the mapper's loops inside this memory, and its tiles, must keep to."""

    def port_cycles(self, read_bits: float, written_bits: float) -> float:
        """Cycles of its ports for these bits, one after the other."""
        write_bandwidth = self.read_bandwidth if self.shared_port else self.write_bandwidth
        pairs = ((read_bits, self.read_bandwidth), (written_bits, write_bandwidth))
        return sum(bits / bandwidth for bits, bandwidth in pairs if bandwidth)

    def turns(self, dim: str) -> int | None:
        """How often a dim must run inside this memory; None: the mapper chooses."""
        return None if self.inside is None else dict(self.inside).get(dim, 1)


@dataclass(frozen=True)
class Hierarchy:
    """Memories outermost first, one fan-out, and the widths of the words."""

    memories: tuple[Memory, ...]
    fan_level: int
    """The fan-out stands between this memory and the next (or the arithmetic)."""
    lanes: tuple[tuple[str, int], ...]
    """(dim, copies) of the fan-out; a dim shorter than its lanes leaves lanes idle."""
    latch: str = ""
    """Operands that the arithmetic keeps in a register while they do not change."""
    weight_bits: int = 8
    input_bits: int = 8
    partial_sum_bits: int = 32
    output_bits: int = 8
    mac_pj: float = 0.0
    static_pj: float = 0.0
    """What the machine draws in one cycle whatever it does."""
    by_hand: tuple[tuple[tuple[str, int], ...], ...] | None = None
    """Per memory the loops inside it, outermost first: dim, length of its chunks. None: the mapper chooses them."""
    at_pe: Dataflow = FREE
    """What the loops of all memories must keep to for the sake of the registers of the arithmetic."""

    def __post_init__(self) -> None:
        for operand in OPERANDS:
            first = self.wiring.path(operand)[0]
            if first == self.levels:
                raise AccelsimError(f"hierarchy: no memory holds operand {operand}")
            if first > self.fan_level:
                raise AccelsimError(
                    f"hierarchy: memory {self.memories[first].name!r} below the fan-out is the outermost of operand "
                    f"{operand}, expected one above it"
                )
        for memory in self.memories[self.fan_level + 1 :]:
            if memory.waits:
                raise AccelsimError(f"hierarchy: memory {memory.name!r} below the fan-out waits, expected none there")
        if not 0 <= self.fan_level < self.levels:
            raise AccelsimError(f"hierarchy: fan-out level is {self.fan_level}, expected 0 to {self.levels - 1}")
        for dim, copies in self.lanes:
            if dim not in DIMS or copies < 1:
                raise AccelsimError(f"hierarchy: fan-out of {dim!r} by {copies}, expected one of {DIMS} by at least 1")
        if self.partial_sum_bits < self.output_bits:
            raise AccelsimError(
                f"hierarchy: partial sums have {self.partial_sum_bits} bits, fewer than the outputs' {self.output_bits}"
            )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Taken once: what is remembered is asked for by the hierarchy many times in a search."""
        return hash(tuple(getattr(self, each.name) for each in fields(self)))

    def __getstate__(self) -> dict[str, object]:
        """Without the hash, which is another one in another process."""
        return {name: value for name, value in vars(self).items() if name != "_hash"}

    @property
    def levels(self) -> int:
        """Number of memories; also the level of the arithmetic."""
        return len(self.memories)

    @cached_property
    def wiring(self) -> Wiring:
        """What counting needs: every wire multicasts and adds, no memory slides."""
        return Wiring(tuple(memory.holds for memory in self.memories), (), self.latch)

    @cached_property
    def boundaries(self) -> tuple[tuple[str, int, int], ...]:
        """(operand, parent, child), W, I, then O, each from the outside in."""
        return tuple((operand, *pair) for operand in OPERANDS for pair in self.wiring.boundaries(operand))

    @cached_property
    def restricted(self) -> bool:
        """Whether the mapper must keep to something anywhere."""
        return any(flow != FREE for flow in self._dataflows)

    @property
    def restrictions(self) -> str:
        """Where that is written, for errors; empty where nothing is restricted."""
        return ", ".join(dict.fromkeys(flow.said for flow in self._dataflows if flow != FREE))

    @property
    def _dataflows(self) -> tuple[Dataflow, ...]:
        return (*(memory.dataflow for memory in self.memories), self.at_pe)

    @property
    def lanes_total(self) -> int:
        """Multiplies a cycle at most."""
        total = 1
        for _, copies in self.lanes:
            total *= copies
        return total

    @property
    def sums_below_fan_out(self) -> int:
        """Memories of partial sums below the fan-out."""
        return sum("O" in memory.holds for memory in self.memories[self.fan_level + 1 :]) if self.lanes else 0

    def fan_out(self, dim: str) -> int:
        """Copies along a dim."""
        return dict(self.lanes).get(dim, 1)

    def word_bits(self, operand: str) -> int:
        """Width of a word of W, I, or a finished O."""
        return {"W": self.weight_bits, "I": self.input_bits, "O": self.output_bits}[operand]

    def resident(self, operands: str, memory: str) -> "Hierarchy":
        """With these operands starting (W, I) or ending (O) in the named memory: no memory further out holds them.

        The whole tensor is then there already; count it in what `reserve` takes.
        """
        level = self.level(memory)
        missing = [operand for operand in operands if operand not in self.memories[level].holds]
        if missing:
            raise AccelsimError(f"hierarchy: memory {memory!r} does not hold operand {', '.join(missing)}")
        outer = (replace(m, holds="".join(o for o in m.holds if o not in operands)) for m in self.memories[:level])
        return replace(self, memories=(*outer, *self.memories[level:]))

    def reserve(self, memory: str, size_bytes: int) -> "Hierarchy":
        """With these bytes of the named memory taken by what lives through the layer."""
        level = self.level(memory)
        changed = replace(self.memories[level], reserved_bits=8 * size_bytes)
        return replace(self, memories=(*self.memories[:level], changed, *self.memories[level + 1 :]))

    def level(self, memory: str) -> int:
        """Index of a memory by name."""
        names = [m.name for m in self.memories]
        if memory not in names:
            raise AccelsimError(f"hierarchy: no memory {memory!r}, expected one of {', '.join(names)}")
        return names.index(memory)
