"""One-operator TensorFlow Lite models, built field by field, run by LiteRT."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import tflite
from ai_edge_litert.interpreter import Interpreter, OpResolverType

REFERENCE = OpResolverType.BUILTIN_REF
DEFAULT = OpResolverType.AUTO
_TYPES = {np.dtype(np.int8): tflite.TensorType.INT8, np.dtype(np.int32): tflite.TensorType.INT32}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model: constant where it has data; quantized where it has scales."""

    shape: Sequence[int]
    dtype: Any
    data: Any = None
    scales: Sequence[float] | None = None
    zero_point: int = 0


def _vector(b: Any, start: Callable[[Any, int], Any], values: Sequence[Any], put: Callable[[Any], Any]) -> Any:
    start(b, len(values))
    for value in reversed(values):
        put(value)
    return b.EndVector()


def _tensor(b: Any, tensor: Tensor, buffers: list[Any]) -> Any:
    place = 0
    if tensor.data is not None:
        data = b.CreateNumpyVector(np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint8))
        tflite.BufferStart(b)
        tflite.BufferAddData(b, data)
        buffers.append(tflite.BufferEnd(b))
        place = len(buffers) - 1
    quantization = None
    if tensor.scales is not None:
        zeros = [tensor.zero_point] * len(tensor.scales)
        scale = _vector(b, tflite.QuantizationParametersStartScaleVector, tensor.scales, b.PrependFloat32)
        zero = _vector(b, tflite.QuantizationParametersStartZeroPointVector, zeros, b.PrependInt64)
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scale)
        tflite.QuantizationParametersAddZeroPoint(b, zero)
        quantization = tflite.QuantizationParametersEnd(b)
    name = b.CreateString(f"t{len(buffers)}")
    shape = _vector(b, tflite.TensorStartShapeVector, tensor.shape, b.PrependInt32)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, _TYPES[np.dtype(tensor.dtype)])
    tflite.TensorAddBuffer(b, place)
    tflite.TensorAddName(b, name)
    if quantization is not None:
        tflite.TensorAddQuantization(b, quantization)
    return tflite.TensorEnd(b)


def model(
    operator: int,
    tensors: Sequence[Tensor],
    reads: Sequence[int],
    source: int,
    options: Callable[[Any], Any],
    kind: int,
) -> bytes:
    """The model of one operator; `reads` are its tensors in order, the last tensor is its result."""
    b = flatbuffers.Builder(1024)
    tflite.BufferStart(b)
    buffers = [tflite.BufferEnd(b)]
    made = [_tensor(b, tensor, buffers) for tensor in tensors]
    result, option = len(tensors) - 1, options(b)
    inputs = _vector(b, tflite.OperatorStartInputsVector, reads, b.PrependInt32)
    outputs = _vector(b, tflite.OperatorStartOutputsVector, [result], b.PrependInt32)
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, 0)
    tflite.OperatorAddInputs(b, inputs)
    tflite.OperatorAddOutputs(b, outputs)
    tflite.OperatorAddBuiltinOptionsType(b, kind)
    tflite.OperatorAddBuiltinOptions(b, option)
    one = tflite.OperatorEnd(b)
    operators = _vector(b, tflite.SubGraphStartOperatorsVector, [one], b.PrependUOffsetTRelative)
    stored = _vector(b, tflite.SubGraphStartTensorsVector, made, b.PrependUOffsetTRelative)
    inputs = _vector(b, tflite.SubGraphStartInputsVector, [source], b.PrependInt32)
    outputs = _vector(b, tflite.SubGraphStartOutputsVector, [result], b.PrependInt32)
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, stored)
    tflite.SubGraphAddInputs(b, inputs)
    tflite.SubGraphAddOutputs(b, outputs)
    tflite.SubGraphAddOperators(b, operators)
    graph = tflite.SubGraphEnd(b)
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, operator)
    tflite.OperatorCodeAddBuiltinCode(b, operator)
    tflite.OperatorCodeAddVersion(b, 3)
    code = tflite.OperatorCodeEnd(b)
    codes = _vector(b, tflite.ModelStartOperatorCodesVector, [code], b.PrependUOffsetTRelative)
    graphs = _vector(b, tflite.ModelStartSubgraphsVector, [graph], b.PrependUOffsetTRelative)
    held = _vector(b, tflite.ModelStartBuffersVector, buffers, b.PrependUOffsetTRelative)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, held)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def run(content: bytes, x: Any, resolver: Any) -> Any:
    """The result for x, by the reference kernels or the default ones (XNNPACK)."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
