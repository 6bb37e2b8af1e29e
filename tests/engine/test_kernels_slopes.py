"""Layers with a LeakyReLU: two factors, fused, against the operator on the plain sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.integer_ops import sloped
from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.linear_kernel import Overflows
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.rescale import Landing, rescale
from accelsim.ir.constants import Slopes
from accelsim.ir.ops import Conv2d
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer


@pytest.mark.parametrize("is_native", [True, False])
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    rounding=st.sampled_from(["rnd", "rnd", "trn"]),
    register=st.sampled_from([Accumulator(32), Accumulator(14), Accumulator(48), Accumulator(16, "sat", 4)]),
    bits=st.sampled_from([8, 16]),
    power=st.booleans(),
)
def test_slopes(is_native: bool, seed: int, rounding: str, register: Accumulator, bits: int, power: bool) -> None:
    rng = np.random.default_rng(seed)
    op = Conv2d(9, 35, (3, 2), (1, 1), (1, 1), (1, 0, 1, 1), 1, True)
    format = AffineInt(bits, "tensor", symmetric=False)
    x = rng.integers(format.low, format.high + 1, (2, 9, 5, 4)).astype(format.dtype)
    weights = rng.integers(-127, 128, (35, 9, 3, 2)).astype(np.int8)
    integers = IntegerWeights(weights, Scaling(np.ones(35), 0), rng.integers(-99, 99, 35), None)
    layer, source = (
        LinearLayer(AffineInt(8, "channel", True), register, integers),
        Encoding(format, Scaling(np.ones(1), 3)),
    )
    factors = 2.0 ** rng.integers(-12, 3, (35, 1, 1)) if power else rng.random((35, 1, 1)) / 99
    landing = Landing(8, rounding, "sat", -5, -128, 127)  # type: ignore[arg-type]
    slopes = Slopes(rescale(factors), rescale(factors * rng.choice([0.25, 0.2, 0.0, -0.3])), landing)
    wanted, counted = Overflows(), Overflows()
    expected = sloped(ReferenceKernel().sums(op, x, source, layer, wanted), slopes)
    kernel = FastKernel(2, is_native)
    np.testing.assert_array_equal(kernel.sloped(op, x, source, layer, slopes, np.int8), expected)
    codes = kernel.sloped(op, x, source, layer, slopes, np.int8, counted)
    assert codes.dtype == np.int8 and counted.outputs == wanted.outputs
    np.testing.assert_array_equal(codes, expected)
