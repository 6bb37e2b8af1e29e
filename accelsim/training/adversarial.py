"""The GAN loop: non-saturating loss with one-sided label smoothing, Adam, EMA of the generator.

Goodfellow et al. 2014 (arXiv 1406.2661) for the loss; smoothing 0.9 after Salimans et al. 2016 (arXiv 1606.03498).
Each epoch draws from a generator seeded by (seed, epoch), so a resumed run continues exactly as an undisturbed one.
"""

import csv
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
from accelsim.quality.pixels import to_pixels
from accelsim.training.checkpoint import load_checkpoint, save_checkpoint
from accelsim.training.ema import Ema


@dataclass(frozen=True)
class AdversarialRecipe:
    """Options of a run; they are stored in the checkpoint and a resumed run must agree with them."""

    epochs: int = 36
    batch: int = 128
    learning_rate: float = 2e-4
    decay_from: float = 0.5
    """Share of the run after which the learning rate falls linearly, to a twentieth at least; 1: it stays."""
    beta1: float = 0.5
    beta2: float = 0.999
    smoothing: float = 0.9
    ema: float = 0.999
    keep_every: int = 3
    """Epochs between the EMA snapshots that are kept for choosing the best."""
    seed: int = 0

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch (counted from 1)."""
        progress = (epoch - 1) / max(self.epochs, 1)
        if progress <= self.decay_from:
            return self.learning_rate
        return self.learning_rate * max((1 - progress) / (1 - self.decay_from), 0.05)


@dataclass(frozen=True)
class EpochLog:
    """Mean losses of one epoch and the wall time it took, in seconds."""

    epoch: int
    discriminator_loss: float
    generator_loss: float
    learning_rate: float
    seconds: float


def initialise(module: nn.Module) -> None:
    """Normal(0, 0.02) for every convolution and dense weight, as DCGAN does."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(part.weight, 0, 0.02)


class AdversarialRun:
    """One resumable run in `folder`: checkpoint.pt, log.csv, ema_NNN.safetensors, grid_NNN.png."""

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, latent: int, recipe: AdversarialRecipe, folder: Path
    ) -> None:
        torch.manual_seed(recipe.seed)
        initialise(generator)
        initialise(discriminator)
        self.g = generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.d = discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.latent, self.recipe, self.folder = latent, recipe, folder
        self.ema = Ema(self.g, recipe.ema)
        betas = (recipe.beta1, recipe.beta2)
        self.g_adam = torch.optim.Adam(self.g.parameters(), recipe.learning_rate, betas=betas)
        self.d_adam = torch.optim.Adam(self.d.parameters(), recipe.learning_rate, betas=betas)
        self.fixed = torch.randn(64, latent, generator=torch.Generator().manual_seed(recipe.seed))
        self.epoch = 0
        self.log: list[EpochLog] = []
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "checkpoint.pt").is_file():
            self._restore()

    def train(self, images: NDArray[np.uint8], on_step: Callable[[int, int], None] = lambda epoch, step: None) -> None:
        """Train on uint8 images `[N, H, W, C]` until `recipe.epochs`; `on_step(epoch, step)` follows the progress."""
        if len(images) < self.recipe.batch:
            raise AccelsimError(f"training: {len(images)} images; expected at least one batch of {self.recipe.batch}")
        reals = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        while self.epoch < self.recipe.epochs:
            started = time.monotonic()
            losses = self._one_epoch(reals, self.epoch + 1, on_step)
            self.epoch += 1
            seconds = round(time.monotonic() - started, 1)
            self.log.append(EpochLog(self.epoch, *losses, self.recipe.rate(self.epoch), seconds))
            self._save()

    def _one_epoch(self, reals: Tensor, epoch: int, on_step: Callable[[int, int], None]) -> tuple[float, float]:
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 100_003 + epoch)
        for adam in (self.g_adam, self.d_adam):
            adam.param_groups[0]["lr"] = recipe.rate(epoch)
        order, steps = torch.randperm(len(reals)), len(reals) // recipe.batch
        d_sum = g_sum = 0.0
        for step in range(steps):
            real = reals[order[step * recipe.batch : (step + 1) * recipe.batch]].float().div_(127.5).sub_(1)
            flip = torch.rand(len(real)) < 0.5
            real[flip] = real[flip].flip(3)
            d_sum += self._discriminator_step(real.contiguous(memory_format=torch.channels_last))
            g_sum += self._generator_step(len(real))
            self.ema.update(self.g)
            on_step(epoch, step + 1)
        return round(d_sum / steps, 4), round(g_sum / steps, 4)

    def _discriminator_step(self, real: Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                fake = self.g(torch.randn(len(real), self.latent))
            on_real, on_fake = self.d(real), self.d(fake)
        on_real, keep = on_real.float(), self.recipe.smoothing
        loss = keep * F.softplus(-on_real).mean() + (1 - keep) * F.softplus(on_real).mean()
        loss = loss + F.softplus(on_fake.float()).mean()
        self.d_adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.d_adam.step()
        return loss.item()

    def _generator_step(self, batch: int) -> float:
        self.d.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16):
            on_fake = self.d(self.g(torch.randn(batch, self.latent)))
        loss = F.softplus(-on_fake.float()).mean()
        self.g_adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.g_adam.step()
        self.d.requires_grad_(True)
        return loss.item()

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "log": [asdict(row) for row in self.log],
            "ema_step": self.ema.step,
            "g": self.g.state_dict(),
            "d": self.d.state_dict(),
            "ema": self.ema.average.state_dict(),
            "g_adam": self.g_adam.state_dict(),
            "d_adam": self.d_adam.state_dict(),
        }

    def _save(self) -> None:
        with (self.folder / "log.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(asdict(self.log[0])))
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.log)
        if self.epoch % self.recipe.keep_every == 0 or self.epoch == self.recipe.epochs:
            self._snapshot()
        save_checkpoint(self.folder / "checkpoint.pt", self._state())  # last: what a kill cut short is made again

    def _snapshot(self) -> None:
        from safetensors.torch import save_file

        weights = {name: value.contiguous() for name, value in self.ema.average.state_dict().items()}
        save_file(weights, self.folder / f"ema_{self.epoch:03d}.safetensors")
        with torch.no_grad():
            samples = self.ema.average(self.fixed)
        save_grid(samples.permute(0, 2, 3, 1).numpy(), self.folder / f"grid_{self.epoch:03d}.png")

    def _restore(self) -> None:
        path = self.folder / "checkpoint.pt"
        state = load_checkpoint(path)
        if state.get("recipe") != asdict(self.recipe):
            raise AccelsimError(
                f"{path}: was made with other options ({state.get('recipe')})",
                hint="repeat those options to resume, or choose another --out",
            )
        self.epoch, self.ema.step = state["epoch"], state["ema_step"]
        self.log = [EpochLog(**row) for row in state["log"]]
        for name in ("g", "d", "g_adam", "d_adam"):
            getattr(self, name).load_state_dict(state[name])
        self.ema.average.load_state_dict(state["ema"])


def save_grid(images: NDArray[np.float32], path: Path, columns: int = 8) -> None:
    """Images `[N, H, W, C]` in [-1, 1] as one PNG, each pixel drawn 2x2."""
    from PIL import Image

    pixels = to_pixels(images)
    rows = len(pixels) // columns
    height, width, channels = pixels.shape[1:]
    tiles = pixels[: rows * columns].reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    mosaic = tiles.reshape(rows * height, columns * width, channels)
    Image.fromarray(mosaic).resize((columns * width * 2, rows * height * 2), Image.Resampling.NEAREST).save(path)
