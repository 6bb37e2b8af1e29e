"""What a layer is to the mapping: eight loop dims, three operands, six axes.

    dims      N batch  G group  K output channel  C input channel  P, Q positions  R, S taps
    axes      N | G | K | C | (P, R) | (Q, S)
    operands  W weights [G, K, C, R, S]   I inputs [N, G, C, h, w]   O outputs and partial sums [N, G, K, h, w]

Every loop belongs to one axis, and tiles, copies and turns are products over axes: so is every count.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod

from accelsim.errors import AccelsimError
from accelsim.mapping.spaces import POINT, Space, phase_spaces

DIMS = "NGKCPQRS"
AXES = ("N", "G", "K", "C", "PR", "QS")
OPERANDS = "WIO"


@dataclass(frozen=True)
class LayerProblem:
    """One layer's loops; K and C are channels per group. It carries no name: equal work is one problem."""

    N: int = 1
    G: int = 1
    K: int = 1
    C: int = 1
    h: Space = POINT
    w: Space = POINT

    def __post_init__(self) -> None:
        for dim in "NGKC":
            if getattr(self, dim) < 1:
                raise AccelsimError(f"layer problem: {dim} is {getattr(self, dim)}, expected at least 1")
        if self.words["O"] == 0:
            raise AccelsimError("layer problem: no multiply reaches an output")

    @cached_property
    def size(self) -> dict[str, int]:
        """Trips of each dim."""
        channels = {dim: int(getattr(self, dim)) for dim in "NGKC"}
        return channels | {"P": self.h.positions, "Q": self.w.positions, "R": self.h.taps, "S": self.w.taps}

    def space(self, axis: str) -> Space:
        """The space of axis "PR" or "QS"."""
        return self.h if axis == "PR" else self.w

    @cached_property
    def moved_by(self) -> dict[str, frozenset[str]]:
        """Operand -> the dims whose loops move it."""
        moved = {"W": set("GKC"), "I": set("NGC"), "O": set("NGK")}
        for axis in ("PR", "QS"):
            for operand in OPERANDS:
                uses = self.space(axis).moved_by(operand)
                moved[operand].update(dim for dim, used in zip(axis, uses, strict=True) if used)
        return {operand: frozenset(dims) for operand, dims in moved.items()}

    @property
    def macs(self) -> int:
        """Multiplies that the loops execute, those with padding and cropped outputs included."""
        return prod(self.size.values())

    @property
    def macs_effectual(self) -> int:
        """Multiplies of a real input for a surviving output."""
        return self.N * self.G * self.K * self.C * self.h.effectual_pairs * self.w.effectual_pairs

    @cached_property
    def words(self) -> dict[str, int]:
        """Distinct words that the multiplies touch, per operand: what must move at least once."""
        return {
            "W": self.G * self.K * self.C * self.h.taps * self.w.taps,
            "I": self.N * self.G * self.C * self.h.inputs_read * self.w.inputs_read,
            "O": self.N * self.G * self.K * self.h.outputs_reached * self.w.outputs_reached,
        }

    @property
    def bias_only_words(self) -> int:
        """Outputs that no multiply reaches (output padding, stride beyond the taps): written once, never summed."""
        return self.N * self.G * self.K * self.h.out_size * self.w.out_size - self.words["O"]


def phase_layers(problem: LayerProblem, strides: tuple[int, int]) -> tuple[LayerProblem, ...]:
    """The plain convolutions, one a phase, that make up a layer whose spaces are of the form "phase".

    strides are those of (h, w); an axis that is not transposed has stride 1. The bias-only words stay those of
    `problem`.
    """
    return tuple(
        LayerProblem(problem.N, problem.G, problem.K, problem.C, h, w)
        for h in phase_spaces(problem.h, strides[0])
        for w in phase_spaces(problem.w, strides[1])
    )
