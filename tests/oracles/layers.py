"""One multiplying layer with random codes and constants, and both our kernels' answers to it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, RequantizationMode, Scaling
from accelsim.formats.requantize import Requantization, requantization
from accelsim.ir.ops import Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

Array = np.ndarray[Any, Any]
INPUT_SCALE, OUTPUT_SCALE = np.float32(0.013), np.float32(0.11)


@dataclass(frozen=True)
class Layer:
    """x `[N, ...]` int8, weights in torch's layout, bias int32, scales per output channel."""

    op: Linear
    x: Array
    x_zero: int
    weights: Array
    bias: Array
    scales: Array
    y_zero: int

    @property
    def real(self) -> Array:
        """The factor between accumulator and output code, in float64."""
        return float(INPUT_SCALE) * self.scales.astype(np.float64) / float(OUTPUT_SCALE)


def random_layer(op: Linear, sample: Shape, seed: int, batch: int = 2) -> Layer:
    rng = np.random.default_rng(seed)
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    return Layer(
        op,
        rng.integers(-128, 128, (batch, *sample)).astype(np.int8),
        int(rng.integers(-128, 128)),
        rng.integers(-127, 128, parameter_shapes(op)["weight"]).astype(np.int8),
        rng.integers(-2000, 2000, channels).astype(np.int32),
        rng.uniform(0.0005, 0.02, channels).astype(np.float32),
        int(rng.integers(-128, 128)),
    )


def _parts(layer: Layer, constants: Requantization) -> tuple[LinearLayer, Encoding, Encoding]:
    affine = AffineInt(8, "tensor", symmetric=False)
    integers = IntegerWeights(layer.weights, Scaling(np.ones(1), 0), layer.bias.astype(np.int64), constants)
    return (
        LinearLayer(AffineInt(8, "channel", symmetric=True), Accumulator(32), integers),
        Encoding(affine, Scaling(np.ones(1), layer.x_zero)),
        Encoding(affine, Scaling(np.ones(1), layer.y_zero)),
    )


def our_codes(layer: Layer, mode: RequantizationMode) -> Array:
    """Output codes, the same by the plain interpreter and by the compiled kernels."""
    constants = requantization(layer.real, mode)
    if mode == "float":  # the library forms its factor in float32, one operation at a time
        factor = (INPUT_SCALE * layer.scales) / OUTPUT_SCALE
        constants = Requantization(constants.multiplier, constants.shift, mode, factor)
    linear, source, out = _parts(layer, constants)
    plain, compiled = (
        kernel.codes(layer.op, layer.x, source, linear, out, relu=False) for kernel in (ReferenceKernel(), FastKernel())
    )
    np.testing.assert_array_equal(compiled, plain)
    return np.asarray(plain)


def our_sums(layer: Layer) -> Array:
    """Accumulators with bias."""
    linear, source, _ = _parts(layer, requantization(layer.real))
    return ReferenceKernel().sums(layer.op, layer.x, source, linear)
