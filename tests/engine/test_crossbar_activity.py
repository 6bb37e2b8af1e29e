"""What is driven through cells: by scalar loops, by an exact convolution of ones and levels, and over batches."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.crossbar_activity import cell_activity, row_loads
from accelsim.engine.crossbar_cells import FRACTION, stored_levels
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.requantize import Requantization
from accelsim.ir.crossbar_target import CellActivity, CellEffects, CrossbarTarget
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

Array = np.ndarray[Any, Any]
ONE, UNITS = np.ones(1), 1 << FRACTION
LAYERS: list[tuple[Linear, tuple[int, ...]]] = [
    (Dense(11, 3, False), (11,)),
    (Conv2d(4, 6, (3, 3), (2, 1), (1, 1), (1, 1, 1, 1), 2, False), (4, 5, 4)),
    (ConvTranspose2d(4, 3, (5, 5), (2, 2), (1, 1), (2, 1, 2, 1), 1, False), (4, 3, 3)),
]


def target(rows: int = 5, **changes: Any) -> CrossbarTarget:
    return replace(CrossbarTarget("layer", rows, 8, 2, "offset", False, 1, 8, 1, 3 * rows, "phase"), **changes)


def layer_of(op: Linear, codes: Array, bits: int = 4) -> LinearLayer:
    bias = np.zeros(codes.shape[0 if not isinstance(op, ConvTranspose2d) else 1], np.int64)
    made = IntegerWeights(codes.astype(np.int16), Scaling(ONE, 0), bias, Requantization(bias, bias))
    return LinearLayer(AffineInt(bits, "channel", symmetric=True), Accumulator(48), made)


def seen(op: Linear, x: Array, bits: int, layer: LinearLayer, crossbar: CrossbarTarget) -> CellActivity:
    source = Encoding(AffineInt(bits, "tensor", symmetric=False), Scaling(ONE, 0))
    return cell_activity(op, x, source, list(row_loads(op, x.shape[1:], layer, crossbar)), crossbar)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["offset", "differential"]),
)
def test_dense_by_scalar_loops(seed: int, features: int, dac: int, cell: int, flips: bool, encoding: str) -> None:
    rng = np.random.default_rng(seed)
    op, crossbar = Dense(features, 3, False), target(4, cell_bits=cell, dac_bits=dac, flips=flips, encoding=encoding)
    x, codes = rng.integers(-16, 16, (2, features)), rng.integers(-7, 8, (3, features))
    layer = layer_of(op, codes)
    top, slices = (1 << cell) - 1, -(-4 // cell)
    rows = cells = driven_rows = driven_cells = conductance = 0
    for image in x.tolist():
        for c in range(-(-5 // dac)):
            for r, code in enumerate(image):
                unsigned = code if dac == 1 else code + 16
                square = (unsigned >> c * dac & (1 << dac) - 1) ** 2
                across = 3 * slices * (2 if encoding == "differential" else 1)
                rows, driven_rows = rows + -(-across // 8), driven_rows + square * -(-across // 8)
                cells, driven_cells = cells + across, driven_cells + square * across
                group = [w for w in range(features) if w // 4 == r // 4]
                for k in range(3):
                    for sign in (1, -1) if encoding == "differential" else (0,):
                        for s in range(slices):
                            stored = {i: max(sign * codes[k, i], 0) if sign else codes[k, i] + 8 for i in group}
                            level = {i: int(stored[i]) >> s * cell & top for i in group}
                            flip = flips and 2 * sum(level.values()) > top * len(group)
                            conductance += square * (top - level[r] if flip else level[r])
    assert seen(op, x, 5, layer, crossbar) == CellActivity(rows, cells, driven_rows, driven_cells, conductance * UNITS)


@pytest.mark.parametrize(("op", "shape"), LAYERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("form", ["phase", "zero_insert"])
def test_windows_by_a_convolution_of_ones_with_levels(op: Linear, shape: tuple[int, ...], form: str) -> None:
    """With 1-bit DACs all currents together are the layer itself, on the ones of its codes, by levels as weights."""
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 128, (3, *shape)).astype(np.int8)
    codes = rng.integers(-8, 8, parameter_shapes(op)["weight"])
    crossbar = target(form=form)
    flat = codes.reshape(-1, 1)
    levels = stored_levels(AffineInt(4, "channel", symmetric=True), flat, flat, crossbar).levels.sum(axis=2)
    ones = np.array([bin(code & 255).count("1") for code in x.ravel().tolist()], np.int16).reshape(x.shape)
    source = Encoding(AffineInt(16, "tensor", symmetric=True), Scaling(ONE, 0))
    summed = ReferenceKernel().sums(op, ones, source, layer_of(op, levels.reshape(codes.shape), 16))
    made = seen(op, x, 8, layer_of(op, codes), crossbar)
    assert made.driven_conductance == int(summed.sum()) * UNITS > 0
    assert made.driven_cells < made.cells and made.driven_rows < made.rows


@pytest.mark.parametrize(
    "effects", [CellEffects(), CellEffects(sigma_relative=0.3, off_level=0.2), CellEffects(wire_levels=0.01)], ids=str
)
def test_batches_add_up_and_cells_are_those_that_were_programmed(effects: CellEffects) -> None:
    op, shape = LAYERS[2]
    rng = np.random.default_rng(2)
    x, codes = rng.integers(-128, 128, (5, *shape)), rng.integers(-8, 8, parameter_shapes(op)["weight"])
    layer, crossbar = layer_of(op, codes), target(cells=effects)
    whole = seen(op, x, 8, layer, crossbar)
    assert seen(op, x[:2], 8, layer, crossbar) + seen(op, x[2:], 8, layer, crossbar) == whole
    ideal = seen(op, x, 8, layer, target())
    assert (whole.driven_cells, whole.cells) == (ideal.driven_cells, ideal.cells)
    assert (whole.driven_conductance == ideal.driven_conductance) is effects.are_ideal
    if effects.wire_levels:
        assert whole.driven_conductance < ideal.driven_conductance
