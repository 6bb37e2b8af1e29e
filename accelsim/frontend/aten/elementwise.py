"""Functions of one and of two values."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accelsim.frontend.lowering import ATEN, Call, Lowering, args, argument, option, refuse
from accelsim.ir import ops

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer et al. 2017 (arXiv 1706.02515), as torch has them."""

Handler = Callable[[Lowering, Call], str | None]


def unary(make: Callable[[Call], ops.Op]) -> Handler:
    """A handler for an operator that becomes one node with one input."""
    return lambda lowering, at: lowering.emit(at, make(at), [lowering.value(at, args(at)[0])])


def chain(*make: ops.Op) -> Handler:
    """A handler for an operator that becomes these nodes, one after the other."""

    def lower(lowering: Lowering, at: Call) -> str:
        value = lowering.value(at, args(at)[0])
        for op in make:
            value = lowering.emit(at, op, [value])
        return value

    return lower


def scaled(lowering: Lowering, at: Call, value: str, scale: float, shift: float) -> str:
    """value * scale + shift; the value itself where that changes nothing."""
    return value if (scale, shift) == (1, 0) else lowering.emit(at, ops.ScaleShift(float(scale), float(shift)), [value])


def _float(at: Call, index: int, name: str, default: float) -> float:
    return float(argument(at, index, name, default))


def _bound(at: Call, index: int, name: str) -> float | None:
    bound = argument(at, index, name)
    if bound is not None and not isinstance(bound, int | float):
        raise refuse(at, "clamping between tensors")
    return None if bound is None or math.isinf(bound) else float(bound)


def _elu(at: Call) -> ops.Op:
    if argument(at, 3, "input_scale", 1) != 1:
        raise refuse(at, "an elu with an input scale")
    return ops.ELU(_float(at, 1, "alpha", 1), _float(at, 2, "scale", 1))


def _celu(lowering: Lowering, at: Call) -> str:
    alpha = _float(at, 1, "alpha", 1)
    shrunk = scaled(lowering, at, lowering.value(at, args(at)[0]), 1 / alpha, 0)
    return lowering.emit(at, ops.ELU(1.0, alpha), [shrunk])


def _rrelu(at: Call) -> ops.Op:
    if argument(at, 3, "training", False):
        raise refuse(at, "rrelu that stays random in eval mode")
    return ops.LeakyReLU((_float(at, 1, "lower", 1 / 8) + _float(at, 2, "upper", 1 / 3)) / 2)


def _gelu(at: Call) -> ops.Op:
    return ops.GELU("tanh" if option(at, "approximate") == "tanh" else "none")


def _prelu(lowering: Lowering, at: Call) -> str:
    slope = lowering.tensor(at, args(at)[1])
    assert slope is not None
    if not lowering.layout(at, args(at)[0]).plain:
        raise refuse(at, "PReLU where the batch is not the first dimension")
    op = ops.PReLU(slope.numel())
    return lowering.emit_with(at, op, [lowering.value(at, args(at)[0])], [args(at)[1]], {"slope": slope})


@dataclass(frozen=True)
class _Binary:
    """How one function of two values is lowered: on values, and with a number on either side as (scale, shift)."""

    op: ops.Binary
    right: Callable[[float], tuple[float, float]] | None = None
    left: Callable[[float], tuple[float, float]] | None = None

    def __call__(self, lowering: Lowering, at: Call) -> str:
        """The value of `at`."""
        return self.of(lowering, at, args(at)[0], args(at)[1])

    def of(self, lowering: Lowering, at: Call, first: Any, second: Any) -> str:
        """The value of these two operands."""
        if argument(at, 2, "rounding_mode") is not None and self.op == ops.Div():
            raise refuse(at, "division that rounds")
        alpha = float(option(at, "alpha", 1))
        numbers = lowering.number(first), lowering.number(second)
        if numbers[1] is not None and self.right is not None:
            return scaled(lowering, at, lowering.value(at, first), *self.right(numbers[1] * alpha))
        if numbers[0] is not None and self.left is not None and alpha == 1:
            return scaled(lowering, at, lowering.value(at, second), *self.left(numbers[0]))
        values = operands(lowering, at, first, second)
        if alpha != 1:
            values[1] = scaled(lowering, at, values[1], alpha, 0)
        return lowering.emit(at, self.op, values)


def operands(lowering: Lowering, at: Call, *arguments: Any) -> list[str]:
    """Values of one rank that broadcast as the arguments do: values, stored tensors or numbers."""
    to_end = {lowering.layout(at, a).rank - lowering.layout(at, a).axis for a in arguments if a in lowering.values}
    folds = {lowering.layout(at, a).folded for a in arguments if a in lowering.values}
    if len(to_end) != 1 or len(folds) != 1:
        raise refuse(at, f"{at.target} of values whose batch is in different dimensions")
    (batch_from_end,), (folded,) = to_end, folds
    values = []
    for a in arguments:
        if isinstance(a, Call) and a in lowering.tensors:
            sizes = list(lowering.tensors[a].shape)
            place = len(sizes) - batch_from_end
            if place >= 0:
                sizes[place : place + 1] = [1] * len(folded) if sizes[place] == 1 else [sizes[place]]
            values.append(lowering.constant(at, a, tuple(int(n) for n in sizes)))
        else:
            values.append(lowering.value(at, a))
    rank = max(len(lowering.shapes[value]) for value in values)
    return [
        lowering.reshape(at, value, (1,) * (rank - len(lowering.shapes[value])) + lowering.shapes[value])
        for value in values
    ]


_add = _Binary(ops.Add(), lambda c: (1, c), lambda c: (1, c))
_sub = _Binary(ops.Sub(), lambda c: (1, -c), lambda c: (-1, c))
_mul = _Binary(ops.Mul(), lambda c: (c, 0), lambda c: (c, 0))


def _rsub(lowering: Lowering, at: Call) -> str:
    if option(at, "alpha", 1) != 1:
        raise refuse(at, "rsub with alpha")
    return _sub.of(lowering, at, args(at)[1], args(at)[0])


def _div(lowering: Lowering, at: Call) -> str:
    number = lowering.number(args(at)[0])
    if number is None:
        return _Binary(ops.Div(), lambda c: (1 / c, 0))(lowering, at)
    inverse = lowering.emit(at, ops.Power(-1.0), [lowering.value(at, args(at)[1])])
    return scaled(lowering, at, inverse, number, 0)


def _pow(lowering: Lowering, at: Call) -> str:
    base, exponent = lowering.number(args(at)[0]), lowering.number(args(at)[1])
    if exponent is not None:
        return lowering.emit(at, ops.Power(exponent), [lowering.value(at, args(at)[0])])
    if base is None:
        return _Binary(ops.Pow())(lowering, at)
    if base <= 0:
        raise refuse(at, f"{base} to the power of a value")
    exponents = scaled(lowering, at, lowering.value(at, args(at)[1]), math.log(base), 0)
    return lowering.emit(at, ops.Exp(), [exponents])


def _by_name(table: dict[str, Handler]) -> dict[Any, Handler]:
    """Each by its ATen operator, and by the one that writes in place where there is one."""
    found: dict[Any, Handler] = {}
    for name, handler in table.items():
        operator, overload = name.split(".")
        for spelled in (operator, f"{operator}_"):
            packet = getattr(ATEN, spelled, None)
            if packet is not None and overload in packet.overloads():
                found[getattr(packet, overload)] = handler
    return found


LOWER = _by_name(
    {
        "relu.default": unary(lambda at: ops.ReLU()),
        "relu6.default": unary(lambda at: ops.Clamp(0.0, 6.0)),
        "leaky_relu.default": unary(lambda at: ops.LeakyReLU(_float(at, 1, "negative_slope", 0.01))),
        "prelu.default": _prelu,
        "elu.default": unary(_elu),
        "celu.default": _celu,
        "rrelu.default": unary(_rrelu),
        "selu.default": unary(lambda at: ops.ELU(SELU_ALPHA, SELU_SCALE)),
        "tanh.default": unary(lambda at: ops.Tanh()),
        "sigmoid.default": unary(lambda at: ops.Sigmoid()),
        "log_sigmoid.default": chain(ops.ScaleShift(-1.0, 0.0), ops.Softplus(1.0), ops.ScaleShift(-1.0, 0.0)),
        "softplus.default": unary(lambda at: ops.Softplus(_float(at, 1, "beta", 1))),
        "gelu.default": unary(_gelu),
        "silu.default": unary(lambda at: ops.SiLU()),
        "mish.default": unary(lambda at: ops.Mish()),
        "hardsigmoid.default": unary(lambda at: ops.HardSigmoid()),
        "hardswish.default": unary(lambda at: ops.HardSwish()),
        "hardtanh.default": unary(lambda at: ops.Clamp(_float(at, 1, "min_val", -1), _float(at, 2, "max_val", 1))),
        "clamp.default": unary(lambda at: ops.Clamp(_bound(at, 1, "min"), _bound(at, 2, "max"))),
        "clip.default": unary(lambda at: ops.Clamp(_bound(at, 1, "min"), _bound(at, 2, "max"))),
        "clamp_min.default": unary(lambda at: ops.Clamp(_bound(at, 1, "min"), None)),
        "clamp_max.default": unary(lambda at: ops.Clamp(None, _bound(at, 1, "max"))),
        "abs.default": unary(lambda at: ops.Abs()),
        "exp.default": unary(lambda at: ops.Exp()),
        "expm1.default": chain(ops.Exp(), ops.ScaleShift(1.0, -1.0)),
        "log.default": unary(lambda at: ops.Log()),
        "log1p.default": chain(ops.ScaleShift(1.0, 1.0), ops.Log()),
        "log2.default": chain(ops.Log(), ops.ScaleShift(1 / math.log(2), 0.0)),
        "log10.default": chain(ops.Log(), ops.ScaleShift(1 / math.log(10), 0.0)),
        "neg.default": unary(lambda at: ops.ScaleShift(-1.0, 0.0)),
        "sin.default": unary(lambda at: ops.Sin()),
        "cos.default": unary(lambda at: ops.Cos()),
        "sign.default": unary(lambda at: ops.Sign()),
        "square.default": unary(lambda at: ops.Power(2.0)),
        "sqrt.default": unary(lambda at: ops.Power(0.5)),
        "rsqrt.default": unary(lambda at: ops.Power(-0.5)),
        "reciprocal.default": unary(lambda at: ops.Power(-1.0)),
        "pow.Tensor_Scalar": _pow,
        "pow.Scalar": _pow,
        "pow.Tensor_Tensor": _pow,
        "add.Tensor": _add,
        "add.Scalar": _add,
        "sub.Tensor": _sub,
        "sub.Scalar": _sub,
        "rsub.Tensor": _rsub,
        "rsub.Scalar": _rsub,
        "mul.Tensor": _mul,
        "mul.Scalar": _mul,
        "multiply.Tensor": _mul,
        "div.Tensor": _div,
        "div.Scalar": _div,
        "div.Tensor_mode": _div,
        "true_divide.Tensor": _div,
        "maximum.default": _Binary(ops.Maximum()),
        "minimum.default": _Binary(ops.Minimum()),
    }
)
