"""A layer with its numbers: passes of the skeleton with what sums begin with and how they are finished."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.bounds import proven_channels
from accelsim.engine.kernels.methods import Method, plain_method, saturating_method, signs_method
from accelsim.engine.kernels.packing import NO_CHANNEL, Geometry, Pass, geometry, pack
from accelsim.engine.kernels.skeleton import Cells, Scale
from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.formats.affine import RequantizationMode
from accelsim.formats.requantize import Requantization
from accelsim.formats.rounding import overflowed
from accelsim.ir.ops import Linear, Shape
from accelsim.ir.program import Encoding, LinearLayer

Array = NDArray[Any]
Int64s = NDArray[np.int64]
LANES = 32
"""The widest panel."""


@dataclass(frozen=True)
class Job:
    """Passes of one method; bias: of each, `[panels, lanes]`, what is added to a sum of it, each times `factor`."""

    method: Method
    passes: tuple[Pass, ...]
    bias: tuple[Int64s, ...]
    factor: int


@dataclass(frozen=True)
class Ready:
    """A layer for inputs of one shape and encoding.

    signs: used instead where no input is 0. spare: of the register. is_proven: that it cannot overflow.
    """

    shape: Geometry
    jobs: tuple[Job, ...]
    signs: Job | None
    spare: int
    is_proven: bool


def make_ready(op: Linear, sample: Shape, source: Encoding, layer: LinearLayer, exact: bool, is_native: bool) -> Ready:
    """Choose, pack and correct. `exact`: sums as a register of 64 bits would hold them."""
    accumulator = layer.accumulator
    assert accumulator is not None
    plain = plain_method(op, layer, source, exact, is_native)
    proven = proven_channels(op, layer, source)
    shape = geometry(op, sample, plain.channels * 2)
    spare = 0 if exact else 64 - accumulator.bits
    if accumulator.overflow == "wrap" or exact or proven.all():
        job = _plain_job(op, shape, source, layer, plain)
        return Ready(shape, (job,), _signs_job(op, shape, source, layer, plain), spare, bool(proven.all()))
    saturating = saturating_method(op, layer, source, is_native)
    shape = geometry(op, sample, saturating.channels * 2)
    parts = [_saturating_job(op, shape, source, layer, saturating)]
    if plain.channels == saturating.channels and plain.digits == 1 and not plain.wide and proven.any():
        other = _plain_job(op, shape, source, layer, plain)
        parts = [_where(parts[0], proven, False), _where(other, proven, True)]
    return Ready(shape, tuple(parts), None, spare, is_proven=False)


def _by_lane(values: Array, channels: Int64s, otherwise: int) -> Int64s:
    """Values of the channel of each lane."""
    return np.where(channels == NO_CHANNEL, otherwise, values[channels]).astype(np.int64)


def _plain_job(op: Linear, shape: Geometry, source: Encoding, layer: LinearLayer, method: Method) -> Job:
    """Inputs are stored as code + offset; what that adds to a sum is a constant of each lane, and taken off here."""
    integers, zero_point = integers_of(layer), affine_of(source)[1].zero_point
    correction = 0 if method.is_planes else method.offset + zero_point
    passes, biases = [], []
    for one in pack(op, integers.factors, shape, method, 0):
        bias = _by_lane(integers.bias, one.channels, 0) - correction * one.weight_sums
        if method.storage == "signs":
            bias = bias + one.depth
        passes.append(_starting(one, np.zeros_like(bias) if method.wide or method.is_planes else bias, method))
        biases.append(bias if method.wide or method.is_planes else np.zeros_like(bias))
    return Job(method, tuple(passes), tuple(biases), -2 if method.storage == "signs" else 1)


def _signs_job(op: Linear, shape: Geometry, source: Encoding, layer: LinearLayer, method: Method) -> Job | None:
    factors, zero_point = integers_of(layer).factors, affine_of(source)[1].zero_point
    alone = all(len(one.cells) == 1 for one in shape.passes)
    if method.storage != "trits" or shape.reads_padding or zero_point != 0 or not alone or not factors.all():
        return None
    return _plain_job(op, shape, source, layer, signs_method(method))


def _saturating_job(op: Linear, shape: Geometry, source: Encoding, layer: LinearLayer, method: Method) -> Job:
    integers, zero_point, accumulator = integers_of(layer), affine_of(source)[1].zero_point, layer.accumulator
    assert accumulator is not None
    corrected = zero_point + method.offset if method.is_native else 0
    bias = overflowed(integers.bias, accumulator.bits, accumulator.overflow)
    limits = [accumulator.low, accumulator.high, zero_point, int(method.to_zero)]
    passes = []
    for one in pack(op, integers.factors, shape, method, corrected):
        trees = np.concatenate([one.work.trees[:3], np.array(limits, np.int64)])
        begun = _starting(one, _by_lane(bias, one.channels, 0), method)
        passes.append(replace(begun, work=begun.work._replace(trees=trees)))
    return Job(method, tuple(passes), tuple(np.zeros(one.channels.shape, np.int64) for one in passes), 1)


def _starting(one: Pass, start: Int64s, method: Method) -> Pass:
    element = method.tile(one.vectors, marks=False).element
    held: Array = start.astype(np.int64)
    if element is np.int32:
        held = held.astype(np.uint64).astype(np.uint32).view(np.int32)  # modulo 2**32
    held = np.repeat(held[:, None], method.digits, axis=1).reshape(len(start), -1)
    return replace(one, work=one.work._replace(start=np.ascontiguousarray(held)))


def _where(job: Job, proven: NDArray[np.bool_], wanted: bool) -> Job:
    """The panels all of whose channels are proven, or the others."""
    kept = [(one.channels == NO_CHANNEL) | proven[one.channels] for one in job.passes]
    masks = [channels.all(axis=1) == wanted for channels in kept]
    chosen = [(_panels(one, mask), bias[mask]) for one, bias, mask in zip(job.passes, job.bias, masks, strict=True)]
    return replace(job, passes=tuple(one for one, _ in chosen), bias=tuple(bias for _, bias in chosen))


def _panels(one: Pass, mask: NDArray[np.bool_]) -> Pass:
    work, cells = one.work, one.cells
    corrections = work.corrections[mask] if len(work.corrections) == len(mask) else work.corrections
    counts = np.diff(cells.first)
    kept = np.repeat(mask, counts)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[mask])])
    return replace(
        one,
        work=work._replace(
            weights=work.weights[mask], sources=work.sources[mask], start=work.start[mask], corrections=corrections
        ),
        cells=Cells(first, *(values[kept] for values in cells[1:])),
        channels=one.channels[mask],
        weight_sums=one.weight_sums[mask],
    )


@dataclass(frozen=True)
class Rescaling:
    """How sums become codes; below: where negative sums have factors of their own, and both are rounded once."""

    constants: Requantization
    below: Requantization | None
    zero_point: int
    low: int
    high: int
    mode: RequantizationMode = "single"


def scale_of(job: Job, number: int, spare: int, rescaling: Rescaling | None) -> Scale:
    """The numbers that finish the sums of one pass."""
    one, bias = job.passes[number], job.bias[number]
    spare = 0 if job.method.tree else spare
    if rescaling is None:
        ones = np.ones_like(bias)
        return Scale(bias, job.factor, spare, ones, ones, ones, ones, ones, ones, ones.astype(np.float32), 0, 0, 0)
    above = _factors(rescaling.constants, one.channels)
    below = above if rescaling.below is None else _factors(rescaling.below, one.channels)
    real = np.ones(bias.shape, np.float32)
    if rescaling.constants.factor is not None:
        real = np.where(one.channels == NO_CHANNEL, real, rescaling.constants.factor[one.channels])
    ends = rescaling.zero_point, rescaling.low, rescaling.high
    return Scale(bias, job.factor, spare, *above, *below, real, *ends)


def _factors(constants: Requantization, channels: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Multiplier, shift and half of each lane."""
    shift = _by_lane(constants.shift, channels, 1)
    return _by_lane(constants.multiplier, channels, 0), shift, np.int64(1) << (shift - 1)
