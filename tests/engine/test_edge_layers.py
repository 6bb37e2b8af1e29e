"""Layers at the edges of what there is: the right answer from every kernel, or one clear error."""

import numpy as np
import pytest
import torch
from torch import nn

import accelsim
from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.linear_kernel import Array, Overflows
from accelsim.engine.reference import ReferenceKernel
from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.requantize import Requantization
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
from accelsim.ir.shapes import result_shape

MANY, ONE, NONE = 4097, (1, 1), (0, 0, 0, 0)
LAYERS: dict[str, tuple[Linear, Shape]] = {
    "dense": (Dense(MANY, 3, True), (MANY,)),
    "to many": (Conv2d(3, MANY, ONE, ONE, ONE, NONE, 1, True), (3, 1, 1)),
    "one pixel": (Conv2d(MANY, 2, ONE, ONE, ONE, NONE, 1, True), (MANY, 1, 1)),
    "one pixel, mostly padding": (Conv2d(MANY, 2, (3, 3), ONE, ONE, (1, 1, 1, 1), 1, True), (MANY, 1, 1)),
    "depthwise": (Conv2d(MANY, MANY, (3, 3), ONE, ONE, (1, 1, 1, 1), MANY, True), (MANY, 1, 1)),
    "from one pixel": (ConvTranspose2d(MANY, 3, (3, 3), (2, 2), ONE, (1, 0, 1, 0), 1, True), (MANY, 1, 1)),
}
INT2, INT8, INT16 = AffineInt(2, "channel", True), AffineInt(8, "tensor", False), AffineInt(16, "tensor", False)
PRODUCTS = {
    "int2 x int16, acc20:sat": (INT2, INT16, Accumulator(20, "sat")),
    "int2 x int16, acc20:sat:tree16": (INT2, INT16, Accumulator(20, "sat", 16)),
    "int2 x int16, acc48": (INT2, INT16, Accumulator(48)),
    "int2 x int8, acc20:sat": (INT2, INT8, Accumulator(20, "sat")),
    "int16 x int16, acc20:sat": (AffineInt(16, "channel", True), INT16, Accumulator(20, "sat")),
    "int2 x int2, acc32": (INT2, AffineInt(2, "tensor", True), Accumulator(32)),
}
BOTH = pytest.mark.parametrize("kernels", ["native", "portable"])
HARD = "weights=int2,activations=int16,accumulator=acc20:sat"


def make_layer(op: Linear, weights: AffineInt, register: Accumulator) -> LinearLayer:
    rng = np.random.default_rng(1)
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    codes = rng.integers(weights.low, weights.high + 1, parameter_shapes(op)["weight"]).astype(weights.dtype)
    constants = Requantization(rng.integers(1 << 30, 1 << 31, channels), rng.integers(38, 45, channels))
    integers = IntegerWeights(codes, Scaling(np.ones(1), 0), rng.integers(-999, 999, channels), constants)
    return LinearLayer(weights, register, integers)


@BOTH
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("product", PRODUCTS)
def test_every_kernel_gives_the_bits_of_the_plain_interpreter(kernels: str, layer: str, product: str) -> None:
    (op, sample), (weights, inputs, register) = LAYERS[layer], PRODUCTS[product]
    rng, held = np.random.default_rng(2), make_layer(op, weights, register)
    x = rng.integers(inputs.low, inputs.high + 1, (2, *sample)).astype(inputs.dtype)
    source = Encoding(inputs, Scaling(np.ones(1), 0 if inputs.symmetric else 7))
    out, seen, wanted = Encoding(INT8, Scaling(np.ones(1), -5)), Overflows(), Overflows()
    kernel, plain = FastKernel(1, is_native=kernels == "native"), ReferenceKernel()
    sums = plain.sums(op, x, source, held, wanted)
    np.testing.assert_array_equal(kernel.sums(op, x, source, held, seen), sums)
    assert seen.outputs == wanted.outputs
    codes = plain.codes(op, x, source, held, out, True)
    np.testing.assert_array_equal(kernel.codes(op, x, source, held, out, True), codes)


@BOTH
@pytest.mark.parametrize("layer", LAYERS)
def test_no_images_at_all(kernels: str, layer: str) -> None:
    op, sample = LAYERS[layer]
    held = make_layer(op, INT2, Accumulator(20, "sat"))
    kernel, overflows = FastKernel(2, is_native=kernels == "native"), Overflows()
    sums = kernel.sums(op, np.zeros((0, *sample), np.int16), Encoding(INT16, Scaling(np.ones(1), 3)), held, overflows)
    assert sums.shape == (0, *result_shape(op, sample)) and overflows.outputs == 0


class Wide(nn.Module):
    """Images `[N, 3, 1, 1]` through 4097 channels to `[N, 3, 2, 2]`."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(3, MANY, 1), nn.ConvTranspose2d(MANY, 3, 3, 2, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.last(torch.relu(self.first(x))))


def run(kernels: str, images: int, precision: str = HARD, batch: int = 1) -> accelsim.Report:
    return accelsim.simulate(
        Wide(),
        example_inputs=torch.zeros(1, 3, 1, 1),
        on="zcu104",
        precision=precision,
        images=images,
        batch=batch,
        calibration_images=4,
        kernels=kernels,
    )


def images_of(report: accelsim.Report) -> Array:
    assert report.images is not None
    return np.asarray(report.images)


@BOTH
def test_a_whole_run_with_many_channels_and_single_pixels(kernels: str) -> None:
    made, wanted = run(kernels, 3), run("reference", 3)
    assert images_of(made).shape == (3, 2, 2, 3) and made.outputs is not None and wanted.outputs is not None
    np.testing.assert_array_equal(images_of(made), images_of(wanted))
    for name, values in wanted.outputs.items():
        np.testing.assert_array_equal(made.outputs[name], values)
    assert made.layers.equals(wanted.layers)  # with the overflows that each counted


def test_a_run_of_no_images_costs_the_same_and_shows_nothing() -> None:
    nothing, some = run("fast", 0), run("fast", 2)
    assert images_of(nothing).shape == (0, 2, 2, 3) and nothing.quality["psnr_db"] is None
    assert nothing.totals["energy_j"] == some.totals["energy_j"]


def test_a_batch_of_no_images_is_one_clear_error() -> None:
    with pytest.raises(AccelsimError, match="batch: 0; the cost of a batch needs 1 to 1,000,000 images"):
        run("fast", 2, batch=0)
