"""Training a CIFAR-10 classifier, whose features then measure generators.

SGD with Nesterov momentum and weight decay under a one-cycle rate (Smith and Topin 2017, arXiv 1708.07120); random
crops from reflected borders (one offset a batch) and flips. Each epoch draws from a generator seeded by (seed, epoch),
so a resumed run continues exactly as an undisturbed one.
"""

import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from accelsim.errors import AccelsimError
from accelsim.training.checkpoint import load_checkpoint, save_checkpoint
from accelsim.training.datasets import CIFAR10_MEAN, CIFAR10_STD, Split

TEST_BATCH = 1000


@dataclass(frozen=True)
class ClassifierRecipe:
    """Options of a run; they are stored in the checkpoint and a resumed run must agree with them."""

    epochs: int = 30
    batch: int = 128
    peak_rate: float = 0.4
    warm_up: float = 0.2
    """Share of the run in which the learning rate rises from a 25th of the peak; then it falls to 4e-6 of it."""
    momentum: tuple[float, float] = (0.85, 0.95)
    """At the peak of the rate, and at both ends."""
    weight_decay: float = 5e-4
    border: int = 4
    """Reflected pixels on each side, from which crops are taken."""
    seed: int = 0

    def rate_and_momentum(self, step: int, steps: int) -> tuple[float, float]:
        """Of one step of the whole run (counted from 0): two half cosines, as `torch.optim.lr_scheduler.OneCycleLR`."""
        rise, last = self.warm_up * steps - 1, steps - 1
        start, low, high = self.peak_rate / 25, *self.momentum
        if rise > 0 and step <= rise:
            share = step / rise
            return _cosine(start, self.peak_rate, share), _cosine(high, low, share)
        share = (step - rise) / (last - rise)
        return _cosine(self.peak_rate, start / 1e4, share), _cosine(low, high, share)


@dataclass(frozen=True)
class ClassifierLog:
    """Mean loss of one epoch, the share of test images classified right after it, and its wall time in seconds."""

    epoch: int
    loss: float
    test_accuracy: float
    seconds: float


class ClassifierRun:
    """One resumable run in `folder`: checkpoint.pt, log.csv, and at the end classifier.safetensors."""

    def __init__(self, classifier: nn.Module, recipe: ClassifierRecipe, folder: Path) -> None:
        self.net = classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe, self.folder = recipe, folder
        self.sgd = torch.optim.SGD(
            self.net.parameters(), recipe.peak_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
        self.epoch = 0
        self.log: list[ClassifierLog] = []
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "checkpoint.pt").is_file():
            self._restore()

    def train(self, train: Split, test: Split, on_step: Callable[[int, int], None] = lambda epoch, step: None) -> None:
        """Train on uint8 images `[N, H, W, 3]` with labels until `recipe.epochs`; `on_step(epoch, step)` follows.

        Raises:
            AccelsimError: fewer training images than one batch.
        """
        images, labels = train
        if len(images) < self.recipe.batch:
            raise AccelsimError(f"training: {len(images)} images, expected at least one batch of {self.recipe.batch}")
        edge = self.recipe.border
        padded = np.pad(images, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="reflect")
        while self.epoch < self.recipe.epochs:
            started = time.monotonic()
            loss = self._one_epoch(torch.from_numpy(padded), torch.from_numpy(labels), self.epoch + 1, on_step)
            self.epoch += 1
            right = accuracy(self.net, *test)
            self.log.append(ClassifierLog(self.epoch, loss, right, round(time.monotonic() - started, 1)))
            self._save()

    def _one_epoch(self, padded: Tensor, labels: Tensor, epoch: int, on_step: Callable[[int, int], None]) -> float:
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 100_003 + epoch)
        self.net.train()
        order, steps, total = torch.randperm(len(padded)), len(padded) // recipe.batch, 0.0
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            group = self.sgd.param_groups[0]
            group["lr"], group["momentum"] = recipe.rate_and_momentum((epoch - 1) * steps + step, recipe.epochs * steps)
            total += self._step(_crop_and_flip(padded[chosen], recipe.border), labels[chosen])
            on_step(epoch, step + 1)
        return round(total / steps, 4)

    def _step(self, images: Tensor, labels: Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net(normalised(images))
        loss = F.cross_entropy(logits.float(), labels)
        self.sgd.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.sgd.step()
        return loss.item()

    def _save(self) -> None:
        log = [asdict(row) for row in self.log]
        state: dict[str, Any] = {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "log": log,
            "net": self.net.state_dict(),
            "sgd": self.sgd.state_dict(),
        }
        with (self.folder / "log.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(log[0]))
            writer.writeheader()
            writer.writerows(log)
        if self.epoch == self.recipe.epochs:
            from safetensors.torch import save_file

            weights = {name: value.contiguous() for name, value in self.net.state_dict().items()}
            save_file(weights, self.folder / "classifier.safetensors")
        save_checkpoint(self.folder / "checkpoint.pt", state)  # last: what a kill cut short is made again

    def _restore(self) -> None:
        path = self.folder / "checkpoint.pt"
        state = load_checkpoint(path)
        if state.get("recipe") != asdict(self.recipe):
            raise AccelsimError(
                f"{path}: was made with other options ({state.get('recipe')})",
                hint="repeat those options to resume, or choose another --out",
            )
        self.epoch = state["epoch"]
        self.log = [ClassifierLog(**row) for row in state["log"]]
        self.net.load_state_dict(state["net"])
        self.sgd.load_state_dict(state["sgd"])


def normalised(images: Tensor) -> Tensor:
    """uint8 images `[N, H, W, 3]` as the network's input `[N, 3, H, W]`: (x / 255 - mean) / std."""
    mean, std = torch.tensor(CIFAR10_MEAN), torch.tensor(CIFAR10_STD)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(classifier: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share of images `[N, H, W, 3]` whose largest logit is their label, in float32 and eval mode."""
    classifier.eval()
    right = 0
    for start in range(0, len(images), TEST_BATCH):
        logits = classifier(normalised(torch.from_numpy(images[start : start + TEST_BATCH])))
        right += int((logits.argmax(1) == torch.from_numpy(labels[start : start + TEST_BATCH])).sum())
    return right / len(images)


def _crop_and_flip(padded: Tensor, border: int) -> Tensor:
    """One random offset for the batch, each image mirrored with probability 1/2."""
    height, width = padded.shape[1] - 2 * border, padded.shape[2] - 2 * border
    column, row = torch.randint(0, 2 * border + 1, (2,)).tolist()
    cropped = padded[:, row : row + height, column : column + width].clone()
    flip = torch.rand(len(padded)) < 0.5
    cropped[flip] = cropped[flip].flip(2)
    return cropped


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
