"""Turn float weights into the integers the hardware holds: codes, bias, requantization constants."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import affine_of
from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.float_store import stored_float_weights
from accelsim.formats.number_format import FloatingFormat, WeightFormat
from accelsim.formats.requantize import Requantization, pure_shift, requantization
from accelsim.formats.stored_weights import stored_weights
from accelsim.ir.graph import Node, Weights
from accelsim.ir.ops import ConvTranspose2d, Linear, Op
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import FloatWeights, IntegerWeights, LinearLayer, Program
from accelsim.passes.quantize_ops import quantize_ops

Float64 = NDArray[np.float64]


def quantize_weights(program: Program, weights: Weights) -> Program:
    """The calibrated program with integer weights, or rounded floats, in every multiplying layer.

    And where it is not in floating formats, with the integer constants of every other operator.

    Raises:
        AccelsimError: a weight that its floating format does not reach.
    """
    linear = {
        name: _quantized(program, program.graph.node(name), layer, weights) for name, layer in program.linear.items()
    }
    used = {
        node.parameter(role)
        for node in program.graph.nodes
        if node.name not in program.linear
        for role in parameter_shapes(node.op)
    }
    made = replace(program, linear=linear, parameters={name: weights[name] for name in used})
    return made if program.precision.is_float else quantize_ops(made, weights)


def _quantized(program: Program, node: Node, layer: LinearLayer, weights: Weights) -> LinearLayer:
    if isinstance(layer.weights, FloatingFormat):
        return replace(layer, floats=_floats(node, layer.weights, weights))
    assert layer.accumulator is not None
    float_weights = output_channels_first(node.op, weights[node.parameter("weight")])
    channels = len(float_weights)
    bias = weights[node.parameter("bias")].astype(np.float64) if _has_bias(node) else np.zeros(channels)
    input_scale = affine_of(program.encodings[node.inputs[0]])[1].scale
    output_scale = affine_of(program.before.get(node.name, program.encodings[node.name]))[1].scale
    shifts = isinstance(layer.weights, FixedPoint)
    finest = _finest(bias, input_scale, None if shifts else output_scale, layer.accumulator)
    stored = stored_weights(layer.weights, float_weights, program.precision.calibration, finest)
    unit = input_scale * stored.scaling.scale
    integers = IntegerWeights(
        weights_layout(node.op, _narrow(stored.codes)),
        stored.scaling,
        _bias(bias, unit, layer.accumulator),
        _constants(program, node, stored.format, unit / output_scale, channels),
        None if stored.factors is stored.codes else weights_layout(node.op, _narrow(stored.factors)),
    )
    return replace(layer, weights=stored.format, integers=integers)


def _floats(node: Node, format: FloatingFormat, weights: Weights) -> FloatWeights:
    stored = stored_float_weights(output_channels_first(node.op, weights[node.parameter("weight")]), format)
    if not np.isfinite(stored).all():
        largest = float(np.abs(weights[node.parameter("weight")]).max())
        raise AccelsimError(f"layer {node.name}: weights reach {largest:g}, which {format} does not hold")
    bias = weights[node.parameter("bias")] if _has_bias(node) else np.zeros(len(stored))
    return FloatWeights(weights_layout(node.op, stored), bias.astype(np.float32) + np.float32(0))  # -0 + 0 is 0


def _narrow(codes: NDArray[np.int64]) -> NDArray[Any]:
    """In 8 bits where those hold every code, else in 16."""
    small = codes.min(initial=0) >= -128 and codes.max(initial=0) <= 127
    return codes.astype(np.int8 if small else np.int16)


def _constants(program: Program, node: Node, weights: WeightFormat, real: Float64, channels: int) -> Requantization:
    """A pure shift between fixed-point formats, else what is nearest to the real factors, as the result has it."""
    out = program.before.get(node.name, program.encodings[node.name])
    formats = [program.encodings[node.inputs[0]].format, out.format]
    if all(isinstance(format, FixedPoint) for format in (*formats, weights)):
        return pure_shift(-int(np.log2(real[0])), channels)
    try:
        mode = formats[1].requantization if isinstance(formats[1], AffineInt) else "single"
        return requantization(np.broadcast_to(real, channels), mode)
    except AccelsimError as error:
        raise AccelsimError(f"layer {node.name}: {error}") from None


def _finest(bias: Float64, input_scale: Float64, output_scale: Float64 | None, accumulator: Accumulator) -> Float64:
    """The finest weight scales `[C]` that bias and requantization can bear.

    A channel whose weights have all but vanished (a batch norm with gamma near 0) is its bias. At the scale of those
    weights the bias would saturate and the multiplier fall below 2**-32, which is 0; so a bias takes at most a quarter
    of the accumulator's range, and a multiplier is 2**-31 or more. Accumulators below 32 bits are a choice of the
    user's and left to overflow.
    """
    if accumulator.bits < 32:
        return np.zeros(len(bias))
    finest = np.abs(bias) / (input_scale * 2.0 ** (accumulator.bits - 2))
    return finest if output_scale is None else np.maximum(finest, output_scale / (input_scale * 2.0**31))


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


def weights_layout(op: Op | Linear, codes: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `output_channels_first`."""
    if not isinstance(op, ConvTranspose2d):
        return codes
    grouped = codes.reshape(op.groups, op.out_channels // op.groups, *codes.shape[1:]).swapaxes(1, 2)
    return grouped.reshape(op.in_channels, op.out_channels // op.groups, *op.kernel)
