"""Norms, reductions over dimensions, softmax."""

from typing import Any

from accelsim.frontend.aten.elementwise import Handler, scaled
from accelsim.frontend.lowering import ATEN, Call, Lowering, Tensor, args, argument, option, refuse
from accelsim.ir import ops


def _filled(lowering: Lowering, at: Call, like: Tensor | None, *arguments: Any) -> tuple[Tensor | None, ...]:
    """Weight and bias, where one of them is missing as ones or zeros; both None where both are."""
    weight, bias = (lowering.tensor(at, a) for a in arguments)
    known = weight if weight is not None else bias if bias is not None else like
    if known is None:
        return None, None
    return (known.new_ones(known.shape) if weight is None else weight), (
        known.new_zeros(known.shape) if bias is None else bias
    )


def _made_up(weight: Any, bias: Any) -> list[str]:
    """The roles that `_filled` fills."""
    return [role for role, given in (("weight", weight), ("bias", bias)) if given is None]


def _expect_channels_first(lowering: Lowering, at: Call) -> str:
    if not lowering.layout(at, args(at)[0]).plain:
        raise refuse(at, f"{at.target} where the batch is not the first dimension")
    return lowering.value(at, args(at)[0])


def batch_norm(lowering: Lowering, at: Call) -> str:
    """Batch norm with stored statistics, or of one sample at a time."""
    x, weight, bias, mean, var, training = args(at)[:6]
    eps = float(argument(at, 7, "eps", 1e-5))
    if mean is None or var is None or training:
        return _norm_of_samples(lowering, at, (x, weight, bias), eps)
    return _stored_norm(lowering, at, (x, weight, bias, mean, var), eps)


def _norm_of_samples(lowering: Lowering, at: Call, given: tuple[Any, ...], eps: float) -> str:
    """Batch norm of `[1, N * C, ...]` by its own statistics, an instance norm (as in MUNIT, arXiv 1804.04732)."""
    x, weight, bias = given
    layout = lowering.layout(at, x)
    if layout.before != (1,) or layout.outer != 1 or not layout.after:
        raise refuse(at, "batch norm without stored statistics")
    channels, shape = layout.inner, lowering.shape(at, x)
    value = lowering.reshape(at, lowering.value(at, x), (channels, *layout.after), f"{at.name}_sample")
    value = lowering.emit(at, ops.InstanceNorm(channels, eps, False), [value])
    for op, factor in ((ops.Mul(), weight), (ops.Add(), bias)):
        if factor is not None:
            ready = lowering.reshape(at, lowering.value(at, factor), (channels,) + (1,) * len(layout.after))
            value = lowering.emit(at, op, [value, ready])
    return lowering.reshape(at, value, shape)


def _stored_norm(lowering: Lowering, at: Call, given: tuple[Any, ...], eps: float) -> str:
    _, weight, bias, mean, var = given
    means, variances = (lowering.tensor(at, a) for a in (mean, var))
    assert means is not None
    scale, shift = _filled(lowering, at, means, weight, bias)
    tensors = {"weight": scale, "bias": shift, "mean": means, "var": variances}
    value = _expect_channels_first(lowering, at)
    op, made_up = ops.BatchNorm(means.numel(), eps), _made_up(weight, bias)
    return lowering.emit_with(at, op, [value], [mean, var, weight, bias], tensors, made_up)


def native_batch_norm(lowering: Lowering, at: Call) -> str:
    """Batch norm as it is after functionalization."""
    return _stored_norm(lowering, at, args(at)[:5], float(args(at)[6]))


def measuring_batch_norm(lowering: Lowering, at: Call) -> str:
    """Batch norm by its own statistics, as it is after functionalization; the statistics that it returns are unused."""
    return _norm_of_samples(lowering, at, args(at)[:3], float(args(at)[-1]))


def instance_norm(lowering: Lowering, at: Call) -> str:
    """Instance norm by the input's own statistics; with stored ones it is a batch norm."""
    x, weight, bias, mean, var, measured = args(at)[:6]
    eps = float(argument(at, 7, "eps", 1e-5))
    if not measured:
        return _stored_norm(lowering, at, (x, weight, bias, mean, var), eps)
    channels = lowering.shape(at, x)[0]
    return _measured_norm(lowering, at, ops.InstanceNorm(channels, eps, bool(weight or bias)), weight, bias)


def group_norm(lowering: Lowering, at: Call) -> str:
    """Norm of groups of channels."""
    weight, bias = argument(at, 2, "weight"), argument(at, 3, "bias")
    channels = lowering.shape(at, args(at)[0])[0]
    op = ops.GroupNorm(channels, int(args(at)[1]), float(argument(at, 4, "eps", 1e-5)), bool(weight or bias))
    return _measured_norm(lowering, at, op, weight, bias)


def _measured_norm(
    lowering: Lowering, at: Call, op: ops.InstanceNorm | ops.GroupNorm | ops.LayerNorm, weight: Any, bias: Any
) -> str:
    value = lowering.value(at, args(at)[0]) if isinstance(op, ops.LayerNorm) else _expect_channels_first(lowering, at)
    if not op.affine:
        return lowering.emit(at, op, [value])
    scale, shift = _filled(lowering, at, None, weight, bias)
    tensors = {"weight": scale, "bias": shift}
    return lowering.emit_with(at, op, [value], [weight, bias], tensors, _made_up(weight, bias))


def _last_axes(lowering: Lowering, at: Call) -> ops.Shape:
    shape = tuple(int(n) for n in args(at)[1])
    if lowering.layout(at, args(at)[0]).axis >= lowering.layout(at, args(at)[0]).rank - len(shape):
        raise refuse(at, "a norm over the batch")
    return shape


def layer_norm(lowering: Lowering, at: Call) -> str:
    """Norm of the last dimensions."""
    weight, bias = argument(at, 2, "weight"), argument(at, 3, "bias")
    op = ops.LayerNorm(_last_axes(lowering, at), float(argument(at, 4, "eps", 1e-5)), bool(weight or bias))
    return _measured_norm(lowering, at, op, weight, bias)


def rms_norm(lowering: Lowering, at: Call) -> str:
    """Root mean square of the last dimensions, then a stored weight."""
    shape, value = _last_axes(lowering, at), lowering.value(at, args(at)[0])
    rank = len(lowering.shapes[value])
    eps = argument(at, 3, "eps")
    eps = 2.0**-23 if eps is None else float(eps)  # torch: the spacing of float32 at 1
    value = lowering.emit(at, ops.RMSNorm(tuple(range(rank - len(shape), rank)), eps), [value])
    weight = argument(at, 2, "weight")
    if weight is None:
        return value
    stored = lowering.constant(at, weight, (1,) * (rank - len(shape)) + shape)
    return lowering.emit(at, ops.Mul(), [value, stored], f"{at.name}_weight")


def reduce(kind: Any) -> Handler:
    """A handler for a reduction over some dimensions."""

    def lower(lowering: Lowering, at: Call) -> str:
        return reduced(lowering, at, kind, argument(at, 1, "dim"), bool(argument(at, 2, "keepdim", False)))

    return lower


def reduced(lowering: Lowering, at: Call, kind: Any, dims: Any, keepdim: bool) -> str:
    """The reduction over the given dimensions: all but the channel of an image is a global pool."""
    source = args(at)[0]
    if dims is None or dims == []:
        raise refuse(at, f"{at.target} over the batch")
    chosen = dims if isinstance(dims, list | tuple) else [dims]
    axes = tuple(sorted(lowering.axis(at, source, dim) for dim in chosen))
    value, rank = lowering.value(at, source), len(lowering.shape(at, source))
    if kind != "mean" or axes != tuple(range(1, rank)) or not lowering.layout(at, source).plain:
        return lowering.emit(at, ops.Reduce(kind, axes, keepdim), [value])
    pooled = lowering.emit(at, ops.GlobalAveragePool(), [value])
    kept = (lowering.shapes[value][0], *[1] * (rank - 1))
    return lowering.reshape(at, pooled, kept, f"{pooled}_keepdim") if keepdim else pooled


def variance(lowering: Lowering, at: Call) -> str:
    """Variance, or standard deviation, with whatever correction of the divisor."""
    dims = argument(at, 1, "dim")
    old = at.target in (ATEN.var.dim, ATEN.std.dim)
    correction = argument(at, 2, "unbiased", True) if old else option(at, "correction")
    correction = 1 if correction is None else int(correction)
    keepdim = bool(argument(at, 3, "keepdim", False)) if old else bool(option(at, "keepdim", False))
    value = reduced(lowering, at, "var", dims, keepdim)
    source = args(at)[0]
    chosen = dims if isinstance(dims, list | tuple) else [dims]
    count = 1
    for dim in chosen:
        count *= lowering.shape(at, source)[lowering.axis(at, source, dim)]
    if count <= correction:
        raise refuse(at, f"a variance of {count} elements with correction {correction}")
    value = scaled(lowering, at, value, count / (count - correction), 0)
    deviation = at.target in (ATEN.std.dim, ATEN.std.correction)
    return lowering.emit(at, ops.Power(0.5), [value]) if deviation else value


def vector_norm(lowering: Lowering, at: Call) -> str:
    """The Euclidean norm, or the sum of magnitudes."""
    order = argument(at, 1, "ord", 2)
    dims, keepdim = argument(at, 2, "dim"), bool(argument(at, 3, "keepdim", False))
    if order is None or float(order) == 2:
        return reduced(lowering, at, "norm", dims, keepdim)
    raise refuse(at, f"a norm of order {order}")


def extreme(kind: Any) -> Handler:
    """A handler for the largest or smallest along one dimension, the first of two results."""
    return lambda lowering, at: reduced(lowering, at, kind, args(at)[1], bool(argument(at, 2, "keepdim", False)))


def softmax(lowering: Lowering, at: Call) -> str:
    """Softmax along one dimension."""
    axis = lowering.axis(at, args(at)[0], args(at)[1])
    return lowering.emit(at, ops.Softmax(axis), [lowering.value(at, args(at)[0])])


def log_softmax(lowering: Lowering, at: Call) -> str:
    """The logarithm of a softmax."""
    return lowering.emit(at, ops.Log(), [softmax(lowering, at)])


_A: Any = ATEN
LOWER: dict[Any, Handler] = {
    _A.batch_norm.default: batch_norm,
    _A._native_batch_norm_legit_no_training.default: native_batch_norm,
    _A._native_batch_norm_legit_functional.default: measuring_batch_norm,
    _A._native_batch_norm_legit.no_stats: measuring_batch_norm,
    _A.instance_norm.default: instance_norm,
    _A.group_norm.default: group_norm,
    _A.layer_norm.default: layer_norm,
    _A.rms_norm.default: rms_norm,
    _A.mean.dim: reduce("mean"),
    _A.sum.dim_IntList: reduce("sum"),
    _A.amax.default: reduce("max"),
    _A.amin.default: reduce("min"),
    _A.max.dim: extreme("max"),
    _A.min.dim: extreme("min"),
    _A.var.correction: variance,
    _A.var.dim: variance,
    _A.std.correction: variance,
    _A.std.dim: variance,
    _A.linalg_vector_norm.default: vector_norm,
    _A.norm.ScalarOpt_dim: vector_norm,
    _A.softmax.int: softmax,
    _A._softmax.default: softmax,
    _A.log_softmax.int: log_softmax,
    _A._log_softmax.default: log_softmax,
}
