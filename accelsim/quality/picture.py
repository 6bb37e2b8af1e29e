"""Pictures of runs: float, quantized and difference side by side; one row of images for each of several runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHOWN = 16
"""Images in the picture: enough to judge, few enough to see."""
AMPLIFY = 8
"""The difference row shows 128 + 8 x (quantized - float): at one code per pixel it is just visible."""


def save_comparison(reference: NDArray[np.uint8], images: NDArray[np.uint8], path: Path, scale: int = 4) -> None:
    """A PNG of three labelled bands: float, quantized, difference (amplified about grey). Images `[N, H, W, C]`."""
    from PIL import Image, ImageDraw, ImageFont

    count = min(SHOWN, len(images))
    difference = images[:count].astype(np.int32) - reference[:count]
    shown = np.clip(128 + AMPLIFY * difference, 0, 255).astype(np.uint8)
    columns = min(8, count)
    scale = max(1, scale * 32 // max(images.shape[1:3]))
    bands = [_mosaic(band, columns, scale) for band in (reference[:count], images[:count], shown)]
    label, font = 22, ImageFont.load_default(14)
    height = sum(band.shape[0] + label for band in bands)
    sheet = Image.new("RGB", (bands[0].shape[1], height), "white")
    top = 0
    for name, band in zip(("float32", "quantized", f"difference x {AMPLIFY}"), bands, strict=True):
        ImageDraw.Draw(sheet).text((4, top + 2), name, fill="black", font=font)
        sheet.paste(Image.fromarray(band), (0, top + label))
        top += label + band.shape[0]
    sheet.save(path)


def save_gallery(rows: Mapping[str, NDArray[np.uint8]], path: Path, columns: int = 8, scale: int = 2) -> None:
    """A PNG with one labelled row of images `[N, H, W, C]` each, the first `columns` of them."""
    from PIL import Image, ImageDraw, ImageFont

    font, margin = ImageFont.load_default(14), 300
    bands = {label: _mosaic(images[:columns], columns, scale) for label, images in rows.items()}
    first = next(iter(bands.values()))
    sheet = Image.new("RGB", (margin + first.shape[1], first.shape[0] * len(bands)), "white")
    for i, (label, band) in enumerate(bands.items()):
        top = i * first.shape[0]
        ImageDraw.Draw(sheet).text((6, top + first.shape[0] // 2 - 9), label, fill="black", font=font)
        sheet.paste(Image.fromarray(band), (margin, top))
    sheet.save(path)


def _mosaic(images: NDArray[np.uint8], columns: int, scale: int, gap: int = 2) -> NDArray[np.uint8]:
    """Images side by side in rows of `columns`, each pixel `scale` x `scale`, `gap` white pixels between them."""
    count, height, width, _ = images.shape
    rows = -(-count // columns)
    high, wide = height * scale + gap, width * scale + gap
    sheet = np.full((rows * high, columns * wide, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * high, i % columns * wide
        enlarged = np.repeat(np.repeat(image, scale, 0), scale, 1)
        sheet[top : top + height * scale, left : left + width * scale] = enlarged
    return sheet
