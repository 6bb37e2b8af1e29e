"""Loaders for public image sets. Every loader returns uint8 `[N, H, W, C]` and int64 labels `[N]`."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError

Split = tuple[NDArray[np.uint8], NDArray[np.int64]]
CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
"""Channel statistics of the training images over [0, 1]; Krizhevsky 2009 data, the usual rounded figures."""


def cifar10(folder: Path, split: str) -> Split:
    """CIFAR-10 (Krizhevsky 2009), `split` "train" (50,000) or "test" (10,000).

    Reads the published binary version (`data_batch_1.bin` ...) or lossless WebP mosaics, one per class, with a
    `manifest.json`. The pickled version is refused: unpickling runs code.

    Raises:
        AccelsimError: the folder holds neither, or a file is not of the published size.
    """
    for candidate in (folder, folder / "cifar-10-batches-bin", folder / "cifar10"):
        if (candidate / "test_batch.bin").is_file():
            return _binary(candidate, split)
        if (candidate / "manifest.json").is_file() and (candidate / f"{split}_0.webp").is_file():
            return _mosaics(candidate, split)
    raise AccelsimError(
        f"{folder}: no CIFAR-10 here (looked for test_batch.bin or {split}_0.webp with manifest.json)",
        hint="download the 'binary version' from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it there",
    )


def _binary(folder: Path, split: str) -> Split:
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    images, labels = [], []
    for name in names:
        path = folder / name
        if not path.is_file() or path.stat().st_size != 10000 * 3073:
            raise AccelsimError(f"{path}: expected 10,000 records of 3,073 bytes")
        records = np.fromfile(path, np.uint8).reshape(10000, 3073)
        labels.append(records[:, 0].astype(np.int64))
        images.append(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return np.concatenate(images), np.concatenate(labels)


def _mosaics(folder: Path, split: str) -> Split:
    from PIL import Image

    manifest = json.loads((folder / "manifest.json").read_text())
    images, labels = [], []
    for label in range(10):
        name = f"{split}_{label}.webp"
        mosaic, columns = np.asarray(Image.open(folder / name).convert("RGB")), manifest[name]["cols"]
        tiles = mosaic.reshape(mosaic.shape[0] // 32, 32, columns, 32, 3).transpose(0, 2, 1, 3, 4)
        images.append(tiles.reshape(-1, 32, 32, 3))
        labels.append(np.full(len(images[-1]), label, np.int64))
    return np.concatenate(images), np.concatenate(labels)
