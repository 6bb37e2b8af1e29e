"""Sums of a multiplying layer as crossbars make them: bit-serial inputs, columns of cells, ADCs, shift and add.

docs/crossbar.md defines what happens. With ideal cells and enough ADC bits the sums are the exact integers, and other
kernels, which are faster, make them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from accelsim.engine.bounds import accumulator_is_proven
from accelsim.engine.crossbar_activity import RowLoads, cell_activity, row_loads
from accelsim.engine.crossbar_cells import FRACTION, NOISE, RowGroup, random_for
from accelsim.engine.crossbar_inputs import Driven, driven
from accelsim.engine.crossbar_matrices import padded, placed, vectors
from accelsim.engine.crossbar_programming import Programmed, programmed
from accelsim.engine.integer_dispatch import Finisher, Operand, sloped
from accelsim.engine.linear_kernel import (
    Array,
    Integers,
    LinearKernel,
    Overflows,
    affine_of,
    channel_axis,
    codes_of_sums,
    integers_of,
)
from accelsim.formats.accumulator import held
from accelsim.formats.lookup import Lookup
from accelsim.formats.quantize import along
from accelsim.ir.constants import Constants, Slopes
from accelsim.ir.crossbar_target import CrossbarTarget
from accelsim.ir.ops import Linear, Product
from accelsim.ir.program import Encoding, LinearLayer
from accelsim.ir.shapes import result_shape

BLOCK = 1 << 20
"""Currents that are held at a time."""
ELEMENTS = 1 << 25
"""Elements of input vectors that are held at a time, more only where one image needs more."""


@dataclass(frozen=True)
class CrossbarKernel:
    """The `LinearKernel` of layers in crossbars; `exact` runs those whose sums are exact.

    threads: of the BLAS. first_image: number of the first image of the batch, by which read noise is drawn. always:
    also run the crossbars of exact layers.
    """

    exact: LinearKernel
    threads: int = 1
    first_image: int = 0
    always: bool = False
    _programmed: dict[tuple[object, ...], tuple[LinearLayer, list[Programmed]]] = field(default_factory=dict)
    _loads: dict[tuple[object, ...], tuple[LinearLayer, list[RowLoads]]] = field(default_factory=dict)

    def from_image(self, first: int) -> "CrossbarKernel":
        """The same cells for a batch that begins at another image."""
        return replace(self, first_image=first)

    def sums(
        self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, overflows: Overflows | None = None
    ) -> Integers:
        """See `LinearKernel`. The accumulator acts once, on the finished sum."""
        crossbar, accumulator = layer.crossbar, layer.accumulator
        assert accumulator is not None
        self._watch(op, x, source, layer, overflows)
        if crossbar is None or self._is_exact(op, source, layer, crossbar):
            return self.exact.sums(op, x, source, layer, overflows)
        from threadpoolctl import threadpool_limits

        shape = (len(x), *result_shape(op, x.shape[1:]))
        images = padded(op, x, affine_of(source)[1].zero_point)
        cells = self._cells(op, x.shape[1:], layer, crossbar)
        made, clipped = [], 0
        with threadpool_limits(self.threads, user_api="blas"):
            for number, one in enumerate(cells):
                read, more = self._read(op, images, number, one, source, crossbar)
                made.append((one.part, read))
                clipped += more
        finished = placed(op, shape, made, crossbar.form)
        finished += along(integers_of(layer).bias, finished.ndim, channel_axis(op, finished))
        sums = held(finished, accumulator)
        if overflows is not None:
            overflows.outputs += int(np.count_nonzero(sums != finished))
            overflows.adc_clipped += clipped
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
        """See `LinearKernel`."""
        if layer.crossbar is None or self._is_exact(op, source, layer, layer.crossbar):
            self._watch(op, x, source, layer, overflows)
            return self.exact.codes(op, x, source, layer, out, relu, overflows)
        format, _ = affine_of(out)
        sums = self.sums(op, x, source, layer, overflows)
        return codes_of_sums(op, sums, layer, out, relu).astype(format.dtype, copy=False)

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
        """See `LinearKernel`."""
        if layer.crossbar is None or self._is_exact(op, source, layer, layer.crossbar):
            self._watch(op, x, source, layer, overflows)
            return self.exact.sloped(op, x, source, layer, slopes, dtype, overflows)
        return sloped(self.sums(op, x, source, layer, overflows), slopes).astype(dtype)

    def looked_up(self, codes: Array, table: Lookup, dtype: type[np.signedinteger[Any]]) -> Array:
        """See `LinearKernel`."""
        return self.exact.looked_up(codes, table, dtype)

    def product(self, op: Product, constants: Constants, finisher: Finisher, first: Operand, second: Operand) -> Array:
        """See `LinearKernel`."""
        return self.exact.product(op, constants, finisher, first, second)

    def _is_exact(self, op: Linear, source: Encoding, layer: LinearLayer, crossbar: CrossbarTarget) -> bool:
        if self.always or not crossbar.is_exact:
            return False
        assert layer.accumulator is not None
        return layer.accumulator.overflow == "wrap" or accumulator_is_proven(op, layer, source)

    def _watch(self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, overflows: Overflows | None) -> None:
        """Count what these codes drive through the cells of a layer."""
        if layer.crossbar is None or overflows is None:
            return
        key = id(layer), op, x.shape[1:]
        if key not in self._loads:
            self._loads[key] = layer, list(row_loads(op, x.shape[1:], layer, layer.crossbar))
        overflows.cells += cell_activity(op, x, source, self._loads[key][1], layer.crossbar)

    def _cells(
        self, op: Linear, sample: tuple[int, ...], layer: LinearLayer, crossbar: CrossbarTarget
    ) -> list[Programmed]:
        key = id(layer), op, sample
        if key not in self._programmed:  # the layer is kept too: its id stays its own as long as it lives
            self._programmed[key] = layer, list(programmed(op, sample, layer, crossbar))
        return self._programmed[key][1]

    def _read(
        self, op: Linear, images: Array, number: int, one: Programmed, source: Encoding, crossbar: CrossbarTarget
    ) -> tuple[Integers, int]:
        """Sums of one matrix `[N * positions, outputs]` without bias, and how many conversions clipped."""
        part, inputs = one.part, driven(source, crossbar.dac_bits)
        total = np.zeros((len(images) * part.positions, one.factors.shape[1]), np.int64)
        zero_point, clipped = affine_of(source)[1].zero_point, 0
        at_once = max(1, ELEMENTS // max(1, part.positions * len(one.factors)))
        for first in range(0, len(images), at_once):
            some = vectors(op, part, images[first : first + at_once])
            sums = total[first * part.positions :][: len(some)]
            sums += _by_hand(some, one, inputs, zero_point)
            for place, group in enumerate(one.groups):
                seeds = [(NOISE, number, place, self.first_image + first + i) for i in range(len(images))]
                clipped += _converted(some[:, group.first : group.last], group, one, inputs, crossbar, seeds, sums)
        return total, clipped


def _by_hand(codes: Array, one: Programmed, inputs: Driven, zero_point: int) -> Integers:
    """What the digital side adds for offsets of inputs and weights and for the zero point, exactly.

    (sum(W) + w)(sum(X) + x) - z F, without what the columns make, sum(W X): sum of the inputs and sums of weights.
    """
    if inputs.is_binary:  # masked inputs have no offset
        constant = (codes != 0).astype(np.int64) @ one.factors * inputs.rest
        summed = 2 * np.count_nonzero(codes == 1, axis=1)
    else:
        constant = (inputs.rest - zero_point) * one.factors.sum(0)
        summed = codes.sum(axis=1, dtype=np.int64) - inputs.rest * codes.shape[1]
    return np.asarray(constant + summed[:, None] * one.stored.rest)


def _converted(
    codes: Array,
    group: RowGroup,
    one: Programmed,
    inputs: Driven,
    crossbar: CrossbarTarget,
    seeds: Sequence[tuple[int, ...]],
    sums: Integers,
) -> int:
    """Drive codes `[positions of all images, rows]` through one row group and add what its ADCs say to `sums`."""
    from accelsim.engine.kernels.crossbar import converter  # numba: only where crossbars run

    convert, clipped = converter(), 0
    noise, units = crossbar.cells.read_noise_levels, 1 << FRACTION
    cycles, columns = len(inputs.significance), group.conductance.shape[1]
    length = one.part.positions if noise else len(codes)
    for (first, last), random in _blocks(len(codes), length, max(1, BLOCK // (cycles * columns)), crossbar, seeds):
        digits = inputs.digits(codes[first:last])
        currents = digits.reshape(-1, digits.shape[2]).astype(group.conductance.dtype) @ group.conductance
        if noise:
            currents = currents + noise * units * random.standard_normal(currents.shape)
        clipped += convert(
            currents.reshape(-1, cycles, columns),
            1.0 / (units * crossbar.adc_step),
            float((1 << crossbar.adc_bits) - 1),
            crossbar.adc_step,
            crossbar.highest_level,
            digits.sum(2, dtype=np.int64),
            group.flipped,
            inputs.significance,
            one.stored.significance,
            sums[first:last],
        )
    return clipped


def _blocks(
    total: int, length: int, most: int, crossbar: CrossbarTarget, seeds: Sequence[tuple[int, ...]]
) -> Iterator[tuple[tuple[int, int], np.random.Generator]]:
    """Ranges of positions within runs of `length`, at most `most` long, with the random numbers of their run."""
    for number, start in enumerate(range(0, total, max(1, length))):
        random = random_for(crossbar, *seeds[number])
        stop = min(total, start + length)
        for first in range(start, stop, most):
            yield (first, min(stop, first + most)), random
