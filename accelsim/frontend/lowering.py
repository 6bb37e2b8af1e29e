"""The state of one lowering: which value, tensor and module path an fx node stands for."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor as Tensor
from torch import fx

from accelsim.errors import GraphError, UnsupportedOperator
from accelsim.frontend.layout import Layout, layout_of
from accelsim.ir import ops
from accelsim.ir.graph import Input, Node
from accelsim.ir.shapes import result_shape

ATEN = torch.ops.aten
Call = fx.Node
"""One operator of the exported graph, with its arguments."""


@dataclass
class Lowering:
    """What is known half-way: values by fx node, the parameters seen, the nodes made."""

    tensors: dict[Call, Any]
    """Parameters, buffers, and whatever is computed from these alone."""
    sources: dict[Call, str]
    """Names in the module of those that are stored there."""
    learned: set[Call]
    """The tensors that depend on a parameter or buffer; the others are literals of the code."""
    trained: set[Call]
    """The tensors that depend on a parameter."""
    values: dict[Call, str] = field(default_factory=dict)
    parts: dict[Call, tuple[str, ...]] = field(default_factory=dict)
    """Values of the operators that return several."""
    outers: dict[Call, int] = field(default_factory=dict)
    """`Layout.outer`, where it is not 1."""
    inputs: list[Input] = field(default_factory=list)
    shapes: dict[str, ops.Shape] = field(default_factory=dict)
    """Sample shape by value name."""
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    trains: set[str] = field(default_factory=set)
    """The names among `weights` that are trained."""
    names: set[str] = field(default_factory=set)
    owners: dict[tuple[Any, ...], str] = field(default_factory=dict)
    """Module parameter names -> the first node that uses just these; later users share its tensors."""
    constants: dict[tuple[Call, ops.Shape], str] = field(default_factory=dict)

    def add_input(self, wanted: str, shape: ops.Shape) -> str:
        """Add a network input. Returns its value."""
        name = self.fresh(wanted)
        self.inputs.append(Input(name, shape))
        self.shapes[name] = shape
        return name

    def emit(self, at: Call, op: ops.Op, inputs: Sequence[str], name: str = "") -> str:
        """Add a node without parameters. Returns the value it makes."""
        return self._add(at, Node(self.fresh(name or at.name), op, tuple(inputs)))

    def emit_with(
        self,
        at: Call,
        op: ops.Op,
        inputs: Sequence[str],
        arguments: Sequence[Any],
        tensors: dict[str, Tensor | None],
        made_up: Collection[str] = (),
    ) -> str:
        """Add a node with parameters by role, made of `arguments`; the module that owns the first one names it.

        Nodes share tensors only when all of them are the same: a tied weight may still have a bias of its own.
        `made_up` are the roles that stand for no argument, ones and zeros.
        Returns the value it makes.
        """
        known = [argument for argument in arguments if argument is not None]
        stored = [self.sources[argument] for argument in known if argument in self.sources]
        owned = stored[0] if known[0] in self.sources else f"{module_path(at)}.computed" if module_path(at) else at.name
        name = self.fresh(owned.rpartition(".")[0] or owned)
        key = (*(self.sources.get(argument, argument) for argument in known), op)
        owner = self.owners.setdefault(key, name)
        if owner == name:
            kept = {f"{name}.{role}": tensor for role, tensor in tensors.items() if tensor is not None}
            self.weights |= {key: tensor.detach().to(torch.float32).numpy().copy() for key, tensor in kept.items()}
            trained = {role for role, tensor in tensors.items() if tensor is not None and self._trains(tensor, known)}
            self.trains |= {f"{name}.{role}" for role in trained.difference(made_up)}
        return self._add(at, Node(name, op, tuple(inputs), parameters="" if owner == name else owner))

    def _trains(self, tensor: Tensor, arguments: Sequence[Any]) -> bool:
        """Whether the argument that a tensor shows, or any that it may be computed from, is trained."""
        shown = [a for a in arguments if self.tensors[a].data_ptr() == tensor.data_ptr()]
        return any(argument in self.trained for argument in shown or arguments)

    def _add(self, at: Call, node: Node) -> str:
        try:
            self.shapes[node.name] = result_shape(node.op, *(self.shapes[value] for value in node.inputs))
        except GraphError as error:
            raise UnsupportedOperator(f"{where(at)}: {at.target}: {error}") from None
        self.nodes.append(node)
        return node.name

    def reshape(self, at: Call, value: str, shape: ops.Shape, name: str = "") -> str:
        """The value under another sample shape; itself where that is its shape already."""
        if self.shapes[value] == shape:
            return value
        return self.emit(at, ops.Reshape(shape), [value], name or f"{at.name}_shape")

    def fresh(self, wanted: str) -> str:
        """The wanted name, or that with a number."""
        wanted = wanted.replace(".", "_") if wanted[:1].isdigit() else wanted
        name, count = wanted, 1
        while name in self.names:
            count += 1
            name = f"{wanted}_{count}"
        self.names.add(name)
        return name

    def value(self, at: Call, argument: Any) -> str:
        """The value that an argument of `at` stands for."""
        if isinstance(argument, Call) and argument in self.values:
            return self.values[argument]
        what = argument.name if isinstance(argument, Call) else repr(argument)
        raise UnsupportedOperator(f"{where(at)}: {at.target} reads {what}, which is not a value of the network")

    def layout(self, at: Call, argument: Any = None) -> Layout:
        """Where the batch is in an argument of `at`, or in its result."""
        of = at if argument is None else argument
        made = of.meta["val"]
        sizes = (made[0] if isinstance(made, list | tuple) else made).shape
        try:
            layout = layout_of(sizes, self.outers.get(of, 1))
        except ValueError as error:
            raise UnsupportedOperator(f"{where(at)}: {at.target}: {error}: {list(sizes)}") from None
        if layout is None:
            raise UnsupportedOperator(f"{where(at)}: {at.target}: {list(sizes)} has no batch dimension")
        return layout

    def shape(self, at: Call, argument: Any) -> ops.Shape:
        """Sample shape of an argument."""
        return self.shapes[self.value(at, argument)]

    def axis(self, at: Call, argument: Any, dim: int) -> int:
        """The sample axis that is a dimension of an argument."""
        axes = self.layout(at, argument).sample_axes(int(dim))
        if len(axes) != 1 or int(dim) % self.layout(at, argument).rank == self.layout(at, argument).axis:
            raise UnsupportedOperator(f"{where(at)}: {at.target} along the batch dimension is not supported")
        return axes[0]

    def tensor(self, at: Call, argument: Any) -> Tensor | None:
        """The parameter or buffer behind an argument of `at`, None where it is None."""
        if argument is None:
            return None
        if argument not in self.tensors:
            raise UnsupportedOperator(
                f"{where(at)}: {at.target} takes {argument.name} as its weights; expected a stored parameter"
            )
        tensor: Tensor = self.tensors[argument]
        return tensor

    def number(self, argument: Any) -> float | None:
        """A number of the code, written plainly or as a tensor of one element; None for anything else."""
        if isinstance(argument, int | float):
            return float(argument)
        if isinstance(argument, Call) and argument in self.tensors and argument not in self.learned:
            tensor = self.tensors[argument]
            return float(tensor) if tensor.numel() == 1 else None
        return None

    def constant(self, at: Call, argument: Call, shape: ops.Shape) -> str:
        """A stored tensor as a value of the given sample shape, the same for every sample."""
        tensor = self.tensors[argument]
        if prod(shape) != tensor.numel():
            what = f"a stored tensor {list(tensor.shape)} along the batch"
            raise UnsupportedOperator(f"{where(at)}: {at.target} takes {what}, which is not supported")
        key = (argument, shape)
        if key not in self.constants:
            self.constants[key] = self.fill(at, tensor.reshape(shape), self.sources.get(argument, argument.name))
            if argument in self.trained:
                self.trains.add(f"{self.constants[key]}.value")
        return self.constants[key]

    def fill(self, at: Call, tensor: Tensor, wanted: str) -> str:
        """A constant value that holds a tensor."""
        if not self.inputs:
            raise UnsupportedOperator(f"{where(at)}: {at.target}: the network has no input that gives the batch")
        name = self.fresh(wanted)
        self.weights[f"{name}.value"] = tensor.detach().to(torch.float32).numpy().copy()
        return self._add(at, Node(name, ops.Constant(tuple(tensor.shape)), (self.inputs[0].name,)))


def run_call(at: Call, tensor: Callable[[Call], Any]) -> Any:
    """What torch computes for `at` when its arguments are these tensors."""
    arguments, options = fx.node.map_arg((at.args, at.kwargs), tensor)
    target: Any = at.target
    with torch.no_grad():
        return target(*arguments, **options)


def args(at: Call) -> tuple[Any, ...]:
    """The arguments given by place."""
    return at.args


def new_full(shape: ops.Shape, number: float) -> Tensor:
    """A float32 tensor of one number."""
    return torch.full(shape, number)


def argument(at: Call, index: int, name: str, default: Any = None) -> Any:
    """An argument by its place or its name; the default where it is not given."""
    return at.args[index] if len(at.args) > index else at.kwargs.get(name, default)


def option(at: Call, name: str, default: Any = None) -> Any:
    """An argument that only has a name."""
    return at.kwargs.get(name, default)


def module_path(at: Call) -> str:
    """Path of the innermost module that an fx node comes from, "" for the whole."""
    stack = list((at.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack else ""


def where(at: Call) -> str:
    """Module path of an fx node, for messages: `Generator.block.norm (InstanceNorm2d)`."""
    stack = list((at.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "module"
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else kind.__name__
    return f"{path or 'module'} ({kind.rpartition('.')[2]})"


def refuse(at: Call, what: str, hint: str | None = None) -> UnsupportedOperator:
    """The error that `what` is not supported, with the place."""
    return UnsupportedOperator(f"{where(at)}: {what} is not supported", hint)
