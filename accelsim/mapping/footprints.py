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
    fetches: turns of copies of the parent in which any word is touched.
    """

    union: int
    total: int
    largest_fetch: int
    largest_tile: int
    fetches: int


def words_of(space: Space, operand: str) -> Ints:
    """The index that each pair of a position and a tap has, int64 [positions, taps], -1 outside the tensor."""
    if operand == "W":
        return np.tile(np.arange(space.taps), (space.positions, 1))
    return space.inputs if operand == "I" else space.outputs


def footprints(
    space: Space, operand: str, positions: list[tuple[int, Loop]], taps: list[tuple[int, Loop]], fetch: int, above: int
) -> Footprints:
    """Of operand W, I or O, under the loops over positions and over taps outside the child, each with its index in the
    nest: fetched in the body of loop `fetch`, from a parent inside the first `above` loops.
    """
    from accelsim.mapping.kernels.touched import under_loops

    a, b = (
        np.array([(i, loop.step, loop.spatial) for i, loop in loops], np.int64).reshape(-1, 3)
        for loops in (positions, taps)
    )
    return Footprints(*(int(count) for count in under_loops(words_of(space, operand), a, b, fetch, above)))
