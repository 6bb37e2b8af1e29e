"""Measure the values of every stored tensor on sample inputs and fix its scaling."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.run import run_float
from accelsim.errors import AccelsimError
from accelsim.formats.affine import AffineInt, RequantizationMode, Scaling
from accelsim.formats.calibration import Calibration
from accelsim.formats.fitting import fitted, needs_counts
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.float_store import float_scaling, takes_scaling
from accelsim.formats.histogram import Histogram
from accelsim.formats.number_format import FloatingFormat, IntegerFormat, NumberFormat
from accelsim.ir.epilogue import bits_before, functions_of, lands_before
from accelsim.ir.graph import Node, Weights
from accelsim.ir.program import Encoding, Program, encoding_roots
from accelsim.passes.tabulate import Stored, reach_that_matters


@dataclass(frozen=True)
class _Seen:
    """What a run saw: histograms of stored values, with counts of those in `counted`; ranges of what is not stored."""

    roots: Mapping[str, str]
    counted: Collection[str]
    ranges: dict[str, tuple[float, float]]
    histograms: dict[str, Histogram] = field(default_factory=dict)

    def stored(self, name: str, value: NDArray[Any]) -> None:
        """A value of the network."""
        low, high = _finite(name, value)
        if self.roots[name] == name:
            histogram = self.histograms.setdefault(name, Histogram())
            histogram.see_batch(low, high)
            if name in self.counted:
                histogram.add(value)

    def before(self, name: str, value: NDArray[Any]) -> None:
        """What the functions that ride on an operator act on."""
        if name in self.ranges:
            low, high = _finite(name, value)
            self.ranges[name] = min(low, self.ranges[name][0]), max(high, self.ranges[name][1])


def _finite(name: str, value: NDArray[Any]) -> tuple[float, float]:
    low, high = float(value.min()), float(value.max())
    if not np.isfinite([low, high]).all():
        raise AccelsimError(f"calibration: value {name!r} reaches [{low}, {high}] in float32; expected finite values")
    return low, high


def needs_calibration(program: Program) -> bool:
    """Whether any value is stored with a scaling: not so in float32, fp16, bf16 and blocks."""
    return any(takes_scaling(encoding.format) for encoding in program.encodings.values())


def calibrate(program: Program, weights: Weights, inputs: Mapping[str, NDArray[Any]]) -> Program:
    """The program with a scaling for every value, from a float32 run over `inputs` (`[N, ...]` by name).

    Raises:
        AccelsimError: no inputs, or a value that is not finite.
    """
    if not len(next(iter(inputs.values()))):
        raise AccelsimError("calibration: needs at least one input")
    if not needs_calibration(program):
        return program
    roots, method = encoding_roots(program.graph), program.precision.calibration
    counted = {root for root in set(roots.values()) if needs_counts(program.encodings[root].format, method)}
    landing = [node for node in program.graph.nodes if lands_before(node) and not program.precision.is_float]
    seen = _Seen(roots, counted, {node.name: (0.0, 0.0) for node in landing})
    run_float(program.graph, weights, inputs, observe=seen.stored, observe_before=seen.before)
    labels = {value.name for value in program.graph.inputs if value.classes}
    encodings = dict(program.encodings)
    for value, root in roots.items():
        format = encodings[root].format
        if value != root:
            encodings[value] = encodings[root]
        elif value in labels and isinstance(format, AffineInt):
            encodings[value] = Encoding(format, Scaling(np.ones(1), format.low))  # each integer has a code of its own
        else:
            encodings[value] = _encoding(format, seen.histograms[value], method)
    before = {node.name: _before(node, encodings[node.name], *seen.ranges[node.name]) for node in landing}
    return replace(program, encodings=encodings, before=before)


def _before(node: Node, out: Encoding, low: float, high: float) -> Encoding:
    """The symmetric code that functions act on, no finer than its range needs and no wider than what they tell apart.

    Its step is a power of two where the stored format's is.
    """
    assert isinstance(out.format, IntegerFormat) and out.scaling is not None
    mode: RequantizationMode = out.format.requantization if isinstance(out.format, AffineInt) else "single"
    format = AffineInt(bits_before(node, out.format.bits), "tensor", symmetric=True, requantization=mode)
    functions = functions_of(node)
    reach = reach_that_matters(functions, low, high, Stored(out.format, out.scaling))
    step = reach / format.high or 1.0
    if isinstance(out.format, FixedPoint):
        step = 2.0 ** ceil(log2(step))
    return Encoding(format, Scaling(np.array([step]), 0))


def _encoding(format: NumberFormat, seen: Histogram, method: Calibration) -> Encoding:
    if isinstance(format, FloatingFormat):
        return Encoding(format, float_scaling(format, max(-seen.low, seen.high)))
    assert isinstance(format, IntegerFormat)
    return Encoding(*fitted(format, seen, method))
