"""What multiplies layers and activations, and reads tables: plain or fast."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.integer_dispatch import Finisher, Operand
from accelsim.errors import AccelsimError
from accelsim.formats.affine import Scaling
from accelsim.formats.binary import Binary, signs
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.lookup import Lookup
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.requantize import requantize, requantize_fixed
from accelsim.ir.constants import Constants, Slopes
from accelsim.ir.crossbar_target import CellActivity
from accelsim.ir.ops import Dense, Linear, Product
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

Array = NDArray[Any]
Integers = NDArray[np.int64]


@dataclass
class Overflows:
    """Counts outputs whose accumulator left its range.

    Saturating (`sat`, `sat_sym`, `sat_zero`): at any addition, even where the end is in range; the bias that is loaded
    is no addition. Wrapping: at the end, which is when exact bias plus products are not what the register holds; so it
    is for any sums of crossbars. adc_clipped: conversions of crossbars that clipped. cells: what was driven into them.
    """

    outputs: int = 0
    adc_clipped: int = 0
    cells: CellActivity = field(default_factory=CellActivity)


class LinearKernel(Protocol):
    """Sums of a multiplying layer, or its output codes, and what else `reference` and the fast kernels both provide.

    `source` says how x is stored. `overflows`, where given, is raised by the outputs that overflowed.
    """

    def sums(
        self, op: Linear, x: Array, source: Encoding, layer: LinearLayer, overflows: Overflows | None = None
    ) -> Integers:
        """Accumulators `[N, out_channels, ...]` with bias, as the layer's accumulator holds them."""

    def codes(
        self,
        op: Linear,
        x: Array,
        source: Encoding,
        layer: LinearLayer,
        out: Encoding,
        relu: bool,
        overflows: Overflows | None = None,
    ) -> Array:
        """Output codes: the sums requantized to `out`, then not below its zero point if `relu`."""

    def sloped(
        self,
        op: Linear,
        x: Array,
        source: Encoding,
        layer: LinearLayer,
        slopes: Slopes,
        dtype: type[np.signedinteger[Any]],
        overflows: Overflows | None = None,
    ) -> Array:
        """Codes of the sums times one of two factors: `integer_ops.sloped` of `sums`, in the type `dtype`."""

    def looked_up(self, codes: Array, table: Lookup, dtype: type[np.signedinteger[Any]]) -> Array:
        """`lookup.looked_up` of codes `[...]`, in the type `dtype`."""

    def product(self, op: Product, constants: Constants, finisher: Finisher, first: Operand, second: Operand) -> Array:
        """Stored codes of a product of two activations: `run_integer_op` of it."""


def channel_axis(op: Linear, sums: Array) -> int:
    """Axis of the output channels: the last for Dense, 1 for convolutions."""
    return sums.ndim - 1 if isinstance(op, Dense) else 1


def integers_of(layer: LinearLayer) -> IntegerWeights:
    """The integers of a layer; raises AccelsimError when the program is not quantized."""
    if layer.integers is None:
        raise AccelsimError("the program holds no integer weights: quantize it before running it")
    return layer.integers


def affine_of(encoding: Encoding) -> tuple[IntegerFormat, Scaling]:
    """Format and scaling of a stored value; raises AccelsimError when the program is not calibrated."""
    if not isinstance(encoding.format, IntegerFormat) or encoding.scaling is None:
        raise AccelsimError("the program is not calibrated: calibrate it before running it")
    return encoding.format, encoding.scaling


def codes_of_sums(op: Linear, sums: Integers, layer: LinearLayer, out: Encoding, relu: bool) -> Array:
    """Output codes of accumulators, as the requantization of the layer and the format of `out` say."""
    constants, axis = integers_of(layer).requantization, channel_axis(op, sums)
    format, scaling = affine_of(out)
    assert constants is not None
    if isinstance(format, FixedPoint):
        return requantize_fixed(sums, constants, format, relu, axis)
    if isinstance(format, Binary):
        return signs(sums)
    low = max(format.low, scaling.zero_point) if relu else format.low
    return requantize(sums, constants, scaling.zero_point, low, format.high, axis)
