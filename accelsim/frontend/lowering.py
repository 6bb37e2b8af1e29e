"""The state of one lowering: which value, tensor and module path an fx node stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from accelsim.errors import UnsupportedOperator
from accelsim.ir import ops
from accelsim.ir.graph import Node


@dataclass
class Lowering:
    """What is known half-way: values by fx node, the parameters seen, the nodes made."""

    tensors: dict[str, Tensor]
    """Parameters and buffers by fx placeholder name."""
    sources: dict[str, str]
    """Their names in the module."""
    values: dict[str, str] = field(default_factory=dict)
    """fx node name -> value name."""
    shapes: dict[str, ops.Shape] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    owners: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Module parameter names -> the first node that uses just these; later users share its tensors."""

    def emit(self, at: fx.Node, op: ops.Op, inputs: Sequence[str], name: str = "") -> str:
        """Add a node without parameters. Returns the value it makes."""
        name = self.fresh(name or at.name)
        self.nodes.append(Node(name, op, tuple(inputs)))
        return name

    def emit_with(
        self, op: ops.Op, value: str, arguments: Sequence[fx.Node | None], tensors: dict[str, Tensor | None]
    ) -> str:
        """Add a node with parameters by role, made of `arguments`; the module that owns the first one names it.

        Nodes share tensors only when all of them are the same: a tied weight may still have a bias of its own.
        Returns the value it makes.
        """
        sources = [self.sources[argument.name] for argument in arguments if argument is not None]
        name = self.fresh(sources[0].rpartition(".")[0] or sources[0])
        owner = self.owners.setdefault(tuple(sources), name)
        if owner == name:
            kept = {f"{name}.{role}": tensor for role, tensor in tensors.items() if tensor is not None}
            self.weights |= {key: tensor.detach().to(torch.float32).numpy().copy() for key, tensor in kept.items()}
        self.nodes.append(Node(name, op, (value,), parameters="" if owner == name else owner))
        return name

    def fresh(self, wanted: str) -> str:
        """The wanted name, or that with a number."""
        wanted = wanted.replace(".", "_") if wanted[:1].isdigit() else wanted
        name, count = wanted, 1
        while name in self.names:
            count += 1
            name = f"{wanted}_{count}"
        self.names.add(name)
        return name

    def value(self, at: fx.Node, argument: Any) -> str:
        """The value that an argument of `at` stands for."""
        if isinstance(argument, fx.Node) and argument.name in self.values:
            return self.values[argument.name]
        what = argument.name if isinstance(argument, fx.Node) else repr(argument)
        raise UnsupportedOperator(f"{where(at)}: {at.target} reads {what}, which is not a value of the network")

    def shape(self, at: fx.Node, argument: Any) -> ops.Shape:
        """Sample shape of an argument."""
        _ = self.value(at, argument)
        return sample_shape(argument)

    def tensor(self, at: fx.Node, argument: Any) -> Tensor | None:
        """The parameter or buffer behind an argument of `at`, None where it is None."""
        if argument is None:
            return None
        if argument.name not in self.tensors:
            raise UnsupportedOperator(
                f"{where(at)}: {at.target} takes {argument.name} as its weights; expected a stored parameter"
            )
        return self.tensors[argument.name]


def where(at: fx.Node) -> str:
    """Module path of an fx node, for messages: `Generator.block.norm (InstanceNorm2d)`."""
    stack = list((at.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "module"
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else kind.__name__
    return f"{path or 'module'} ({kind.rpartition('.')[2]})"


def sample_shape(at: fx.Node) -> ops.Shape:
    """Shape of an fx value without its batch."""
    shape = at.meta["val"].shape[1:]
    if not all(isinstance(n, int) for n in shape):
        raise UnsupportedOperator(f"{where(at)}: the batch reaches another dimension than the first: {list(shape)}")
    return tuple(shape)
