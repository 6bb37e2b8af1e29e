"""Functions of one and of two values, element by element, in floating point."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from accelsim.engine.float_dispatch import Array, run_float_op
from accelsim.ir.ops import (
    ELU,
    GELU,
    Abs,
    Add,
    Clamp,
    Cos,
    Div,
    Exp,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Log,
    Maximum,
    Minimum,
    Mish,
    Mul,
    Pow,
    Power,
    PReLU,
    ReLU,
    ScaleShift,
    Sigmoid,
    Sign,
    SiLU,
    Sin,
    Softplus,
    Sub,
    Tanh,
)


@run_float_op.register
def _(op: ReLU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.maximum(inputs[0], 0)


@run_float_op.register
def _(op: LeakyReLU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    return np.where(x >= 0, x, x * x.dtype.type(op.slope))


@run_float_op.register
def _(op: PReLU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    return np.where(x >= 0, x, x * per_channel(parameters["slope"], x))


def per_channel(values: Array, x: Array) -> Array:
    """A `[C]` or `[1]` vector shaped so that it broadcasts over the channels of `x` `[N, C, ...]`."""
    return values.reshape([-1 if axis == 1 else 1 for axis in range(x.ndim)])


@run_float_op.register
def _(op: ELU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    return np.asarray(np.where(x > 0, x, op.alpha * np.expm1(np.minimum(x, 0))) * op.scale)


@run_float_op.register
def _(op: Tanh, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.tanh(inputs[0]))


@run_float_op.register
def _(op: Sigmoid, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return _sigmoid(inputs[0])


def _sigmoid(x: Array) -> Array:
    magnitude = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + magnitude), magnitude / (1 + magnitude)))


@run_float_op.register
def _(op: Softplus, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return _softplus(inputs[0] * op.beta) / op.beta


def _softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(x, x.dtype.type(0)))


@run_float_op.register
def _(op: GELU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    x = inputs[0]
    if op.approximate == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + np.asarray(_erf(x * math.sqrt(0.5))).astype(x.dtype)))


_erf = np.frompyfunc(math.erf, 1, 1)


@run_float_op.register
def _(op: SiLU, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0] * _sigmoid(inputs[0])


@run_float_op.register
def _(op: Mish, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(inputs[0] * np.tanh(_softplus(inputs[0])))


@run_float_op.register
def _(op: HardSigmoid, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return _hard_sigmoid(inputs[0])


def _hard_sigmoid(x: Array) -> Array:
    return np.asarray(np.clip(x / 6 + 0.5, 0, 1))


@run_float_op.register
def _(op: HardSwish, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0] * _hard_sigmoid(inputs[0])


@run_float_op.register
def _(op: Clamp, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    raised = inputs[0] if op.low is None else np.maximum(inputs[0], op.low)
    return raised if op.high is None else np.minimum(raised, op.high)


@run_float_op.register
def _(op: ScaleShift, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return inputs[0] * op.scale + op.shift


_POWERS: dict[float, Callable[[Array], Array]] = {
    2.0: np.square,
    0.5: np.sqrt,
    -1.0: np.reciprocal,
    -0.5: lambda x: np.reciprocal(np.sqrt(x)),
}
"""Exponents that have a function of their own, nearer to the true result than a general power."""


@run_float_op.register
def _(op: Power, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    with np.errstate(all="ignore"):
        function = _POWERS.get(op.exponent)
        return np.asarray(np.power(inputs[0], op.exponent) if function is None else function(inputs[0]))


@run_float_op.register
def _(op: Abs, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.abs(inputs[0])


@run_float_op.register
def _(op: Exp, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.exp(inputs[0]))


@run_float_op.register
def _(op: Log, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(inputs[0]))


@run_float_op.register
def _(op: Sin, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.sin(inputs[0]))


@run_float_op.register
def _(op: Cos, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.cos(inputs[0]))


@run_float_op.register
def _(op: Sign, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.sign(inputs[0]))


@run_float_op.register
def _(op: Add, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(inputs[0] + inputs[1])


@run_float_op.register
def _(op: Sub, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(inputs[0] - inputs[1])


@run_float_op.register
def _(op: Mul, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(inputs[0] * inputs[1])


@run_float_op.register
def _(op: Div, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(inputs[0] / inputs[1])


@run_float_op.register
def _(op: Pow, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.power(inputs[0], inputs[1]))


@run_float_op.register
def _(op: Maximum, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.maximum(inputs[0], inputs[1]))


@run_float_op.register
def _(op: Minimum, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return np.asarray(np.minimum(inputs[0], inputs[1]))
