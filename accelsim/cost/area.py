"""Area of a chip by its parts, as far as the machine file gives areas or leaves them to the fit to CACTI."""

from collections.abc import Mapping
from dataclasses import dataclass

from accelsim.cost.energy import total
from accelsim.hardware.architecture import MILLI, Architecture, Machine
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.spatial import SpatialArchitecture

UM2 = 1e-6
"""mm2."""
LOGIC = "pes"


@dataclass(frozen=True)
class Area:
    """mm2 of all copies of each part; parts without a figure are named in `not_counted`."""

    parts: Mapping[str, Quantity]
    not_counted: tuple[str, ...]

    @property
    def mm2(self) -> Quantity:
        """All parts that are counted."""
        return total(self.parts.values())


def chip_area(machine: Machine) -> Area | None:
    """The area of the whole chip, used or not; None where the machine gives none, or is no chip of its own."""
    if machine.kind == "reram":
        return _of_crossbars(machine)
    return _of_an_array(machine) if isinstance(machine, SpatialArchitecture) else None


def _of_an_array(machine: SpatialArchitecture) -> Area | None:
    parts: dict[str, Quantity] = {}
    for memory in machine.memories:
        if memory.area_mm2 is not None and not memory.off_chip:
            parts[memory.name] = memory.area_mm2 * machine.copies_of(memory)
    if (logic := pe_area_mm2(machine)) is not None:
        parts[LOGIC] = logic * machine.array.pes
    if not parts:
        return None
    names = [memory.name for memory in machine.memories if not memory.off_chip]
    return Area(parts, tuple(name for name in (*names, LOGIC, "network") if name not in parts))


def _of_crossbars(machine: Machine) -> Area | None:
    from accelsim.hardware.reram import ReramArchitecture

    assert isinstance(machine, ReramArchitecture)
    area, chip = machine.reram.area, machine.reram
    if area is None:
        return None
    tiles, imas = int(chip.tiles), int(chip.tiles * chip.tile.imas)
    parts = {f"ima {name}": each * imas for name, each in area.ima_mm2.items()}
    parts |= {f"tile {name}": each * tiles for name, each in area.tile_mm2.items()}
    return Area(parts | {"link": area.link_mm2}, ())


def memory_leakage_w(machine: Machine) -> Mapping[str, Quantity]:
    """W that all copies of each memory leak, where the file or the fit says so."""
    if not isinstance(machine, Architecture):
        return {}
    leaking = [(m, m.leakage_mw) for m in machine.memories if m.leakage_mw is not None]
    return {memory.name: each * (MILLI * machine.copies_of(memory)) for memory, each in leaking}


def pe_area_mm2(machine: Architecture) -> Quantity | None:
    """One PE without memories: its own area, and the largest of what its formats take; None where neither is given."""
    own = machine.array.pe_area_um2
    formats = [cost.area_um2 for cost in machine.formats.values() if cost.area_um2 is not None]
    largest = max(formats, key=lambda area: area.value, default=None)
    given = [part for part in (own, largest) if part is not None]
    return total(given) * UM2 if given else None
