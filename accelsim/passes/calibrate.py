"""Measure the values of every stored tensor on sample inputs and fix its scaling."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.run import run_float
from accelsim.errors import AccelsimError
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.calibration import Calibration
from accelsim.formats.fitting import fitted, needs_counts
from accelsim.formats.float_store import float_scaling, takes_scaling
from accelsim.formats.histogram import Histogram
from accelsim.formats.number_format import FloatingFormat, IntegerFormat, NumberFormat
from accelsim.ir.graph import Weights
from accelsim.ir.program import Encoding, Program, encoding_roots


def calibrate(program: Program, weights: Weights, inputs: Mapping[str, NDArray[Any]]) -> Program:
    """The program with a scaling for every value, from a float32 run over `inputs` (`[N, ...]` by name).

    Raises:
        AccelsimError: no inputs, or a value that is not finite.
    """
    if not len(next(iter(inputs.values()))):
        raise AccelsimError("calibration: needs at least one input")
    if not any(takes_scaling(encoding.format) for encoding in program.encodings.values()):
        return program
    roots = encoding_roots(program.graph)
    method = program.precision.calibration
    counted = {root for root in set(roots.values()) if needs_counts(program.encodings[root].format, method)}
    seen: dict[str, Histogram] = {}

    def observe(name: str, value: NDArray[Any]) -> None:
        low, high = float(value.min()), float(value.max())
        if not np.isfinite([low, high]).all():
            raise AccelsimError(
                f"calibration: value {name!r} reaches [{low}, {high}] in float32; expected finite values"
            )
        if roots[name] == name:
            histogram = seen.setdefault(name, Histogram())
            histogram.see_batch(low, high)
            if name in counted:
                histogram.add(value)

    run_float(program.graph, weights, inputs, observe=observe)
    labels = {value.name for value in program.graph.inputs if value.classes}
    encodings = dict(program.encodings)
    for value, root in roots.items():
        format = encodings[root].format
        if value != root:
            encodings[value] = encodings[root]
        elif value in labels and isinstance(format, AffineInt):
            encodings[value] = Encoding(format, Scaling(np.ones(1), format.low))  # each integer has a code of its own
        else:
            encodings[value] = _encoding(format, seen[value], method)
    return replace(program, encodings=encodings)


def _encoding(format: NumberFormat, seen: Histogram, method: Calibration) -> Encoding:
    if isinstance(format, FloatingFormat):
        return Encoding(format, float_scaling(format, max(-seen.low, seen.high)))
    assert isinstance(format, IntegerFormat)
    return Encoding(*fitted(format, seen, method))
