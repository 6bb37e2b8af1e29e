"""Signs and trits as bit planes: words that are full and not, groups, images of either layout."""

import numpy as np
import pytest

from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.kernels.storing import Frame, lay_planes
from accelsim.engine.linear_kernel import Array
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.requantize import Requantization
from accelsim.ir.ops import Conv2d, ConvTranspose2d
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

ONE, TWO, BORDER, NONE = (1, 1), (2, 2), (1, 2, 0, 1), (0, 0, 0, 0)
LAYERS: dict[str, Conv2d | ConvTranspose2d] = {
    "whole words": Conv2d(128, 48, (3, 3), ONE, ONE, NONE, 1, True),
    "a part of a word": Conv2d(70, 33, (3, 2), TWO, ONE, BORDER, 1, True),
    "groups of whole words": Conv2d(128, 24, (2, 2), ONE, ONE, NONE, 2, True),
    "groups of parts": Conv2d(140, 34, (1, 3), ONE, (1, 2), BORDER, 2, True),
    "transposed": ConvTranspose2d(96, 20, (3, 3), TWO, ONE, NONE, 1, True),
}


def by_pixel(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("codes", [(-1, 1), (-1, 0, 1)])
@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_planes(is_native: bool, layer: str, codes: tuple[int, ...], dtype: type) -> None:
    op, rng = LAYERS[layer], np.random.default_rng(3)
    weights = rng.choice(np.array(codes, np.int8), parameter_shapes(op)["weight"])
    channels = op.out_channels
    constants = Requantization(rng.integers(1 << 30, 1 << 31, channels), rng.integers(31, 36, channels))
    integers = IntegerWeights(weights, Scaling(np.ones(1), 0), rng.integers(-99, 99, channels), constants)
    held = LinearLayer(AffineInt(2, "channel", True), Accumulator(32), integers)
    source = Encoding(AffineInt(2, "tensor", symmetric=True), Scaling(np.ones(1), 0))
    out = Encoding(AffineInt(8, "tensor", symmetric=False), Scaling(np.ones(1), 5))
    x = rng.choice(np.array(codes, dtype), (3, op.in_channels, 6, 7))
    plain, kernel = ReferenceKernel(), FastKernel(2, is_native)
    sums, wanted = plain.sums(op, x, source, held), plain.codes(op, x, source, held, out, False)
    for images in (x, by_pixel(x)):
        np.testing.assert_array_equal(kernel.sums(op, images, source, held), sums)
        np.testing.assert_array_equal(kernel.codes(op, images, source, held, out, False), wanted)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@pytest.mark.parametrize("zero", [-4, 0, 127])
def test_words_hold_one_bit_for_each_code(dtype: type, zero: int) -> None:
    channels, height, width, left = 67, 2, 3, 1
    rng = np.random.default_rng(4)
    centred = rng.integers(-1, 1 if zero == 127 else 2, (1, height, width, channels))
    codes: Array = (centred + zero).astype(dtype).reshape(-1)
    frame = Frame(channels, height, width, 1, left, height + 1, width + 2, 0, 1, width * channels, channels)
    words = np.full((height + 1, width + 2, 2, 2), 99, np.uint64)
    lay_planes(0, height + 1, codes, frame, zero, 1, 2, words.reshape(-1))
    assert not words[0].any() and not words[:, 0].any() and not words[:, -1].any()
    for plane, wanted in ((0, centred[0] < 0), (1, centred[0] != 0)):
        bits = np.unpackbits(words[1:, 1:-1, :, plane].copy().view(np.uint8), axis=-1, bitorder="little")
        np.testing.assert_array_equal(bits.reshape(height, width, 128)[..., :channels], wanted)
        assert not bits.reshape(height, width, 128)[..., channels:].any()
