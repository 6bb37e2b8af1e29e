"""Every multiplying layer as windows over its input: which outputs a set of taps makes, and where each tap reads.

A transposed convolution splits into `stride` phases an axis: outputs whose index has the same remainder read the same
taps, so that no zeros are inserted and nothing is scattered.
"""

from dataclasses import dataclass
from functools import singledispatch

from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Pair, Shape


@dataclass(frozen=True)
class Phase:
    """Outputs `start + step * i`, i < count, along one axis.

    Output i reads input `offset + stride * i` with kernel index `tap`, for each (tap, offset) in `taps`; offsets
    rise.
    Inputs outside the image are zeros.
    """

    start: int
    step: int
    count: int
    stride: int
    taps: tuple[Pair, ...]


@singledispatch
def axis_phases(op: Linear, axis: int, size: int) -> tuple[Phase, ...]:
    """Phases of image axis 0 (rows) or 1 (columns), where the input has and the output gets `size` of them.

    Phases without outputs are left out; together they make each output once.
    """
    raise TypeError(f"{type(op).__name__} has no phases")


@axis_phases.register
def _(op: Dense, axis: int, size: int) -> tuple[Phase, ...]:
    return (Phase(0, 1, size, 1, ((0, 0),)),)


@axis_phases.register
def _(op: Conv2d, axis: int, size: int) -> tuple[Phase, ...]:
    before = op.padding[2 * axis]
    taps = tuple((tap, tap * op.dilation[axis] - before) for tap in range(op.kernel[axis]))
    return (Phase(0, 1, size, op.stride[axis], taps),)


@axis_phases.register
def _(op: ConvTranspose2d, axis: int, size: int) -> tuple[Phase, ...]:
    stride, dilation, before = op.stride[axis], op.dilation[axis], op.crop[2 * axis]
    phases = []
    for start in range(min(stride, size)):
        # input i lands with tap t on output i * stride + t * dilation - before
        reach = [(tap, start + before - tap * dilation) for tap in range(op.kernel[axis])]
        taps = [(tap, at // stride) for tap, at in reach if at % stride == 0]
        count = -(-(size - start) // stride)
        phases.append(Phase(start, stride, count, 1, tuple(reversed(taps))))
    return tuple(phases)


def margins(phases: tuple[Phase, ...], size: int) -> Pair:
    """Zeros that an input of `size` needs before and after it, so that every tap reads inside."""
    first = min((offset for phase in phases for _, offset in phase.taps), default=0)
    last = max((offset + phase.stride * (phase.count - 1) for phase in phases for _, offset in phase.taps), default=0)
    return max(0, -first), max(0, last - size + 1)


def image_shape(op: Linear, sample: Shape) -> tuple[int, int, int]:
    """Channels, rows and columns of a value; a vector, whatever its leading axes, is a column of pixels."""
    if isinstance(op, Dense):
        pixels = 1
        for extent in sample[:-1]:
            pixels *= extent
        return sample[-1], pixels, 1
    channels, rows, columns = sample
    return channels, rows, columns


def split(phase: Phase, parts: int) -> tuple[Phase, ...]:
    """The same outputs as `parts` phases that each take every `parts`-th; those without outputs are left out."""
    return tuple(
        Phase(
            phase.start + phase.step * part,
            phase.step * parts,
            -(-(phase.count - part) // parts),
            phase.stride * parts,
            tuple((tap, offset + phase.stride * part) for tap, offset in phase.taps),
        )
        for part in range(min(parts, phase.count))
    )


def offsets(phases: tuple[Phase, ...]) -> tuple[int, ...]:
    """Where the first output of any of the phases reads, rising."""
    return tuple(sorted({offset for phase in phases for _, offset in phase.taps}))
