"""The compiled counterpart of `ReferenceKernel`."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from threading import RLock
from typing import Any

import numpy as np

from accelsim.engine.integer_ops import Finisher, Operand, sloped
from accelsim.engine.kernels import native
from accelsim.engine.kernels.entries import fast_looked_up
from accelsim.engine.kernels.fast_products import fast_product
from accelsim.engine.kernels.inputs import stored
from accelsim.engine.kernels.jobs import Job, Ready, Rescaling, make_ready, scale_of
from accelsim.engine.kernels.skeleton import Finish, Scale, make_driver
from accelsim.engine.kernels.workers import Workers
from accelsim.engine.linear_kernel import Array, Integers, Overflows, affine_of, codes_of_sums, integers_of
from accelsim.formats.accumulator import wrap
from accelsim.formats.affine import AffineInt
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.lookup import Lookup
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.requantize import MAX_SHIFT, Requantization
from accelsim.formats.rescale import Rescale
from accelsim.formats.ternary import Ternary
from accelsim.ir.constants import Constants, Slopes
from accelsim.ir.ops import Dense, Linear, Product
from accelsim.ir.program import Encoding, LinearLayer

_driver = cache(make_driver)
LEAST = 1 << 30
"""Of the multipliers that `double` is compiled for, but for 0."""


class FastKernel:
    """Compiled kernels behind the `LinearKernel` interface, bit-identical to `ReferenceKernel`.

    Weights are packed the first time a layer runs and kept, with the layer, for as long as this object lives. Images
    come out as `[N, C, H, W]` views of memory that holds them pixel by pixel, which is how the next layer reads them.
    Several threads may use one kernel at a time.
    """

    def __init__(self, threads: int = 1, is_native: bool = True) -> None:
        """Work is split over `threads` threads; results do not depend on it. Raises AccelsimError below 1.

        `is_native`: use the instructions of this CPU where it has them, else plain loops.
        """
        self._workers = Workers(threads)
        self._making = RLock()
        self._is_native = is_native and native.available()
        self._ready: dict[tuple[object, ...], tuple[LinearLayer, Ready]] = {}
        self._constants: dict[int, tuple[object, Requantization]] = {}
        self._scales: dict[tuple[object, ...], tuple[Job, Rescaling | None, tuple[Scale, ...]]] = {}

    def sums(
        self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, overflows: Overflows | None = None
    ) -> Integers:
        """See `LinearKernel`. x holds int8 or int16 codes."""
        accumulator = layer.accumulator
        assert accumulator is not None
        if not self._is_counted_apart(op, x, source, layer, overflows):
            return self._run(op, x, source, layer, None, np.int64, overflows)
        assert overflows is not None
        exact = self._run(op, x, source, layer, None, np.int64, None, exact=True)
        sums = wrap(exact, accumulator)
        overflows.outputs += int(np.count_nonzero(sums != exact))
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
        constants = integers_of(layer).requantization
        format, scaling = affine_of(out)
        assert constants is not None
        counted = self._is_counted_apart(op, x, source, layer, overflows)
        if counted or not _is_fused(format, constants):
            sums = self.sums(op, x, source, layer, overflows)
            return codes_of_sums(op, sums, layer, out, relu).astype(format.dtype, copy=False)
        low = max(format.low, scaling.zero_point) if relu else format.low
        raised = self._raised(id(constants), constants, lambda: _without_pure_shifts(constants))
        mode = "single" if isinstance(format, FixedPoint) else constants.mode
        rescaling = Rescaling(raised, None, scaling.zero_point, low, format.high, mode)
        return self._run(op, x, source, layer, rescaling, format.dtype, overflows)

    def sloped(
        self,
        op: Linear,
        x: Array,
        source: Encoding,
        layer: LinearLayer,
        slopes: Slopes,
        dtype: type[np.signedinteger[Any]],
        overflows: Overflows | None = None,
    ) -> Array:
        """What `integer_ops.sloped` makes of `sums`, as codes of `dtype`; in one pass where that is exact."""
        landing = slopes.landing
        fused = landing.rounding == "rnd" and landing.overflow in ("sat", "sat_sym") and not landing.sign
        if fused and not self._is_counted_apart(op, x, source, layer, overflows):
            ready = self._prepared(op, x, source, layer, exact=False)
            if not any(job.method.wide for job in ready.jobs):
                channels = ready.shape.out[0]
                above, below = (
                    self._raised(id(one), one, partial(_per_channel, one, channels))
                    for one in (slopes.positive, slopes.negative)
                )
                rescaling = Rescaling(above, below, landing.zero_point, landing.low, landing.high)
                return self._run(op, x, source, layer, rescaling, dtype, overflows)
        return sloped(self.sums(op, x, source, layer, overflows), slopes).astype(dtype)

    def looked_up(self, codes: Array, table: Lookup, dtype: type[np.signedinteger[Any]]) -> Array:
        """See `LinearKernel`."""
        return fast_looked_up(codes, table, dtype)

    def product(self, op: Product, constants: Constants, finisher: Finisher, first: Operand, second: Operand) -> Array:
        """See `LinearKernel`."""
        return fast_product(op, constants, finisher, (first, second), self._workers, self._is_native)

    def _is_counted_apart(
        self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, overflows: Overflows | None
    ) -> bool:
        """Whether overflows are to be counted that only exact sums show: of a register that wraps, and may."""
        assert layer.accumulator is not None
        if overflows is None or layer.accumulator.overflow != "wrap":
            return False
        return not self._prepared(op, x, source, layer, exact=False).is_proven

    def _raised(self, key: int, kept: object, make: Callable[[], Requantization]) -> Requantization:
        """Constants as the compiled loops take them, made once for each object `kept`, which keeps its id."""
        with self._making:
            if key not in self._constants:
                self._constants[key] = kept, make()
            return self._constants[key][1]

    def _run(
        self,
        op: Linear,
        x: Array,
        source: Encoding,
        layer: LinearLayer,
        rescaling: Rescaling | None,
        dtype: type[np.signedinteger[Any]],
        overflows: Overflows | None,
        exact: bool = False,
    ) -> Array:
        ready = self._prepared(op, x, source, layer, exact)
        zero_point = affine_of(source)[1].zero_point
        channels, rows, columns = ready.shape.out
        result = np.empty((len(x), rows, columns, channels), dtype)
        inputs: dict[tuple[object, ...], Array] = {}
        finish_as: Finish = "sums"
        if rescaling is not None:
            finish_as = rescaling.mode if rescaling.below is None else "slopes"
        jobs = (ready.signs,) if ready.signs is not None and np.count_nonzero(x) == x.size else ready.jobs
        for job in jobs if result.size else ():
            kind = job.method.storage, job.method.offset
            if kind not in inputs:
                inputs[kind] = stored(op, x, ready.shape, job, zero_point, self._workers)
            scales = self._scaled(job, ready, rescaling)
            overflown = self._run_job(job, scales, inputs[kind], result, finish_as, overflows is not None)
            if overflows is not None:
                overflows.outputs += overflown
        if isinstance(op, Dense):
            return result.reshape(len(x), *ready.shape.out_shape)
        return result.transpose(0, 3, 1, 2)

    def _prepared(self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, exact: bool) -> Ready:
        format, scaling = affine_of(source)
        key = id(layer), op, x.shape[1:], format.low, format.high, scaling.zero_point, exact
        with self._making:
            if key not in self._ready:
                # the layer is kept too: its id stays its own as long as it lives
                self._ready[key] = layer, make_ready(op, x.shape[1:], source, layer, exact, self._is_native)
            return self._ready[key][1]

    def _scaled(self, job: Job, ready: Ready, rescaling: Rescaling | None) -> tuple[Scale, ...]:
        key: tuple[object, ...] = (id(job),)
        if rescaling is not None:
            constants = id(rescaling.constants), id(rescaling.below)
            key = id(job), *constants, rescaling.zero_point, rescaling.low, rescaling.high
        with self._making:
            if key not in self._scales:
                scales = tuple(scale_of(job, number, ready.spare, rescaling) for number in range(len(job.passes)))
                self._scales[key] = job, rescaling, scales
            return self._scales[key][2]

    def _run_job(
        self, job: Job, scales: tuple[Scale, ...], inputs: Array, result: Array, finish_as: Finish, counts: bool
    ) -> int:
        saturates, out, tasks = job.method.tree > 0, result.reshape(-1), []
        for one, scale in zip(job.passes, scales, strict=True):
            with self._making:
                tile = job.method.tile(one.vectors, counts and saturates)
                driver = _driver(tile, finish_as)
            total = len(result) * one.grid.pixels if len(one.work.sources) else 0
            for first, last in self._workers.shares(total, tile.tall):
                tasks.append(partial(driver, first, last, inputs, one.work, one.grid, one.cells, scale, out))
        overflown = sum(self._workers.results(tasks))
        return overflown if counts and saturates else 0


def _is_fused(format: IntegerFormat, constants: Requantization) -> bool:
    """Whether the compiled loops requantize as this format does: clamped, fixed point to nearest with ties upward."""
    if isinstance(format, FixedPoint):
        return format.rounding == "rnd" and format.overflow in ("sat", "sat_sym")
    multipliers = constants.multiplier
    known = constants.mode != "double" or bool(((multipliers == 0) | (multipliers >= LEAST)).all())
    return known and isinstance(format, AffineInt | Ternary)


def _without_pure_shifts(constants: Requantization) -> Requantization:
    """The same factors as multipliers up to 2**30 and shifts of 1 .. 62, which is what the compiled loops take."""
    pure = constants.multiplier == 1
    raised = np.where(pure, np.minimum(30, MAX_SHIFT - constants.shift), 0)
    return replace(constants, multiplier=constants.multiplier << raised, shift=constants.shift + raised)


def _per_channel(factors: Rescale, channels: int) -> Requantization:
    """Factors that broadcast over channels, one for each."""
    multiplier, shift = (np.broadcast_to(part.reshape(-1), channels) for part in (factors.multiplier, factors.shift))
    raised = np.where(np.abs(multiplier) == 1, np.minimum(30, MAX_SHIFT - shift), 0)
    return Requantization(multiplier << raised, shift + raised)
