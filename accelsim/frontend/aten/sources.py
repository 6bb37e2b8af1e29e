"""Values that are not computed from others: tables, constants over the batch, noise; and operators that do nothing."""

from typing import Any

from accelsim.frontend.aten.elementwise import Handler, scaled
from accelsim.frontend.lowering import ATEN, Call, Lowering, args, argument, new_full, refuse
from accelsim.ir import ops
from accelsim.ir.graph import Input
from accelsim.ir.ops import View

NOISE_HINT = "noise drawn normal becomes an input of its own; make any other an input of the network"


def embedding(lowering: Lowering, at: Call) -> str:
    """Rows of a table, by an integer input."""
    table = lowering.tensor(at, args(at)[0])
    assert table is not None
    index = _labels(lowering, at, args(at)[1], table.shape[0])
    return lowering.emit_with(
        at, ops.Embedding(table.shape[0], table.shape[1]), [index], [args(at)[0]], {"weight": table}
    )


def one_hot(lowering: Lowering, at: Call) -> str:
    """An integer input as a vector with a single one."""
    classes = int(argument(at, 1, "num_classes", -1))
    if classes < 1:
        raise refuse(at, "one_hot without num_classes")
    return lowering.emit(at, ops.OneHot(classes), [_labels(lowering, at, args(at)[0], classes)])


def _labels(lowering: Lowering, at: Call, source: Any, classes: int) -> str:
    """The value of an index, whose input gets as many classes as the smallest table that it goes into."""
    value = lowering.value(at, source)
    makers, root = {node.name: node for node in lowering.nodes}, value
    while root in makers and isinstance(makers[root].op, View):
        root = makers[root].inputs[0]
    if root in makers:
        raise refuse(at, f"an index computed by {type(makers[root].op).__name__}")
    place = next(i for i, known in enumerate(lowering.inputs) if known.name == root)
    known = lowering.inputs[place]
    lowering.inputs[place] = Input(root, known.shape, min(known.classes or classes, classes))
    return value


def fill(number: float | None) -> Handler:
    """A handler for a tensor of one number; None takes it from the arguments."""

    def lower(lowering: Lowering, at: Call) -> str:
        shape = lowering.layout(at).shape
        value = number
        if value is None:
            place = 2 if at.target is ATEN.new_full.default else 1
            value = lowering.number(argument(at, place, "fill_value"))
        if value is None:
            raise refuse(at, "filling with a value of the network")
        stored = lowering.fill(at, new_full((1,) * len(shape), value), at.name)
        return stored if set(shape) <= {1} else lowering.emit(at, ops.Expand(shape), [stored], f"{at.name}_expand")

    return lower


def unset(lowering: Lowering, at: Call) -> None:
    """Memory that something else fills: no value yet."""


def noise(lowering: Lowering, at: Call) -> str:
    """Normal noise: an input of its own, named `noise_1` and so on."""
    layout = lowering.layout(at)
    count = sum(value.name.startswith("noise_") for value in lowering.inputs) + 1
    value = lowering.add_input(f"noise_{count}", layout.shape)
    if at.target in (ATEN.normal_.default, ATEN.normal_functional.default):
        mean, deviation = float(argument(at, 1, "mean", 0)), float(argument(at, 2, "std", 1))
        return scaled(lowering, at, value, deviation, mean)
    return value


def other_noise(lowering: Lowering, at: Call) -> str:
    """Noise of other distributions."""
    raise refuse(at, f"drawing numbers with {at.target}", NOISE_HINT)


def identity(lowering: Lowering, at: Call) -> str:
    """The same value."""
    return lowering.value(at, args(at)[0])


def dropout(lowering: Lowering, at: Call) -> str:
    """Nothing in eval mode."""
    if argument(at, 2, "train"):
        raise refuse(at, "dropout that stays on in eval mode")
    return lowering.value(at, args(at)[0])


def convert(lowering: Lowering, at: Call) -> str:
    """Another dtype: nothing, unless a real number would be cut off."""
    before, after = args(at)[0].meta["val"].dtype, at.meta["val"].dtype
    if before.is_floating_point and not after.is_floating_point:
        raise refuse(at, f"converting {before} to {after}")
    return lowering.value(at, args(at)[0])


_A: Any = ATEN
SAME_MEMORY: dict[Any, Handler] = {
    _A.contiguous.default: identity,
    _A.alias.default: identity,
    _A.detach.default: identity,
    _A.detach_.default: identity,
    _A.dropout.default: dropout,
    _A.dropout_.default: dropout,
    _A.feature_dropout.default: dropout,
    _A.feature_dropout_.default: dropout,
    _A.alpha_dropout.default: dropout,
    _A.alpha_dropout_.default: dropout,
    _A.to.dtype: convert,
    _A.to.dtype_layout: convert,
    _A.to.device: convert,
    _A.to.other: convert,
    _A.type_as.default: convert,
}
"""Operators whose result may lie in the memory of their input."""

KEEPS_TENSOR = {*SAME_MEMORY, _A.clone.default, _A._to_copy.default, _A.lift_fresh_copy.default}
"""Operators whose result is their input, as far as a graph of values can tell."""

LOWER: dict[Any, Handler] = {
    **SAME_MEMORY,
    _A.clone.default: identity,
    _A._to_copy.default: convert,
    _A.embedding.default: embedding,
    _A.one_hot.default: one_hot,
    _A.zeros.default: fill(0.0),
    _A.zeros_like.default: fill(0.0),
    _A.new_zeros.default: fill(0.0),
    _A.ones.default: fill(1.0),
    _A.ones_like.default: fill(1.0),
    _A.new_ones.default: fill(1.0),
    _A.full.default: fill(None),
    _A.full_like.default: fill(None),
    _A.new_full.default: fill(None),
    _A.empty.memory_format: unset,
    _A.empty_like.default: unset,
    _A.new_empty.default: unset,
    _A.randn.default: noise,
    _A.randn_like.default: noise,
    _A.normal_.default: noise,
    _A.normal_functional.default: noise,
    _A.rand.default: other_noise,
    _A.rand_like.default: other_noise,
    _A.uniform_.default: other_noise,
    _A.bernoulli.default: other_noise,
}
