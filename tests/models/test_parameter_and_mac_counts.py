"""Published and hand-counted sizes: parameters, and MACs by the three counts, through the lowered graphs.

CycleGAN: 11.378 M and 54.41 M parameters (junyanz/pytorch-CycleGAN-and-pix2pix), 56.8 G MACs of the ResNet (Li et al.
2020, arXiv 2003.08936, table 1). The rest is counted by hand from the layer tables.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from accelsim.frontend.torch_export import lower_module
from accelsim.frontend.workload import load_workload
from accelsim.ir.graph import Graph
from accelsim.ir.store import graph_hash, load_graph
from accelsim.mapping.operators import mac_counts
from accelsim.models import cyclegan, mlp
from accelsim.passes.normalise import normalise
from accelsim.shared import find_shared

IMAGE = (3, 256, 256)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, tuple[int, int, int]]] = {
    "cyclegan_resnet9_256": (
        cyclegan.resnet9,
        (3, 256, 256),
        11_378_179,
        (56_799_264_768, 49_551_507_456, 49_513_840_640),
    ),
    "cyclegan_unet_256": (cyclegan.unet256, (3, 256, 256), 54_409_603, (18_140_364_800, 6_048_186_368, 5_699_897_600)),
    "mlp32": (mlp.Generator, (100,), 3_835_136, (3_826_688,) * 3),
    "mlp32 discriminator": (mlp.Discriminator, (3, 32, 32), 1_704_961, (1_704_192,) * 3),
}


def macs(graph: Graph) -> tuple[int, int, int]:
    counts = [mac_counts(node.op, tuple(graph.shapes[name] for name in node.inputs)) for node in graph.nodes]
    return (
        sum(c.zero_inserted for c in counts),
        sum(c.scatter for c in counts),
        sum(c.effectual for c in counts),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes(name: str) -> None:
    make, shape, parameters, counts = NETWORKS[name]
    module = make()
    assert sum(p.numel() for p in module.parameters() if p.requires_grad) == parameters
    graph, _ = lower_module(module, [torch.zeros(1, *shape)], name)
    assert graph.trainable_parameters == parameters
    assert macs(graph) == counts == macs(normalise(graph, None)[0])


@pytest.mark.parametrize("name", ["cyclegan_resnet9_256", "cyclegan_unet_256"])
def test_the_shipped_graph_is_that_of_the_module(name: str) -> None:
    make, shape, _, _ = NETWORKS[name]
    graph, _ = lower_module(make(), [torch.zeros(1, *shape)], name)
    stored = load_graph(Path(find_shared("workloads", name)).parent / "graphs" / f"{name}.json")
    assert stored == graph and graph_hash(stored) == graph_hash(graph)
    assert load_workload(name).graph == stored


def test_outputs_are_images() -> None:
    for make, shape in ((cyclegan.ResNetGenerator(1, 2), (3, 16, 24)), (cyclegan.UNetGenerator((2, 4, 4)), (3, 16, 8))):
        made = make(torch.randn(2, *shape))
        assert made.shape == (2, *shape) and made.abs().max() <= 1
    assert mlp.Generator().eval()(torch.randn(2, 100)).shape == (2, 3, 32, 32)
    assert mlp.Discriminator()(torch.randn(2, 3, 32, 32)).shape == (2,)


def test_model_1_makes_its_pixels_in_the_order_rows_columns_colours() -> None:
    module = mlp.Generator().eval()
    z = torch.randn(1, 100)
    hidden: list[torch.Tensor] = []
    module.last.register_forward_hook(lambda m, given, made: hidden.append(made))
    image = module(z)
    assert image[0, 1, 2, 5] == torch.tanh(hidden[0][0, (2 * 32 + 5) * 3 + 1])
