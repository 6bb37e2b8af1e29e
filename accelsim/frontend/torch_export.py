"""torch.nn.Module -> Graph + Weights through `torch.export`, without decomposition.

Each ATen operator has one entry in `_LOWER`; a new operator is one more entry. The batch is the leading dimension and
stays symbolic, so the module is exported with batch 2.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from accelsim.errors import AccelsimError, UnsupportedOperator
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node

BATCH = 2
ATEN = torch.ops.aten


@dataclass
class _Lowering:
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

    def emit(self, at: fx.Node, op: ops.Op, inputs: Sequence[str], name: str = "", **tensors: Tensor | None) -> str:
        """Add a node; `tensors` are its parameters by role. Returns the value it makes."""
        name = self.fresh(name or at.name)
        for role, tensor in tensors.items():
            if tensor is not None:
                self.weights[f"{name}.{role}"] = tensor.detach().to(torch.float32).numpy().copy()
        self.nodes.append(Node(name, op, tuple(inputs)))
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
        return _sample_shape(argument)

    def tensor(self, argument: Any) -> Tensor | None:
        """The parameter or buffer behind an argument, None where it is None."""
        return None if argument is None else self.tensors[argument.name]

    def module_of(self, argument: Any) -> str:
        """Path of the module that owns a parameter: `up1` for `up1.weight`."""
        return self.sources[argument.name].rpartition(".")[0] or self.sources[argument.name]


def where(at: fx.Node) -> str:
    """Module path of an fx node, for messages: `Generator.block.norm (InstanceNorm2d)`."""
    stack = list((at.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "module"
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else kind.__name__
    return f"{path or 'module'} ({kind.rpartition('.')[2]})"


def _sample_shape(at: fx.Node) -> ops.Shape:
    return tuple(int(n) for n in at.meta["val"].shape[1:])


def lower_module(
    module: nn.Module, example_inputs: Sequence[Tensor], name: str
) -> tuple[Graph, dict[str, NDArray[np.float32]]]:
    """The graph and float32 weights of a module in eval mode.

    Args:
        module: any module that `torch.export` accepts.
        example_inputs: one tensor per input, `[N, ...]`; only shapes and dtypes matter, the batch may be 1.
        name: of the graph.

    Raises:
        UnsupportedOperator: an operator that the layer IR lacks; names the module path.
        AccelsimError: `torch.export` refuses the module, or its batch is not free.
    """
    exported = _export(module, example_inputs)
    lowering = _bindings(exported)
    graph_inputs = [node for node in exported.graph.nodes if node.op == "placeholder" and _is_input(exported, node)]
    inputs = []
    for node in graph_inputs:
        value = lowering.fresh(node.name)
        lowering.values[node.name] = value
        inputs.append(Input(value, _sample_shape(node)))
    outputs: tuple[str, ...] = ()
    for node in exported.graph.nodes:
        if node.op == "call_function":
            _lower_call(lowering, node)
        elif node.op == "output":
            outputs = tuple(lowering.value(node, result) for result in _flat(node.args[0]))
    return Graph(name, tuple(inputs), tuple(lowering.nodes), outputs), lowering.weights


def _flat(results: Any) -> list[Any]:
    return [r for part in results for r in _flat(part)] if isinstance(results, list | tuple) else [results]


def _export(module: nn.Module, example_inputs: Sequence[Tensor]) -> torch.export.ExportedProgram:
    was_training = module.training
    module.eval()
    examples = tuple(torch.cat([x, x])[:BATCH] if x.dim() else x for x in example_inputs)
    batch = torch.export.Dim("batch", min=1)
    try:
        return torch.export.export(module, examples, dynamic_shapes=tuple({0: batch} for _ in examples))
    except Exception as error:  # torch.export raises many kinds for one meaning
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AccelsimError(
            f"{type(module).__name__}: torch.export refuses this module: {first}",
            hint=f"example inputs were {[list(x.shape) for x in examples]}; the leading dimension must be the batch",
        ) from error
    finally:
        module.train(was_training)


def _bindings(exported: torch.export.ExportedProgram) -> _Lowering:
    tensors: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    for spec in exported.graph_signature.input_specs:
        if spec.target is None:
            continue
        tensor = exported.state_dict.get(spec.target, exported.constants.get(spec.target))
        if isinstance(tensor, Tensor):
            tensors[spec.arg.name], sources[spec.arg.name] = tensor, spec.target
    return _Lowering(tensors, sources)


def _is_input(exported: torch.export.ExportedProgram, node: fx.Node) -> bool:
    return node.name in exported.graph_signature.user_inputs


def _lower_call(lowering: _Lowering, at: fx.Node) -> None:
    lower_op = _LOWER.get(at.target)
    if lower_op is None:
        if not at.users:
            return
        raise UnsupportedOperator(
            f"{where(at)}: operator {at.target} is not supported",
            hint="supported: " + ", ".join(sorted({str(t).rpartition(".")[0] or str(t) for t in _LOWER})),
        )
    made = lower_op(lowering, at)
    if made is not None:
        lowering.values[at.name] = made


def _argument(at: fx.Node, index: int, name: str, default: Any = None) -> Any:
    return at.args[index] if len(at.args) > index else at.kwargs.get(name, default)


def _pair(value: Any) -> ops.Pair:
    values = [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)]
    return (values[0], values[-1])


def _linear(lowering: _Lowering, at: fx.Node) -> str:
    weight, bias = lowering.tensor(at.args[1]), lowering.tensor(_argument(at, 2, "bias"))
    assert weight is not None
    op = ops.Dense(weight.shape[1], weight.shape[0], bias is not None)
    inputs = [lowering.value(at, at.args[0])]
    return lowering.emit(at, op, inputs, lowering.module_of(at.args[1]), weight=weight, bias=bias)


def _conv2d(lowering: _Lowering, at: fx.Node) -> str:
    weight, bias = lowering.tensor(at.args[1]), lowering.tensor(_argument(at, 2, "bias"))
    assert weight is not None
    kernel, dilation = _pair(weight.shape[2:]), _pair(_argument(at, 5, "dilation", 1))
    groups = int(_argument(at, 6, "groups", 1))
    padding = _argument(at, 4, "padding", 0)
    sides: ops.Sides = (0, 0, 0, 0)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sides = (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
    elif padding != "valid":
        rows, columns = _pair(padding)
        sides = (rows, rows, columns, columns)
    stride = _pair(_argument(at, 3, "stride", 1))
    op = ops.Conv2d(
        weight.shape[1] * groups, weight.shape[0], kernel, stride, dilation, sides, groups, bias is not None
    )
    inputs = [lowering.value(at, at.args[0])]
    return lowering.emit(at, op, inputs, lowering.module_of(at.args[1]), weight=weight, bias=bias)


def _conv_transpose2d(lowering: _Lowering, at: fx.Node) -> str:
    weight, bias = lowering.tensor(at.args[1]), lowering.tensor(_argument(at, 2, "bias"))
    assert weight is not None
    stride, padding = _pair(_argument(at, 3, "stride", 1)), _pair(_argument(at, 4, "padding", 0))
    extra, groups = _pair(_argument(at, 5, "output_padding", 0)), int(_argument(at, 6, "groups", 1))
    dilation, kernel = _pair(_argument(at, 7, "dilation", 1)), _pair(weight.shape[2:])
    crop = (padding[0], padding[0] - extra[0], padding[1], padding[1] - extra[1])
    channels = (weight.shape[0], weight.shape[1] * groups)
    op = ops.ConvTranspose2d(*channels, kernel, stride, dilation, crop, groups, bias is not None)
    inputs = [lowering.value(at, at.args[0])]
    return lowering.emit(at, op, inputs, lowering.module_of(at.args[1]), weight=weight, bias=bias)


def _batch_norm(lowering: _Lowering, at: fx.Node) -> str:
    weight, bias, mean, var = (lowering.tensor(a) for a in at.args[1:5])
    if mean is None or var is None:
        raise UnsupportedOperator(f"{where(at)}: batch norm without stored statistics is not supported")
    weight = torch.ones_like(mean) if weight is None else weight
    bias = torch.zeros_like(mean) if bias is None else bias
    op = ops.BatchNorm(mean.numel(), float(_argument(at, 7, "eps", 1e-5)))
    name = lowering.module_of(at.args[3])
    inputs = [lowering.value(at, at.args[0])]
    return lowering.emit(at, op, inputs, name, weight=weight, bias=bias, mean=mean, var=var)


def _elementwise(make: Callable[[fx.Node], ops.Op]) -> Callable[[_Lowering, fx.Node], str]:
    return lambda lowering, at: lowering.emit(at, make(at), [lowering.value(at, at.args[0])])


def _add(lowering: _Lowering, at: fx.Node) -> str:
    if at.kwargs.get("alpha", 1) != 1:
        raise UnsupportedOperator(f"{where(at)}: addition with alpha={at.kwargs['alpha']} is not supported")
    inputs = [lowering.value(at, argument) for argument in at.args[:2]]
    return lowering.emit(at, ops.Add(), inputs)


def _reshape(lowering: _Lowering, at: fx.Node) -> str:
    value, shape = lowering.value(at, at.args[0]), _sample_shape(at)
    batch_before, batch_after = at.args[0].meta["val"].shape[0], at.meta["val"].shape[0]  # type: ignore[union-attr]
    if batch_before != batch_after:
        raise UnsupportedOperator(f"{where(at)}: a reshape that moves the batch dimension is not supported")
    if shape == lowering.shape(at, at.args[0]):
        return value
    return lowering.emit(at, ops.Reshape(shape), [value])


def _permute(lowering: _Lowering, at: fx.Node) -> str:
    rank = len(at.meta["val"].shape)
    if at.target is ATEN.transpose.int:
        first, second = (int(a) % rank for a in at.args[1:3])  # type: ignore[call-overload]
        axes = list(range(rank))
        axes[first], axes[second] = second, first
    else:
        axes = [int(a) % rank for a in at.args[1]]  # type: ignore[union-attr]
    if axes[0] != 0:
        raise UnsupportedOperator(f"{where(at)}: a permutation that moves the batch dimension is not supported")
    return lowering.emit(at, ops.Permute(tuple(a - 1 for a in axes[1:])), [lowering.value(at, at.args[0])])


def _slice(lowering: _Lowering, at: fx.Node) -> str:
    value, axis = lowering.value(at, at.args[0]), int(_argument(at, 1, "dim", 0))
    rank = len(at.meta["val"].shape)
    start, stop, step = _argument(at, 2, "start"), _argument(at, 3, "end"), int(_argument(at, 4, "step", 1))
    if axis % rank == 0:
        if start in (None, 0) and step == 1 and (stop is None or not isinstance(stop, int) or stop >= 2**31):
            return value
        raise UnsupportedOperator(f"{where(at)}: slicing the batch dimension is not supported")
    size = lowering.shape(at, at.args[0])[axis % rank - 1]
    kept = range(size)[slice(start, stop, step)]
    if len(kept) == size:
        return value
    return lowering.emit(at, ops.Slice(axis % rank - 1, kept.start, kept.stop, step), [value])


def _pad(lowering: _Lowering, at: fx.Node) -> str:
    mode, fill = _argument(at, 2, "mode", "constant"), _argument(at, 3, "value", 0)
    if at.target is ATEN.constant_pad_nd.default:
        mode, fill = "constant", _argument(at, 2, "value", 0)
    if mode != "constant" or fill not in (None, 0, 0.0):
        raise UnsupportedOperator(f"{where(at)}: padding in mode {mode!r} with value {fill} is not supported")
    amounts = [int(a) for a in at.args[1]]  # type: ignore[union-attr]
    shape = lowering.shape(at, at.args[0])
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)][::-1]
    if len(pairs) > len(shape) or min(amounts) < 0:
        raise UnsupportedOperator(f"{where(at)}: padding {amounts} is not supported")
    pairs = [(0, 0)] * (len(shape) - len(pairs)) + pairs
    before, after = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    return lowering.emit(at, ops.ZeroPad(before, after), [lowering.value(at, at.args[0])])


def _mean(lowering: _Lowering, at: fx.Node) -> str:
    rank = len(at.args[0].meta["val"].shape)  # type: ignore[union-attr]
    axes = sorted(int(a) % rank for a in _argument(at, 1, "dim"))
    if axes != list(range(2, rank)):
        raise UnsupportedOperator(f"{where(at)}: a mean over axes {axes} is not supported, only over all of H, W")
    pooled = lowering.emit(at, ops.GlobalAveragePool(), [lowering.value(at, at.args[0])])
    if not _argument(at, 2, "keepdim", False):
        return pooled
    return lowering.emit(at, ops.Reshape(_sample_shape(at)), [pooled], f"{pooled}_keepdim")


def _adaptive_pool(lowering: _Lowering, at: fx.Node) -> str:
    if _pair(at.args[1]) != (1, 1):
        raise UnsupportedOperator(
            f"{where(at)}: adaptive average pooling to {at.args[1]} is not supported, only to 1x1"
        )
    pooled = lowering.emit(at, ops.GlobalAveragePool(), [lowering.value(at, at.args[0])])
    return lowering.emit(at, ops.Reshape(_sample_shape(at)), [pooled], f"{pooled}_keepdim")


def _identity(lowering: _Lowering, at: fx.Node) -> str:
    return lowering.value(at, at.args[0])


def _leaky_relu(at: fx.Node) -> ops.Op:
    return ops.LeakyReLU(float(_argument(at, 1, "negative_slope", 0.01)))


_LOWER: dict[Any, Callable[[_Lowering, fx.Node], str | None]] = {
    ATEN.linear.default: _linear,
    ATEN.conv2d.default: _conv2d,
    ATEN.conv2d.padding: _conv2d,
    ATEN.conv_transpose2d.input: _conv_transpose2d,
    ATEN.batch_norm.default: _batch_norm,
    ATEN.relu.default: _elementwise(lambda at: ops.ReLU()),
    ATEN.relu_.default: _elementwise(lambda at: ops.ReLU()),
    ATEN.leaky_relu.default: _elementwise(_leaky_relu),
    ATEN.leaky_relu_.default: _elementwise(_leaky_relu),
    ATEN.tanh.default: _elementwise(lambda at: ops.Tanh()),
    ATEN.sigmoid.default: _elementwise(lambda at: ops.Sigmoid()),
    ATEN.add.Tensor: _add,
    ATEN.add_.Tensor: _add,
    ATEN.view.default: _reshape,
    ATEN.reshape.default: _reshape,
    ATEN.flatten.using_ints: _reshape,
    ATEN.unflatten.int: _reshape,
    ATEN.squeeze.dims: _reshape,
    ATEN.squeeze.dim: _reshape,
    ATEN.unsqueeze.default: _reshape,
    ATEN.permute.default: _permute,
    ATEN.transpose.int: _permute,
    ATEN.slice.Tensor: _slice,
    ATEN.pad.default: _pad,
    ATEN.constant_pad_nd.default: _pad,
    ATEN.mean.dim: _mean,
    ATEN.adaptive_avg_pool2d.default: _adaptive_pool,
    ATEN.dropout.default: _identity,
    ATEN.feature_dropout.default: _identity,
    ATEN.clone.default: _identity,
    ATEN.contiguous.default: _identity,
    ATEN.alias.default: _identity,
    ATEN.detach.default: _identity,
    ATEN.sym_size.int: lambda lowering, at: None,
    operator.mul: lambda lowering, at: None,
}
