"""Pools, resizing and padding of images and sequences."""

from math import isfinite, prod
from typing import Any

from accelsim.frontend.aten.elementwise import Handler, scaled
from accelsim.frontend.lowering import ATEN, Call, Lowering, args, argument, refuse
from accelsim.ir import ops


def plane(lowering: Lowering, at: Call, spatial: int) -> str:
    """The first argument as `[C, H, W]`: other leading axes join the channel, a sequence gets one row."""
    value = lowering.value(at, args(at)[0])
    *ahead, channels = lowering.shapes[value][: len(lowering.shapes[value]) - spatial]
    sizes = lowering.shapes[value][-spatial:]
    if lowering.layout(at, args(at)[0]).before:
        raise refuse(at, f"{at.target} where the batch is not the first dimension")
    return lowering.reshape(at, value, (prod(ahead) * channels, *(1,) * (2 - spatial), *sizes), f"{at.name}_plane")


def unplane(lowering: Lowering, at: Call, value: str) -> str:
    """The undoing of `plane` on a result."""
    return lowering.reshape(at, value, lowering.layout(at).shape, f"{at.name}_shape")


def _pair(value: Any, spatial: int, fill: int) -> ops.Pair:
    values = [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)] * spatial
    values = values * spatial if len(values) == 1 else values
    return (fill, values[0]) if spatial == 1 else (values[0], values[1])


def _sides(
    sizes: ops.Shape, kernel: ops.Pair, stride: ops.Pair, dilation: ops.Pair, pads: ops.Pair, extent: ops.Shape
) -> ops.Sides:
    """Padding of all sides, with what rounding up the number of windows adds behind."""
    behind = [
        max(pads[i], (extent[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - sizes[i] - pads[i])
        for i in range(2)
    ]
    return (pads[0], behind[0], pads[1], behind[1])


def max_pool(spatial: int) -> Handler:
    """A handler for the largest of each window."""

    def lower(lowering: Lowering, at: Call) -> str:
        kernel = _pair(args(at)[1], spatial, 1)
        stride = _pair(argument(at, 2, "stride") or args(at)[1], spatial, 1)
        pads, dilation = (
            _pair(argument(at, 3, "padding", 0), spatial, 0),
            _pair(argument(at, 4, "dilation", 1), spatial, 1),
        )
        value = plane(lowering, at, spatial)
        extent = (1,) * (2 - spatial) + lowering.layout(at).shape[-spatial:]
        sides = _sides(lowering.shapes[value][1:], kernel, stride, dilation, pads, extent)
        return unplane(lowering, at, lowering.emit(at, ops.MaxPool(kernel, stride, dilation, sides), [value]))

    return lower


def average_pool(spatial: int) -> Handler:
    """A handler for the mean of each window."""

    def lower(lowering: Lowering, at: Call) -> str:
        kernel = _pair(args(at)[1], spatial, 1)
        stride = _pair(argument(at, 2, "stride") or args(at)[1], spatial, 1)
        pads = _pair(argument(at, 3, "padding", 0), spatial, 0)
        count, divisor = bool(argument(at, 5, "count_include_pad", True)), argument(at, 6, "divisor_override")
        value = plane(lowering, at, spatial)
        extent = (1,) * (2 - spatial) + lowering.layout(at).shape[-spatial:]
        sides = _sides(lowering.shapes[value][1:], kernel, stride, (1, 1), pads, extent)
        grown = sides[1] > pads[0] or sides[3] > pads[1]
        if grown and count and any(pads):
            raise refuse(at, "an average pool that counts padding and rounds up its size")
        op = ops.AveragePool(kernel, stride, sides, (count and not grown) or divisor is not None)
        value = lowering.emit(at, op, [value])
        if divisor is not None:
            value = scaled(lowering, at, value, prod(kernel) / float(divisor), 0)
        return unplane(lowering, at, value)

    return lower


def adaptive_pool(kind: Any) -> Handler:
    """A handler for a pool to a given size; the mean to 1 x 1 is the global pool."""

    def lower(lowering: Lowering, at: Call) -> str:
        size = lowering.layout(at).shape
        value = lowering.value(at, args(at)[0])
        spatial = len(args(at)[1]) if isinstance(args(at)[1], list | tuple) else 1
        if kind == "mean" and set(size[-spatial:]) == {1} and len(size) == spatial + 1:
            pooled = lowering.emit(at, ops.GlobalAveragePool(), [value])
            return lowering.reshape(at, pooled, size, f"{pooled}_keepdim")
        shape = lowering.shapes[value]
        joined = lowering.reshape(at, value, (prod(shape[:-spatial]), *shape[-spatial:]), f"{at.name}_plane")
        return unplane(lowering, at, lowering.emit(at, ops.AdaptivePool(kind, size[-spatial:]), [joined]))

    return lower


def _resizing(lowering: Lowering, at: Call) -> tuple[str, ops.Shape, tuple[float, ...]]:
    """Value, size and input step per output, from a size or from scale factors, which torch keeps as they are."""
    value = lowering.value(at, args(at)[0])
    if lowering.layout(at, args(at)[0]).before:
        raise refuse(at, "resizing where the batch is not the first dimension")
    size = lowering.layout(at).shape
    factors = _factors(at)
    spatial = len(args(at)[0].meta["val"].shape) - 2
    shape = lowering.shapes[value]
    value = lowering.reshape(at, value, (prod(shape[:-spatial]), *shape[-spatial:]), f"{at.name}_plane")
    steps = tuple(n / m for n, m in zip(shape[-spatial:], size[-spatial:], strict=True))
    return (
        value,
        size[-spatial:],
        tuple(1 / f if f else s for f, s in zip(factors or [None] * spatial, steps, strict=True)),
    )


def _factors(at: Call) -> list[float | None] | None:
    target: Any = at.target
    names = [a.name for a in target._schema.arguments]
    if "scale_factors" in names:
        given = argument(at, names.index("scale_factors"), "scale_factors")
        return None if given is None else [float(f) for f in given]
    places = [i for i, name in enumerate(names) if name.startswith("scales")]
    return [argument(at, i, names[i]) for i in places]


def resize_nearest(offset: float) -> Handler:
    """A handler for the nearest element."""

    def lower(lowering: Lowering, at: Call) -> str:
        value, size, steps = _resizing(lowering, at)
        return unplane(lowering, at, lowering.emit(at, ops.ResizeNearest(size, steps, offset), [value]))

    return lower


def interpolate(kind: Any) -> Handler:
    """A handler for linear and cubic interpolation."""

    def lower(lowering: Lowering, at: Call) -> str:
        value, size, steps = _resizing(lowering, at)
        aligned = bool(args(at)[2])
        if aligned:
            sizes = lowering.shapes[value][1:]
            steps = tuple((n - 1) / (m - 1) if m > 1 else 0.0 for n, m in zip(sizes, size, strict=True))
        return unplane(lowering, at, lowering.emit(at, ops.Interpolate(kind, size, steps, aligned), [value]))

    return lower


def pad(lowering: Lowering, at: Call) -> str:
    """Padding of the last dimensions in any mode; a negative pad crops."""
    mode, fill = argument(at, 2, "mode", "constant"), argument(at, 3, "value", 0)
    if at.target is ATEN.constant_pad_nd.default:
        mode, fill = "constant", argument(at, 2, "value", 0)
    return _padded(lowering, at, mode, 0.0 if fill is None else float(fill))


def pad_mode(mode: str) -> Handler:
    """A handler for padding in one mode."""
    return lambda lowering, at: _padded(lowering, at, mode, 0.0)


def _padded(lowering: Lowering, at: Call, mode: Any, fill: float) -> str:
    amounts = [int(n) for n in args(at)[1]]
    value, layout = lowering.value(at, args(at)[0]), lowering.layout(at, args(at)[0])
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    before, after = ([0] * len(lowering.shapes[value]) for _ in range(2))
    for i, pair in enumerate(pairs):
        dim = layout.rank - 1 - i
        if dim < 0 or (dim == layout.axis and pair != (0, 0)):
            raise refuse(at, f"padding {amounts}")
        for axis in layout.sample_axes(dim)[:1]:
            before[axis], after[axis] = pair
    for axis, (first, last) in enumerate(zip(before, after, strict=True)):
        size = lowering.shapes[value][axis]
        if min(first, last) < 0:
            kept = (max(0, -first), size + min(0, last))
            value = lowering.emit(at, ops.Slice(axis, *kept, 1), [value], f"{at.name}_crop")
    rows, columns = (tuple(max(0, n) for n in side) for side in (before, after))
    if not any(rows + columns):
        return value
    if mode != "constant":
        return lowering.emit(at, ops.EdgePad(rows, columns, mode), [value])
    if not isfinite(fill):
        raise refuse(at, f"padding with {fill}")
    value = lowering.emit(at, ops.ZeroPad(rows, columns), [scaled(lowering, at, value, 1, -fill)])
    return scaled(lowering, at, value, 1, fill)


_A: Any = ATEN
LOWER: dict[Any, Handler] = {
    _A.max_pool1d.default: max_pool(1),
    _A.max_pool2d.default: max_pool(2),
    _A.max_pool2d_with_indices.default: max_pool(2),
    _A.avg_pool1d.default: average_pool(1),
    _A.avg_pool2d.default: average_pool(2),
    _A.adaptive_avg_pool1d.default: adaptive_pool("mean"),
    _A.adaptive_avg_pool2d.default: adaptive_pool("mean"),
    _A._adaptive_avg_pool2d.default: adaptive_pool("mean"),
    _A.adaptive_max_pool1d.default: adaptive_pool("max"),
    _A.adaptive_max_pool2d.default: adaptive_pool("max"),
    **{
        overload: resize_nearest(offset)
        for prefix, offset in (("upsample_nearest", 0.0), ("_upsample_nearest_exact", 0.5))
        for d in (1, 2, 3)
        for overload in (getattr(_A, f"{prefix}{d}d").vec, getattr(_A, f"{prefix}{d}d").default)
    },
    **{
        overload: interpolate(kind)
        for name, kind in (
            ("upsample_linear1d", "linear"),
            ("upsample_bilinear2d", "linear"),
            ("upsample_bicubic2d", "cubic"),
        )
        for overload in (getattr(_A, name).vec, getattr(_A, name).default)
    },
    _A.pad.default: pad,
    _A.constant_pad_nd.default: pad,
    **{
        getattr(_A, f"{name}_pad{d}d").default: pad_mode(mode)
        for name, mode in (("reflection", "reflect"), ("replication", "replicate"))
        for d in (1, 2, 3)
    },
}
