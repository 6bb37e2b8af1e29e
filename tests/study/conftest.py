"""A generator small enough to run in a millisecond, machines beside it, and sweeps over them."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.store import save_graph, save_weights
from accelsim.shared import find_shared

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny.json` with its weights, and `renamed.yaml`: zcu104 whose block RAM has another name."""
    place = tmp_path_factory.mktemp("study")
    nodes = (
        Node("fc", ops.Dense(6, 3 * 4 * 4, True), ("z",), (), "fc"),
        Node("image", ops.Reshape((3, 4, 4)), ("fc",)),
        Node("out", ops.Tanh(), ("image",)),
    )
    save_graph(Graph("tiny", (Input("z", (6,)),), nodes, ("out",)), place / "tiny.json")
    generator = np.random.default_rng(0)
    weights = {"fc.weight": generator.normal(0, 0.4, (48, 6)), "fc.bias": generator.normal(0, 0.1, 48)}
    save_weights({name: tensor.astype(np.float32) for name, tensor in weights.items()}, place / "tiny.safetensors")
    text = find_shared("hw_configs", "zcu104").read_text()
    (place / "renamed.yaml").write_text(text.replace("- name: bram", "- name: sram").replace("name: zcu104", "name: r"))
    return place


Write = Callable[[str], Path]


@pytest.fixture
def write(folder: Path, request: pytest.FixtureRequest) -> Write:
    """Write a sweep over `tiny` beside it: the text without schema and workload."""

    def make(text: str) -> Path:
        path = folder / f"{request.node.name.replace('/', '_')}.yaml"
        path.write_text(f"schema: accelsim/sweep/1\nworkload: tiny.json\n{text}")
        return path

    return make
