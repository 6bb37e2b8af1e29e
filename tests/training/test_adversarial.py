import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from accelsim.errors import AccelsimError
from accelsim.training.adversarial import AdversarialRecipe, AdversarialRun, save_grid

RECIPE = AdversarialRecipe(epochs=2, batch=8, keep_every=1, seed=5)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)


class Stop(Exception):
    pass


class TinyGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(6, 3, 4)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.norm(self.up(z[:, :, None, None])))


class TinyDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.dropout(torch.relu(self.conv(x)), 0.3, self.training)
        return self.fc(hidden.flatten(1)).squeeze(1)


def start(folder: Path, recipe: AdversarialRecipe = RECIPE) -> AdversarialRun:
    return AdversarialRun(TinyGenerator(), TinyDiscriminator(), 6, recipe, folder)


def stop_in_the_second_epoch(epoch: int, step: int) -> None:
    if (epoch, step) == (2, 2):
        raise Stop


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_leaves_snapshots_pictures_and_a_log(tmp_path: Path) -> None:
    run, steps = start(tmp_path), []
    run.train(IMAGES, lambda epoch, step: steps.append((epoch, step)))
    assert steps == [(epoch, step) for epoch in (1, 2) for step in (1, 2, 3)]
    snapshot = load_file(tmp_path / "ema_002.safetensors")
    assert all(torch.equal(snapshot[name], value) for name, value in run.ema.average.state_dict().items())
    assert pixels_of(tmp_path / "grid_001.png").shape == (64, 64, 3)
    with (tmp_path / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]


def test_a_stopped_run_resumes_to_equal_weights(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole")
    whole.train(IMAGES)
    with pytest.raises(Stop):
        start(tmp_path / "stopped").train(IMAGES, stop_in_the_second_epoch)
    torch.manual_seed(99)
    resumed = start(tmp_path / "stopped")
    assert resumed.epoch == 1
    resumed.train(IMAGES)
    for mine, theirs in ((resumed.g, whole.g), (resumed.d, whole.d), (resumed.ema.average, whole.ema.average)):
        state = theirs.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in mine.state_dict().items())
    losses = [[(row.discriminator_loss, row.generator_loss) for row in run.log] for run in (resumed, whole)]
    assert losses[0] == losses[1]


def test_other_options_do_not_resume(tmp_path: Path) -> None:
    start(tmp_path).train(IMAGES)
    with pytest.raises(AccelsimError, match="other options"):
        start(tmp_path, AdversarialRecipe(epochs=3, batch=8, keep_every=1, seed=5))


def test_a_broken_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    start(tmp_path).train(IMAGES)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(AccelsimError, match="not a readable checkpoint"):
        start(tmp_path)


def test_snapshots_are_kept_at_the_interval_and_at_the_end(tmp_path: Path) -> None:
    start(tmp_path, AdversarialRecipe(epochs=5, batch=8, keep_every=2)).train(IMAGES[:8])
    assert sorted(p.name for p in tmp_path.glob("ema_*")) == [f"ema_00{n}.safetensors" for n in (2, 4, 5)]


def test_the_rate_is_flat_then_falls_to_a_twentieth() -> None:
    recipe = AdversarialRecipe(epochs=100, learning_rate=1.0, decay_from=0.5)
    assert recipe.rate(1) == recipe.rate(51) == 1
    assert recipe.rate(76) == pytest.approx(0.5)
    assert recipe.rate(100) == 0.05


def test_the_grid_shows_each_image_in_reading_order(tmp_path: Path) -> None:
    images = np.full((64, 2, 2, 3), -1, np.float32)
    images[9] = 1
    images[10] = 0
    save_grid(images, tmp_path / "grid.png")
    picture = pixels_of(tmp_path / "grid.png")
    assert picture.shape == (32, 32, 3)
    assert (picture[4:8, 4:8] == 255).all()
    assert (picture[4:8, 8:12] == 128).all()
    assert np.count_nonzero(picture) == 2 * 16 * 3


def test_a_run_stopped_while_it_saves_loses_no_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(images: np.ndarray, path: Path) -> None:
        raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr("accelsim.training.adversarial.save_grid", stop)
        start(tmp_path).train(IMAGES)
    start(tmp_path).train(IMAGES)
    kept = {path.name for path in tmp_path.iterdir()}
    assert {"ema_001.safetensors", "ema_002.safetensors", "grid_001.png", "grid_002.png"} <= kept
