"""Every shipped workload and feature network is what its module lowers to today, with complete and finite weights."""

import importlib

import numpy as np
import pytest

from accelsim.frontend.workload import read_workload
from accelsim.ir.graph import check_weights
from accelsim.ir.store import graph_hash, load_graph, load_weights
from accelsim.shared import list_shared, shared

WORKLOADS = list_shared("workloads")


def lowered(source: str, shapes: list[tuple[int, ...]], name: str):
    import torch

    from accelsim.frontend.torch_export import lower_module

    place, _, attribute = source.partition(":")
    module = getattr(importlib.import_module(place), attribute)()
    return lower_module(module, [torch.zeros(1, *shape) for shape in shapes], name)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKLOADS)
def test_the_stored_graph_is_what_the_module_lowers_to(name: str) -> None:
    workload = read_workload(WORKLOADS[name])
    graph, weights = lowered(workload.source, [value.shape for value in workload.graph.inputs], workload.graph.name)
    assert graph_hash(graph) == graph_hash(workload.graph)
    assert {key: tensor.shape for key, tensor in weights.items()} == dict(workload.graph.parameter_shapes)


@pytest.mark.parametrize("name", WORKLOADS)
def test_weights_are_complete_and_finite(name: str) -> None:
    workload = read_workload(WORKLOADS[name])
    check_weights(workload.graph, workload.load(), name)


def test_the_feature_network_is_resnet20() -> None:
    graph, _ = lowered("accelsim.models.resnet20:Features", [(3, 32, 32)], "resnet20_cifar10")
    stored = load_graph(shared("workloads") / "graphs" / "resnet20_cifar10.json")
    assert graph_hash(graph) == graph_hash(stored)
    weights = load_weights(shared("workloads") / "weights" / "resnet20_cifar10.safetensors")
    assert all(np.isfinite(tensor).all() for tensor in weights.values())
