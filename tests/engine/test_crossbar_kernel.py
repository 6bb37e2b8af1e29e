"""Crossbars: exact where nothing is lost, and otherwise as scalar loops over cells, cycles and conversions say."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.engine.crossbar_cells import FRACTION, row_groups, stored_levels
from accelsim.engine.crossbar_kernel import CrossbarKernel
from accelsim.engine.linear_kernel import Overflows, affine_of
from accelsim.engine.reference import ReferenceKernel
from accelsim.errors import AccelsimError, GraphError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, ChannelScaling, Scaling
from accelsim.formats.binary import Binary
from accelsim.formats.codebook import Codebook
from accelsim.formats.number_format import WeightFormat
from accelsim.formats.requantize import Requantization
from accelsim.formats.ternary import Ternary
from accelsim.ir.crossbar_target import CellEffects, CrossbarTarget
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
from accelsim.ir.shapes import result_shape

Array = np.ndarray[Any, Any]
ONE = np.ones(1)
FORMS = ["zero_insert", "scatter", "phase", "phase_layers"]


@dataclass(frozen=True)
class Case:
    op: Linear
    x: Array
    source: Encoding
    layer: LinearLayer


def crossbar(rows: int, cell_bits: int, dac_bits: int = 1, flips: bool = False, **changes: Any) -> CrossbarTarget:
    """Crossbars of 8 columns with as many ADC bits as they need."""
    largest = rows * ((1 << dac_bits) - 1) * ((1 << cell_bits) - 1) // (2 if flips else 1)
    made = CrossbarTarget(
        "layer", rows, 8, cell_bits, "offset", flips, dac_bits, largest.bit_length(), 1, largest, "phase"
    )
    return replace(made, **changes)


@st.composite
def operators(draw: st.DrawFn) -> tuple[Linear, Shape]:
    def some(low: int, high: int, count: int = 2) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    kind, groups = draw(st.sampled_from([Dense, Conv2d, ConvTranspose2d])), draw(st.integers(1, 2))
    if kind is Dense:
        features, out = some(1, 20)
        return Dense(features, out, True), (*some(1, 2, draw(st.integers(0, 1))), features)
    each_in, each_out = some(1, 3)
    low = 0 if kind is Conv2d else -2
    op = kind(each_in * groups, each_out * groups, some(1, 4), some(1, 3), some(1, 2), some(low, 3, 4), groups, True)
    shape = (each_in * groups, *some(1, 4))
    try:
        result_shape(op, shape)
    except GraphError:
        assume(False)
    return op, shape


def weights_of(format: WeightFormat, shape: Shape, rng: np.random.Generator, op: Linear) -> IntegerWeights:
    """Codes of the whole range, and for asymmetric ones a zero point for each output channel."""
    bias = rng.integers(-1000, 1000, parameter_shapes(op)["bias"])
    constants = Requantization(rng.integers(1 << 20, 1 << 24, bias.shape), np.full(bias.shape, 30))
    if isinstance(format, Codebook):
        codes, levels = rng.integers(0, 16, shape), rng.integers(-128, 128, 16)
        return IntegerWeights(codes.astype(np.int8), Scaling(ONE, 0), bias, constants, levels[codes].astype(np.int16))
    if isinstance(format, Binary):
        return IntegerWeights(rng.choice(np.array([-1, 1]), shape).astype(np.int8), Scaling(ONE, 0), bias, constants)
    assert isinstance(format, AffineInt | Ternary)
    codes = rng.integers(format.low, format.high + 1, shape)
    if isinstance(format, Ternary) or format.symmetric:
        return IntegerWeights(codes.astype(np.int16), Scaling(ONE, 0), bias, constants)
    zero = rng.integers(format.low, format.high + 1, bias.shape)
    if isinstance(op, ConvTranspose2d):  # [in, out / groups, ...]
        grouped = codes.reshape(op.groups, -1, *codes.shape[1:])
        factors = (grouped - zero.reshape(op.groups, 1, -1, 1, 1)).reshape(codes.shape)
    else:
        factors = codes - zero.reshape(-1, *[1] * (codes.ndim - 1))
    scaling = ChannelScaling(np.ones(len(zero)), zero)
    return IntegerWeights(codes.astype(np.int16), scaling, bias, constants, factors.astype(np.int16))


WEIGHTS: list[WeightFormat] = [
    *(AffineInt(bits, "channel", symmetric=symmetric) for bits in (2, 3, 4, 8) for symmetric in (True, False)),
    Binary(),
    Ternary("twn"),
    Codebook(16),
]
INPUTS: list[AffineInt | Binary] = [
    *(AffineInt(bits, "tensor", symmetric=False) for bits in (2, 5, 8)),
    AffineInt(12, "tensor", symmetric=True),
    Binary(),
]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    op, shape = draw(operators())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights, inputs = draw(st.sampled_from(WEIGHTS)), draw(st.sampled_from(INPUTS))
    sized = draw(st.integers(1, 3)), *shape
    if isinstance(inputs, AffineInt):
        zero = 0 if inputs.symmetric else int(rng.integers(inputs.low, inputs.high + 1))
        x: Array = rng.integers(inputs.low, inputs.high + 1, sized).astype(inputs.dtype)
    else:
        zero, x = 0, rng.choice(np.array([-1, 1], np.int8), sized)
    made = weights_of(weights, parameter_shapes(op)["weight"], rng, op)
    return Case(op, x, Encoding(inputs, Scaling(ONE, zero)), LinearLayer(weights, Accumulator(48), made))


def sums(case: Case, target: CrossbarTarget, first: int = 0, images: slice = slice(None)) -> Array:
    kernel = CrossbarKernel(ReferenceKernel(), first_image=first, always=True)
    return kernel.sums(case.op, case.x[images], case.source, replace(case.layer, crossbar=target))


@settings(max_examples=150, deadline=None)
@given(
    cases(),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["offset", "differential"]),
    st.sampled_from(FORMS),
)
def test_ideal_cells_and_enough_bits_give_the_exact_sums(
    case: Case, rows: int, cell_bits: int, dac_bits: int, flips: bool, encoding: str, form: str
) -> None:
    target = crossbar(rows, cell_bits, dac_bits, flips, encoding=encoding, form=form)
    assert target.is_exact
    overflows = Overflows()
    kernel = CrossbarKernel(ReferenceKernel(), always=True)
    made = kernel.sums(case.op, case.x, case.source, replace(case.layer, crossbar=target), overflows)
    np.testing.assert_array_equal(made, ReferenceKernel().sums(case.op, case.x, case.source, case.layer))
    assert (overflows.outputs, overflows.adc_clipped) == (0, 0)


def scalar_dense(case: Case, target: CrossbarTarget) -> tuple[Array, int]:
    """A dense layer with int weights, cell by cell and conversion by conversion, in Python numbers."""
    weights, zero = case.layer.integers, affine_of(case.source)[1].zero_point
    assert weights is not None
    bits_w, bits_x = case.layer.weights.bits, case.source.format.bits
    top, most = (1 << target.cell_bits) - 1, (1 << target.adc_bits) - 1
    slices = -(-bits_w // target.cell_bits)
    signs = (1, -1) if target.encoding == "differential" else (0,)
    sums, clipped = np.zeros((len(case.x), len(weights.codes)), np.int64), 0
    for n, image in enumerate(case.x.tolist()):
        for k, row in enumerate(weights.codes.tolist()):
            total = int(weights.bias[k])
            for first in range(0, len(row), target.rows):
                group = range(first, min(first + target.rows, len(row)))
                for sign in signs:
                    stored = {i: max(sign * row[i], 0) if sign else row[i] + (1 << bits_w - 1) for i in group}
                    for s in range(slices):
                        level = {i: stored[i] >> s * target.cell_bits & top for i in group}
                        flip = target.flips and 2 * sum(level.values()) > top * len(group)
                        for c in range(bits_x):
                            bit = {i: image[i] >> c & 1 for i in group}
                            current = sum(bit[i] * (top - level[i] if flip else level[i]) for i in group)
                            step = (current * 2 + target.adc_step) // (2 * target.adc_step)
                            clipped += step > most
                            value = min(step, most) * target.adc_step
                            value = top * sum(bit.values()) - value if flip else value
                            place = -(1 << c) if c == bits_x - 1 else 1 << c
                            total += (sign or 1) * place * (value << s * target.cell_bits)
                if target.encoding == "offset":
                    total -= (1 << bits_w - 1) * sum(image[i] for i in group)
            sums[n, k] = total - zero * sum(row)
    return sums, clipped


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from([3, 4, 8]),
    st.sampled_from([2, 5]),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([1, 2, 4]),
    st.booleans(),
    st.sampled_from(["offset", "differential"]),
)
def test_coarse_converters_give_what_scalar_loops_give(
    seed: int, features: int, bits: int, input_bits: int, cell: int, adc: int, step: int, flips: bool, encoding: str
) -> None:
    rng = np.random.default_rng(seed)
    op, inputs = Dense(features, 3, True), AffineInt(input_bits, "tensor", symmetric=False)
    format = AffineInt(bits, "channel", symmetric=True)
    x = rng.integers(inputs.low, inputs.high + 1, (2, features)).astype(np.int8)
    layer = LinearLayer(format, Accumulator(48), weights_of(format, (3, features), rng, op))
    case = Case(op, x, Encoding(inputs, Scaling(ONE, int(rng.integers(-2, 2)))), layer)
    target = crossbar(5, cell, flips=flips, adc_bits=adc, adc_step=step, encoding=encoding)
    expected, clipped = scalar_dense(case, target)
    overflows = Overflows()
    kernel = CrossbarKernel(ReferenceKernel(), always=True)
    made = kernel.sums(op, x, case.source, replace(layer, crossbar=target), overflows)
    np.testing.assert_array_equal(made, expected)
    assert overflows.adc_clipped == clipped


EFFECTS = [
    CellEffects(sigma_relative=0.1),
    CellEffects(sigma_relative=0.3, variation="normal", seed=3),
    CellEffects(stuck_on=0.1, stuck_off=0.2),
    CellEffects(read_noise_levels=1.5),
    CellEffects(off_level=0.2),
    CellEffects(wire_levels=0.01),
]


def transposed() -> Case:
    rng = np.random.default_rng(5)
    op = ConvTranspose2d(6, 4, (4, 4), (2, 2), (1, 1), (1, 1, 1, 1), 1, True)
    inputs, format = AffineInt(8, "tensor", symmetric=False), AffineInt(8, "channel", symmetric=True)
    x = rng.integers(-128, 128, (7, 6, 5, 5)).astype(np.int8)
    weights = weights_of(format, (6, 4, 4, 4), rng, op)
    return Case(op, x, Encoding(inputs, Scaling(ONE, 3)), LinearLayer(format, Accumulator(32), weights))


@pytest.mark.parametrize("effects", EFFECTS, ids=str)
@pytest.mark.parametrize("form", FORMS[:3])
def test_every_effect_acts_and_does_not_depend_on_the_batch(effects: CellEffects, form: str) -> None:
    case, target = transposed(), crossbar(16, 2, form=form, cells=effects)
    assert not target.is_exact
    whole = sums(case, target)
    assert (whole != ReferenceKernel().sums(case.op, case.x, case.source, case.layer)).any()
    split = [sums(case, target, first, slice(first, last)) for first, last in ((0, 1), (1, 4), (4, 7))]
    np.testing.assert_array_equal(np.concatenate(split), whole)
    kernel = CrossbarKernel(ReferenceKernel())  # the cells of one kernel serve batches of any size
    layer = replace(case.layer, crossbar=target)
    again = [kernel.from_image(i).sums(case.op, case.x[i : i + 1], case.source, layer) for i in range(7)]
    np.testing.assert_array_equal(np.concatenate(again), whole)


def test_blocks_of_positions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = transposed()
    for effects in (CellEffects(), CellEffects(read_noise_levels=1.0), CellEffects(sigma_relative=0.2)):
        target = crossbar(16, 2, cells=effects)
        whole = sums(case, target)
        monkeypatch.setattr("accelsim.engine.crossbar_kernel.BLOCK", 700)
        monkeypatch.setattr("accelsim.engine.crossbar_kernel.ELEMENTS", 600)
        np.testing.assert_array_equal(sums(case, target), whole)
        monkeypatch.undo()


def test_another_chip_and_another_layer_have_other_cells() -> None:
    case, target = transposed(), crossbar(16, 2, cells=CellEffects(sigma_relative=0.1))
    seeds = [target, replace(target, cells=replace(target.cells, seed=1)), replace(target, layer="other")]
    made = [sums(case, one) for one in (*seeds, target)]
    assert (made[0] != made[1]).any() and (made[0] != made[2]).any() and (made[0] == made[3]).all()


def cells(levels: Array, target: CrossbarTarget) -> Array:
    """Conductances in levels of one crossbar that holds these levels `[rows, columns]`, one slice a weight."""
    stored = stored_levels(AffineInt(2, "channel", symmetric=False), levels - 2, levels - 2, target)
    (group,) = row_groups(stored, target, 0)
    return np.asarray(group.conductance / (1 << FRACTION), np.float64)


def test_variation_has_the_mean_and_the_spread_that_is_asked_for() -> None:
    levels = np.full((300, 300), 2)
    for variation in ("lognormal", "normal"):
        made = cells(levels, crossbar(300, 2, cells=CellEffects(sigma_relative=0.1, variation=variation)))
        assert made.mean() == pytest.approx(2, rel=2e-3) and made.std() == pytest.approx(0.2, rel=2e-2)
    assert (cells(levels * 0, crossbar(300, 2, cells=CellEffects(sigma_relative=0.1))) == 0).all()


def test_as_many_cells_are_stuck_as_asked_for() -> None:
    made = cells(np.full((300, 300), 1), crossbar(300, 2, cells=CellEffects(stuck_on=0.05, stuck_off=0.1)))
    assert (made == 3).mean() == pytest.approx(0.05, rel=0.1) and (made == 0).mean() == pytest.approx(0.1, rel=0.1)
    assert set(np.unique(made)) == {0, 1, 3}


def solved(conductance: Array, wire: float) -> Array:
    """Currents of the columns of a resistive network with all rows driven at 1 V, by Kirchhoff's laws."""
    rows, cols = conductance.shape
    number = np.arange(2 * rows * cols).reshape(2, rows, cols)  # nodes: on the rows, on the columns
    laplacian, source = np.zeros((number.size, number.size)), np.zeros(number.size)

    def joined(a: int, b: int, value: float) -> None:
        for one, other in ((a, b), (b, a)):
            laplacian[one, one] += value
            laplacian[one, other] -= value

    for i in range(rows):
        laplacian[number[0, i, 0], number[0, i, 0]] += 1 / wire  # from the driver
        source[number[0, i, 0]] += 1 / wire
        for j in range(cols):
            joined(number[0, i, j], number[1, i, j], conductance[i, j])
            if j:
                joined(number[0, i, j - 1], number[0, i, j], 1 / wire)
            if i:
                joined(number[1, i - 1, j], number[1, i, j], 1 / wire)
    for j in range(cols):
        laplacian[number[1, rows - 1, j], number[1, rows - 1, j]] += 1 / wire  # to the ADC, at 0 V
    volts = np.linalg.solve(laplacian, source)
    return np.asarray(volts[number[1, rows - 1]] / wire)


def test_wires_cost_what_the_network_says_to_first_order(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = np.random.default_rng(2).integers(0, 4, (8, 8))
    monkeypatch.setattr("accelsim.engine.crossbar_cells.DRIVEN", 1.0)
    monkeypatch.setattr("accelsim.engine.crossbar_cells.FRACTION", 30)
    wire = 1e-5
    target = crossbar(8, 2, cells=CellEffects(wire_levels=wire))
    stored = stored_levels(AffineInt(2, "channel", symmetric=False), levels - 2, levels - 2, target)
    (group,) = row_groups(stored, target, 0)
    lost = levels.sum(0) - group.conductance.sum(0) / (1 << 30)
    exact = levels.sum(0) - solved(np.maximum(levels, 1e-12).astype(np.float64), wire)
    np.testing.assert_allclose(lost, exact, rtol=5e-3)


def test_a_weight_that_the_cells_do_not_hold_is_an_error() -> None:
    with pytest.raises(AccelsimError, match=r"layer layer: weights reach 0 \.\. 136 in the cells, which 2 slices of 2"):
        codes = np.array([[-8, 128]])
        stored_levels(AffineInt(4, "channel", symmetric=False), codes, codes, crossbar(4, 2))


def test_a_narrow_accumulator_acts_on_the_finished_sum() -> None:
    case = transposed()
    for accumulator in (Accumulator(10, "sat"), Accumulator(10, "wrap")):
        layer = replace(case.layer, accumulator=accumulator, crossbar=crossbar(16, 2))
        exact = ReferenceKernel().sums(case.op, case.x, case.source, case.layer)
        overflows = Overflows()
        made = CrossbarKernel(ReferenceKernel(), always=True).sums(case.op, case.x, case.source, layer, overflows)
        expected = np.clip(exact, -512, 511) if accumulator.overflow == "sat" else (exact + 512) % 1024 - 512
        np.testing.assert_array_equal(made, expected)
        assert overflows.outputs == np.count_nonzero(expected != exact) > 0


def test_exact_layers_and_layers_elsewhere_go_to_the_other_kernel() -> None:
    case = transposed()

    class Counting(ReferenceKernel):
        calls = 0

        def sums(self, *arguments: Any) -> Array:
            self.calls += 1
            return super().sums(*arguments)

    inner = Counting()
    for target, calls in ((None, 1), (crossbar(16, 2), 2), (crossbar(16, 2, adc_bits=4, adc_step=4), 2)):
        CrossbarKernel(inner).sums(case.op, case.x, case.source, replace(case.layer, crossbar=target))
        assert inner.calls == calls
