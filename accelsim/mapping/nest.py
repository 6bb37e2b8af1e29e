"""A mapping as a list of loops, outermost first, with memories between them.

Level l's temporal loops, then the spatial loops of the fan-out l -> l+1, then level l+1's, and so on. A loop cuts the
current range of its dim in chunks of `step`; the last chunk is shorter where step does not divide. Level L, one past
the last memory, is the arithmetic: every range is 1 there. Copies of a memory run in lock step: a loop takes the turns
of the longest copy, which is the first; copies without work move nothing.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from accelsim.errors import AccelsimError
from accelsim.mapping.layer_problem import AXES, OPERANDS, LayerProblem


@dataclass(frozen=True)
class Loop:
    """`for dim in chunks of step`, at memory `level`; spatial: all chunks at once, one a copy of level + 1."""

    dim: str
    step: int
    level: int
    spatial: bool = False


@dataclass(frozen=True)
class Wiring:
    """What counting must know of a machine: who holds what, and what the wires can do.

    holds: per level, outermost first, a string of operands; the first level of an operand holds all of it.
    multicast: per fan-out, operands of which copies cost one read (W, I) or one summed write (O); default all.
    latch: operands that the arithmetic keeps in a register while they do not change.
    slide: per level and the arithmetic, operands kept where the next tile overlaps; default none.
    """

    holds: tuple[str, ...]
    multicast: tuple[str, ...] = ()
    latch: str = ""
    slide: tuple[str, ...] = ()

    @property
    def levels(self) -> int:
        """Number of memories; also the level of the arithmetic."""
        return len(self.holds)

    def path(self, operand: str) -> tuple[int, ...]:
        """The levels that hold the operand, outermost first, then the arithmetic."""
        return (*(level for level in range(self.levels) if operand in self.holds[level]), self.levels)

    def boundaries(self, operand: str) -> tuple[tuple[int, int], ...]:
        """(parent, child) for each step of the operand's path."""
        return tuple(pairwise(self.path(operand)))

    def shares(self, operand: str, parent: int, child: int) -> bool:
        """Whether copies between parent and child cost one access of the parent."""
        every = range(parent, child)
        return all(operand in (self.multicast[level] if level < len(self.multicast) else OPERANDS) for level in every)

    def keeps_overlap(self, operand: str, level: int) -> bool:
        """Whether the memory keeps what two successive tiles share."""
        return level < len(self.slide) and operand in self.slide[level]


@dataclass(frozen=True)
class Nest:
    """The loops of one layer on one machine."""

    problem: LayerProblem
    wiring: Wiring
    loops: tuple[Loop, ...]

    def __post_init__(self) -> None:
        range_left = dict(self.problem.size)
        for loop in self.loops:
            range_left[loop.dim] = min(range_left[loop.dim], loop.step)
        unfinished = [dim for dim, left in range_left.items() if left > 1]
        if unfinished:
            raise AccelsimError(f"loop nest: dims {', '.join(unfinished)} do not reach one multiply")

    @cached_property
    def running(self) -> tuple[Loop, ...]:
        """The loops that ever run twice; the others are not there."""
        left, found = dict(self.problem.size), []
        for loop in self.loops:
            if loop.step < left[loop.dim]:
                found.append(loop)
                left[loop.dim] = loop.step
        return tuple(found)

    def depth(self, level: int) -> int:
        """How many running loops are outside memory `level`."""
        return self._depths[level]

    @cached_property
    def _depths(self) -> tuple[int, ...]:
        return tuple(sum(loop.level < level for loop in self.running) for level in range(self.wiring.levels + 1))

    def fetch_at(self, operand: str, child: int) -> int:
        """Index of the running loop whose body fetches the child's tile; -1 is before all loops.

        It is the innermost loop outside the child that moves the operand: the loops further in are hoisted over.
        The statement has a fixed place, as a compiler would emit it; it does not look at the data.
        """
        outside = [i for i in range(self.depth(child)) if not self.running[i].spatial]
        if child < self.wiring.levels or operand in self.wiring.latch:
            outside = [i for i in outside if self.running[i].dim in self.problem.moved_by[operand]]
        return outside[-1] if outside else -1

    def slides(self, operand: str, parent: int, child: int) -> bool:
        """Whether the child keeps what its next tile shares with this one, along the loop it is fetched in.

        Outputs slide only while the parent's own tile stands still (else it lets go of what the child keeps) and no
        copies split that axis (they would leave at different turns).
        """
        fetch = self.fetch_at(operand, child)
        unlatched = child == self.wiring.levels and operand not in self.wiring.latch
        if fetch < 0 or unlatched or not self.wiring.keeps_overlap(operand, child):
            return False
        if operand != "O":
            return True
        outermost = parent == self.wiring.path("O")[0]
        axis = next(axis for axis in AXES if self.running[fetch].dim in axis)
        between = self.running[self.depth(parent) : self.depth(child)]
        split = any(loop.spatial and loop.dim in axis for loop in between)
        return (outermost or self.fetch_at("O", parent) < fetch) and not split
