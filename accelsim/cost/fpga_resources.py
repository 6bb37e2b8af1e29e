"""Whether a design fits an FPGA: DSP slices, memory blocks by their real geometry, and an estimate of the fabric."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from accelsim.cost.lut_machine import Fabric
from accelsim.errors import AccelsimError
from accelsim.hardware.architecture import FpgaArchitecture


@dataclass(frozen=True)
class Buffer:
    """A memory of `depth` words of `width_bits`, `copies` times (2: double buffered)."""

    name: str
    width_bits: int
    depth: int
    kind: Literal["bram36", "uram"] = "bram36"
    copies: int = 1

    def __post_init__(self) -> None:
        for what, number in (("width_bits", self.width_bits), ("depth", self.depth), ("copies", self.copies)):
            if number < 1:
                raise AccelsimError(f"buffer {self.name}: {what} is {number}, expected at least 1")


@dataclass(frozen=True)
class Resources:
    """What is used of what the device has, by resource; `used` is None where we cannot say, with the reason.

    fits: nothing known is over. limited_by: the resource of the largest used share, the first to run out. estimates:
    of the resources that are not exact, least and most (None: no upper bound is known) and LUTs or flip-flops by part.
    """

    used: Mapping[str, int | None]
    available: Mapping[str, int]
    fits: bool
    limited_by: str | None
    reasons: Mapping[str, str]
    estimates: Mapping[str, "Estimate"] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """The interval of an estimated `used`; high None: a lower bound only. parts: what it is the sum of."""

    low: int
    high: int | None
    parts: Mapping[str, int]


UNKNOWN = Fabric(reason="depends on the formats of the program: no program given")


def fpga_resources(machine: FpgaArchitecture, buffers: Iterable[Buffer] = (), built: Fabric = UNKNOWN) -> Resources:
    """Resources of the array, of the memories that the machine file gives in blocks, and of further `buffers`.

    built: what the programs that run on it need of the fabric; without, LUTs and flip-flops are None.
    """
    device, buffers = machine.fpga, tuple(buffers)
    halves = sum(b.copies * bram18_blocks(b.width_bits, b.depth) for b in buffers if b.kind == "bram36")
    rams = sum(b.copies * uram_blocks(b.width_bits, b.depth) for b in buffers if b.kind == "uram")
    used: dict[str, int | None] = {
        "dsp": machine.array.pes * device.dsp_per_pe,
        "bram36": _blocks(machine, "bram36") + _ceil_div(halves, 2),
        "uram": _blocks(machine, "uram") + rams,
        "lut": None if built.reason else built.luts,
        "ff": None if built.reason else built.registers,
    }
    available = {name: int(getattr(device, name)) for name in used}
    known = {name: count for name, count in used.items() if count is not None}
    return Resources(
        used=used,
        available=available,
        fits=all(count <= available[name] for name, count in known.items()),
        limited_by=max(known, key=lambda name: _share(known[name], available[name])) if any(known.values()) else None,
        reasons=dict.fromkeys(("lut", "ff"), built.reason) if built.reason else {},
        estimates={} if built.reason else _estimates(built),
    )


def _estimates(built: Fabric) -> dict[str, Estimate]:
    named = [(f"{part.count} x {part.name}" if part.count > 1 else part.name, part) for part in built.parts]
    return {
        "lut": Estimate(built.low, built.high, {name: part.luts for name, part in named if part.luts}),
        "ff": Estimate(built.registers, None, {name: part.registers for name, part in named if part.registers}),
    }


def bram18_blocks(width_bits: int, depth: int) -> int:
    """RAMB18 blocks (halves of a RAMB36) of a simple dual-port memory.

    Shapes of one RAMB18: 16Kx1, 8Kx2, 4Kx4, 2Kx9, 1Kx18, 512x36. The choice of shape is FINN's
    (Xilinx/finn@39f0c9a6, bram estimate of matrixvectoractivation.py), not the best of all shapes.
    """
    if width_bits == 1:
        return _ceil_div(depth, 16_384)
    if width_bits == 2:
        return _ceil_div(depth, 8_192)
    if width_bits <= 4:
        return _ceil_div(depth, 4_096)
    if width_bits <= 9:
        return _ceil_div(depth, 2_048)
    if width_bits <= 18 or depth > 512:
        return _ceil_div(depth, 1_024) * _ceil_div(width_bits, 18)
    return _ceil_div(depth, 512) * _ceil_div(width_bits, 36)


def uram_blocks(width_bits: int, depth: int) -> int:
    """URAM288 blocks of 4K x 72."""
    return _ceil_div(width_bits, 72) * _ceil_div(depth, 4_096)


def _blocks(machine: FpgaArchitecture, kind: str) -> int:
    return sum(memory.blocks or 0 for memory in machine.memories if memory.kind == kind)


def _share(used: int, available: int) -> float:
    if available:
        return used / available
    return float("inf") if used else 0.0


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
