"""Feature networks as they ship: three files under `workloads/`, read without torch.

`graphs/<name>.json`, `weights/<name>.safetensors`, and `statistics/<name>.safetensors` with the normalisation of the
input (`input_mean`, `input_std`) and the statistics of real images (`mean`, `covariance`, `count`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError
from accelsim.ir.graph import Graph, Weights, check_weights
from accelsim.ir.store import load_graph, load_tensors, load_weights, save_graph, save_weights
from accelsim.quality.fid import Statistics
from accelsim.shared import shared


@dataclass(frozen=True)
class Normalisation:
    """What a network expects of an image: `(pixel / 255 - mean) / std`, per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class FeatureNetwork:
    """A network from normalised images `[N, C, H, W]` to features `[N, D]`, and the statistics of real images."""

    name: str
    graph: Graph
    weights: Weights
    normalisation: Normalisation
    reference: Statistics


@cache
def load_feature_network(name: str) -> FeatureNetwork:
    """The shipped network of that name; read once.

    Raises:
        AccelsimError: a file is missing or does not fit the others.
    """
    return read_feature_network(shared("workloads"), name)


def read_feature_network(folder: Path, name: str) -> FeatureNetwork:
    """The feature network `name` of a folder with `graphs`, `weights` and `statistics`."""
    graph_path, weights_path, statistics_path = _paths(folder, name)
    graph, weights = load_graph(graph_path), load_weights(weights_path)
    check_weights(graph, weights, str(weights_path))
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 3 or len(graph.shapes[graph.outputs[0]]) != 1:
        raise AccelsimError(f"{graph_path}: not a feature network; expected one input [N, C, H, W], an output [N, D]")
    normalisation, reference = _statistics(statistics_path, load_tensors(statistics_path), graph)
    return FeatureNetwork(name, graph, weights, normalisation, reference)


def write_feature_network(network: FeatureNetwork, folder: Path) -> None:
    """Write the three files that `read_feature_network` reads."""
    from safetensors.numpy import save_file

    paths = _paths(folder, network.name)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    save_graph(network.graph, paths[0])
    save_weights(network.weights, paths[1])
    tensors = {
        "mean": network.reference.mean,
        "covariance": network.reference.covariance,
        "count": np.array([network.reference.count], np.int64),
        "input_mean": np.array(network.normalisation.mean),
        "input_std": np.array(network.normalisation.std),
    }
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, paths[2])


def _paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    return (
        folder / "graphs" / f"{name}.json",
        folder / "weights" / f"{name}.safetensors",
        folder / "statistics" / f"{name}.safetensors",
    )


def _statistics(path: Path, tensors: Mapping[str, NDArray[Any]], graph: Graph) -> tuple[Normalisation, Statistics]:
    channels, features = graph.inputs[0].shape[0], graph.shapes[graph.outputs[0]][0]
    wanted = {
        "mean": (features,),
        "covariance": (features, features),
        "count": (1,),
        "input_mean": (channels,),
        "input_std": (channels,),
    }
    for name, shape in wanted.items():
        if name not in tensors or tensors[name].shape != shape:
            got = f"shape {list(tensors[name].shape)}" if name in tensors else "nothing"
            raise AccelsimError(f"{path}: tensor {name!r}: got {got}, expected shape {list(shape)}")
    mean, std = (tuple(tensors[name].astype(np.float64).tolist()) for name in ("input_mean", "input_std"))
    moments = [tensors[name].astype(np.float64) for name in ("mean", "covariance")]
    return Normalisation(mean, std), Statistics(moments[0], moments[1], int(tensors["count"][0]))
