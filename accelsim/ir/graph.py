"""A network: named inputs, nodes in the order they run, named outputs. Each node makes one value, with its name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import GraphError
from accelsim.ir.ops import Activation, Op, Shape
from accelsim.ir.parameters import STATISTICS, parameter_shapes
from accelsim.ir.shapes import result_shape

Weights = Mapping[str, NDArray[np.float32]]
"""Parameter tensors by name; see `Node.parameter`."""


@dataclass(frozen=True)
class Input:
    """A network input `[N, *shape]`: real numbers, or integers in range(classes) where `classes` is not 0."""

    name: str
    shape: Shape
    classes: int = 0


@dataclass(frozen=True)
class Node:
    """One operator, the values it reads, and the activations that ride on its result before it is stored.

    `parameters` is the prefix of its parameter tensors (nodes made from one module share it); by default the name.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    epilogue: tuple[Activation, ...] = ()
    parameters: str = field(default="")

    def parameter(self, role: str) -> str:
        """Name of a parameter tensor, for example `up1.weight`."""
        return f"{self.parameters or self.name}.{role}"


@dataclass(frozen=True)
class Graph:
    """A verified graph; making one checks it.

    `fixed` names parameter tensors that nothing trains, beside statistics: buffers, and the ones and zeros of a norm
    without weights of its own.

    Raises:
        GraphError: a name is used twice, a value is read before it is made, a shape does not follow, or nodes that
            share a tensor want it in two shapes.
    """

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    fixed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _ = self.shapes, self.parameter_shapes
        for name in self.outputs:
            if name not in self.shapes:
                raise GraphError(f"graph {self.name}: output {name!r} is not a value of the graph")
        if not self.outputs:
            raise GraphError(f"graph {self.name}: has no output")

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Sample shape of every value."""
        shapes = {value.name: value.shape for value in self.inputs}
        if len(shapes) != len(self.inputs):
            raise GraphError(f"graph {self.name}: two inputs have one name")
        for value in self.inputs:
            if min(value.shape, default=1) < 1:
                what = f"shape {list(value.shape)}; expected sizes of 1 or more"
                raise GraphError(f"graph {self.name}: input {value.name!r} has {what}")
            if value.classes < 0:
                raise GraphError(f"graph {self.name}: input {value.name!r} has {value.classes} classes")
        for node in self.nodes:
            if node.name in shapes:
                raise GraphError(f"graph {self.name}: {node.name!r} is made twice")
            for name in node.inputs:
                if name not in shapes:
                    raise GraphError(f"graph {self.name}: {node.name} reads {name!r}, which nothing made before it")
            try:
                shapes[node.name] = result_shape(node.op, *(shapes[name] for name in node.inputs))
            except GraphError as error:
                raise GraphError(f"graph {self.name}: {node.name}: {error}") from None
        return shapes

    @cached_property
    def readers(self) -> dict[str, tuple[Node, ...]]:
        """The nodes that read each value."""
        found: dict[str, list[Node]] = {value: [] for value in self.shapes}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                found[value].append(node)
        return {value: tuple(nodes) for value, nodes in found.items()}

    @cached_property
    def makers(self) -> dict[str, Node]:
        """The node that makes each value that is no input."""
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> Node:
        """The node that makes a value."""
        return self.makers[name]

    def with_nodes(self, nodes: tuple[Node, ...], outputs: tuple[str, ...] | None = None) -> "Graph":
        """The same graph with other nodes."""
        return replace(self, nodes=nodes, outputs=self.outputs if outputs is None else outputs)

    @cached_property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Shape of every parameter tensor.

        Raises:
            GraphError: nodes that share a tensor do not agree on its shape.
        """
        wanted: dict[str, Shape] = {}
        for node in self.nodes:
            for role, shape in parameter_shapes(node.op).items():
                name = node.parameter(role)
                if wanted.setdefault(name, shape) != shape:
                    known = list(wanted[name])
                    raise GraphError(
                        f"graph {self.name}: {node.name} takes {name!r} as {list(shape)}, others as {known}"
                    )
        return wanted

    @property
    def trainable_parameters(self) -> int:
        """Number of trained values; stored statistics and `fixed` tensors do not count."""
        kept = (shape for name, shape in self.parameter_shapes.items() if self.trains(name))
        return int(sum(np.prod(shape, dtype=np.int64) for shape in kept))

    def trains(self, name: str) -> bool:
        """Whether a parameter tensor is trained."""
        return name not in self.fixed and name.rsplit(".", 1)[-1] not in STATISTICS


def check_weights(graph: Graph, weights: Weights, source: str) -> None:
    """Every parameter present, of the right shape, finite; `source` names the file in the message.

    Raises:
        GraphError: the first that is not.
    """
    for name, shape in graph.parameter_shapes.items():
        if name not in weights:
            raise GraphError(f"{source}: tensor {name!r} {list(shape)} is missing")
        tensor = weights[name]
        if tensor.shape != shape:
            raise GraphError(f"{source}: tensor {name!r} has shape {list(tensor.shape)}, expected {list(shape)}")
        if not np.isfinite(tensor).all():
            where = np.argwhere(~np.isfinite(tensor))[0].tolist()
            raise GraphError(
                f"{source}: tensor {name!r} holds {tensor[tuple(where)]} at {where}; expected finite values"
            )
