"""Affine convolutions, plain and transposed, against LiteRT: reference kernels round twice, the default ones once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tflite
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.formats.affine import RequantizationMode
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense
from tests.oracles.layers import INPUT_SCALE, OUTPUT_SCALE, Layer, our_codes, random_layer
from tests.oracles.litert import DEFAULT, REFERENCE, Tensor, model, run

EXAMPLES = settings(max_examples=25, deadline=None)
MODES: list[tuple[RequantizationMode, Any]] = [("double", REFERENCE), ("single", DEFAULT)]


def stored(layer: Layer, shape: tuple[int, ...], weights: Any, out: tuple[int, ...]) -> list[Tensor]:
    """Input, weights, bias and result."""
    return [
        Tensor(shape, np.int8, None, [INPUT_SCALE], layer.x_zero),
        Tensor(weights.shape, np.int8, weights, list(layer.scales)),
        Tensor(layer.bias.shape, np.int32, layer.bias, [float(INPUT_SCALE * s) for s in layer.scales]),
        Tensor(out, np.int8, None, [OUTPUT_SCALE], layer.y_zero),
    ]


def channels_last(x: Any) -> Any:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def conv_options(stride: tuple[int, int], dilation: tuple[int, int]) -> Any:
    def build(b: Any) -> Any:
        tflite.Conv2DOptionsStart(b)
        tflite.Conv2DOptionsAddPadding(b, tflite.Padding.VALID)
        tflite.Conv2DOptionsAddStrideH(b, stride[0])
        tflite.Conv2DOptionsAddStrideW(b, stride[1])
        tflite.Conv2DOptionsAddDilationHFactor(b, dilation[0])
        tflite.Conv2DOptionsAddDilationWFactor(b, dilation[1])
        return tflite.Conv2DOptionsEnd(b)

    return build


@pytest.mark.parametrize(("mode", "resolver"), MODES, ids=["double", "single"])
@EXAMPLES
@given(st.data())
def test_conv(mode: RequantizationMode, resolver: Any, data: st.DataObject) -> None:
    def some(low: int, high: int) -> tuple[int, int]:
        return data.draw(st.integers(low, high)), data.draw(st.integers(low, high))

    (channels, out), kernel, stride = some(1, 12), some(1, 4), some(1, 3)
    dilation = some(1, 2) if stride == (1, 1) else (1, 1)
    size = tuple(d * (k - 1) + 1 + more for d, k, more in zip(dilation, kernel, some(0, 6), strict=True))
    op = Conv2d(channels, out, kernel, stride, dilation, (0, 0, 0, 0), 1, True)
    layer = random_layer(op, (channels, *size), data.draw(st.integers(0, 1 << 30)))
    ours = channels_last(our_codes(layer, mode))
    x, weights = channels_last(layer.x), channels_last(layer.weights)
    content = model(
        tflite.BuiltinOperator.CONV_2D,
        stored(layer, x.shape, weights, ours.shape),
        [0, 1, 2],
        0,
        conv_options(stride, dilation),
        tflite.BuiltinOptions.Conv2DOptions,
    )
    np.testing.assert_array_equal(ours, run(content, x, resolver))


@pytest.mark.parametrize(("mode", "resolver"), MODES, ids=["double", "single"])
@EXAMPLES
@given(st.data())
def test_transposed_conv(mode: RequantizationMode, resolver: Any, data: st.DataObject) -> None:
    """Padding SAME: the crop is (kernel - stride) rows, the smaller half of them in front."""

    def some(low: int, high: int) -> tuple[int, int]:
        return data.draw(st.integers(low, high)), data.draw(st.integers(low, high))

    (channels, out), stride, size = some(1, 12), some(1, 3), some(2, 7)
    kernel = tuple(s + more for s, more in zip(stride, some(0, 4), strict=True))
    crop = tuple(side for k, s in zip(kernel, stride, strict=True) for side in ((k - s) // 2, (k - s) - (k - s) // 2))
    op = ConvTranspose2d(channels, out, kernel, stride, (1, 1), crop, 1, True)
    layer = random_layer(op, (channels, *size), data.draw(st.integers(0, 1 << 30)))
    ours = channels_last(our_codes(layer, mode))
    x, weights = channels_last(layer.x), np.ascontiguousarray(layer.weights.transpose(1, 2, 3, 0))

    def options(b: Any) -> Any:
        tflite.TransposeConvOptionsStart(b)
        tflite.TransposeConvOptionsAddPadding(b, tflite.Padding.SAME)
        tflite.TransposeConvOptionsAddStrideH(b, stride[0])
        tflite.TransposeConvOptionsAddStrideW(b, stride[1])
        return tflite.TransposeConvOptionsEnd(b)

    tensors = stored(layer, x.shape, weights, ours.shape)
    shape = Tensor([4], np.int32, np.array(ours.shape, np.int32))
    content = model(
        tflite.BuiltinOperator.TRANSPOSE_CONV,
        [shape, *tensors],
        [0, 2, 1, 3],
        1,
        options,
        tflite.BuiltinOptions.TransposeConvOptions,
    )
    np.testing.assert_array_equal(ours, run(content, x, resolver))


@pytest.mark.parametrize(("mode", "resolver"), MODES, ids=["double", "single"])
def test_the_layers_of_the_shipped_generator(mode: RequantizationMode, resolver: Any) -> None:
    """k5 s2 cropped (1, 2), from 4 x 4 and 8 x 8 pixels: enough outputs to tell the two roundings apart."""
    told_apart = 0
    for channels, out, size in ((64, 32, 4), (32, 3, 8), (16, 32, 8)):
        op = ConvTranspose2d(channels, out, (5, 5), (2, 2), (1, 1), (1, 2, 1, 2), 1, True)
        drawn = random_layer(op, (channels, size, size), 7, batch=4)
        layer = replace(drawn, scales=drawn.scales / np.float32(8))
        ours = channels_last(our_codes(layer, mode))
        x, weights = channels_last(layer.x), np.ascontiguousarray(layer.weights.transpose(1, 2, 3, 0))

        def options(b: Any) -> Any:
            tflite.TransposeConvOptionsStart(b)
            tflite.TransposeConvOptionsAddStrideH(b, 2)
            tflite.TransposeConvOptionsAddStrideW(b, 2)
            return tflite.TransposeConvOptionsEnd(b)

        shape = Tensor([4], np.int32, np.array(ours.shape, np.int32))
        content = model(
            tflite.BuiltinOperator.TRANSPOSE_CONV,
            [shape, *stored(layer, x.shape, weights, ours.shape)],
            [0, 2, 1, 3],
            1,
            options,
            tflite.BuiltinOptions.TransposeConvOptions,
        )
        np.testing.assert_array_equal(ours, run(content, x, resolver))
        other: RequantizationMode = "single" if mode == "double" else "double"
        told_apart += int((our_codes(layer, other) != our_codes(layer, mode)).sum())
    assert told_apart > 0


@pytest.mark.parametrize(("mode", "resolver"), MODES, ids=["double", "single"])
@EXAMPLES
@given(st.integers(1, 200), st.integers(1, 30), st.integers(0, 1 << 30))
def test_dense(mode: RequantizationMode, resolver: Any, features: int, out: int, seed: int) -> None:
    layer = random_layer(Dense(features, out, True), (features,), seed)
    ours = our_codes(layer, mode)[:, None, None, :]
    x = layer.x[:, None, None, :]
    weights = np.ascontiguousarray(layer.weights[:, None, None, :])
    content = model(
        tflite.BuiltinOperator.CONV_2D,
        stored(layer, x.shape, weights, ours.shape),
        [0, 1, 2],
        0,
        conv_options((1, 1), (1, 1)),
        tflite.BuiltinOptions.Conv2DOptions,
    )
    np.testing.assert_array_equal(ours, run(content, np.ascontiguousarray(x), resolver))
