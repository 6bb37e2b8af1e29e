"""Turn float weights into the integers the hardware holds: codes, bias, requantization constants."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import affine_of
from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import ChannelScaling
from accelsim.formats.fitting import fitted_weights
from accelsim.formats.fixed import FixedPoint, coarsened
from accelsim.formats.float32 import Float32
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.quantize import along, quantize
from accelsim.formats.requantize import Requantization, pure_shift, requantization
from accelsim.ir.graph import Node, Weights
from accelsim.ir.ops import ConvTranspose2d, Linear, Op
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import IntegerWeights, LinearLayer, Program, arithmetic

Float64 = NDArray[np.float64]


def quantize_weights(program: Program, weights: Weights) -> Program:
    """The calibrated program with integer weights in every multiplying layer."""
    linear = {
        name: _quantized(program, program.graph.node(name), layer, weights) for name, layer in program.linear.items()
    }
    used = {
        node.parameter(role)
        for node in program.graph.nodes
        if node.name not in program.linear
        for role in parameter_shapes(node.op)
    }
    return replace(program, linear=linear, parameters={name: weights[name] for name in used})


def _quantized(program: Program, node: Node, layer: LinearLayer, weights: Weights) -> LinearLayer:
    assert not isinstance(layer.weights, Float32) and layer.accumulator is not None
    float_weights = output_channels_first(node.op, weights[node.parameter("weight")])
    channels = len(float_weights)
    bias = weights[node.parameter("bias")].astype(np.float64) if _has_bias(node) else np.zeros(channels)
    input_scale = affine_of(program.encodings[node.inputs[0]])[1].scale
    output_scale = affine_of(program.encodings[node.name])[1].scale if arithmetic(node) == "integer" else None
    format, scaling = fitted_weights(layer.weights, float_weights, program.precision.calibration)
    if isinstance(format, FixedPoint) and format != layer.weights:
        format, scaling = _coarse_enough(format, bias, input_scale, layer.accumulator)
    elif not isinstance(format, FixedPoint):
        scaling = _raised(scaling, bias, input_scale, output_scale, layer.accumulator)
    codes = quantize(float_weights, format, scaling)
    unit = input_scale * scaling.scale
    centred = codes - along(scaling.zero_point, codes.ndim, 0)
    integers = IntegerWeights(
        weights_layout(node.op, codes).astype(format.dtype),
        scaling,
        _bias(bias, unit, layer.accumulator),
        None if output_scale is None else _constants(program, node, format, unit / output_scale, channels),
        weights_layout(node.op, centred).astype(np.int16) if scaling.zero_point.any() else None,
    )
    return replace(layer, weights=format, integers=integers)


def _constants(program: Program, node: Node, weights: IntegerFormat, real: Float64, channels: int) -> Requantization:
    """A pure shift between fixed-point formats, else the multipliers and shifts nearest to the real ones."""
    formats = [program.encodings[name].format for name in (node.inputs[0], node.name)]
    if all(isinstance(format, FixedPoint) for format in (*formats, weights)):
        return pure_shift(-int(np.log2(real[0])), channels)
    try:
        return requantization(np.broadcast_to(real, channels))
    except AccelsimError as error:
        raise AccelsimError(f"layer {node.name}: {error}") from None


def _coarse_enough(
    format: FixedPoint, bias: Float64, input_scale: Float64, accumulator: Accumulator
) -> tuple[FixedPoint, ChannelScaling]:
    """A format that calibration chose, with as many fraction bits less as its bias needs; see `_raised`."""
    if accumulator.bits >= 32:
        format = coarsened(
            format, float(np.abs(bias).max(initial=0) / (input_scale[0] * 2.0 ** (accumulator.bits - 2)))
        )
    return format, ChannelScaling(np.array([format.unit]), np.zeros(1, np.int64))


def _raised(
    scaling: ChannelScaling, bias: Float64, input_scale: Float64, output_scale: Float64 | None, accumulator: Accumulator
) -> ChannelScaling:
    """Weight scales no finer than bias and requantization can bear.

    A channel whose weights have all but vanished (a batch norm with gamma near 0) is its bias. At the scale of those
    weights the bias would saturate and the multiplier fall below 2**-32, which is 0; so a bias takes at most a quarter
    of the accumulator's range, and a multiplier is 2**-31 or more. Accumulators below 32 bits are a choice of the
    user's and left to wrap.
    """
    if accumulator.bits < 32:
        return scaling
    finest = np.abs(bias) / (input_scale * 2.0 ** (accumulator.bits - 2))
    if output_scale is not None:
        finest = np.maximum(finest, output_scale / (input_scale * 2.0**31))
    if len(scaling.scale) == 1:
        finest = finest.max(keepdims=True)
    return replace(scaling, scale=np.maximum(scaling.scale, finest))


def _has_bias(node: Node) -> bool:
    return "bias" in parameter_shapes(node.op)


def _bias(bias: Float64, unit: Float64, accumulator: Accumulator) -> NDArray[np.int64]:
    reach = float(1 << (accumulator.bits - 1))
    codes: NDArray[np.int64] = np.clip(np.rint(bias / unit), -reach, reach - 1).astype(np.int64)
    return codes


def output_channels_first(op: Op | Linear, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights as `[out_channels, in_channels / groups, ...]`, whatever layout the operator keeps them in."""
    if not isinstance(op, ConvTranspose2d):
        return weights
    grouped = weights.reshape(op.groups, op.in_channels // op.groups, *weights.shape[1:]).swapaxes(1, 2)
    return grouped.reshape(op.out_channels, op.in_channels // op.groups, *op.kernel)


def weights_layout(op: Op | Linear, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inverse of `output_channels_first`."""
    if not isinstance(op, ConvTranspose2d):
        return codes
    grouped = codes.reshape(op.groups, op.out_channels // op.groups, *codes.shape[1:]).swapaxes(1, 2)
    return grouped.reshape(op.in_channels, op.out_channels // op.groups, *op.kernel)
