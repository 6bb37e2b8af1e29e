"""Small surgery on graphs that the passes share."""

from dataclasses import replace

from accelsim.ir.graph import Graph, Node


def sole_reader(graph: Graph, value: str) -> Node | None:
    """The one node that reads a value, None when several do or when the value is a network output."""
    readers = graph.readers[value]
    only = len(readers) == 1 and readers[0].inputs.count(value) == 1 and value not in graph.outputs
    return readers[0] if only else None


def maker(graph: Graph, value: str) -> Node | None:
    """The node that makes a value, None for a network input."""
    return graph.makers.get(value)


def merge(graph: Graph, into: Node, gone: Node) -> Graph:
    """`into` (a changed node of the graph) now also does the work of `gone`, which reads it or which it reads.

    The merged node keeps the name and the place of `into`, and feeds the readers of both.
    """

    def renamed(value: str) -> str:
        return into.name if value == gone.name else value

    kept = [into if node.name == into.name else node for node in graph.nodes if node.name != gone.name]
    nodes = tuple(replace(n, inputs=tuple(map(renamed, n.inputs))) if n.name != into.name else n for n in kept)
    return graph.with_nodes(nodes, tuple(map(renamed, graph.outputs)))


def swap(graph: Graph, node: Node) -> Graph:
    """The graph with the node of that name replaced."""
    return graph.with_nodes(tuple(node if n.name == node.name else n for n in graph.nodes))


def put(graph: Graph, nodes: tuple[Node, ...]) -> Graph:
    """The graph with these nodes in the place of the one that has the name of the last."""
    return graph.with_nodes(
        tuple(new for node in graph.nodes for new in (nodes if node.name == nodes[-1].name else (node,)))
    )


def without_unread(graph: Graph) -> Graph:
    """The graph without the nodes that lead to no output."""
    wanted, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if node.name in wanted:
            kept.append(node)
            wanted.update(node.inputs)
    return graph.with_nodes(tuple(reversed(kept)))
