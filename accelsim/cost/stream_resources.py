"""What a pipeline takes of the device: slices and blocks by geometry, the fabric as an estimate; what is scarce."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from accelsim.cost.fpga_resources import Estimate, Resources
from accelsim.cost.lut_machine import Part
from accelsim.cost.stream_fabric import layer_dsps, layer_parts, memory_blocks
from accelsim.hardware.stream import Resource, StreamArchitecture
from accelsim.mapping.stream_layer import StreamLayer, StreamMemory

RESOURCES: tuple[Resource, ...] = ("dsp", "lut", "ff", "bram36", "uram")


@dataclass(frozen=True)
class LayerRoom:
    """What one unit takes."""

    parts: tuple[Part, ...]
    bram18: int
    weight_bram18: int
    uram: int
    dsps: int

    @property
    def luts(self) -> int:
        """LUTs of all parts."""
        return sum(part.luts for part in self.parts)


def layer_room(layer: StreamLayer, machine: StreamArchitecture) -> LayerRoom:
    """What one unit takes with its memories."""
    blocks = [memory_blocks(memory, int(machine.fpga.uram), int(machine.fpga.bram36)) for memory in layer.memories]
    halves, wide = sum(b[0] for b in blocks), sum(b[1] for b in blocks)
    weights = sum(b[0] for memory, b in zip(layer.memories, blocks, strict=True) if memory.kind == "weights")
    return LayerRoom(layer_parts(layer), halves, weights, wide, layer_dsps(layer))


def stream_resources(
    rooms: Mapping[str, LayerRoom], machine: StreamArchitecture, output_fifo: StreamMemory | None = None
) -> Resources:
    """All units together against the device."""
    parts = [(name, part) for name, room in rooms.items() for part in room.parts]
    last = memory_blocks(output_fifo, 0, 0)[0] if output_fifo else 0
    used: dict[str, int | None] = {
        "dsp": sum(room.dsps for room in rooms.values()),
        "lut": sum(part.luts for _, part in parts),
        "ff": sum(part.registers for _, part in parts),
        "bram36": -(-(last + sum(room.bram18 for room in rooms.values())) // 2),
        "uram": sum(room.uram for room in rooms.values()),
    }
    available: dict[str, int] = {name: int(getattr(machine.fpga, name)) for name in RESOURCES}
    known = {name: count for name, count in used.items() if count is not None}
    low, high = sum(part.low for _, part in parts), sum(part.high for _, part in parts)
    return Resources(
        used=used,
        available=available,
        fits=all(count <= available[name] for name, count in known.items()),
        limited_by=max(known, key=lambda name: _share(known[name], available[name])) if any(known.values()) else None,
        reasons={},
        estimates={
            "lut": Estimate(low, high, _by_name((part.name, part.luts) for _, part in parts)),
            "ff": Estimate(known["ff"], None, _by_name((part.name, part.registers) for _, part in parts)),
        },
    )


def within(resources: Resources, machine: StreamArchitecture) -> bool:
    """Whether it takes no more than the usable shares of the device."""
    return all((resources.used[name] or 0) <= machine.usable(name) for name in RESOURCES)


def _by_name(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, count in counts:
        if count:
            found[name] = found.get(name, 0) + count
    return found


def _share(used: int, available: int) -> float:
    if available:
        return used / available
    return float("inf") if used else 0.0
