"""One spatial axis of a layer: two loops (position a, tap b) and the two indices that each pair touches.

    form         loops a x b            input index [a, b]        output index [a, b]
    conv         outputs x taps         s*a + d*b - begin         a
    scatter      inputs x taps          a                         s*a + d*b - begin
    phase        ceil(out/s) x taps     a + (f + begin - d*b)/s   s*a + f,  f = (d*b - begin) mod s
    zero_insert  outputs x taps         z/s where s divides z     a,        z = a + d*b - (d*(taps-1) - begin)

s = stride, d = dilation, begin = padding (conv) or crop (transposed) in front. An index outside its tensor is -1:
nothing is fetched or written there, but the multiply is still executed. All that counting needs to know of a
convolution is in these two maps.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError

IndexMap = NDArray[np.int64]
TransposedForm = Literal["phase", "scatter", "zero_insert"]


@dataclass(frozen=True)
class Space:
    """The two index maps of one axis, as tuples [position][tap] so that a Space hashes; -1 means outside."""

    in_size: int
    out_size: int
    in_index: tuple[tuple[int, ...], ...]
    out_index: tuple[tuple[int, ...], ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Taken once: the maps are long."""
        return hash((self.in_size, self.out_size, self.in_index, self.out_index))

    @cached_property
    def inputs(self) -> IndexMap:
        """Input index, int64 [positions, taps]."""
        return np.array(self.in_index, dtype=np.int64)

    @cached_property
    def outputs(self) -> IndexMap:
        """Output index, int64 [positions, taps]."""
        return np.array(self.out_index, dtype=np.int64)

    @property
    def positions(self) -> int:
        """Trips of the position loop."""
        return len(self.in_index)

    @property
    def taps(self) -> int:
        """Trips of the tap loop."""
        return len(self.in_index[0])

    @cached_property
    def inputs_read(self) -> int:
        """Distinct inputs that some pair touches; a stride may leave gaps."""
        return _distinct(self.inputs[self.inputs >= 0])

    @cached_property
    def outputs_reached(self) -> int:
        """Distinct outputs that some pair touches. The other `out_size - outputs_reached` hold only the bias."""
        return _distinct(self.outputs[self.outputs >= 0])

    @cached_property
    def effectual_pairs(self) -> int:
        """Pairs with a real input and a surviving output."""
        return int(((self.inputs >= 0) & (self.outputs >= 0)).sum())

    def moved_by(self, operand: str) -> tuple[bool, bool]:
        """Whether (position, tap) change the index of operand W, I or O.

        Read from the maps. "Outside" counts as a value: a tile that is empty at first must still be fetched later.
        """
        if operand == "W":
            return False, True
        index = self.inputs if operand == "I" else self.outputs
        return bool((index != index[:1]).any()), bool((index != index[:, :1]).any())


def _distinct(indices: IndexMap) -> int:
    """How many different indices there are; none is negative."""
    return int(np.count_nonzero(np.bincount(indices)))


def _space(in_size: int, out_size: int, inputs: IndexMap, outputs: IndexMap) -> Space:
    def clipped(index: IndexMap, size: int) -> tuple[tuple[int, ...], ...]:
        inside = np.where((index >= 0) & (index < size), index, -1)
        return tuple(tuple(row) for row in inside.tolist())

    return Space(in_size, out_size, clipped(inputs, in_size), clipped(outputs, out_size))


def _positive(out: int, what: str) -> int:
    if out < 1:
        raise AccelsimError(f"{what} has no output: its length would be {out}, expected at least 1")
    return out


def conv_space(size: int, taps: int, stride: int = 1, dilation: int = 1, pad: tuple[int, int] = (0, 0)) -> Space:
    """Convolution along one axis: out = (size + begin + end - dilation*(taps-1) - 1) // stride + 1.

    Raises AccelsimError where the window is longer than the padded input.
    """
    reach = size + sum(pad) - dilation * (taps - 1) - 1
    out = _positive(reach // stride + 1, f"convolution of {size} by {taps} taps, padding {pad}")
    a, b = np.mgrid[0:out, 0:taps]
    return _space(size, out, stride * a + dilation * b - pad[0], a)


def transposed_space(
    size: int,
    taps: int,
    stride: int = 1,
    dilation: int = 1,
    crop: tuple[int, int] = (0, 0),
    how: TransposedForm = "phase",
) -> Space:
    """Transposed convolution along one axis: out = (size-1)*stride + dilation*(taps-1) + 1 - begin - end.

    `crop` drops outputs in front and behind: a padding of p with an output padding of q is (p, p - q). A negative
    crop adds outputs that no tap reaches (see `Space.outputs_reached`). `how` is the loop form, see the module.
    Raises AccelsimError where the crop leaves nothing.
    """
    begin, end = crop
    extent = (size - 1) * stride + dilation * (taps - 1) + 1
    out = _positive(extent - begin - end, f"transposed convolution of {size} by {taps} taps, crop {crop}")
    if how == "scatter":
        a, b = np.mgrid[0:size, 0:taps]
        return _space(size, out, a, stride * a + dilation * b - begin)
    if how == "zero_insert":
        a, b = np.mgrid[0:out, 0:taps]
        stuffed = a + dilation * b - (dilation * (taps - 1) - begin)
        real = (stuffed >= 0) & (stuffed % stride == 0)
        return _space(size, out, np.where(real, stuffed // stride, -1), a)
    a, b = np.mgrid[0 : -(-out // stride), 0:taps]
    by_phase = sorted(range(taps), key=lambda tap: ((dilation * tap - begin) % stride, tap))
    b = np.array(by_phase)[b]
    phase = (dilation * b - begin) % stride
    return _space(size, out, a + (phase + begin - dilation * b) // stride, stride * a + phase)


def phase_spaces(space: Space, stride: int) -> tuple[Space, ...]:
    """The phases of a `how="phase"` space as plain convolutions; phases without a tap or an output are left out."""
    found = []
    for phase in range(stride):
        real = (space.outputs >= 0) & (space.outputs % stride == phase)
        taps = np.flatnonzero(real.any(axis=0))
        if len(taps) == 0:
            continue
        outputs = np.where(real, space.outputs // stride, -1)[:, taps]
        rows = np.flatnonzero((outputs >= 0).any(axis=1))
        size = int(outputs.max()) + 1
        found.append(_space(space.in_size, size, space.inputs[np.ix_(rows, taps)], outputs[rows]))
    return tuple(found)


POINT = conv_space(1, 1)
"""The axis of a dense layer: one position, one tap."""
