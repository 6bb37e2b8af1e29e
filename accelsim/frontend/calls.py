"""The operators of an exported graph, one by one, into the layer IR."""

from typing import Any

from accelsim.errors import UnsupportedOperator
from accelsim.frontend.aten import LOWER
from accelsim.frontend.folding import fold
from accelsim.frontend.lowering import Call, Lowering, Tensor, where
from accelsim.frontend.memory import writes_in_place

SCOPES = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
"""Operators that only run a graph of their own, with the number of arguments before that graph."""


def lower_calls(lowering: Lowering, graph: Any) -> None:
    """Lower every operator of a graph whose inputs are known.

    Raises:
        UnsupportedOperator: an operator that the layer IR lacks, or lacks in this use; names the module path.
    """
    for node in graph.nodes:
        if node.op == "call_function" and makes_tensors(node.meta.get("val")):
            _lower_call(lowering, node)


def makes_tensors(made: Any) -> bool:
    """Whether an operator makes tensors; sizes and other numbers are known from the shapes."""
    return isinstance(made, Tensor) or (isinstance(made, list | tuple) and any(isinstance(m, Tensor) for m in made))


def _lower_call(lowering: Lowering, at: Call) -> None:
    if not at.users and not writes_in_place(at):
        return
    name = getattr(at.target, "__name__", "")
    if name in SCOPES:
        _enter(lowering, at, SCOPES[name])
        return
    if fold(lowering, at):
        return
    lower_op = LOWER.get(at.target)
    if lower_op is None:
        raise UnsupportedOperator(
            f"{where(at)}: operator {at.target} is not supported",
            hint="docs/public_generators.md lists what goes through; docs/adding.md says how to add an operator",
        )
    if at.args and isinstance(at.args[0], Call) and lowering.outers.get(at.args[0], 1) > 1:
        lowering.outers.setdefault(at, lowering.outers[at.args[0]])
    made = lower_op(lowering, at)
    if made is not None:
        lowering.values[at] = made


def _enter(lowering: Lowering, at: Call, skipped: int) -> None:
    """Lower the graph inside a scope (`torch.no_grad()` and the like) as if it stood outside."""
    owner: Any = at.graph.owning_module
    inner = getattr(owner, str(at.args[skipped].target))  # type: ignore[union-attr]
    places = [node for node in inner.graph.nodes if node.op == "placeholder"]
    tables: tuple[dict[Any, Any], ...] = (lowering.values, lowering.tensors, lowering.sources, lowering.outers)
    for place, given in zip(places, at.args[skipped + 1 :], strict=True):
        for table in tables:
            if given in table:
                table[place] = table[given]
        for known in (lowering.learned, lowering.trained):
            if given in known:
                known.add(place)
    lower_calls(lowering, inner.graph)
    (output,) = (node for node in inner.graph.nodes if node.op == "output")
    results: Any = output.args[0]
    lowering.parts[at] = tuple(
        lowering.value(at, r) for r in (results if isinstance(results, list | tuple) else [results])
    )
