"""Operators that move elements: other shapes, orders, selections, repetitions, and joins."""

from collections.abc import Sequence
from math import prod
from typing import Any

from accelsim.frontend.aten.elementwise import Handler
from accelsim.frontend.lowering import ATEN, Call, Lowering, args, argument, refuse
from accelsim.ir import ops


def reshape(lowering: Lowering, at: Call) -> str:
    """Any operator that keeps the elements in order; the batch may fold with its neighbours and come out again."""
    value, before = lowering.value(at, args(at)[0]), lowering.layout(at, args(at)[0])
    lowering.outers[at] = 1
    after = lowering.layout(at)
    ahead, behind = prod(before.before) * before.outer, prod(after.before)
    if ahead % behind:
        raise refuse(at, "a reshape that splits the batch dimension from another side than it was folded")
    lowering.outers[at] = ahead // behind
    return lowering.reshape(at, value, lowering.layout(at).shape, at.name)


def permute(lowering: Lowering, at: Call) -> str:
    """Another order of the dimensions, the batch included."""
    source = args(at)[0]
    before = lowering.layout(at, source)
    rank = before.rank
    order = _order(at, rank)
    lowering.outers[at] = before.outer
    axes = tuple(axis for dim in order for axis in before.sample_axes(dim))
    value = lowering.value(at, source)
    return value if axes == tuple(sorted(axes)) else lowering.emit(at, ops.Permute(axes), [value])


def _order(at: Call, rank: int) -> list[int]:
    """The dimension of the input that each dimension of the result is."""
    order = list(range(rank))
    if at.target is ATEN.permute.default:
        return [int(a) % rank for a in args(at)[1]]
    if at.target is ATEN.movedim.intlist or at.target is ATEN.movedim.int:
        pairs = [[int(a) % rank for a in (d if isinstance(d, list | tuple) else [d])] for d in args(at)[1:3]]
        kept = iter(d for d in order if d not in pairs[0])
        placed = dict(zip(pairs[1], pairs[0], strict=True))
        return [placed[d] if d in placed else next(kept) for d in order]
    if rank > 1:
        swapped = args(at)[1:3] if len(args(at)) > 1 else (-2, -1)
        first, second = (int(a) % rank for a in swapped)
        order[first], order[second] = second, first
    return order


def slice_of(lowering: Lowering, at: Call) -> str:
    """`x[start:end:step]` along one dimension."""
    source, dim = args(at)[0], int(argument(at, 1, "dim", 0))
    value, layout = lowering.value(at, source), lowering.layout(at, source)
    start, stop, step = argument(at, 2, "start"), argument(at, 3, "end"), int(argument(at, 4, "step", 1))
    if dim % layout.rank == layout.axis:
        if start in (None, 0) and step == 1 and (stop is None or not isinstance(stop, int) or stop >= 2**31):
            return value
        raise refuse(at, "slicing the batch dimension")
    axis = lowering.axis(at, source, dim)
    size = lowering.shapes[value][axis]
    kept = range(size)[slice(start, stop, step)]
    if not kept:
        raise refuse(at, f"a slice that keeps nothing of {size}")
    return _sliced(lowering, at, value, axis, kept)


def _sliced(lowering: Lowering, at: Call, value: str, axis: int, kept: range, name: str = "") -> str:
    if kept == range(lowering.shapes[value][axis]):
        return value
    return lowering.emit(at, ops.Slice(axis, kept.start, kept.stop, kept.step), [value], name)


def slice_scatter(lowering: Lowering, at: Call) -> str:
    """The first argument with another value in the place of a slice: what writing into a slice in place means."""
    whole, part = lowering.value(at, args(at)[0]), lowering.value(at, args(at)[1])
    if lowering.shapes[whole] == lowering.shapes[part]:
        return part
    axis, step = lowering.axis(at, args(at)[0], int(argument(at, 2, "dim", 0))), int(argument(at, 5, "step", 1))
    size = lowering.shapes[whole][axis]
    place = range(size)[slice(argument(at, 3, "start"), argument(at, 4, "end"), step)]
    if step != 1:
        raise refuse(at, "writing into a slice with a step")
    around = [range(place.start), range(place.stop, size)]
    before, after = ([_sliced(lowering, at, whole, axis, kept)] if kept else [] for kept in around)
    return lowering.emit(at, ops.Concat(axis), [*before, part, *after])


def narrow(lowering: Lowering, at: Call) -> str:
    """`length` elements from `start` along one dimension."""
    axis, start, length = lowering.axis(at, args(at)[0], args(at)[1]), int(args(at)[2]), int(args(at)[3])
    return _sliced(lowering, at, lowering.value(at, args(at)[0]), axis, range(start, start + length))


def select(lowering: Lowering, at: Call) -> str:
    """One index of a dimension, which goes."""
    value, axis = lowering.value(at, args(at)[0]), lowering.axis(at, args(at)[0], args(at)[1])
    return _selected(lowering, at, value, axis, int(args(at)[2]))


def _selected(lowering: Lowering, at: Call, value: str, axis: int, index: int) -> str:
    shape = lowering.shapes[value]
    index %= shape[axis]
    one = _sliced(lowering, at, value, axis, range(index, index + 1), f"{at.name}_slice")
    return lowering.reshape(at, one, (*shape[:axis], *shape[axis + 1 :]), at.name)


def split(lowering: Lowering, at: Call) -> None:
    """Several slices, by size, by sizes or by number of parts."""
    source = args(at)[0]
    dim = int(argument(at, 2, "dim", 0))
    value, axis = lowering.value(at, source), lowering.axis(at, source, dim)
    sizes = [int(part.shape[dim]) for part in at.meta["val"]]
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    lowering.parts[at] = tuple(
        _sliced(lowering, at, value, axis, range(end - size, end)) for size, end in zip(sizes, ends, strict=True)
    )


def unbind(lowering: Lowering, at: Call) -> None:
    """Every index of a dimension, which goes."""
    axis = lowering.axis(at, args(at)[0], int(argument(at, 1, "dim", 0)))
    value = lowering.value(at, args(at)[0])
    lowering.parts[at] = tuple(_selected(lowering, at, value, axis, i) for i in range(lowering.shapes[value][axis]))


def getitem(lowering: Lowering, at: Call) -> str:
    """One of several results."""
    source, index = args(at)[0], args(at)[1]
    if source in lowering.parts:
        lowering.outers[at] = lowering.outers.get(source, 1)
        return lowering.parts[source][int(index)]
    if source in lowering.values and index == 0:
        return lowering.values[source]
    raise refuse(at, f"result {index} of {getattr(source, 'target', source)}")


def expand(lowering: Lowering, at: Call) -> str:
    """Dimensions of size 1 repeated; a stored tensor may get its batch here."""
    value = batched(lowering, at)
    wanted, shape = lowering.layout(at).shape, lowering.shapes[value]
    value = lowering.reshape(at, value, (1,) * (len(wanted) - len(shape)) + shape)
    return value if lowering.shapes[value] == wanted else lowering.emit(at, ops.Expand(wanted), [value])


def batched(lowering: Lowering, at: Call) -> str:
    """The first argument; a stored tensor without the dimension that becomes the batch, or that each sample repeats."""
    source = args(at)[0]
    if not isinstance(source, Call) or source not in lowering.tensors:
        return lowering.value(at, source)
    layout = lowering.layout(at)
    sizes = [1] * (layout.rank - lowering.tensors[source].dim()) + list(lowering.tensors[source].shape)
    if sizes[layout.axis] != layout.inner or layout.outer != 1:
        raise refuse(at, "a stored tensor with several elements along the batch")
    sizes[layout.axis : layout.axis + 1] = layout.folded
    return lowering.constant(at, source, tuple(int(n) for n in sizes))


def repeat(lowering: Lowering, at: Call) -> str:
    """Copies one after the other along some dimensions."""
    value = batched(lowering, at)
    layout = lowering.layout(at)
    wanted = layout.shape
    shape = (1,) * (len(wanted) - len(lowering.shapes[value])) + lowering.shapes[value]
    if any(w % n for w, n in zip(wanted, shape, strict=True)):
        raise refuse(at, "repeating the batch")
    times = [w // n for w, n in zip(wanted, shape, strict=True)]
    return _tiled(lowering, at, value, [(r, n) for r, n in zip(times, shape, strict=True)], wanted, first=True)


def repeat_interleave(lowering: Lowering, at: Call) -> str:
    """Copies of each element beside it along one dimension."""
    axis = lowering.axis(at, args(at)[0], int(argument(at, 2, "dim")))
    value, wanted = lowering.value(at, args(at)[0]), lowering.layout(at).shape
    pairs = [(wanted[a] // n, n) if a == axis else (1, n) for a, n in enumerate(lowering.shapes[value])]
    return _tiled(lowering, at, value, pairs, wanted, first=False)


def _tiled(
    lowering: Lowering, at: Call, value: str, pairs: Sequence[tuple[int, int]], wanted: ops.Shape, first: bool
) -> str:
    """Every axis of n elements r times, for its (r, n): the whole axis again, or each element (first=False)."""
    if all(r == 1 for r, _ in pairs):
        return lowering.reshape(at, value, wanted)
    spread = [side for r, n in pairs for side in ((r, n) if r > 1 and first else (n, r) if r > 1 else (n,))]
    single = [side for r, n in pairs for side in ((1, n) if r > 1 and first else (n, 1) if r > 1 else (n,))]
    value = lowering.reshape(at, value, tuple(single))
    value = lowering.emit(at, ops.Expand(tuple(spread)), [value], f"{at.name}_expand")
    return lowering.reshape(at, value, wanted, at.name)


def flip(lowering: Lowering, at: Call) -> str:
    """Some dimensions backwards."""
    value = lowering.value(at, args(at)[0])
    for dim in args(at)[1]:
        axis = lowering.axis(at, args(at)[0], dim)
        index = tuple(range(lowering.shapes[value][axis]))[::-1]
        value = lowering.emit(at, ops.Take(axis, index), [value])
    return value


def roll(lowering: Lowering, at: Call) -> str:
    """Some dimensions turned around."""
    value, dims = lowering.value(at, args(at)[0]), argument(at, 2, "dims", ())
    for shift, dim in zip(args(at)[1], dims, strict=True):
        axis = lowering.axis(at, args(at)[0], dim)
        size = lowering.shapes[value][axis]
        value = lowering.emit(at, ops.Take(axis, tuple((i - int(shift)) % size for i in range(size))), [value])
    return value


def index_select(lowering: Lowering, at: Call) -> str:
    """Stored indices along one dimension."""
    axis, index = lowering.axis(at, args(at)[0], args(at)[1]), lowering.tensor(at, args(at)[2])
    assert index is not None
    return lowering.emit(at, ops.Take(axis, tuple(index.tolist())), [lowering.value(at, args(at)[0])])


def index(lowering: Lowering, at: Call) -> str:
    """`x[:, i, j]` with stored indices of dimensions that follow each other; `i` and `j` broadcast."""
    source = args(at)[0]
    given = [(dim, lowering.tensor(at, a)) for dim, a in enumerate(args(at)[1]) if a is not None]
    (first, start), *_ = given
    if any(t is None or t.dtype.is_floating_point for _, t in given) or given[-1][0] - first + 1 != len(given):
        raise refuse(at, "indexing that is not by stored indices of dimensions that follow each other")
    assert start is not None
    if str(start.dtype) == "torch.bool":
        if len(given) > 1 or start.dim() > 1:
            raise refuse(at, "a mask of several dimensions")
        given = [(first, start.nonzero().flatten())]
    axes = [lowering.axis(at, source, dim) for dim, _ in given]
    value, axis = lowering.value(at, source), axes[0]
    shape = lowering.shapes[value]
    place: Any = 0
    for chosen, (_, tensor) in zip(axes, given, strict=True):
        assert tensor is not None
        place = place * shape[chosen] + tensor % shape[chosen]
    ahead, behind = shape[:axis], shape[axes[-1] + 1 :]
    value = lowering.reshape(at, value, (*ahead, prod(shape[axis : axes[-1] + 1]), *behind))
    value = lowering.emit(at, ops.Take(axis, tuple(place.flatten().tolist())), [value])
    return lowering.reshape(at, value, (*ahead, *place.shape, *behind))


def concat(lowering: Lowering, at: Call) -> str:
    """Values one after the other."""
    parts = list(args(at)[0])
    known = next((p for p in parts if p in lowering.values), parts[0])
    axis = lowering.axis(at, known, int(argument(at, 1, "dim", 0)))
    values = [lowering.value(at, part) for part in parts]
    return values[0] if len(values) == 1 else lowering.emit(at, ops.Concat(axis), values)


def stack(lowering: Lowering, at: Call) -> str:
    """Values along a new dimension."""
    layout, dim = lowering.layout(at), int(argument(at, 1, "dim", 0))
    (axis, *more) = layout.sample_axes(dim) or (None,)
    if axis is None or more or dim % layout.rank == layout.axis:
        raise refuse(at, "stacking along the batch")
    values = [lowering.value(at, part) for part in args(at)[0]]
    shape = lowering.shapes[values[0]]
    single = (*shape[:axis], 1, *shape[axis:])
    reshaped = [lowering.reshape(at, value, single, f"{at.name}_part") for value in values]
    return reshaped[0] if len(reshaped) == 1 else lowering.emit(at, ops.Concat(axis), reshaped)


def pixel_shuffle(lowering: Lowering, at: Call) -> str:
    """Blocks of r * r channels become r * r pixels (Shi et al. 2016, arXiv 1609.05158)."""
    value, r = lowering.value(at, args(at)[0]), int(args(at)[1])
    *ahead, c, h, w = lowering.shapes[value]
    n = len(ahead)
    blocks = lowering.reshape(at, value, (*ahead, c // (r * r), r, r, h, w), f"{at.name}_blocks")
    axes = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    mixed = lowering.emit(at, ops.Permute(axes), [blocks], f"{at.name}_order")
    return lowering.reshape(at, mixed, (*ahead, c // (r * r), h * r, w * r), at.name)


def pixel_unshuffle(lowering: Lowering, at: Call) -> str:
    """Blocks of r * r pixels become r * r channels."""
    value, r = lowering.value(at, args(at)[0]), int(args(at)[1])
    *ahead, c, h, w = lowering.shapes[value]
    n = len(ahead)
    blocks = lowering.reshape(at, value, (*ahead, c, h // r, r, w // r, r), f"{at.name}_blocks")
    mixed = lowering.emit(at, ops.Permute((*range(n), n, n + 2, n + 4, n + 1, n + 3)), [blocks], f"{at.name}_order")
    return lowering.reshape(at, mixed, (*ahead, c * r * r, h // r, w // r), at.name)


def channel_shuffle(lowering: Lowering, at: Call) -> str:
    """Channels of the groups in turn."""
    value, groups = lowering.value(at, args(at)[0]), int(args(at)[1])
    channels, *rest = lowering.shapes[value]
    blocks = lowering.reshape(at, value, (groups, channels // groups, *rest), f"{at.name}_blocks")
    mixed = lowering.emit(at, ops.Permute((1, 0, *range(2, 2 + len(rest)))), [blocks], f"{at.name}_order")
    return lowering.reshape(at, mixed, (channels, *rest), at.name)


_A: Any = ATEN
VIEWS: dict[Any, Handler] = {
    _A.view.default: reshape,
    _A._unsafe_view.default: reshape,
    _A.view_as.default: reshape,
    _A.reshape.default: reshape,
    _A.reshape_as.default: reshape,
    _A.flatten.using_ints: reshape,
    _A.unflatten.int: reshape,
    _A.squeeze.default: reshape,
    _A.squeeze.dims: reshape,
    _A.squeeze.dim: reshape,
    _A.unsqueeze.default: reshape,
    _A.permute.default: permute,
    _A.transpose.int: permute,
    _A.swapaxes.default: permute,
    _A.t.default: permute,
    _A.mT.default: permute,
    _A.movedim.int: permute,
    _A.movedim.intlist: permute,
    _A.slice.Tensor: slice_of,
    _A.narrow.default: narrow,
    _A.select.int: select,
    _A.split.Tensor: split,
    _A.split.sizes: split,
    _A.split_with_sizes.default: split,
    _A.chunk.default: split,
    _A.unbind.int: unbind,
    _A.expand.default: expand,
    _A.expand_as.default: expand,
    _A.broadcast_to.default: expand,
}
"""Operators whose result may lie in the memory of their input."""

LOWER: dict[Any, Handler] = {
    **VIEWS,
    _A.slice_scatter.default: slice_scatter,
    _A.repeat.default: repeat,
    _A.tile.default: repeat,
    _A.repeat_interleave.self_int: repeat_interleave,
    _A.flip.default: flip,
    _A.roll.default: roll,
    _A.index_select.default: index_select,
    _A.index.Tensor: index,
    _A.cat.default: concat,
    _A.concat.default: concat,
    _A.concatenate.default: concat,
    _A.stack.default: stack,
    _A.pixel_shuffle.default: pixel_shuffle,
    _A.pixel_unshuffle.default: pixel_unshuffle,
    _A.channel_shuffle.default: channel_shuffle,
}
