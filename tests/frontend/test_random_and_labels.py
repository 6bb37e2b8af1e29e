"""Integer inputs, and weights that are drawn rather than read."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from accelsim.engine.run import run_float
from accelsim.frontend.random_weights import random_weights
from accelsim.frontend.torch_export import lower_module
from accelsim.frontend.workload import read_workload, workload_of_module
from accelsim.ir.graph import check_weights
from accelsim.ir.store import save_graph

YAML = """schema: accelsim/workload/1
name: tiny
generator: nets.py:Tiny
graph: tiny.json
weights: random
inputs: {input: {shape: [3], draw: uniform}}
sources: [made for the test]
"""


def test_labels_are_drawn_uniform_over_their_table_and_other_integers_are_repeated() -> None:
    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 3)

        def forward(self, label: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
            return self.table(label) * step.float()

    examples = [torch.zeros(1, dtype=torch.int64), torch.tensor([[7, 8, 9]])]
    workload = workload_of_module(Conditional(), examples)
    long, short = workload.draw_inputs(200, 0), workload.draw_inputs(9, 0)
    assert set(long["label"]) == set(range(5)) and long["label"].shape == (200,)
    np.testing.assert_array_equal(long["label"][:9], short["label"])
    np.testing.assert_array_equal(long["step"], np.tile([7, 8, 9], (200, 1)))


def test_random_weights_come_from_the_seed_and_are_never_stored(tmp_path: Path) -> None:
    graph, _ = lower_module(nn.Linear(3, 2), [torch.zeros(1, 3)], "tiny")
    save_graph(graph, tmp_path / "tiny.json")
    (tmp_path / "tiny.yaml").write_text(YAML)
    first, second = (read_workload(tmp_path / "tiny.yaml").load() for _ in range(2))
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor, second[name])
    assert any(tensor.any() for tensor in first.values())


def test_random_weights_keep_the_scale_of_activations() -> None:
    layers = [part for _ in range(6) for part in (nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU())]
    net = nn.Sequential(*layers, nn.BatchNorm2d(16), nn.ConvTranspose2d(16, 16, 3))
    graph, _ = lower_module(net, [torch.zeros(1, 16, 8, 8)], "net")
    weights = random_weights(graph)
    check_weights(graph, weights, "random")
    assert any((weights[name] != random_weights(graph, 1)[name]).any() for name in weights)
    x = np.random.default_rng(0).standard_normal((4, 16, 8, 8), np.float32)
    (made,) = run_float(graph, weights, {graph.inputs[0].name: x}).values()
    assert 0.1 < made.std() < 10
