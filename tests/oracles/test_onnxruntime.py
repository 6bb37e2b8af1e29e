"""Convolutions and products of integers against ONNX Runtime, bit for bit.

ONNX has no integer transposed convolution; those are held against LiteRT. On processors without a dot-product
instruction ONNX Runtime may saturate u8 x s8 products in 16 bits; s8 x s8, used here, it does not.
"""

from typing import Any

import numpy as np
import onnxruntime as ort
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from accelsim.ir.ops import Conv2d, Dense
from tests.oracles.layers import INPUT_SCALE, OUTPUT_SCALE, Layer, our_codes, our_sums, random_layer

EXAMPLES = settings(max_examples=40, deadline=None)


def run(operator: str, x: Any, constants: dict[str, Any], kind: int, **attributes: Any) -> Any:
    node = helper.make_node(operator, ["x", *constants], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.INT8, x.shape)]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph([node], "one", inputs, outputs, tensors), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@st.composite
def convolutions(draw: st.DrawFn) -> Layer:
    def some(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    groups = draw(st.integers(1, 3))
    each_in, each_out = some(1, 9)
    kernel, stride, dilation, (height, width) = some(1, 4), some(1, 3), some(1, 2), some(1, 8)
    padding = tuple(draw(st.integers(0, 3)) for _ in range(4))
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    height, width = max(height, reach[0] - padding[0]), max(width, reach[1] - padding[2])
    op = Conv2d(each_in * groups, each_out * groups, kernel, stride, dilation, padding, groups, True)
    return random_layer(op, (each_in * groups, height, width), draw(st.integers(0, 1 << 30)))


def geometry(op: Conv2d) -> dict[str, Any]:
    top, bottom, left, right = op.padding
    return {
        "pads": [top, left, bottom, right],
        "strides": list(op.stride),
        "dilations": list(op.dilation),
        "group": op.groups,
    }


@EXAMPLES
@given(convolutions())
def test_conv_integer(layer: Layer) -> None:
    assert isinstance(layer.op, Conv2d)
    constants = {"w": layer.weights, "xz": np.int8(layer.x_zero)}
    sums = run("ConvInteger", layer.x, constants, TensorProto.INT32, **geometry(layer.op))
    np.testing.assert_array_equal(our_sums(layer), sums.astype(np.int64) + layer.bias[:, None, None])


@EXAMPLES
@given(convolutions())
def test_qlinear_conv(layer: Layer) -> None:
    assert isinstance(layer.op, Conv2d)
    constants = {
        "xs": INPUT_SCALE,
        "xz": np.int8(layer.x_zero),
        "w": layer.weights,
        "ws": layer.scales,
        "wz": np.zeros(len(layer.scales), np.int8),
        "ys": OUTPUT_SCALE,
        "yz": np.int8(layer.y_zero),
        "b": layer.bias,
    }
    codes = run("QLinearConv", layer.x, constants, TensorProto.INT8, **geometry(layer.op))
    np.testing.assert_array_equal(our_codes(layer, "float"), codes)


@EXAMPLES
@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 5), st.integers(0, 1 << 30))
def test_qlinear_matmul(features: int, out: int, batch: int, seed: int) -> None:
    layer = random_layer(Dense(features, out, True), (features,), seed, batch)
    layer = Layer(layer.op, layer.x, layer.x_zero, layer.weights, 0 * layer.bias, layer.scales, layer.y_zero)
    sums = run("MatMulInteger", layer.x, {"w": layer.weights.T, "xz": np.int8(layer.x_zero)}, TensorProto.INT32)
    np.testing.assert_array_equal(our_sums(layer), sums)
    one = Layer(
        layer.op, layer.x, layer.x_zero, layer.weights, layer.bias, np.full_like(layer.scales, 0.004), layer.y_zero
    )
    constants = {
        "xs": INPUT_SCALE,
        "xz": np.int8(layer.x_zero),
        "w": layer.weights.T,
        "ws": np.float32(0.004),
        "wz": np.int8(0),
        "ys": OUTPUT_SCALE,
        "yz": np.int8(layer.y_zero),
    }
    np.testing.assert_array_equal(our_codes(one, "float"), run("QLinearMatMul", layer.x, constants, TensorProto.INT8))


def test_the_longest_sums_of_the_largest_codes() -> None:
    layer = random_layer(Dense(4096, 16, True), (4096,), 0)
    layer.x[0], layer.weights[0] = -128, 127
    sums = run("MatMulInteger", layer.x, {"w": layer.weights.T, "xz": np.int8(layer.x_zero)}, TensorProto.INT32)
    np.testing.assert_array_equal(our_sums(layer), sums.astype(np.int64) + layer.bias)
