import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from accelsim.errors import AccelsimError
from accelsim.training.datasets import cifar10

RECORD = 3073
RECORDS = 10_000


def write_batch(path: Path, records: dict[int, np.ndarray]) -> None:
    """A file of the published size, zero (and sparse) but for some records."""
    with path.open("wb") as file:
        for index, record in records.items():
            file.seek(index * RECORD)
            file.write(record.tobytes())
        file.truncate(RECORDS * RECORD)


def record(label: int, image: np.ndarray) -> np.ndarray:
    return np.concatenate([np.array([label], np.uint8), image.transpose(2, 0, 1).ravel()])


def some_image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin", "cifar10"])
def test_binary_records_come_back(tmp_path: Path, inner: str) -> None:
    (tmp_path / inner).mkdir(exist_ok=True)
    write_batch(tmp_path / inner / "test_batch.bin", {0: record(7, some_image(0)), 9999: record(3, some_image(1))})
    images, labels = cifar10(tmp_path, "test")
    assert (images.shape, images.dtype, labels.dtype) == ((RECORDS, 32, 32, 3), np.uint8, np.int64)
    assert (labels[0], labels[9999], np.count_nonzero(labels)) == (7, 3, 2)
    assert np.array_equal(images[0], some_image(0))
    assert np.array_equal(images[9999], some_image(1))


def test_training_batches_follow_each_other(tmp_path: Path) -> None:
    write_batch(tmp_path / "test_batch.bin", {})
    for number in range(1, 6):
        write_batch(tmp_path / f"data_batch_{number}.bin", {number: record(number, some_image(number))})
    images, labels = cifar10(tmp_path, "train")
    assert len(images) == 50_000
    assert np.flatnonzero(labels).tolist() == [1, 10_002, 20_003, 30_004, 40_005]
    assert np.array_equal(images[40_005], some_image(5))


def test_a_missing_or_truncated_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_batch.bin").write_bytes(bytes(RECORD * 9_999))
    with pytest.raises(AccelsimError, match=r"test_batch.bin: expected 10,000 records"):
        cifar10(tmp_path, "test")
    with pytest.raises(AccelsimError, match=r"data_batch_1.bin: expected 10,000 records"):
        cifar10(tmp_path, "train")


def test_a_folder_without_the_data_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(AccelsimError, match="binary version"):
        cifar10(tmp_path, "test")
    with pytest.raises(AccelsimError, match="no CIFAR-10 here"):
        cifar10(tmp_path / "nowhere", "train")


def test_mosaics_are_read_tile_by_tile(tmp_path: Path) -> None:
    manifest = {}
    for label in range(10):
        tiles = np.stack([some_image(10 * label + i) for i in range(6)])
        mosaic = tiles.reshape(2, 3, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(64, 96, 3)
        Image.fromarray(mosaic).save(tmp_path / f"test_{label}.webp", lossless=True)
        manifest[f"test_{label}.webp"] = {"cols": 3}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    images, labels = cifar10(tmp_path, "test")
    assert labels.tolist() == [label for label in range(10) for _ in range(6)]
    assert np.array_equal(images[27], some_image(43))
