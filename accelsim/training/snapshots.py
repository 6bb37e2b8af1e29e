"""From trained modules to what is kept: the snapshot of a generator that measures best, and a feature network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from accelsim.errors import AccelsimError
from accelsim.frontend.torch_export import lower_module
from accelsim.quality.feature_network import FeatureNetwork, Normalisation
from accelsim.quality.features import FEWEST_IMAGES, Distance, features_of
from accelsim.quality.fid import statistics_of
from accelsim.quality.pixels import to_images

IMAGES = 5000
"""Images that a snapshot is judged by; distances from fewer are larger and compare only among themselves."""
BATCH = 100

Measure = Callable[[NDArray[np.uint8]], Distance]


def load_snapshot(module: nn.Module, path: Path) -> None:
    """Put the weights of a safetensors file into the module, in place.

    Raises:
        AccelsimError: not such a file, or its tensors are not those of the module.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise AccelsimError(f"{path}: not a readable safetensors file ({error})") from None
    except RuntimeError as error:
        what = str(error).strip().splitlines()[-1].strip()
        raise AccelsimError(f"{path}: does not fit {type(module).__name__}: {what}") from None


@torch.no_grad()
def sample_images(generator: nn.Module, latent: int, count: int, seed: int) -> NDArray[np.uint8]:
    """Pixels `[count, H, W, C]` of a generator with outputs in [-1, 1], from normal latents drawn by `seed`."""
    generator.eval()
    latents = torch.randn(count, latent, generator=torch.Generator().manual_seed(seed))
    pieces = torch.split(latents, BATCH)
    return np.concatenate([to_images(generator(z).numpy()) for z in pieces])


def measure_snapshots(
    generator: nn.Module,
    latent: int,
    folder: Path,
    measure: Measure,
    images: int = IMAGES,
    seed: int = 0,
    on_snapshot: Callable[[Path, float], None] = lambda path, distance: None,
) -> dict[Path, float]:
    """`measure` (such as `fid_resnet20_cifar10`) of each `ema_*.safetensors` in `folder`, on the same latents.

    The generator is used to run them and keeps the last one's weights.

    Raises:
        AccelsimError: no snapshot there, one does not fit the generator, or the measure gives no distance.
    """
    paths = sorted(folder.glob("ema_*.safetensors"))
    if not paths:
        raise AccelsimError(f"{folder}: no snapshots here (looked for ema_*.safetensors)")
    distances = {}
    for path in paths:
        load_snapshot(generator, path)
        distance = measure(sample_images(generator, latent, images, seed))
        if distance.value is None:
            raise AccelsimError(f"{path}: {distance.reason}", hint=f"{FEWEST_IMAGES:,} images are the fewest")
        distances[path] = distance.value
        on_snapshot(path, distance.value)
    return distances


def feature_network(
    features: nn.Module,
    name: str,
    normalisation: Normalisation,
    reference: NDArray[np.uint8],
    on_batch: Callable[[int], None] = lambda done: None,
) -> FeatureNetwork:
    """A torch module `[N, C, H, W]` -> `[N, D]` and real images `[N, H, W, C]` as a network that can ship.

    The statistics of the images are computed by our own engine; see `write_feature_network`.
    """
    height, width, channels = reference.shape[1:]
    graph, weights = lower_module(features, [torch.zeros(2, channels, height, width)], name)
    found = features_of(graph, weights, normalisation, reference, on_batch)
    return FeatureNetwork(name, graph, weights, normalisation, statistics_of(found))
