"""Operators that multiply and accumulate: dense layers, convolutions, products of values, attention."""

from math import prod, sqrt
from typing import Any

from accelsim.frontend.aten.elementwise import Handler, operands, scaled
from accelsim.frontend.layout import batch_factor
from accelsim.frontend.lowering import ATEN, Call, Lowering, Tensor, args, argument, option, refuse
from accelsim.ir import ops


def linear(lowering: Lowering, at: Call) -> str:
    """x W^T + b over the last dimension."""
    arguments = [args(at)[1], argument(at, 2, "bias")]
    weight, bias = (lowering.tensor(at, a) for a in arguments)
    assert weight is not None
    return _dense(lowering, at, args(at)[0], arguments, weight, bias)


def _dense(lowering: Lowering, at: Call, source: Any, arguments: list[Any], weight: Tensor, bias: Tensor | None) -> str:
    layout = lowering.layout(at, source)
    if layout.axis == layout.rank - 1:
        raise refuse(at, f"{at.target} over the batch dimension")
    op = ops.Dense(weight.shape[1], weight.shape[0], bias is not None)
    return lowering.emit_with(at, op, [lowering.value(at, source)], arguments, {"weight": weight, "bias": bias})


def _sizes(value: Any, spatial: int, fill: int) -> ops.Pair:
    """Two sizes from one, or from one an axis; a sequence is an image of one row, where `fill` stands."""
    values = [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)]
    return (fill, values[0]) if spatial == 1 else (values[0], values[-1])


def _geometry(at: Call, spatial: int, weight: ops.Shape, transposed: bool) -> dict[str, Any]:
    """kernel, stride, dilation and padding or crop."""
    kernel = _sizes(weight[2:], spatial, 1)
    dilation = _sizes(argument(at, 7 if transposed else 5, "dilation", 1), spatial, 1)
    made = {"kernel": kernel, "stride": _sizes(argument(at, 3, "stride", 1), spatial, 1), "dilation": dilation}
    padding = argument(at, 4, "padding", 0)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sides = (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
        return made | {"padding": sides}
    rows, columns = (0, 0) if padding == "valid" else _sizes(padding, spatial, 0)
    if not transposed:
        return made | {"padding": (rows, rows, columns, columns)}
    below, right = _sizes(argument(at, 5, "output_padding", 0), spatial, 0)
    return made | {"crop": (rows, rows - below, columns, columns - right)}


def convolution(spatial: int, transposed: bool) -> Handler:
    """A handler for convolutions of sequences and images."""

    def lower(lowering: Lowering, at: Call) -> str:
        given = argument(at, 6, "groups", 1)
        if args(at)[1] in lowering.values:
            return _dynamic(lowering, at, spatial, transposed, given)
        return _static(lowering, at, spatial, transposed, int(given))

    return lower


def _static(lowering: Lowering, at: Call, spatial: int, transposed: bool, groups: int) -> str:
    """Stored weights. Samples that are several images each are one image with more groups of channels."""
    arguments = [args(at)[1], argument(at, 2, "bias")]
    weight, bias = (lowering.tensor(at, a) for a in arguments)
    assert weight is not None
    layout = lowering.layout(at, args(at)[0])
    if layout.before or len(layout.after) != spatial + 1:
        raise refuse(at, f"{at.target} where the batch is not the first dimension")
    images = prod(layout.folded)
    geometry = _geometry(at, spatial, tuple(weight.shape), transposed)
    if spatial == 1:
        weight = weight.unsqueeze(2)
    if images > 1:
        weight = weight.repeat(images, 1, 1, 1)
        bias = None if bias is None else bias.repeat(images)
    groups *= images
    ends = (weight.shape[0], weight.shape[1] * groups)
    make = ops.ConvTranspose2d if transposed else ops.Conv2d
    op = make(*(ends if transposed else ends[::-1]), **geometry, groups=groups, bias=bias is not None)
    sizes = (1,) * (2 - spatial) + layout.after[1:]
    value = lowering.reshape(at, lowering.value(at, args(at)[0]), (op.in_channels, *sizes), f"{at.name}_plane")
    made = lowering.emit_with(at, op, [value], arguments, {"weight": weight, "bias": bias})
    return lowering.reshape(at, made, lowering.layout(at).shape, f"{at.name}_shape")


def _dynamic(lowering: Lowering, at: Call, spatial: int, transposed: bool, given: Any) -> str:
    """Weights of each sample: torch has the samples as groups of one image, `[1, N * C, H, W]`."""
    symbolic = given.meta["val"] if isinstance(given, Call) else given
    groups = batch_factor(symbolic)
    x, w = lowering.layout(at, args(at)[0]), lowering.layout(at, args(at)[1])
    if groups is None or x.before != (1,) or x.outer * w.outer != 1 or w.axis != 0 or argument(at, 2, "bias"):
        raise refuse(at, f"{at.target} with computed weights that are not one set for each sample")
    weight = (w.inner, *w.after)
    ends = (weight[0], weight[1] * groups) if transposed else (weight[1] * groups, weight[0])
    geometry = _geometry(at, spatial, weight, transposed)
    make = ops.DynamicConvTranspose2d if transposed else ops.DynamicConv2d
    op = make(*ends, **geometry, groups=groups)
    rows = (1,) * (2 - spatial)
    image = lowering.reshape(at, lowering.value(at, args(at)[0]), (op.in_channels, *rows, *x.after), f"{at.name}_plane")
    kernel = (*weight[:2], *op.kernel)
    weights = lowering.reshape(at, lowering.value(at, args(at)[1]), kernel, f"{at.name}_weights")
    return lowering.reshape(at, lowering.emit(at, op, [image, weights]), lowering.layout(at).shape, f"{at.name}_shape")


def matmul(lowering: Lowering, at: Call) -> str:
    """Products of values; with a stored matrix on the right it is a dense layer."""
    return _product(lowering, at, args(at)[0], args(at)[1])


def _product(lowering: Lowering, at: Call, left: Any, right: Any) -> str:
    if right in lowering.tensors and lowering.tensors[right].dim() >= 2:
        *leading, rows, columns = lowering.tensors[right].shape
        if set(leading) <= {1}:
            return _dense(lowering, at, left, [right], lowering.tensors[right].reshape(rows, columns).t(), None)
    for side in (left, right):
        rank = len(side.meta["val"].shape)
        if rank < 2 or (side in lowering.values and lowering.layout(at, side).axis >= rank - 2):
            raise refuse(at, f"{at.target} over the batch dimension")
    values = operands(lowering, at, left, right)
    return lowering.emit(at, ops.MatMul(lowering.shapes[values[1]][-1]), values)


def added_product(lowering: Lowering, at: Call) -> str:
    """beta * input + alpha * (a @ b)."""
    beta, alpha = float(option(at, "beta", 1)), float(option(at, "alpha", 1))
    added, left, right = args(at)[:3]
    arguments, plain = [right, added], (alpha, beta) == (1, 1)
    if plain and right in lowering.tensors and added in lowering.tensors and lowering.tensors[added].dim() == 1:
        return _dense(lowering, at, left, arguments, lowering.tensors[right].t(), lowering.tensors[added])
    product = scaled(lowering, at, _product(lowering, at, left, right), alpha, 0)
    if beta == 0:
        return product
    lowering.values[at] = product
    values = operands(lowering, at, added, at)
    return lowering.emit(at, ops.Add(), [scaled(lowering, at, values[0], beta, 0), values[1]])


def attention(lowering: Lowering, at: Call) -> str:
    """softmax(q k^T * scale + mask) v (Vaswani et al. 2017, arXiv 1706.03762, equation 1)."""
    query, key, value = (lowering.value(at, a) for a in args(at)[:3])
    mask = argument(at, 3, "attn_mask")
    if argument(at, 5, "is_causal", False) or option(at, "enable_gqa"):
        raise refuse(at, "causal or grouped attention")
    shape = lowering.shapes[key]
    rank = len(shape)
    if len(lowering.shapes[query]) != rank or len(lowering.shapes[value]) != rank or rank < 2:
        raise refuse(at, "attention between values of different ranks")
    turned = lowering.emit(at, ops.Permute((*range(rank - 2), rank - 1, rank - 2)), [key], f"{at.name}_keys")
    scale = option(at, "scale")
    factor = 1 / sqrt(shape[-1]) if scale is None else float(scale)
    scores = lowering.emit(at, ops.MatMul(shape[-2]), [query, turned], f"{at.name}_scores")
    scores = lowering.emit(at, ops.ScaleShift(factor, 0.0), [scores], f"{at.name}_scaled")
    if mask is not None:
        scores = _masked(lowering, at, scores, mask)
    weights = lowering.emit(at, ops.Softmax(rank - 1), [scores], f"{at.name}_weights")
    return lowering.emit(at, ops.MatMul(lowering.shapes[value][-1]), [weights, value])


def _masked(lowering: Lowering, at: Call, scores: str, mask: Any) -> str:
    if mask.meta["val"].dtype.is_floating_point is False:
        raise refuse(at, "attention with a mask of true and false")
    rank = len(lowering.shapes[scores])
    if mask in lowering.tensors:
        sizes = [int(n) for n in lowering.tensors[mask].shape]
        added = lowering.constant(at, mask, (1,) * (rank - len(sizes)) + tuple(sizes[-rank:]))
    else:
        added = lowering.value(at, mask)
    return lowering.emit(at, ops.Add(), [scores, added], f"{at.name}_masked")


_A: Any = ATEN
LOWER: dict[Any, Handler] = {
    _A.linear.default: linear,
    _A.conv1d.default: convolution(1, transposed=False),
    _A.conv1d.padding: convolution(1, transposed=False),
    _A.conv2d.default: convolution(2, transposed=False),
    _A.conv2d.padding: convolution(2, transposed=False),
    _A.conv_transpose1d.default: convolution(1, transposed=True),
    _A.conv_transpose2d.input: convolution(2, transposed=True),
    _A.matmul.default: matmul,
    _A.mm.default: matmul,
    _A.bmm.default: matmul,
    _A.addmm.default: added_product,
    _A.baddbmm.default: added_product,
    _A.scaled_dot_product_attention.default: attention,
}
