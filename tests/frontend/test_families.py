"""Every family of operators, lowered: what torch computes, in floats and in wide integers.

Tolerance as in test_torch_export.py. In 16-bit integers each of the few steps loses 2**-16 of a range, and roots,
quotients and powers multiply that; 2 % of the range is far from what a wrong element or scale does.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import EVERY, IMAGE, Labels, WithParameters
from modules import Function, scrambled
from torch import Tensor, nn

from accelsim.engine.run import decode, run_float, run_program
from accelsim.formats.text import parse_precision
from accelsim.frontend.torch_export import lower_module
from accelsim.ir.graph import Graph, check_weights
from accelsim.ir.ops import DynamicConv2d, DynamicConvTranspose2d
from accelsim.ir.store import graph_json, load_graph, save_graph
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]


def draw(inputs: list[tuple[int, ...] | Labels], batch: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(batch)
    return [
        torch.randint(0, spec.classes, (batch, *spec.shape), generator=generator)
        if isinstance(spec, Labels)
        else torch.randn(batch, *spec, generator=generator)
        for spec in inputs
    ]


def results(module: nn.Module, inputs: list[Tensor]) -> list[Array]:
    with torch.no_grad():
        made = module.eval()(*(x.clone() for x in inputs))
    return [r.numpy() for r in (made if isinstance(made, list | tuple) else [made])]


@pytest.mark.parametrize("name", EVERY)
def test_lowered_equals_torch(name: str, tmp_path: Path) -> None:
    make, specs = EVERY[name]
    torch.manual_seed(0)
    module = scrambled(make()).eval()
    graph, weights = lower_module(module, draw(specs, 2), "net")
    check_weights(graph, weights, name)
    assert [v.classes for v in graph.inputs] == [s.classes if isinstance(s, Labels) else 0 for s in specs]
    save_graph(graph, tmp_path / "graph.json")
    assert graph_json(load_graph(tmp_path / "graph.json")) == graph_json(graph)
    folded, tensors = normalise(graph, weights)
    assert tensors is not None and normalise(graph, None)[0] == folded
    for batch in (5, 1):
        inputs, wanted = named(graph, draw(specs, batch)), results(module, draw(specs, batch))
        for shown, of in ((graph, weights), (folded, tensors)):
            got = run_float(shown, of, inputs, batch=2)
            assert len(shown.outputs) == len(wanted)
            for value, want in zip(shown.outputs, wanted, strict=True):
                assert got[value].shape == want.shape
                np.testing.assert_allclose(got[value], want, rtol=0, atol=1e-5 * max(1.0, np.abs(want).max()))
    inputs = named(graph, draw(specs, 6))
    program = assign_formats(folded, parse_precision("weights=int16,activations=int16"))
    program = quantize_weights(calibrate(program, tensors, inputs), tensors)
    codes = run_program(program, inputs, batch=4, kernels="reference")
    for value, want in zip(folded.outputs, results(module, draw(specs, 6)), strict=True):
        got = decode(program, value, codes[value])
        assert np.abs(got - want).max() <= 0.02 * max(np.ptp(want), 1e-6), value


def named(graph: Graph, inputs: list[Tensor]) -> dict[str, Array]:
    return {value.name: x.numpy() for value, x in zip(graph.inputs, inputs, strict=True)}


def noise_of_each_kind(m: Any, x: Tensor) -> Tensor:
    first = torch.randn(x.shape[0], 1, 6, 8, device=x.device)
    second = torch.randn_like(x)
    third = x.new_empty(x.shape[0], 1, 6, 8).normal_(0.5, 2)
    return x + m.a * first + second * third


def test_noise_drawn_inside_becomes_inputs() -> None:
    module = WithParameters(noise_of_each_kind, a=(1, 4, 1, 1))
    graph, weights = lower_module(module, [torch.zeros(1, *IMAGE)], "noisy")
    assert [(v.name, v.shape) for v in graph.inputs] == [
        ("inputs_0", IMAGE),
        ("noise_1", (1, 6, 8)),
        ("noise_2", IMAGE),
        ("noise_3", (1, 6, 8)),
    ]
    x = torch.randn(3, *IMAGE)
    torch.manual_seed(5)
    want = module(x).detach().numpy()
    torch.manual_seed(5)
    drawn = [torch.randn(3, *value.shape) for value in graph.inputs[1:]]
    (got,) = run_float(graph, weights, named(graph, [x, *drawn])).values()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_tensors_computed_from_parameters_are_stored_computed() -> None:
    module = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)).eval()
    graph, weights = lower_module(module, [torch.zeros(1, 4)], "net")
    assert len(graph.nodes) == 1 and graph.trainable_parameters == 15
    np.testing.assert_allclose(weights[graph.nodes[0].parameter("weight")], module.weight.detach(), rtol=1e-6)


def test_the_module_keeps_its_tensors() -> None:
    module = WithParameters(lambda m, x: x + m.a.view(3).clone().mul_(2).add_(1), a=(3,))
    before = module.a.detach().clone()
    lower_module(module, [torch.zeros(1, 3)], "net")
    assert torch.equal(module.a, before)


def test_labels_have_as_many_classes_as_the_smallest_table() -> None:
    make, _ = EVERY["one label, two tables"]
    graph, _ = lower_module(make(), [torch.zeros(1, dtype=torch.int64)], "net")
    assert graph.inputs[0].classes == 4


@pytest.mark.parametrize(("inner", "outer"), [((6,), (2, 3)), ((2, 3, 5), (6, 5))])
def test_outputs_with_the_batch_folded_come_apart(inner: tuple[int, ...], outer: tuple[int, ...]) -> None:
    graph, weights = lower_module(Function(lambda m, x: x.reshape(-1, *outer[1:]) + 1), [torch.zeros(1, *inner)], "net")
    x = np.random.default_rng(0).standard_normal((4, *inner), np.float32)
    (got,) = run_float(graph, weights, {graph.inputs[0].name: x}).values()
    assert got.shape == (4, *outer)
    np.testing.assert_allclose(got, x.reshape(4, *outer) + 1, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in EVERY if name.startswith("modulated")])
def test_styles_leave_the_weights(name: str) -> None:
    make, specs = EVERY[name]
    graph, _ = lower_module(make(), draw(specs, 2), "net")
    assert any(isinstance(node.op, DynamicConv2d | DynamicConvTranspose2d) for node in graph.nodes)
    after, _ = normalise(graph, None)
    assert not any(isinstance(node.op, DynamicConv2d | DynamicConvTranspose2d) for node in after.nodes)
    assert max(np.prod(shape) for shape in after.shapes.values()) <= 5 * 13 * 17
