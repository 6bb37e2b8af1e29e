from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from accelsim.errors import AccelsimError
from accelsim.quality.feature_network import Normalisation
from accelsim.quality.features import Distance, distance_to_reference
from accelsim.training.snapshots import feature_network, load_snapshot, measure_snapshots, sample_images


class Shade(nn.Module):
    """Every pixel of an image is tanh(a z + b)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(z[:, :1] * self.scale + self.shift)[:, :, None, None].expand(-1, 3, 2, 2)


class MeanColour(nn.Module):
    """Images `[N, 3, 2, 2]` -> `[N, 3]`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def brightness(images: np.ndarray) -> Distance:
    return Distance(float(images.mean()))


def keep(folder: Path, epoch: int, scale: float, shift: float) -> None:
    weights = {"scale": torch.tensor([scale]), "shift": torch.tensor([shift])}
    save_file(weights, folder / f"ema_{epoch:03d}.safetensors")


def test_each_snapshot_is_measured_on_the_same_latents(tmp_path: Path) -> None:
    for epoch, shift in ((3, -9.0), (6, 0.0), (9, 9.0)):
        keep(tmp_path, epoch, 1.0, shift)
    seen: list[str] = []
    found = measure_snapshots(
        Shade(), 4, tmp_path, brightness, images=250, seed=1, on_snapshot=lambda path, _: seen.append(path.name)
    )
    assert [path.name for path in found] == seen == [f"ema_00{n}.safetensors" for n in (3, 6, 9)]
    low, middle, high = found.values()
    assert (low, high) == (pytest.approx(0, abs=1), pytest.approx(255, abs=1))
    assert middle == brightness(sample_images(Shade(), 4, 250, 1)).value


def test_latents_follow_the_seed() -> None:
    images = sample_images(Shade(), 4, 130, 1)
    assert images.shape == (130, 2, 2, 3)
    assert np.array_equal(images, sample_images(Shade(), 4, 130, 1))
    assert not np.array_equal(images, sample_images(Shade(), 4, 130, 2))


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccelsimError, match="no snapshots here"):
        measure_snapshots(Shade(), 4, tmp_path, brightness)
    keep(tmp_path, 1, 1.0, 0.0)
    with pytest.raises(AccelsimError, match=r"ema_001.safetensors: too few"):
        measure_snapshots(Shade(), 4, tmp_path, lambda images: Distance(None, "too few"), images=5)
    with pytest.raises(AccelsimError, match="does not fit Linear"):
        load_snapshot(nn.Linear(2, 2), tmp_path / "ema_001.safetensors")
    (tmp_path / "ema_001.safetensors").write_bytes(b"short")
    with pytest.raises(AccelsimError, match="not a readable safetensors file"):
        load_snapshot(Shade(), tmp_path / "ema_001.safetensors")


def test_a_module_becomes_a_feature_network() -> None:
    real = np.random.default_rng(0).integers(0, 256, (1000, 2, 2, 3), dtype=np.uint8)
    network = feature_network(MeanColour(), "colour", Normalisation((0.5,) * 3, (0.25,) * 3), real)
    colours = (real.mean(axis=(1, 2)) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(network.reference.mean, colours.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(network.reference.covariance, np.cov(colours, rowvar=False), atol=1e-6)
    assert distance_to_reference(network, real).value == pytest.approx(0, abs=1e-9)
