"""Workloads: what a file must hold, how inputs are drawn, and modules of the user's own."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from accelsim.errors import AccelsimError, GraphError, LocatedErrors
from accelsim.frontend.torch_export import lower_module
from accelsim.frontend.workload import Workload, load_workload, read_workload, workload_of_module
from accelsim.ir.store import save_graph, save_weights

YAML = """schema: accelsim/workload/1
name: tiny
generator: nets.py:Tiny
graph: tiny.json
weights: tiny.safetensors
inputs: {input: {shape: [3], draw: uniform}}
output: {range: [0, 1], layout: NCHW}
sources: [made for the test]
"""


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    graph, weights = lower_module(nn.Linear(3, 2), [torch.zeros(1, 3)], "tiny")
    save_graph(graph, tmp_path / "tiny.json")
    save_weights(weights, tmp_path / "tiny.safetensors")
    (tmp_path / "tiny.yaml").write_text(YAML)
    return tmp_path / "tiny.yaml"


def test_a_workload_file_and_a_stored_graph(stored: Path) -> None:
    workload = read_workload(stored)
    assert (workload.name, workload.output_range, workload.draws) == ("tiny", (0.0, 1.0), {"input": "uniform"})
    bare = load_workload(str(stored.with_suffix(".json")))
    assert bare.graph == workload.graph and bare.name == "tiny"
    for name, tensor in workload.load().items():
        np.testing.assert_array_equal(bare.load()[name], tensor)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("draw: uniform", "draw: unifrm", "tiny.yaml:6: inputs.input.draw: "),
        ("sources:", "source:", "tiny.yaml:8: "),
        ("[3]", "[4]", "inputs: {'input': (4,)} are not those of the graph, {'input': (3,)}"),
        ("[3]", "[0]", "tiny.yaml:6: "),
        ("{input:", "{z:", "inputs: {'z': (3,)} are not those of the graph"),
        ("tiny.json", "none.json", "none.json: No such file"),
        ("workload/1", "workload/2", "tiny.yaml:1: schema: "),
    ],
)
def test_mistakes_in_a_workload_file(stored: Path, old: str, new: str, message: str) -> None:
    stored.write_text(YAML.replace(old, new))
    with pytest.raises((LocatedErrors, GraphError), match=re.escape(message)):
        read_workload(stored)


def test_weights_are_read_only_when_asked_for(stored: Path) -> None:
    weights = stored.with_suffix(".safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    workload = read_workload(stored)
    with pytest.raises(AccelsimError, match=r"tiny\.safetensors: not a readable safetensors file"):
        workload.load()


def two_inputs(draws: dict[str, str]) -> Workload:
    class Two(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a + b

    graph, weights = lower_module(Two(), [torch.zeros(1, 4), torch.zeros(1, 4)], "two")
    return Workload("two", graph, lambda: weights, draws)


def test_draws_are_fixed_by_seed_and_name_and_longer_ones_begin_with_shorter() -> None:
    workload = two_inputs({"a": "normal", "b": "uniform"})
    long, short, other = (workload.draw_inputs(n, seed) for n, seed in ((50, 0), (7, 0), (50, 1)))
    for name in ("a", "b"):
        assert long[name].dtype == np.float32 and long[name].shape == (50, 4)
        np.testing.assert_array_equal(long[name][:7], short[name])
        assert (long[name] != other[name]).any()
    assert np.abs(long["b"]).max() <= 1 < np.abs(long["a"]).max() and long["b"].min() < -0.8
    swapped = two_inputs({}).draw_inputs(50, 0)
    assert (swapped["a"] != swapped["b"]).any()
    np.testing.assert_array_equal(swapped["a"], long["a"])
    assert workload.draw_inputs(0, 0)["a"].shape == (0, 4)


def test_modules_of_the_users_own() -> None:
    workload = workload_of_module(nn.Linear(3, 2), np.zeros((1, 3), np.float32))
    assert workload.name == "Linear" and workload.graph.inputs[0].shape == (3,)
    with pytest.raises(AccelsimError, match="Linear: a module needs example_inputs"):
        workload_of_module(nn.Linear(3, 2), None)
    broken = nn.Linear(3, 2)
    nn.init.constant_(broken.weight, float("nan"))
    with pytest.raises(GraphError, match=r"Linear: tensor '.*weight' holds nan at \[0, 0\]; expected finite values"):
        workload_of_module(broken, torch.zeros(1, 3))
