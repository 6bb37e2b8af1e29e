"""Lowered modules compute what torch computes, for any batch; what cannot be lowered says where it stands.

Tolerance as in tests/engine/test_float_ops.py: 1e-5 of the largest magnitude, a few hundred terms per sum.
"""

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from modules import BAD, GOOD, Function, Net, scrambled
from torch import Tensor, nn

from accelsim.engine.run import run_float
from accelsim.errors import AccelsimError, UnsupportedOperator
from accelsim.frontend.torch_export import lower_module
from accelsim.ir.graph import Graph, check_weights
from accelsim.passes.normalise import normalise

Lowered = tuple[Graph, dict[str, np.ndarray[Any, Any]]]


def flat(results: Any) -> list[Tensor]:
    if isinstance(results, dict):
        results = list(results.values())
    return [r for part in results for r in flat(part)] if isinstance(results, list | tuple) else [results]


def assert_same(module: nn.Module, lowered: Lowered, shapes: list[tuple[int, ...]], batch: int) -> None:
    graph, weights = lowered
    generator = torch.Generator().manual_seed(batch)
    inputs = [torch.randn(batch, *shape, generator=generator) for shape in shapes]
    with torch.no_grad():
        wanted = flat(module.eval()(*(x.clone() for x in inputs)))
    named = {value.name: x.numpy() for value, x in zip(graph.inputs, inputs, strict=True)}
    got = run_float(graph, weights, named, batch=2)
    assert len(wanted) == len(graph.outputs)
    for name, want in zip(graph.outputs, wanted, strict=True):
        assert got[name].shape == (batch, *graph.shapes[name]) == tuple(want.shape)
        np.testing.assert_allclose(
            got[name], want, rtol=0, atol=1e-5 * max(1.0, float(want.abs().amax()) if batch else 1)
        )


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("example", [1, 3])
def test_lowered_equals_torch(name: str, example: int) -> None:
    make, shapes, operators = GOOD[name]
    torch.manual_seed(0)
    module = scrambled(make())
    graph, weights = lower_module(module, [torch.zeros(example, *shape) for shape in shapes], "net")
    check_weights(graph, weights, name)
    assert " ".join(type(node.op).__name__ for node in graph.nodes) == operators
    assert [value.shape for value in graph.inputs] == shapes
    for batch in (5, 1, 0):
        assert_same(module, (graph, weights), shapes, batch)
    folded, tensors = normalise(graph, weights)
    assert tensors is not None
    assert_same(module, (folded, dict(tensors)), shapes, 5)


def test_a_module_used_twice_shares_its_tensors() -> None:
    make, shapes, _ = GOOD["a module twice"]
    graph, weights = lower_module(make(), [torch.zeros(1, *shapes[0])], "net")
    assert graph.trainable_parameters == 20 and set(weights) == {"c.weight", "c.bias"}
    assert [node.name for node in graph.nodes] == ["c", "c_2"]
    assert [node.parameter("weight") for node in graph.nodes] == ["c.weight"] * 2


def test_nodes_are_called_after_their_modules() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 5), nn.ReLU()))
    graph, weights = lower_module(net, [torch.zeros(1, 3)], "net")
    assert graph.name == "net"
    assert [node.name for node in graph.nodes][:2] == ["0", "1_0"]
    assert set(weights) == {"0.weight", "0.bias", "1_0.weight", "1_0.bias"}
    graph, weights = lower_module(Net(nn.BatchNorm2d(2)), [torch.zeros(1, 2, 4, 4)], "net")
    assert [node.name for node in graph.nodes] == ["block.conv", "block.norm"]
    assert graph.trainable_parameters == 4 + 2 + 4


@st.composite
def modules(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    groups, stride, dilation = (draw(st.integers(1, 3)) for _ in range(3))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    channels = [draw(st.integers(1, 2)) * groups for _ in range(2)]
    bias = draw(st.booleans())
    shape = (channels[0], draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    if draw(st.booleans()):
        padding = draw(st.one_of(st.integers(0, 2), st.just("valid"), st.just("same")))
        assume(padding != "same" or stride == 1)
        first: nn.Module = nn.Conv2d(*channels, kernel, stride, padding, dilation, groups, bias)
    else:
        extra = draw(st.integers(0, max(stride, dilation) - 1))
        padding = draw(st.integers(0, 2))
        first = nn.ConvTranspose2d(*channels, kernel, stride, padding, extra, groups, bias, dilation)
    rest = draw(st.sampled_from([nn.Identity(), nn.ReLU(), nn.LeakyReLU(0.2), nn.BatchNorm2d(channels[1])]))
    module = nn.Sequential(first, rest)
    try:
        with torch.no_grad():
            assume(module.eval()(torch.zeros(1, *shape)).numel() > 0)
    except RuntimeError:
        assume(False)
    return module, shape


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@settings(max_examples=15, deadline=None)
@given(case=modules(), batch=st.integers(1, 4))
def test_random_convolutions_lower(case: tuple[nn.Module, tuple[int, ...]], batch: int) -> None:
    module, shape = scrambled(case[0]), case[1]
    assert_same(module, lower_module(module, [torch.zeros(batch, *shape)], "net"), [shape], 3)


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_lowered_says_where_and_why(name: str) -> None:
    make, shapes, message = BAD[name]
    with pytest.raises(AccelsimError, match=re.escape(message)) as caught:
        lower_module(make(), [torch.zeros(2, *shape) for shape in shapes], "net")
    assert "\n" not in caught.value.args[0]
    if "torch.export refuses" not in message and "(" in message:
        assert isinstance(caught.value, UnsupportedOperator)


def test_modes_of_the_module_are_left_as_they_were() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3)).train()
    module[0].eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    lower_module(module, [torch.zeros(1, 3)], "net")
    assert [part.training for part in module.modules()] == [True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    with pytest.raises(AccelsimError):
        lower_module(module, [torch.zeros(1, 4)], "net")
    assert [part.training for part in module.modules()] == [True, False, True]


def test_the_weights_are_copies() -> None:
    module = nn.Linear(2, 2)
    _, weights = lower_module(module, [torch.zeros(1, 2)], "net")
    kept = {name: tensor.copy() for name, tensor in weights.items()}
    nn.init.zeros_(module.weight)
    for name, tensor in kept.items():
        np.testing.assert_array_equal(weights[name], tensor)


def test_lowering_twice_gives_the_same_graph() -> None:
    module = Function(lambda m, x: m.c(x) + x, c=nn.Linear(4, 4))
    first, second = (lower_module(module, [torch.zeros(n, 4)], "net") for n in (1, 7))
    assert first[0] == second[0]


class Rescaled(nn.Module):
    """A linear layer whose hook computes its weight, with the fan-in of `.data`: an equalized learning rate."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.layer.original = nn.Parameter(self.layer.weight.data.clone())
        del self.layer._parameters["weight"]
        self.layer.register_forward_pre_hook(self.rescale)

    @staticmethod
    def rescale(layer: nn.Module, inputs: object) -> None:
        layer.weight = layer.original * (2 / layer.original.data[0].numel()) ** 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_weights_that_a_hook_computes_are_computed_and_no_traces_stay_in_the_module() -> None:
    module = Rescaled().eval()
    lowered = lower_module(module, [torch.zeros(1, 4)], "net")
    assert "weight" not in vars(module.layer)
    assert_same(module, lowered, [(4,)], 3)
    assert [type(node.op).__name__ for node in lowered[0].nodes] == ["Dense"]


def test_what_no_output_needs_is_left_out() -> None:
    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kept, self.dropped = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            _ = self.dropped(x).relu() * 2
            return self.kept(x)

    graph, weights = lower_module(TwoHeads(), [torch.zeros(1, 3)], "net")
    assert [node.name for node in graph.nodes] == ["kept"]
    assert set(weights) == {"kept.weight", "kept.bias"}


class _Mixed(nn.Module):
    """What is trained beside what is only stored."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.dense = nn.Embedding(10, 6), nn.Linear(6, 8 * 4 * 4)
        self.plain, self.conv = nn.BatchNorm2d(8, affine=False), nn.Conv2d(8, 4, 3, padding=1)
        self.slope, self.group = nn.PReLU(4), nn.GroupNorm(2, 4)
        self.layer = nn.LayerNorm([4, 4], bias=False)
        self.added = nn.Parameter(torch.ones(1, 4, 4, 4))
        self.register_buffer("blur", torch.full((4, 1, 1), 2.5))
        self.last = nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 3, 1))

    def forward(self, label: torch.Tensor) -> torch.Tensor:
        x = self.dense(self.table(label)).view(-1, 8, 4, 4)
        x = self.layer(self.group(self.slope(self.conv(self.plain(x))))) + self.added
        return torch.tanh(self.last(x * self.blur))


def test_only_what_is_trained_counts_as_parameters() -> None:
    module = _Mixed().eval()
    graph, weights = lower_module(module, [torch.zeros(2, dtype=torch.long)], "mixed")
    assert graph.fixed == {"blur.value", "plain.weight", "plain.bias", "layer.bias"}
    assert graph.trainable_parameters == sum(p.numel() for p in module.parameters())
    assert graph.parameter_shapes.keys() == weights.keys()
