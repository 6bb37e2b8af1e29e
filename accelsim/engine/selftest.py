"""Every compiled kernel against the plain interpreter, on this processor."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import Array, LinearKernel, Overflows
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.binary import Binary
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.requantize import MAX_SHIFT, Requantization
from accelsim.formats.ternary import Ternary
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

INT8, INT16 = (AffineInt(bits, "tensor", symmetric=False) for bits in (8, 16))
WRAP32, WRAP48 = Accumulator(32), Accumulator(48)
PRODUCTS: dict[str, tuple[IntegerFormat, IntegerFormat, Accumulator]] = {
    "int8 x int8": (INT8, INT8, WRAP32),
    "int4 x int8": (AffineInt(4, "channel", symmetric=True), INT8, WRAP32),
    "int16 x int16": (INT16, INT16, WRAP48),
    "int2 x int16": (AffineInt(2, "channel", symmetric=True), INT16, WRAP48),
    "ternary x ternary": (Ternary(), Ternary(), WRAP32),
    "binary x binary": (Binary(), Binary(), WRAP32),
    "binary x int8": (Binary(), INT8, WRAP32),
    "int8 x int8, acc20:sat": (INT8, INT8, Accumulator(20, "sat")),
    "int8 x int8, acc18:sat:tree16": (INT8, INT8, Accumulator(18, "sat", 16)),
    "int8 x int8, acc16:sat_sym:tree4": (INT8, INT8, Accumulator(16, "sat_sym", 4)),
    "int8 x int8, acc18:sat_zero:tree64": (INT8, INT8, Accumulator(18, "sat_zero", 64)),
    "int8 x int8, acc14:wrap": (INT8, INT8, Accumulator(14)),
}
"""Weights x inputs, register."""
LAYERS: dict[str, tuple[Linear, Shape]] = {
    "dense": (Dense(301, 70, True), (301,)),
    "conv": (Conv2d(40, 33, (3, 3), (1, 2), (2, 1), (1, 2, 0, 1), 1, True), (40, 9, 8)),
    "grouped conv": (Conv2d(24, 48, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 24, True), (24, 7, 7)),
    "transposed conv": (ConvTranspose2d(64, 20, (5, 5), (2, 2), (1, 1), (1, 2, 1, 2), 1, True), (64, 5, 4)),
    "to three colours": (ConvTranspose2d(48, 3, (5, 5), (2, 2), (1, 1), (1, 2, 1, 2), 1, True), (48, 6, 6)),
}


@dataclass(frozen=True)
class Check:
    """What one kernel made of one kind of product: values compared (accumulators and codes) and those that differ."""

    kernels: str
    product: str
    compared: int
    different: int
    seconds: float


@dataclass(frozen=True)
class _Case:
    op: Linear
    x: Array
    source: Encoding
    layer: LinearLayer
    out: Encoding


def selftest(seed: int = 0) -> Iterator[Check]:
    """One check for each product and each kind of kernel that this processor has."""
    from accelsim.engine.kernels import native
    from accelsim.engine.kernels.fast import FastKernel

    kinds = ["native", "portable"] if native.available() else ["portable"]
    for product in PRODUCTS:
        cases = [_case(product, layer, seed + i) for i, layer in enumerate(LAYERS)]
        plain = [_results(ReferenceKernel(), case) for case in cases]
        for kind in kinds:
            begun = time.perf_counter()
            made = [_results(FastKernel(2, is_native=kind == "native"), case) for case in cases]
            seconds = time.perf_counter() - begun
            pairs = [(a, b) for one, other in zip(made, plain, strict=True) for a, b in zip(one, other, strict=True)]
            different = sum(int((a != b).sum()) for a, b in pairs)
            yield Check(kind, product, sum(a.size for a, _ in pairs), different, seconds)


def cpu_name() -> str:
    """What the compiler of the kernels calls this processor."""
    from accelsim.engine.kernels import native

    return native.cpu_name()


def _results(kernel: LinearKernel, case: _Case) -> list[NDArray[np.int64]]:
    """Accumulators, how many of them overflowed, and codes."""
    overflows = Overflows()
    sums = kernel.sums(case.op, case.x, case.source, case.layer, overflows)
    codes = kernel.codes(case.op, case.x, case.source, case.layer, case.out, relu=False)
    return [sums, np.array([overflows.outputs]), codes.astype(np.int64)]


def _case(product: str, layer: str, seed: int) -> _Case:
    rng = np.random.default_rng(seed)
    weights, inputs, accumulator = PRODUCTS[product]
    op, sample = LAYERS[layer]
    channels = op.out_features if isinstance(op, Dense) else op.out_channels
    bias = rng.integers(accumulator.low // 4, accumulator.high // 4 + 1, channels)
    most = min(accumulator.bits + 28, MAX_SHIFT)
    shift = rng.integers(most - 8, most + 1, channels)
    constants = Requantization(rng.integers(1 << 30, 1 << 31, channels), shift)
    factors = _codes(rng, weights, parameter_shapes(op)["weight"])
    integers = IntegerWeights(factors, Scaling(np.ones(1), 0), bias, constants)
    zero_point = int(rng.integers(-100, 100)) if isinstance(inputs, AffineInt) else 0
    return _Case(
        op,
        _codes(rng, inputs, (3, *sample)),
        Encoding(inputs, Scaling(np.ones(1), zero_point)),
        LinearLayer(weights, accumulator, integers),
        Encoding(INT8, Scaling(np.ones(1), -5)),
    )


def _codes(rng: np.random.Generator, format: IntegerFormat, shape: Shape) -> Array:
    """Random codes, a quarter of them at the ends."""
    ends = rng.choice([format.low, format.high], shape)
    drawn = ends if isinstance(format, Binary) else rng.integers(format.low, format.high + 1, shape)
    return np.asarray(np.where(rng.random(shape) < 0.25, ends, drawn), format.dtype)
