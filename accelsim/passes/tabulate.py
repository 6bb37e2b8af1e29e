"""Functions as tables: their exact values in float64, rounded once, before anything runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.float_ops import run_float_op
from accelsim.formats.affine import Scaling
from accelsim.formats.lookup import GUARD_BITS, KNOT_LIMIT, Lookup, table_layout
from accelsim.formats.number_format import IntegerFormat
from accelsim.formats.quantize import dequantize, quantize
from accelsim.formats.rescale import Landing, landing
from accelsim.ir.activations import Activation, Clamp, ReLU
from accelsim.ir.epilogue import EXTRA_BITS, Functions

Float64 = NDArray[np.float64]
PROBES = 1 << 13
"""Points at which a function is asked where its result stops changing."""


@dataclass(frozen=True)
class Stored:
    """How a value is stored."""

    format: IntegerFormat
    scaling: Scaling

    @property
    def step(self) -> float:
        """Value of one code."""
        return float(self.scaling.scale[0])

    def same_as(self, other: "Stored") -> bool:
        """Whether codes of the one are codes of the other."""
        zero_points = self.scaling.zero_point, other.scaling.zero_point
        return self.format == other.format and self.step == other.step and zero_points[0] == zero_points[1]


def applied(functions: tuple[Activation, ...], values: Float64) -> Float64:
    """The functions one after the other; what is no number counts as 0."""
    with np.errstate(all="ignore"):
        for function in functions:
            values = run_float_op(function, {}, values)
    return np.where(np.isnan(values), 0.0, values)


def clamped(where: Landing, clamps: tuple[ReLU | Clamp, ...], out: Stored) -> Landing:
    """The landing with the clamps as limits of its codes: those of the nearest codes to their ends."""
    for one in clamps:
        low, high = (0.0, None) if isinstance(one, ReLU) else (one.low, one.high)
        where = where.clamped(
            where.low if low is None else _code(low, out), where.high if high is None else _code(high, out)
        )
    return where


def _code(value: float, out: Stored) -> int:
    steps = np.rint(np.clip(value / out.step, -(2.0**20), 2.0**20))
    return int(np.clip(steps + out.scaling.zero_point, out.format.low, out.format.high))


def tabulated(functions: Functions, source: Stored, bits: int, out: Stored) -> Lookup:
    """The table of the functions over codes of `bits` bits: to nearest, ties to even; fixed point as it says."""
    layout = table_layout(bits, source.scaling.zero_point, functions.knots)
    reals = applied(functions.functions, dequantize(layout.codes, source.scaling))
    where = clamped(landing(out.format, out.scaling), functions.clamps, out)
    if layout.spacing:
        steps = np.rint(np.clip(reals / out.step * 2.0**GUARD_BITS, -KNOT_LIMIT, KNOT_LIMIT))
        return Lookup(steps.astype(np.int64), layout.origin, layout.spacing, where)
    codes = quantize(reals, out.format, out.scaling)
    return Lookup(np.clip(codes, where.low, where.high), layout.origin, 0, where)


def reach_that_matters(functions: Functions, low: float, high: float, out: Stored) -> float:
    """The largest magnitude in [low, high] past which the result's code no longer changes; at least one probe.

    A change by less than 1/16 of a code is none: where tanh has come near -1 and that is a tie, for instance.
    """
    reach = max(-low, high)
    if reach == 0:
        return 0.0
    sides = [np.linspace(0.0, end, PROBES + 1) for end in (low, high) if end != 0]
    return max(_last_change(functions, points, out) for points in sides)


def _last_change(functions: Functions, points: Float64, out: Stored) -> float:
    reals = applied(functions.functions, points)
    codes = quantize(reals, out.format, out.scaling)
    moved = np.abs(reals - reals[-1]) >= out.step / 2**EXTRA_BITS
    changed = np.flatnonzero((codes != codes[-1]) & moved)
    return float(abs(points[min(changed[-1] + 1, PROBES) if len(changed) else 1]))
