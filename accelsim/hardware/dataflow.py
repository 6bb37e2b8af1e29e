"""What a machine file asks of the loops inside one memory and of its tiles: `memories.NAME.dataflow`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from accelsim.hardware.quantity import Frozen
from accelsim.hardware.vocabulary import Dimension
from accelsim.yaml_file import Loc, Mistake, Plain

WHOLE = 2**40
"""A least length that no dimension reaches: all that there is of it."""
KEYS = ("stationary", "loops", "loop_order", "tile")
Stationary = Literal["weights", "inputs", "outputs"]
_EVERYTHING = ("weights", "activations", "partial_sums")
_HELD_AS = {"weights": ("weights",), "inputs": ("inputs", "activations"), "outputs": ("partial_sums", "activations")}
Length = Annotated[int, Field(ge=1)]


class Extent(Frozen):
    """Bounds of the length of a tile along one dimension; where the layer has less than `min`, all of it."""

    min: Length | None = None
    max: Length | None = None

    def __str__(self) -> str:
        if self.min == WHOLE:
            return "all"
        if self.min == self.max:
            return str(self.min)
        bounds = (("at least", self.min), ("at most", self.max))
        return " and ".join(f"{word} {length}" for word, length in bounds if length is not None)


def _extent(data: object) -> object:
    """`all`, `16`, or `{min: 4, max: 16}`."""
    if data == "all":
        return {"min": WHOLE}
    if isinstance(data, int) and not isinstance(data, bool):
        if data < 1:
            raise PydanticCustomError("positive", "must be at least 1, not {given}", {"given": data})
        return {"min": data, "max": data}
    if isinstance(data, dict | Extent):
        return data
    raise PydanticCustomError("expected", "a length, all, or a mapping with min and max")


class MemoryDataflow(Frozen):
    """Restrictions of the mapper at one memory.

    stationary: the operand whose tiles stay here until all that they take part in is done. loops: dimensions that loops
    inside the memory may run over, in any order. loop_order: the same, in this order, outermost first. tile: how much
    of a dimension the memory holds at a time, one copy of it where there are copies.
    """

    stationary: Stationary | None = None
    loops: Annotated[tuple[Dimension, ...], Field(strict=False)] | None = None
    loop_order: Annotated[tuple[Dimension, ...], Field(strict=False)] | None = None
    tile: dict[Dimension, Annotated[Extent, BeforeValidator(_extent)]] = {}

    def __str__(self) -> str:
        said = [f"stationary {self.stationary}"] if self.stationary else []
        for word, loops in (("loops", self.loops), ("loop order", self.loop_order)):
            said += [] if loops is None else [f"{word} {', '.join(loops) or 'none'}"]
        tiles = ", ".join(f"{dimension} {extent}" for dimension, extent in self.tile.items())
        return "; ".join([*said, f"tile {tiles}"] if tiles else said)


def dataflows(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Of each memory, and of the registers of the PEs: something is restricted, once, and where it can be."""
    listed = data.get("memories")
    memories = [entry if isinstance(entry, dict) else {} for entry in listed] if isinstance(listed, list) else []
    ordered: list[Plain] = []
    for i, memory in enumerate(memories):
        given, place = memory.get("dataflow"), ("memories", i, "dataflow")
        if not isinstance(given, dict):
            continue
        if not given:
            yield Mistake(place, f"is empty; expected one or more of: {', '.join(KEYS)}")
        if "loops" in given and "loop_order" in given:
            yield Mistake((*place, "loops"), "contradicts loop_order; give one or the other")
        yield from _loops(given, place)
        yield from _tiles(given, place, outermost=i == 0)
        yield from _stays(given, place, _names(memory, "holds", _EVERYTHING), ordered, outermost=i == 0)
        ordered += [memory.get("name")] if "loop_order" in given else []
        loops = [key for key in ("loops", "loop_order") if given.get(key)]
        if loops and 0 < i < len(memories) - 1 and _side_by_side(memories[i], memories[i + 1]):
            other = f"it takes its tiles together with the next memory, {memories[i + 1].get('name')}"
            yield Mistake((*place, loops[0]), f"no loop runs inside this memory: {other}; restrict that one")
    array = data.get("array")
    if isinstance(array, dict):
        yield from _stays(array, ("array",), _names(array, "latches", ()), ordered, outermost=False)


def _stays(
    given: Mapping[str, Plain], place: Loc, held: set[str], ordered: list[Plain], outermost: bool
) -> Iterator[Mistake]:
    """An operand stays where there is a place for it, and no order of the loops outside says otherwise."""
    operand, place = given.get("stationary"), (*place, "stationary")
    if not isinstance(operand, str) or operand not in _HELD_AS:
        return
    if outermost:
        yield Mistake(place, "everything stays in the first memory; expected of one further in")
    elif not held & set(_HELD_AS[operand]):
        what = "array.latches" if place[0] == "array" else "holds"
        yield Mistake(place, f"{operand} cannot stay here: {what} does not list them")
    elif ordered:
        yield Mistake(place, f"contradicts the loop_order of {ordered[0]}: either says in which order its loops run")


def _loops(given: Mapping[str, Plain], place: Loc) -> Iterator[Mistake]:
    for key in ("loops", "loop_order"):
        listed = given.get(key)
        for n, dimension in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(listed, list) and dimension in listed[:n]:
                yield Mistake((*place, key, n), f"{dimension!r} is listed already")


def _tiles(given: Mapping[str, Plain], place: Loc, outermost: bool) -> Iterator[Mistake]:
    tile = given.get("tile")
    if "tile" in given and outermost:
        yield Mistake((*place, "tile"), "the first memory holds all of a layer; expected of one further in")
        return
    if tile == {}:
        yield Mistake((*place, "tile"), "is empty; expected lengths by dimension")
    for dimension, extent in tile.items() if isinstance(tile, dict) else ():
        if not isinstance(extent, dict):
            continue
        least, most = extent.get("min"), extent.get("max")
        if not extent:
            yield Mistake((*place, "tile", dimension), "is empty; expected min, max or both")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Mistake((*place, "tile", dimension), f"min is {least} but max is {most}")


def _side_by_side(memory: Mapping[str, Plain], following: Mapping[str, Plain]) -> bool:
    """Whether the two hold different operands of the same PEs or of the whole array."""
    return bool(memory.get("per_pe")) == bool(following.get("per_pe")) and not _held(memory) & _held(following)


def _held(memory: Mapping[str, Plain]) -> set[str]:
    names = _names(memory, "holds", _EVERYTHING)
    return names - {"activations"} | ({"inputs", "partial_sums"} if "activations" in names else set())


def _names(part: Mapping[str, Plain], key: str, default: tuple[str, ...]) -> set[str]:
    listed = part.get(key, list(default))
    return {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set(default)
