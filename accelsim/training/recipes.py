"""How each shipped network is made, from a data folder to the files that ship.

What loads torch is imported in the functions that train, so that naming a network wrongly is answered at once.
"""

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.frontend.module_source import load_module
from accelsim.ir.store import save_graph, save_weights

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Gan:
    """A generator of 32x32 images and the discriminator it learns from, as `package.module:Class`; trained on CIFAR-10.

    What is not said here is as `AdversarialRecipe` has it.
    """

    generator: str
    discriminator: str
    latent: int
    epochs: int
    batch: int


GANS = {
    "dcgan32": Gan(
        "accelsim.models.dcgan:Generator32", "accelsim.models.dcgan:Discriminator32", latent=100, epochs=36, batch=128
    ),
    "mlp32": Gan("accelsim.models.mlp:Generator", "accelsim.models.mlp:Discriminator", latent=100, epochs=48, batch=64),
}
"""By the name of the workload."""
NETWORKS = (*GANS, "resnet20_cifar10")


def train_network(
    name: str, data: Path, out: Path, epochs: int | None, seed: int, threads: int, progress: Progress
) -> Iterator[str]:
    """Train `name` in the folder `out` (resumed if it was interrupted); yields lines that say what came out.

    `epochs` None: as many as the recipe of that network says. `progress(text, step, steps)` follows each epoch.

    Raises:
        AccelsimError: no such network, no data, `out` cannot be written, or it has a run with other options.
    """
    if name not in NETWORKS:
        raise AccelsimError(f"no recipe for {name!r}{did_you_mean(name, NETWORKS)}", f"recipes: {', '.join(NETWORKS)}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AccelsimError(f"{out}: cannot be written: {error.strerror}") from None
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if name in GANS:
        return _generator(name, data, out, epochs, seed, progress)
    return _resnet20(data, out, epochs, seed, progress)


def _generator(name: str, data: Path, out: Path, epochs: int | None, seed: int, progress: Progress) -> Iterator[str]:
    from accelsim.training.adversarial import AdversarialRecipe, AdversarialRun
    from accelsim.training.datasets import cifar10

    gan = GANS[name]
    images, _ = cifar10(data, "train")
    recipe = AdversarialRecipe(epochs=epochs or gan.epochs, batch=gan.batch, seed=seed)
    steps = len(images) // recipe.batch
    run = AdversarialRun(load_module(gan.generator), load_module(gan.discriminator), gan.latent, recipe, out)
    if run.epoch:
        yield f"resuming after epoch {run.epoch}"
    run.train(images, lambda epoch, step: progress(f"epoch {epoch} of {recipe.epochs}", step, steps))
    yield from _ship_best(name, out, progress)


def _ship_best(name: str, out: Path, progress: Progress) -> Iterator[str]:
    """Measure every snapshot (`fid.csv`); graph, weights and samples of the nearest to the real images."""
    import torch

    from accelsim.frontend.torch_export import lower_module
    from accelsim.quality.features import fid_resnet20_cifar10
    from accelsim.training.snapshots import load_snapshot, measure_snapshots

    gan = GANS[name]
    generator = load_module(gan.generator)
    paths = sorted(out.glob("ema_*.safetensors"))
    progress("measuring snapshots", 0, len(paths))
    distances = measure_snapshots(
        generator,
        gan.latent,
        out,
        fid_resnet20_cifar10,
        on_snapshot=lambda path, distance: progress("measuring snapshots", paths.index(path) + 1, len(paths)),
    )
    with (out / "fid.csv").open("w", newline="") as file:
        rows = ((path.stem, distance) for path, distance in distances.items())
        csv.writer(file).writerows([("snapshot", "fid_resnet20_cifar10_5000"), *rows])
    for path, distance in distances.items():
        yield f"{path.stem}: fid_resnet20_cifar10 {distance:.2f} at 5,000 images"
    best = min(distances, key=lambda path: distances[path])
    load_snapshot(generator, best)
    graph, weights = lower_module(generator, [torch.zeros(1, gan.latent)], name)
    save_graph(graph, out / f"{name}.json")
    save_weights(weights, out / f"{name}.safetensors")
    shutil.copy(out / f"grid_{best.stem.removeprefix('ema_')}.png", out / f"{name}.png")
    yield f"best: {best.stem}; wrote {out}/{name}.json, .safetensors and .png"


def _resnet20(data: Path, out: Path, epochs: int | None, seed: int, progress: Progress) -> Iterator[str]:
    from accelsim.models.resnet20 import Features, ResNet20
    from accelsim.quality.feature_network import Normalisation, write_feature_network
    from accelsim.training.classifier import ClassifierRecipe, ClassifierRun, accuracy
    from accelsim.training.datasets import CIFAR10_MEAN, CIFAR10_STD, cifar10
    from accelsim.training.snapshots import feature_network

    train, test = cifar10(data, "train"), cifar10(data, "test")
    recipe = ClassifierRecipe(seed=seed) if epochs is None else ClassifierRecipe(epochs=epochs, seed=seed)
    steps = len(train[0]) // recipe.batch
    net = ResNet20()
    run = ClassifierRun(net, recipe, out)
    if run.epoch:
        yield f"resuming after epoch {run.epoch}"
    run.train(train, test, lambda epoch, step: progress(f"epoch {epoch} of {recipe.epochs}", step, steps))
    yield f"test accuracy {accuracy(net, *test):.2%}"
    features = Features()
    features.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("fc.")})
    normalisation = Normalisation(CIFAR10_MEAN, CIFAR10_STD)
    write_feature_network(feature_network(features, "resnet20_cifar10", normalisation, test[0]), out)
    yield f"wrote graphs/, weights/ and statistics/ in {out}"
