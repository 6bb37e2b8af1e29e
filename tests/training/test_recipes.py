"""Whole runs of `train_network` on seventy images, with a generator of a few weights in place of the shipped ones."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from accelsim.errors import AccelsimError
from accelsim.frontend.module_source import load_module
from accelsim.frontend.workload import read_workload
from accelsim.ir.store import load_graph, load_weights
from accelsim.shared import list_shared
from accelsim.training.recipes import GANS, train_network

TINY = """
import torch
from torch import nn

class Generator(nn.Sequential):
    def __init__(self):
        pixels = nn.Tanh(), nn.Unflatten(1, (3, 32, 32))
        super().__init__(nn.Linear(100, 3), nn.BatchNorm1d(3), nn.Linear(3, 3072), *pixels)

class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.only = nn.Linear(3072, 1)

    def forward(self, x):
        return self.only(nn.functional.dropout(x.flatten(1), 0.3, self.training)).squeeze(1)
"""
RUN = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from accelsim.quality import features
from accelsim.training import recipes

def progress(text, step, steps):
    if text == f"epoch {killed_in} of 7":
        os.kill(os.getpid(), signal.SIGKILL)

features.fid_resnet20_cifar10 = lambda images: features.Distance(float(images[:, :, :16].mean()))
tiny, data, out, killed_in = sys.argv[1:]
recipes.GANS["mlp32"] = replace(
    recipes.GANS["mlp32"], generator=f"{tiny}:Generator", discriminator=f"{tiny}:Discriminator", epochs=7
)
for line in recipes.train_network("mlp32", Path(data), Path(out), None, 0, 1, progress):
    print(line)
"""
"""The fourth argument is the epoch in which the process kills itself."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file with the tiny modules, and seven images of each class in the form of the mosaics."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "tiny.py").write_text(TINY)
    pixels = np.random.default_rng(0).integers(0, 256, (10, 32, 7 * 32, 3), dtype=np.uint8)
    data = folder / "data"
    data.mkdir()
    for label, mosaic in enumerate(pixels):
        Image.fromarray(mosaic).save(data / f"train_{label}.webp", lossless=True)
    (data / "manifest.json").write_text(json.dumps({f"train_{label}.webp": {"cols": 7} for label in range(10)}))
    return folder / "tiny.py", data


def run(places: tuple[Path, Path], out: Path, killed_in: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, *map(str, places), str(out), str(killed_in)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{key: text for key, text in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(places: tuple[Path, Path]) -> tuple[Path, list[str]]:
    """The folder of an undisturbed run and the lines that it printed."""
    done = run(places, places[0].parent / "whole")
    assert done.returncode == 0, done.stderr
    return places[0].parent / "whole", done.stdout.splitlines()


@pytest.mark.slow
def test_the_best_snapshot_ships(whole: tuple[Path, list[str]]) -> None:
    folder, said = whole
    distances = {row["snapshot"]: float(row["fid_resnet20_cifar10_5000"]) for row in rows(folder / "fid.csv")}
    assert list(distances) == ["ema_003", "ema_006", "ema_007"] and len(set(distances.values())) == 3
    best = min(distances, key=lambda name: distances[name])
    assert said[-1].startswith(f"best: {best}; wrote ")
    kept, shipped = load_file(folder / f"{best}.safetensors"), load_weights(folder / "mlp32.safetensors")
    kept = {name: tensor for name, tensor in kept.items() if not name.endswith("num_batches_tracked")}
    assert sorted(tensor.tobytes() for tensor in shipped.values()) == sorted(t.tobytes() for t in kept.values())
    picture = folder / f"grid_{best.removeprefix('ema_')}.png"
    assert (folder / "mlp32.png").read_bytes() == picture.read_bytes()
    assert load_graph(folder / "mlp32.json").name == "mlp32"


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 4, 7])
def test_a_killed_run_goes_on_to_the_same_files(
    epoch: int, places: tuple[Path, Path], whole: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, said = whole
    assert run(places, tmp_path, killed_in=epoch).returncode == -signal.SIGKILL
    assert len(rows(tmp_path / "log.csv") if epoch > 1 else []) == epoch - 1
    again = run(places, tmp_path)
    assert again.returncode == 0, again.stderr
    lines = again.stdout.replace(str(tmp_path), str(folder)).splitlines()
    assert lines == ([f"resuming after epoch {epoch - 1}"] if epoch > 1 else []) + said
    assert rows(tmp_path / "log.csv") == rows(folder / "log.csv")
    names = {path.name for path in folder.iterdir()} - {"log.csv", "checkpoint.pt"}
    assert len(names) == 2 * 3 + 3 + 1
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_every_recipe_names_modules_that_fit_its_workload() -> None:
    for name, gan in GANS.items():
        generator, discriminator = load_module(gan.generator), load_module(gan.discriminator)
        images = generator.eval()(torch.zeros(2, gan.latent))
        assert images.shape == (2, 3, 32, 32) and discriminator(images).shape == (2,)
        workload = read_workload(list_shared("workloads")[name])
        assert workload.name == name and workload.source == gan.generator


def test_mlp32_is_trained_as_published() -> None:
    """Batches of 64 and 20,000 steps or more of 50,000 images."""
    gan = GANS["mlp32"]
    assert gan.batch == 64 and gan.epochs * (50_000 // gan.batch) >= 20_000


def test_what_cannot_be_trained_is_refused(places: tuple[Path, Path], tmp_path: Path) -> None:
    for words in (("mlp23", places[1]), ("mlp32", tmp_path), ("dcgan32", places[1])):
        with pytest.raises(AccelsimError, match=r"did you mean 'mlp32'|no CIFAR-10 here|70 images; expected .* 128"):
            list(train_network(*words, tmp_path / "out", 1, 0, 1, lambda text, step, steps: None))
    with pytest.raises(AccelsimError, match="no recipe for 'nothing'"):
        train_network("nothing", places[1], tmp_path, 1, 0, 1, lambda text, step, steps: None)


def test_out_must_be_a_folder(places: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    for out in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(AccelsimError, match=r"taken.*: cannot be written: "):
            train_network("mlp32", places[1], out, 1, 0, 1, lambda text, step, steps: None)
    assert (tmp_path / "taken").read_text() == "mine"
