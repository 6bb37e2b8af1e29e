"""The compiled counterpart of `ReferenceKernel`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.kernels.packing import PackedLayer, pack_layer
from accelsim.engine.kernels.windows import Epilogue, Int16s, Int64s, run_windows
from accelsim.engine.linear_kernel import Array, Integers, Overflows, affine_of, channel_axis, integers_of
from accelsim.errors import AccelsimError
from accelsim.formats.binary import Binary, signs
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.requantize import MAX_SHIFT, Requantization, requantize_fixed
from accelsim.ir.ops import Dense, Linear, Shape
from accelsim.ir.program import Encoding, LinearLayer

_NO_SUMS, _NO_CODES = np.empty(0, np.int64), np.empty(0, np.int16)
_Key = tuple[int, Linear, Shape, int, int]


class FastKernel:
    """Compiled kernels behind the `LinearKernel` interface, bit-identical to `ReferenceKernel`.

    Weights are packed the first time a layer runs and kept, with their codes, for as long as this object lives.
    """

    def __init__(self, threads: int = 1) -> None:
        """Work is split over `threads` threads; results do not depend on it. Raises AccelsimError below 1."""
        if threads < 1:
            raise AccelsimError(f"threads={threads}: expected 1 or more")
        self._threads = threads
        self._packed: dict[_Key, tuple[NDArray[Any], PackedLayer]] = {}

    def sums(
        self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, overflows: Overflows | None = None
    ) -> Integers:
        """See `LinearKernel`. x holds int8 or int16 codes."""
        zero_point = affine_of(source)[1].zero_point
        packed = self._pack(op, x, layer)
        sums = np.empty((len(x), *packed.out_shape), np.int64)
        unused = np.ones(len(integers_of(layer).bias), np.int64)
        scale = _Scale(Requantization(unused, unused), 0, 0, 0)
        image, epilogues = _padded(op, packed, x, zero_point), _epilogues(packed, zero_point, layer, scale)
        self._run(image, packed, epilogues, sums, _NO_CODES)
        return sums

    def codes(
        self,
        op: Linear,
        x: Array,
        source: Encoding,
        layer: LinearLayer,
        out: Encoding,
        relu: bool,
        overflows: Overflows | None = None,
    ) -> Array:
        """See `LinearKernel`. x holds int8 or int16 codes; the result has the dtype of the output format."""
        constants, zero_point = integers_of(layer).requantization, affine_of(source)[1].zero_point
        format, scaling = affine_of(out)
        assert constants is not None
        if isinstance(format, FixedPoint):
            if not _rounds_as_affine(format):
                sums = self.sums(op, x, source, layer, overflows)
                return requantize_fixed(sums, constants, format, relu, channel_axis(op, sums)).astype(format.dtype)
            constants = _without_pure_shifts(constants)
        if isinstance(format, Binary):
            return signs(self.sums(op, x, source, layer, overflows)).astype(format.dtype)
        packed = self._pack(op, x, layer)
        low = max(format.low, scaling.zero_point) if relu else format.low
        codes = np.empty((len(x), *packed.out_shape), np.int16)
        scale = _Scale(constants, scaling.zero_point, low, format.high)
        image, epilogues = _padded(op, packed, x, zero_point), _epilogues(packed, zero_point, layer, scale)
        self._run(image, packed, epilogues, _NO_SUMS, codes)
        return codes.astype(format.dtype, copy=False)

    def _pack(self, op: Linear, x: Array, layer: LinearLayer) -> PackedLayer:
        codes, accumulator = integers_of(layer).factors, layer.accumulator
        assert accumulator is not None
        reach = 1 << 7 if x.dtype == np.int8 else 1 << 15
        key = id(codes), op, x.shape[1:], reach, accumulator.bits
        if key not in self._packed:
            # the codes are kept too: their id stays theirs as long as they live
            self._packed[key] = codes, pack_layer(op, x.shape[1:], codes, reach, accumulator.bits <= 32)
        return self._packed[key][1]

    def _run(self, image: Int16s, packed: PackedLayer, epilogues: list[Epilogue], sums: Int64s, codes: Int16s) -> None:
        tasks = [
            (first, last, image.reshape(-1), phase.work, epilogue, sums.reshape(-1), codes.reshape(-1))
            for phase, epilogue in zip(packed.phases, epilogues, strict=True)
            for first, last in _shares(len(image) * phase.work.grid.pixels, self._threads)
        ]
        if self._threads == 1:
            for task in tasks:
                run_windows(*task)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                for done in [pool.submit(run_windows, *task) for task in tasks]:
                    done.result()


@dataclass(frozen=True)
class _Scale:
    """How sums become codes."""

    constants: Requantization
    zero_point: int
    low: int
    high: int


def _rounds_as_affine(format: FixedPoint) -> bool:
    """Whether the compiled loops requantize as this format does: nearest with ties upward, clamped."""
    return format.rounding == "rnd" and format.overflow in ("sat", "sat_sym")


def _without_pure_shifts(constants: Requantization) -> Requantization:
    """The same factors as multipliers up to 2**30 and shifts of 1 .. 62, which is what the compiled loops take."""
    pure = constants.multiplier == 1
    raised = np.minimum(30, MAX_SHIFT - constants.shift)
    return Requantization(
        np.where(pure, 1 << raised, constants.multiplier), np.where(pure, constants.shift + raised, constants.shift)
    )


def _epilogues(packed: PackedLayer, zero_point: int, layer: LinearLayer, scale: _Scale) -> list[Epilogue]:
    """One for each phase: windows hold codes, and their zero point is a constant of each phase and channel."""
    assert layer.accumulator is not None
    bias, spare = integers_of(layer).bias, 64 - layer.accumulator.bits
    multiplier, shift = scale.constants.multiplier.astype(np.int64), scale.constants.shift.astype(np.int64)
    clamp = scale.zero_point, scale.low, scale.high
    return [
        Epilogue(bias - zero_point * phase.weight_sums, spare, multiplier, shift, *clamp) for phase in packed.phases
    ]


def _padded(op: Linear, packed: PackedLayer, x: Array, zero_point: int) -> Int16s:
    """Codes `[N, H, W, C]` with the zero point around them: real zeros."""
    channels, height, width = packed.image
    if isinstance(op, Dense):
        return x.astype(np.int16, order="C").reshape(len(x), height, width, channels)
    (top, bottom), (left, right) = packed.padding
    padded = np.full((len(x), top + height + bottom, left + width + right, channels), zero_point, np.int16)
    padded[:, top : top + height, left : left + width] = x.transpose(0, 2, 3, 1)
    return padded


def _shares(total: int, parts: int) -> list[tuple[int, int]]:
    cuts = [total * i // parts for i in range(parts + 1)]
    return [(a, b) for a, b in pairwise(cuts) if a < b]
