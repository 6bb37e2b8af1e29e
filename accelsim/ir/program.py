"""A quantized program: the graph, how each value is stored, and what each multiplying layer computes.

Formats and shapes are always there; scalings and integer weights are None until `calibrate` and `quantize` fill them,
so that an estimate needs no weight file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import ChannelScaling, Scaling
from accelsim.formats.number_format import NumberFormat
from accelsim.formats.requantize import Requantization
from accelsim.formats.text import Precision
from accelsim.ir.constants import Constants
from accelsim.ir.crossbar_target import CrossbarTarget
from accelsim.ir.graph import Graph, Node, Weights
from accelsim.ir.ops import MaxPool, Pow, ReLU, View

Arithmetic = Literal["integer", "float"]
CHOOSING = (ReLU, MaxPool)
"""Operators that store a choice among the input's codes."""


@dataclass(frozen=True)
class Encoding:
    """How one value is stored: its format and, once calibrated, its scaling."""

    format: NumberFormat
    scaling: Scaling | None = None


@dataclass(frozen=True)
class IntegerWeights:
    """What the hardware holds for one layer.

    codes: weight codes in the shape of the float weights, int8 or int16. scaling: per output channel.
    bias: `[out_channels]` at scale input_scale * weight_scale, saturated to the accumulator.
    requantization: of the sums, to the code that they land on.
    multiplied: what inputs are multiplied with, int8 or int16, where that is not the codes themselves: codes minus
    their zero points, or the levels that they choose.
    """

    codes: NDArray[Any]
    scaling: Scaling | ChannelScaling
    bias: NDArray[np.int64]
    requantization: Requantization | None
    multiplied: NDArray[Any] | None = None

    @property
    def factors(self) -> NDArray[Any]:
        """What inputs are multiplied with; a factor stands for scaling.scale * factor."""
        return self.codes if self.multiplied is None else self.multiplied


@dataclass(frozen=True)
class FloatWeights:
    """Weights rounded to a floating format, in the layout of the operator, and a float32 bias without -0."""

    values: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class LinearLayer:
    """Formats of one multiplying layer, and once quantized its integers, or its floats.

    crossbar: what multiplies where that is no exact adder.
    """

    weights: NumberFormat
    accumulator: Accumulator | None
    integers: IntegerWeights | None = None
    floats: FloatWeights | None = None
    crossbar: CrossbarTarget | None = None


@dataclass(frozen=True)
class Program:
    """`encodings` by value name, `linear` by node name, `parameters` the float tensors that are still used.

    before: by node name, the codes that results land on where a function acts on them before they are stored.
    constants: by node name, the integers of all operators that are no views.
    """

    graph: Graph
    precision: Precision
    encodings: Mapping[str, Encoding]
    linear: Mapping[str, LinearLayer]
    parameters: Weights = field(default_factory=dict)
    before: Mapping[str, Encoding] = field(default_factory=dict)
    constants: Mapping[str, Constants] = field(default_factory=dict)


def is_view(node: Node) -> bool:
    """Whether the result is only another way to address the stored input: no step of the machine, no tensor."""
    return isinstance(node.op, get_args(View)) and not node.epilogue


def keeps_codes(node: Node) -> bool:
    """Whether every code of the result is one of the input: views, clamping at the zero point, the largest of some."""
    return is_view(node) or (isinstance(node.op, CHOOSING) and not node.epilogue)


def storage_roots(graph: Graph) -> dict[str, str]:
    """Value -> the value that is stored for it: itself, or the source that it is a view of."""
    return _roots(graph, is_view)


def encoding_roots(graph: Graph) -> dict[str, str]:
    """Value -> the value whose encoding it has: itself, or the source whose codes it keeps."""
    return _roots(graph, keeps_codes)


def _roots(graph: Graph, follows: Callable[[Node], bool]) -> dict[str, str]:
    roots = {value.name: value.name for value in graph.inputs}
    for node in graph.nodes:
        roots[node.name] = roots[node.inputs[0]] if follows(node) else node.name
    return roots


def arithmetic(node: Node) -> Arithmetic:
    """`integer` where codes become codes by operations on whole numbers alone, else `float`: float64 between codes."""
    return "float" if isinstance(node.op, Pow) else "integer"
