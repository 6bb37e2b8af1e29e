"""One layer, ready to be called: int8 and int16 by the kernels of this project, float32 by torch or by numpy."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.run import run_float
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.requantize import Requantization
from accelsim.ir.ops import Dense
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
from accelsim.measure.layers import Layer

Call = Callable[[], object]
FORMATS = ("int8", "int16", "float32")
ACCUMULATORS = {"int8": 32, "int16": 48}


def float_library() -> str:
    """What runs float32 layers."""
    return "torch" if find_spec("torch") else "numpy"


def ready(layer: Layer, format: str, threads: int) -> Call:
    """A call that runs the layer once, from stored values to stored values."""
    if format != "float32":
        return _integer(layer, format, threads)
    if float_library() == "torch":
        from accelsim.measure.torch_float import torch_call

        return torch_call(layer, threads)
    return _float(layer, threads)


def _integer(layer: Layer, format: str, threads: int) -> Call:
    op, rng = layer.op, np.random.default_rng(0)
    bits = int(format.removeprefix("int"))
    dtype, largest = np.dtype(f"int{bits}"), 2 ** (bits - 1) - 1
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    constants = Requantization(rng.integers(1 << 30, 1 << 31, channels), rng.integers(40, 44, channels))
    held = rng.integers(-largest, largest + 1, parameter_shapes(op)["weight"]).astype(dtype)
    integers = IntegerWeights(held, Scaling(np.ones(channels), 0), rng.integers(-100, 100, channels), constants)
    made = LinearLayer(AffineInt(bits, "channel", True), Accumulator(ACCUMULATORS[format]), integers)
    source = Encoding(AffineInt(bits, "tensor", symmetric=False), Scaling(np.ones(1), 3))
    out = Encoding(AffineInt(bits, "tensor", symmetric=False), Scaling(np.ones(1), -5))
    x = rng.integers(-largest, largest + 1, (layer.batch, *layer.sample)).astype(dtype)
    if x.ndim == 4:  # as another layer leaves it
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    kernel = FastKernel(threads)
    return lambda: kernel.codes(op, x, source, made, out, True)


def _float(layer: Layer, threads: int) -> Call:
    rng, graph = np.random.default_rng(0), layer.graph
    inputs = {"x": rng.standard_normal((layer.batch, *layer.sample), np.float32)}
    weights = {key: rng.standard_normal(shape, np.float32) for key, shape in graph.parameter_shapes.items()}
    return lambda: run_float(graph, weights, inputs, layer.batch, threads=threads)
