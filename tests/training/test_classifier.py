import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from accelsim.errors import AccelsimError
from accelsim.training.classifier import ClassifierRecipe, ClassifierRun, accuracy, normalised
from accelsim.training.datasets import CIFAR10_MEAN, CIFAR10_STD, Split

RECIPE = ClassifierRecipe(epochs=2, batch=16, peak_rate=0.1, border=2, seed=3)


class Stop(Exception):
    pass


def two_colours(count: int, seed: int) -> Split:
    """8x8 images whose label is whether red or blue is the stronger."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    images = rng.integers(0, 128, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, 2 * labels] += 120
    return images, labels


def tiny_net() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4, 2))


def test_learns_logs_and_follows_progress(tmp_path: Path) -> None:
    run, steps = ClassifierRun(tiny_net(), RECIPE, tmp_path), []
    run.train(two_colours(100, 0), two_colours(40, 1), lambda epoch, step: steps.append((epoch, step)))
    assert steps == [(epoch, step) for epoch in (1, 2) for step in range(1, 7)]
    assert run.log[-1].test_accuracy > 0.9
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["test_accuracy"]) == run.log[1].test_accuracy


def test_a_stopped_run_resumes_to_equal_weights(tmp_path: Path) -> None:
    train, test = two_colours(64, 0), two_colours(20, 1)
    undisturbed = ClassifierRun(tiny_net(), RECIPE, tmp_path / "whole")
    undisturbed.train(train, test)

    def stop_in_the_second_epoch(epoch: int, step: int) -> None:
        if (epoch, step) == (2, 2):
            raise Stop

    with pytest.raises(Stop):
        ClassifierRun(tiny_net(), RECIPE, tmp_path / "stopped").train(train, test, stop_in_the_second_epoch)
    assert not (tmp_path / "stopped" / "classifier.safetensors").exists()
    torch.manual_seed(99)
    resumed = ClassifierRun(tiny_net(), RECIPE, tmp_path / "stopped")
    assert resumed.epoch == 1
    resumed.train(train, test)
    whole, stopped = (load_file(tmp_path / name / "classifier.safetensors") for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    logs = [[(row.epoch, row.loss, row.test_accuracy) for row in run.log] for run in (resumed, undisturbed)]
    assert logs[0] == logs[1]


def test_the_seed_decides_the_run(tmp_path: Path) -> None:
    weights = []
    for seed in (3, 3, 4):
        recipe = ClassifierRecipe(epochs=1, batch=16, peak_rate=0.1, border=2, seed=seed)
        run = ClassifierRun(tiny_net(), recipe, tmp_path / str(len(weights)))
        run.train(two_colours(64, 0), two_colours(20, 1))
        weights.append(run.net.state_dict()["0.weight"].clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_other_options_do_not_resume(tmp_path: Path) -> None:
    ClassifierRun(tiny_net(), RECIPE, tmp_path).train(two_colours(32, 0), two_colours(20, 1))
    with pytest.raises(AccelsimError, match="other options"):
        ClassifierRun(tiny_net(), ClassifierRecipe(epochs=3), tmp_path)


def test_fewer_images_than_a_batch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AccelsimError, match="15 images, expected at least one batch of 16"):
        ClassifierRun(tiny_net(), RECIPE, tmp_path).train(two_colours(15, 0), two_colours(4, 1))


@pytest.mark.parametrize(("warm_up", "steps"), [(0.2, 50), (0.3, 390)])
def test_the_rate_is_that_of_torch(warm_up: float, steps: int) -> None:
    recipe = ClassifierRecipe(peak_rate=0.4, warm_up=warm_up)
    sgd = torch.optim.SGD(tiny_net().parameters(), 0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(sgd, 0.4, total_steps=steps, pct_start=warm_up)
    for step in range(steps):
        group = sgd.param_groups[0]
        assert recipe.rate_and_momentum(step, steps) == pytest.approx((group["lr"], group["momentum"]))
        sgd.step()
        if step < steps - 1:
            scheduler.step()


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 6])
def test_the_rate_exists_in_the_shortest_runs(steps: int) -> None:
    for step in range(steps):
        rate, momentum = ClassifierRecipe().rate_and_momentum(step, steps)
        assert 0 < rate <= 0.4
        assert 0.85 <= momentum <= 0.95


class RedIsOne(nn.Module):
    """Class 1 where the normalised red is positive."""

    def forward(self, x: Tensor) -> Tensor:
        red = x[:, 0].mean((1, 2))
        return torch.stack([-red, red], 1)


def test_accuracy_counts_over_all_batches() -> None:
    images = np.zeros((2500, 2, 2, 3), np.uint8)
    images[:1500, :, :, 0] = 255
    labels = np.ones(2500, np.int64)
    assert accuracy(RedIsOne(), images, labels) == 0.6


def test_normalisation() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    expected = (images / 255 - np.array(CIFAR10_MEAN)) / np.array(CIFAR10_STD)
    found = normalised(torch.from_numpy(images)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
