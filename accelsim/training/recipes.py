"""How each shipped network is made, from a data folder to the files that ship."""

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.ir.store import save_graph, save_weights

Progress = Callable[[str, int, int], None]
NETWORKS = ("dcgan32", "resnet20_cifar10")


def train_network(
    name: str, data: Path, out: Path, epochs: int, seed: int, threads: int, progress: Progress
) -> Iterator[str]:
    """Train `name` in the folder `out` (resumed if it was interrupted); yields lines that say what came out.

    Raises:
        AccelsimError: no such network, no data, or a run with other options in `out`.
    """
    if name not in NETWORKS:
        raise AccelsimError(f"no recipe for {name!r}{did_you_mean(name, NETWORKS)}", f"recipes: {', '.join(NETWORKS)}")
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    recipe = {"dcgan32": _dcgan32, "resnet20_cifar10": _resnet20}[name]
    return recipe(data, out, epochs, seed, progress)


def _dcgan32(data: Path, out: Path, epochs: int, seed: int, progress: Progress) -> Iterator[str]:
    import torch

    from accelsim.frontend.torch_export import lower_module
    from accelsim.models.dcgan import LATENT, Discriminator32, Generator32
    from accelsim.quality.features import fid_resnet20_cifar10
    from accelsim.training.adversarial import AdversarialRecipe, AdversarialRun
    from accelsim.training.datasets import cifar10
    from accelsim.training.snapshots import load_snapshot, measure_snapshots

    images, _ = cifar10(data, "train")
    recipe = AdversarialRecipe(epochs=epochs, seed=seed)
    steps = len(images) // recipe.batch
    run = AdversarialRun(Generator32(), Discriminator32(), LATENT, recipe, out)
    if run.epoch:
        yield f"resuming after epoch {run.epoch}"
    run.train(images, lambda epoch, step: progress(f"epoch {epoch} of {epochs}", step, steps))
    generator = Generator32()
    distances = measure_snapshots(generator, LATENT, out, fid_resnet20_cifar10)
    rows = [(path.stem, distance) for path, distance in distances.items()]
    with (out / "fid.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("snapshot", "fid_resnet20_cifar10_5000"), *rows])
    for path, distance in distances.items():
        yield f"{path.stem}: fid_resnet20_cifar10 {distance:.2f} at 5,000 images"
    best = min(distances, key=lambda path: distances[path])
    load_snapshot(generator, best)
    graph, weights = lower_module(generator, [torch.zeros(1, LATENT)], "dcgan32")
    save_graph(graph, out / "dcgan32.json")
    save_weights(weights, out / "dcgan32.safetensors")
    shutil.copy(out / f"grid_{best.stem.removeprefix('ema_')}.png", out / "dcgan32.png")
    yield f"best: {best.stem}; wrote {out}/dcgan32.json, .safetensors and .png"


def _resnet20(data: Path, out: Path, epochs: int, seed: int, progress: Progress) -> Iterator[str]:
    from accelsim.models.resnet20 import Features, ResNet20
    from accelsim.quality.feature_network import Normalisation, write_feature_network
    from accelsim.training.classifier import ClassifierRecipe, ClassifierRun, accuracy
    from accelsim.training.datasets import CIFAR10_MEAN, CIFAR10_STD, cifar10
    from accelsim.training.snapshots import feature_network

    train, test = cifar10(data, "train"), cifar10(data, "test")
    recipe = ClassifierRecipe(epochs=epochs, seed=seed)
    steps = len(train[0]) // recipe.batch
    net = ResNet20()
    run = ClassifierRun(net, recipe, out)
    run.train(train, test, lambda epoch, step: progress(f"epoch {epoch} of {epochs}", step, steps))
    yield f"test accuracy {accuracy(net, *test):.2%}"
    features = Features()
    features.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("fc.")})
    normalisation = Normalisation(CIFAR10_MEAN, CIFAR10_STD)
    write_feature_network(feature_network(features, "resnet20_cifar10", normalisation, test[0]), out)
    yield f"wrote graphs/, weights/ and statistics/ in {out}"
