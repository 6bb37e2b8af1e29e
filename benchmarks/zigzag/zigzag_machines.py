"""ZigZag's tpu_like and eyeriss_like: every memory with its ports, and the same table as a Hierarchy.

Figures: zigzag/inputs/hardware/{tpu_like,eyeriss_like}.yaml of zigzag-dse 3.9.1: pJ per access of the port's
largest width, sizes in bits. A port moves whole multiples of its smallest width. The arithmetic keeps weights and
inputs that stay the same (`access_same_data_considered_as_no_access`); sums are 16 bit wide and leave as 8.
"""

from dataclasses import dataclass, replace

from zigzag_layers import Layer, unrolling

from accelsim.mapping.hierarchy import Hierarchy, Memory


@dataclass(frozen=True)
class Ported:
    """A memory: pJ per access of `widest` bits; `narrowest`: the smallest access; shared: one port reads and writes."""

    name: str
    holds: str
    size_bits: int
    read_pj: float
    write_pj: float
    widest: int
    narrowest: int
    shared: bool = False
    per_unit: bool = False
    """One below each multiplier, wide enough for a word a cycle."""

    def as_memory(self) -> Memory:
        """As the mapper knows it."""
        bandwidth = 0 if self.per_unit else self.widest
        return Memory(
            self.name,
            self.holds,
            self.size_bits,
            self.read_pj / self.widest,
            self.write_pj / self.widest,
            bandwidth,
            0 if self.shared else bandwidth,
            self.shared,
            access_bits=self.narrowest,
        )


TPU_LIKE = (
    Ported("dram", "WIO", 10_000_000_000, 700, 750, 64, 64, shared=True),
    Ported("sram_2MB", "IO", 16_777_216, 416.16, 378.4, 2048, 64),
    Ported("rf_128B", "W", 1024, 0.095, 0.095, 8, 8, per_unit=True),
    Ported("rf_2B", "O", 16, 0.021, 0.021, 16, 16, per_unit=True),
)
EYERISS_LIKE = (
    Ported("dram", "WIO", 10_000_000_000, 1000, 1000, 64, 64, shared=True),
    Ported("sram_1M", "IO", 8_388_608, 100, 130, 384, 384, shared=True),
    Ported("sram_64KB", "W", 524_288, 20, 25, 128, 128),
    Ported("sram_8KB", "O", 65_536, 10, 15, 128, 128, shared=True),
    Ported("rf_64B_A", "I", 512, 1.0, 1.5, 8, 8, per_unit=True),
    Ported("rf_64B_W", "W", 512, 1.0, 1.5, 8, 8, per_unit=True),
    Ported("rf_16B", "O", 128, 1.5, 2.0, 24, 24, per_unit=True),
)
MEMORIES = {"tpu_like": TPU_LIKE, "eyeriss_like": EYERISS_LIKE}
MAC_PJ = {"tpu_like": 0.04, "eyeriss_like": 0.5}
DIMS = {"B": "N", "K": "K", "C": "C", "OY": "P", "OX": "Q", "FY": "R", "FX": "S"}
"""ZigZag's name of a dim -> ours."""


def hierarchy(machine: str, layer: Layer) -> Hierarchy:
    """The machine with the array's loops of the layer."""
    ported = MEMORIES[machine]
    lanes = tuple((DIMS[dim], copies) for side in unrolling(machine, layer).values() for dim, copies in side)
    return Hierarchy(
        memories=tuple(memory.as_memory() for memory in ported),
        fan_level=sum(not memory.per_unit for memory in ported) - 1,
        lanes=lanes,
        latch="WI",
        partial_sum_bits=16,
        mac_pj=MAC_PJ[machine],
    )


REGISTERS = ("rf_64B_A", "rf_64B_W")
CUT_TOGETHER: dict[str, tuple[tuple[str, ...], ...]] = {
    "tpu_like": ((),),
    "eyeriss_like": (("sram_1M", "sram_64KB", *REGISTERS), REGISTERS),
}
"""Memories directly inside which we run no loops, from the quick search to the wide one. Seven memories with a place in
the loops each are too many for an exact search (minutes a layer): eyeriss_like's register files are left at one place,
as machine files have it for memories side by side, and so are its buffers in the quick search."""


def searched(machine: str, layer: Layer, wide: int = 0) -> Hierarchy:
    """The machine as we search it: the best mapping found is one of the machine's, at most as good as its best."""
    whole, closed = hierarchy(machine, layer), CUT_TOGETHER[machine][wide]
    return replace(whole, memories=tuple(replace(m, inside=() if m.name in closed else None) for m in whole.memories))
