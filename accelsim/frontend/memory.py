"""Writing in place: a graph has values, not memory."""

from collections.abc import Collection
from typing import Any

from accelsim.frontend.lowering import Call


def writes_in_place(at: Call) -> bool:
    """Whether an operator changes its input."""
    schema = getattr(at.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def is_read_stale(at: Call, views: Collection[Any]) -> bool:
    """Whether what `at` writes in place is read later under an older name, through another view of the same memory."""
    nodes = list(at.graph.nodes)
    older = set(nodes[: nodes.index(at)])
    root: Any = at.args[0]
    while isinstance(root, Call) and (root.target in views or writes_in_place(root)):
        root = root.args[0]
    same_memory = {root}
    for node in nodes[: nodes.index(at)]:
        if (node.target in views or writes_in_place(node)) and node.args[0] in same_memory:
            same_memory.add(node)
    return any(user is not at and user not in older for alias in same_memory for user in alias.users)
