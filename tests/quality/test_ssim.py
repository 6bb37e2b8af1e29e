"""SSIM against the definition written out window by window, and against what must hold for any such index."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.quality.against_float import METRICS, quality
from accelsim.quality.ssim import IMAGES_TOGETHER, ssim


def plainly(a: np.ndarray, b: np.ndarray) -> float:
    """The formula of the paper, one window and one pixel at a time."""
    raw = [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5 * 1.5)) for j in range(11)] for i in range(11)]
    total = sum(map(sum, raw))
    count, height, width, channels = a.shape
    found = []
    for n in range(count):
        for c in range(channels):
            for top in range(height - 10):
                for left in range(width - 10):
                    triples = [
                        (raw[i][j] / total, float(a[n, top + i, left + j, c]), float(b[n, top + i, left + j, c]))
                        for i in range(11)
                        for j in range(11)
                    ]
                    mean_a, mean_b = sum(w * x for w, x, _ in triples), sum(w * y for w, _, y in triples)
                    var_a = sum(w * (x - mean_a) ** 2 for w, x, _ in triples)
                    var_b = sum(w * (y - mean_b) ** 2 for w, _, y in triples)
                    both = sum(w * (x - mean_a) * (y - mean_b) for w, x, y in triples)
                    c1, c2 = 2.55**2, 7.65**2
                    above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
                    found.append(above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return sum(found) / len(found)


def figure(a: np.ndarray, b: np.ndarray) -> float:
    value, reason = ssim(a, b)
    assert value is not None and reason is None
    return value


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 2), st.integers(11, 14), st.integers(11, 14), st.sampled_from([1, 3])),
    noise=st.sampled_from([0, 3, 60, 255]),
)
def test_it_is_the_definition(seed: int, shape: tuple[int, ...], noise: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, shape).astype(np.uint8)
    b = np.clip(a.astype(int) + rng.integers(-noise, noise + 1, shape), 0, 255).astype(np.uint8)
    assert figure(a, b) == pytest.approx(plainly(a, b), abs=1e-9)
    assert figure(a, b) == figure(b, a)
    assert -1 <= figure(a, b) <= 1 + 1e-12


def test_known_values() -> None:
    black, white = np.zeros((2, 16, 12, 3), np.uint8), np.full((2, 16, 12, 3), 255, np.uint8)
    assert figure(black, black) == 1.0 and figure(white, white) == pytest.approx(1, abs=1e-9)
    assert figure(black, white) == pytest.approx(2.55**2 / (255**2 + 2.55**2))
    image = np.random.default_rng(0).integers(0, 256, (2, 16, 12, 3)).astype(np.uint8)
    assert figure(image, image) == pytest.approx(1, abs=1e-12)
    assert figure(image, 255 - image) < 0
    grey = np.full_like(image, 128)
    assert figure(image, grey) < 0.1 < 0.9 < figure(image, image ^ 1)


def test_images_and_channels_count_the_same() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, (IMAGES_TOGETHER + 3, 12, 12, 3)).astype(np.uint8) for _ in range(2))
    single = [
        figure(a[i : i + 1, ..., c : c + 1], b[i : i + 1, ..., c : c + 1]) for i in range(len(a)) for c in range(3)
    ]
    assert figure(a, b) == pytest.approx(sum(single) / len(single), abs=1e-12)


def test_where_there_is_no_figure_a_sentence_says_why() -> None:
    small = np.zeros((2, 10, 32, 3), np.uint8)
    assert ssim(small, small) == (None, "images of 10 x 32 are smaller than its 11 x 11 window")
    assert ssim(small[:0], small[:0]) == (None, "there are no images")
    with pytest.raises(AccelsimError, match="quality: images"):
        ssim(small, small[:, :9])


def test_the_quality_section_has_it() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (3, 3, 16, 16)).astype(np.float32)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    figures, reasons = quality(values, values, pixels, pixels ^ 1, ())
    assert figures["ssim"] == figure(pixels, pixels ^ 1) and not any("ssim" in reason for reason in reasons)
    figures, reasons = quality(values, values, pixels[:, :8], pixels[:, :8], ())
    assert figures["ssim"] is None and any(reason.startswith("ssim: images of 8 x 16") for reason in reasons)
    figures, reasons = quality(values[:, 0, 0], values[:, 0, 0], None, None, ())
    assert figures["ssim"] is None and "ssim: the output is not [N, 1 or 3, H, W]" in reasons
    assert "ssim" in METRICS
