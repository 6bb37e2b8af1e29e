"""Words that the tiles of an axis of space touch, over all turns and copies at once.

Every loop of a dim cuts each position of it into a chunk, so that a position has a turn (the chunks of temporal loops)
and a copy (the chunks of fan-outs). A word is touched once for each different turn and copy among the pairs of a
position and a tap that have its index.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.mapping.nest import Loop
from accelsim.mapping.spaces import Space

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Footprints:
    """Words touched over a layer: `total` by all copies of the child, `union` by copies of the parent.

    largest_fetch: of one turn, all copies of the parent together. largest_tile: of one turn in one copy of the child.
    """

    union: int
    total: int
    largest_fetch: int
    largest_tile: int


@dataclass
class _Names:
    """For every index of a dim that is visited, a number for the turn, the copy of the parent and that of the child;
    how many numbers there are of each, at most.
    """

    index: Ints
    numbers: dict[str, Ints]
    most: dict[str, int]


def _names(size: int, loops: list[tuple[int, Loop]], fetch: int, above: int) -> _Names:
    """Temporal loops up to index `fetch` take every turn, later ones the first; fan-outs before `above` make copies of
    the parent.
    """
    index = inside = np.arange(size)
    numbers = dict.fromkeys(("turn", "parent", "copy"), np.zeros(size, np.int64))
    most, length = dict.fromkeys(numbers, 1), size
    for i, loop in loops:
        chunk, chunks = inside // loop.step, -(-length // loop.step)
        inside, length = inside - chunk * loop.step, min(length, loop.step)
        if not loop.spatial and i > fetch:
            first = chunk == 0
            index, inside = index[first], inside[first]
            numbers = {name: number[first] for name, number in numbers.items()}
            continue
        for name in ("turn",) if not loop.spatial else ("parent", "copy") if i < above else ("copy",):
            numbers[name] = numbers[name] * chunks + chunk
            most[name] *= chunks
    return _Names(index, numbers, most)


def footprints(
    space: Space, operand: str, positions: list[tuple[int, Loop]], taps: list[tuple[int, Loop]], fetch: int, above: int
) -> Footprints:
    """Of operand W, I or O, under the loops over positions and over taps outside the child, each with its index in the
    nest: fetched in the body of loop `fetch`, from a parent inside the first `above` loops.
    """
    a, b = _names(space.positions, positions, fetch, above), _names(space.taps, taps, fetch, above)
    if operand == "W":
        words = np.broadcast_to(b.index, (len(a.index), len(b.index)))
    else:
        words = (space.inputs if operand == "I" else space.outputs)[np.ix_(a.index, b.index)]
    real = words >= 0
    width = int(words.max(initial=0)) + 1

    def pairs(name: str) -> Ints:
        return a.numbers[name][:, None] * b.most[name] + b.numbers[name]

    def distinct(name: str) -> tuple[Ints, int]:
        copies = a.most[name] * b.most[name]
        return np.unique(((pairs("turn") * copies + pairs(name)) * width + words)[real]), copies

    by_copy, copies = distinct("copy")
    by_parent, parents = (by_copy, copies) if a.most["copy"] * b.most["copy"] == 1 else distinct("parent")
    return Footprints(
        union=len(by_parent),
        total=len(by_copy),
        largest_fetch=_most(by_parent // (width * parents)),
        largest_tile=_most(by_copy // width),
    )


def _most(names: Ints) -> int:
    """How often the most frequent of sorted names is there."""
    starts = np.flatnonzero(np.diff(names, prepend=-1))
    return int(np.diff(starts, append=len(names)).max(initial=0))
