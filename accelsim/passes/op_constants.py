"""Integer constants of each kind of operator, from real factors; docs/arithmetic.md says how they are used."""

from dataclasses import dataclass
from fractions import Fraction
from functools import singledispatch
from math import prod
from typing import get_args

import numpy as np

from accelsim.engine.integer_norms import BIAS_BITS
from accelsim.engine.integer_sums import NORM_BITS
from accelsim.formats.quantize import quantize
from accelsim.formats.rescale import Landing, common_rescale, mantissas, rescale
from accelsim.ir.constants import Affine, Core, Joined, Normalised, Powers, Resampled, Scaled, Slopes, Terms
from accelsim.ir.constants import Stored as StoredCodes
from accelsim.ir.epilogue import Functions, functions_of
from accelsim.ir.graph import Node
from accelsim.ir.ops import (
    Activation,
    AdaptivePool,
    Add,
    AveragePool,
    BatchNorm,
    ChannelAffine,
    Concat,
    Constant,
    Div,
    DynamicConv2d,
    DynamicConvTranspose2d,
    Embedding,
    GlobalAveragePool,
    GroupNorm,
    InstanceNorm,
    Interpolate,
    LayerNorm,
    LeakyReLU,
    MatMul,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    OneHot,
    Op,
    PReLU,
    Reduce,
    RMSNorm,
    ScaleShift,
    Shape,
    Softmax,
    Sub,
    View,
)
from accelsim.passes.resampling import WEIGHT_BITS, taps
from accelsim.passes.tabulate import Float64, Stored, applied

OFFSET_BITS = 46
"""Of the largest offset: with 17 bits times 31 bits it adds up within 49."""
BIAS_REACH = 2.0**21
"""Output codes: a larger bias of a norm is past every format."""
POWER_BITS = 24


@dataclass(frozen=True)
class Site:
    """One operator among its values. sources: how its inputs are stored; shapes: of the samples.

    target: what its exact number lands on, as `landing` says; out: how its result is stored, which is the same object
    where nothing acts on the code in between.
    """

    node: Node
    sources: tuple[Stored, ...]
    shapes: tuple[Shape, ...]
    shape: Shape
    target: Stored
    out: Stored
    parameters: dict[str, Float64]
    landing: Landing

    def ratio(self, index: int = 0) -> float:
        """Target codes in one code of an input."""
        return self.sources[index].step / self.target.step


@singledispatch
def core_of(op: Op, site: Site) -> Core:
    """Constants of an operator that computes an exact number."""
    raise TypeError(f"no integer constants for {type(op).__name__}")


def slopes_of(functions: Functions, factors: Float64, where: Landing) -> Slopes:
    """Factors, and factors times the slope of the one LeakyReLU."""
    (leaky,) = functions.functions
    assert isinstance(leaky, LeakyReLU)
    return Slopes(rescale(factors), rescale(factors * leaky.slope), where)


def _of_functions(op: Op, site: Site) -> Core:
    """Of a node whose functions act on input codes: two slopes, or a factor and an offset."""
    functions = functions_of(site.node)
    if not functions.affine:
        return slopes_of(functions, np.asarray(site.ratio()), site.landing)
    scales = [function for function in functions.functions if isinstance(function, ScaleShift)]
    scale, shift = (scales[0].scale, scales[0].shift) if scales else (1.0, 0.0)
    return _affine(np.array(scale), np.array(shift), site)


for _kind in (*get_args(Activation), *get_args(View)):
    core_of.register(_kind, _of_functions)


@core_of.register
def _(op: PReLU, site: Site) -> Core:
    slopes = _per_channel(site.parameters["slope"], site.shape)
    slopes = slopes.reshape(()) if slopes.size == 1 else slopes
    return Slopes(rescale(site.ratio()), rescale(site.ratio() * slopes), site.landing)


def _per_channel(values: Float64, shape: Shape) -> Float64:
    """`[C]` so that it broadcasts over the channels of `[N, *shape]`."""
    return values.reshape(-1, *[1] * (len(shape) - 1))


# --- a factor and an offset -----------------------------------------------------------------------------------------


@core_of.register
def _(op: ChannelAffine, site: Site) -> Core:
    scale, shift = (_per_channel(site.parameters[role], site.shape) for role in ("scale", "shift"))
    return _affine(scale, shift, site)


@core_of.register
def _(op: BatchNorm, site: Site) -> Core:
    parameters = site.parameters
    scale = parameters["weight"] / np.sqrt(parameters["var"] + op.eps)
    shift = parameters["bias"] - parameters["mean"] * scale
    return _affine(_per_channel(scale, site.shape), _per_channel(shift, site.shape), site)


def _affine(scale: Float64, shift: Float64, site: Site) -> Affine:
    """The most places, 0 .. 62, for which the multiplier is within 2**30 and the offset within 2**46."""
    factor, offset = scale * site.ratio(), shift / site.target.step
    most = np.maximum(np.abs(factor), np.abs(offset) * 2.0**-16)
    _, exponent = np.frexp(np.maximum(most, 2.0**-32))
    places = np.clip(30 - exponent.astype(np.int64), 0, 62)
    limits = 2.0**30, 2.0**OFFSET_BITS
    multiplier, added = (
        np.rint(np.clip(value * 2.0**places, -limit, limit)).astype(np.int64)
        for value, limit in zip((factor, offset), limits, strict=True)
    )
    return Affine(multiplier, added, places)


# --- one factor, or one for each input ------------------------------------------------------------------------------


@core_of.register(Add)
@core_of.register(Sub)
@core_of.register(Maximum)
@core_of.register(Minimum)
def _(op: Add | Sub | Maximum | Minimum, site: Site) -> Core:
    second = -site.ratio(1) if isinstance(op, Sub) else site.ratio(1)
    multipliers, shift = common_rescale(np.array([site.ratio(0), second]))
    return Terms(multipliers, np.asarray(shift, np.int64))


@core_of.register
def _(op: Concat, site: Site) -> Core:
    same = [site.target is site.out and source.same_as(site.out) for source in site.sources]
    return Joined(tuple(None if one else rescale(site.ratio(i)) for i, one in enumerate(same)))


@core_of.register(Mul)
@core_of.register(MatMul)
@core_of.register(DynamicConv2d)
@core_of.register(DynamicConvTranspose2d)
def _(op: Op, site: Site) -> Core:
    return Scaled(rescale(site.ratio() * site.sources[1].step))


@core_of.register
def _(op: Div, site: Site) -> Core:
    return Scaled(rescale(site.ratio() / site.sources[1].step))


@core_of.register
def _(op: GlobalAveragePool, site: Site) -> Core:
    return Scaled(rescale(site.ratio() / prod(site.shapes[0][1:])))


@core_of.register
def _(op: MaxPool, site: Site) -> Core:
    return Scaled(rescale(site.ratio()))


@core_of.register
def _(op: AveragePool, site: Site) -> Core:
    counts = [
        [sum(0 <= i * stride + k - before < n or op.count_padding for k in range(kernel)) for i in range(made)]
        for n, made, kernel, stride, before in zip(
            site.shapes[0][1:], site.shape[1:], op.kernel, op.stride, op.padding[::2], strict=True
        )
    ]
    return Scaled(rescale(site.ratio() / np.multiply.outer(*map(np.asarray, counts))))


@core_of.register
def _(op: AdaptivePool, site: Site) -> Core:
    factor = np.array(site.ratio())
    if op.kind == "mean":
        for n, size in zip(site.shapes[0][1:], op.size, strict=True):
            counts = np.array([-(-(i + 1) * n // size) - i * n // size for i in range(size)])
            factor = np.multiply.outer(factor, 1 / counts)
    return Scaled(rescale(factor))


@core_of.register
def _(op: Reduce, site: Site) -> Core:
    n = prod(site.shapes[0][a] for a in op.axes)
    factors = {
        "mean": site.ratio() / n,
        "var": site.ratio() * site.sources[0].step / n**2,
        "norm": site.ratio() * 2.0**-NORM_BITS,
    }
    return Scaled(rescale(factors.get(op.kind, site.ratio())))


@core_of.register
def _(op: Interpolate, site: Site) -> Core:
    made = [taps(op, axis, n) for axis, n in enumerate(site.shapes[0][1:])]
    factors = rescale(site.ratio() * 2.0 ** (-WEIGHT_BITS * len(made)))
    return Resampled(tuple(positions for positions, _ in made), tuple(weights for _, weights in made), factors)


# --- norms ----------------------------------------------------------------------------------------------------------


@core_of.register
def _(op: InstanceNorm, site: Site) -> Core:
    n = prod(site.shape[1:])
    return _norm(site, op.eps, n, *_gains(op, site, (op.channels, 1)))


@core_of.register
def _(op: GroupNorm, site: Site) -> Core:
    pixels, each = prod(site.shape[1:]), op.channels // op.groups
    if not op.affine:
        return _norm(site, op.eps, each * pixels, np.ones((1, 1)), np.zeros((1, 1)))
    gain, bias = (
        np.broadcast_to(values.reshape(op.groups, each, 1), (op.groups, each, pixels)).reshape(op.groups, -1)
        for values in _gains(op, site, (op.channels,))
    )
    return _norm(site, op.eps, each * pixels, gain, bias)


@core_of.register
def _(op: LayerNorm, site: Site) -> Core:
    n = prod(op.shape)
    return _norm(site, op.eps, n, *_gains(op, site, (1, n)))


@core_of.register
def _(op: RMSNorm, site: Site) -> Core:
    return _norm(site, op.eps, prod(site.shape[a] for a in op.axes), np.ones((1, 1)), np.zeros((1, 1)))


def _gains(op: InstanceNorm | GroupNorm | LayerNorm, site: Site, shape: Shape) -> tuple[Float64, Float64]:
    if not op.affine:
        return np.ones((1, 1)), np.zeros((1, 1))
    return site.parameters["weight"].reshape(shape), site.parameters["bias"].reshape(shape)


def _norm(site: Site, eps: float, n: int, gain: Float64, bias: Float64) -> Normalised:
    step = site.target.step
    biases = np.rint(np.clip(bias / step, -BIAS_REACH, BIAS_REACH) * 2.0**BIAS_BITS).astype(np.int64)
    scaled_eps = round(Fraction(eps) * n * n / Fraction(site.sources[0].step) ** 2)
    return Normalised(mantissas(gain * n / step), biases, scaled_eps)


@core_of.register
def _(op: Softmax, site: Site) -> Core:
    distances = np.arange(1 << site.sources[0].format.bits, dtype=np.float64)
    powers = np.rint(np.exp(-distances * site.sources[0].step) * 2.0**POWER_BITS).astype(np.int64)
    return Powers(powers, mantissas(1 / site.target.step))


# --- known before the run -------------------------------------------------------------------------------------------


@core_of.register
def _(op: Constant, site: Site) -> Core:
    return _known(site.parameters["value"], site)


@core_of.register
def _(op: Embedding, site: Site) -> Core:
    return _known(site.parameters["weight"], site)


@core_of.register
def _(op: OneHot, site: Site) -> Core:
    return _known(np.array([0.0, 1.0]), site)


def _known(values: Float64, site: Site) -> StoredCodes:
    reals = applied(site.node.epilogue, values)
    return StoredCodes(quantize(reals, site.out.format, site.out.scaling), rescale(site.sources[0].step))
