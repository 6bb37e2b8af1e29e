"""The text form of a graph: one line a value, made to be read and compared."""

from accelsim.ir.graph import Graph
from accelsim.ir.ops import Shape, describe


def graph_text(graph: Graph) -> str:
    """`name: [N, C, H, W] = Op field=... (inputs) -> epilogue`, one line per value."""
    lines = [f"graph {graph.name}"]
    for value in graph.inputs:
        kind = f"input classes={value.classes}" if value.classes else "input"
        lines.append(f"  {value.name}: {_shape(value.shape)} = {kind}")
    for node in graph.nodes:
        reads = ", ".join(node.inputs)
        tail = "".join(f" -> {describe(a)}" for a in node.epilogue)
        lines.append(f"  {node.name}: {_shape(graph.shapes[node.name])} = {describe(node.op)} ({reads}){tail}")
    return "\n".join([*lines, f"  return {', '.join(graph.outputs)}"])


def _shape(shape: Shape) -> str:
    return f"[{', '.join(['N', *map(str, shape)])}]"
