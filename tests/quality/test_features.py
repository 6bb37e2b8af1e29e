from pathlib import Path

import numpy as np
import pytest
import torch

from accelsim.errors import AccelsimError
from accelsim.frontend.torch_export import lower_module
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.ops import Conv2d, GlobalAveragePool
from accelsim.ir.store import graph_hash, save_weights
from accelsim.models.resnet20 import Features
from accelsim.quality.feature_network import (
    FeatureNetwork,
    Normalisation,
    load_feature_network,
    read_feature_network,
    write_feature_network,
)
from accelsim.quality.features import distance_to_reference, features_of, fid_resnet20_cifar10
from accelsim.quality.fid import Statistics, frechet_distance, statistics_of
from accelsim.training.datasets import CIFAR10_MEAN, CIFAR10_STD

SAMPLES = np.random.default_rng(0).integers(0, 256, (1000, 4, 6, 3), dtype=np.uint8)


def mean_colour_network(reference: Statistics) -> FeatureNetwork:
    """Features `[N, 2]`: the mean of red, and twice that of green minus blue, of the normalised image."""
    graph = Graph(
        "colours",
        (Input("image", (3, 4, 6)),),
        (
            Node("mix", Conv2d(3, 2, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, False), ("image",)),
            Node("pool", GlobalAveragePool(), ("mix",)),
        ),
        ("pool",),
    )
    weights = {"mix.weight": np.array([[1, 0, 0], [0, 2, -1]], np.float32).reshape(2, 3, 1, 1)}
    return FeatureNetwork("colours", graph, weights, Normalisation((0.5, 0.25, 0.0), (0.5, 1.0, 2.0)), reference)


def expected_features(images: np.ndarray) -> np.ndarray:
    red, green, blue = (images.mean(axis=(1, 2)) / 255).T
    return np.stack([(red - 0.5) / 0.5, 2 * (green - 0.25) - blue / 2], axis=1)


def test_features_are_of_the_normalised_image_in_order() -> None:
    network = mean_colour_network(statistics_of(expected_features(SAMPLES)))
    seen: list[int] = []
    found = features_of(network.graph, network.weights, network.normalisation, SAMPLES[:70], seen.append)
    np.testing.assert_allclose(found, expected_features(SAMPLES[:70]), atol=1e-5)
    assert found.dtype == np.float32
    assert sum(seen) == 70


def test_distance_to_the_reference() -> None:
    shifted = expected_features(SAMPLES) + np.array([3, 4])
    network = mean_colour_network(statistics_of(shifted))
    distance = distance_to_reference(network, SAMPLES)
    assert distance.value == pytest.approx(25, abs=1e-4)
    assert distance.reason is None


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (SAMPLES[:999], "The distance needs at least 1,000 images, there are 999."),
        (SAMPLES[:, :, :4], "colours measures images of 4x6x3, these are 4x4x3."),
        (SAMPLES[..., :1], "colours measures images of 4x6x3, these are 4x6x1."),
        (SAMPLES[:, 0], "colours measures images of 4x6x3, these are 6x3."),
    ],
)
def test_no_distance_without_a_reason(images: np.ndarray, reason: str) -> None:
    distance = distance_to_reference(mean_colour_network(statistics_of(expected_features(SAMPLES))), images)
    assert (distance.value, distance.reason) == (None, reason)


def test_files_hold_the_network_exactly(tmp_path: Path) -> None:
    network = mean_colour_network(statistics_of(expected_features(SAMPLES)))
    write_feature_network(network, tmp_path)
    back = read_feature_network(tmp_path, "colours")
    assert (back.graph, back.normalisation, back.name) == (network.graph, network.normalisation, "colours")
    assert back.reference.count == 1000
    assert np.array_equal(back.reference.mean, network.reference.mean)
    assert np.array_equal(back.reference.covariance, network.reference.covariance)
    assert np.array_equal(back.weights["mix.weight"], network.weights["mix.weight"])


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network = mean_colour_network(statistics_of(expected_features(SAMPLES)))
    write_feature_network(network, tmp_path)
    statistics = tmp_path / "statistics" / "colours.safetensors"
    save_weights({"mean": np.zeros(3, np.float32)}, statistics)
    with pytest.raises(AccelsimError, match=r"'mean': got shape \[3\], expected shape \[2\]"):
        read_feature_network(tmp_path, "colours")
    save_weights({"mean": np.zeros(2, np.float32)}, statistics)
    with pytest.raises(AccelsimError, match="'covariance': got nothing"):
        read_feature_network(tmp_path, "colours")
    statistics.unlink()
    with pytest.raises(AccelsimError, match="no such file"):
        read_feature_network(tmp_path, "colours")


def shipped_module() -> Features:
    module = Features().eval()
    roles = {"mean": "running_mean", "var": "running_var"}
    state = {}
    for name, tensor in load_feature_network("resnet20_cifar10").weights.items():
        owner, _, role = name.rpartition(".")
        state[f"{owner}.{roles.get(role, role)}"] = torch.from_numpy(tensor)
    missing = module.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in missing.missing_keys)
    return module


def test_the_shipped_graph_is_the_lowered_module() -> None:
    graph, _ = lower_module(Features(), [torch.zeros(2, 3, 32, 32)], "resnet20_cifar10")
    assert graph_hash(graph) == graph_hash(load_feature_network("resnet20_cifar10").graph)


def test_shipped_features_equal_those_of_torch() -> None:
    network = load_feature_network("resnet20_cifar10")
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    scaled = ((images / 255 - np.array(CIFAR10_MEAN)) / np.array(CIFAR10_STD)).transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = shipped_module()(torch.from_numpy(np.ascontiguousarray(scaled, np.float32))).numpy()
    found = features_of(network.graph, network.weights, network.normalisation, images)
    assert found.shape == (3, 64)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_shipped_statistics_are_of_the_test_set() -> None:
    reference = load_feature_network("resnet20_cifar10").reference
    assert reference.count == 10_000
    assert reference.covariance.dtype == np.float64
    assert np.array_equal(reference.covariance, reference.covariance.T)
    assert frechet_distance(reference, reference) == pytest.approx(0, abs=1e-12)


@pytest.mark.slow
def test_noise_is_far_from_photographs() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (1000, 32, 32, 3), dtype=np.uint8)
    distance = fid_resnet20_cifar10(noise)
    assert distance.value is not None
    assert distance.value > 20
