"""The quality section of a report: outputs against the float generator, and images against real ones."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.quality.features import Distance, fid_resnet20_cifar10
from accelsim.quality.psnr import max_abs_error, psnr_db, psnr_db_mean, value_psnr_db, value_psnr_db_mean
from accelsim.quality.ssim import ssim

METRICS = {
    "psnr_db": "peak signal-to-noise ratio against the float generator, squared error pooled over all images, MAX 255",
    "psnr_db_mean": "mean over images of each image's PSNR against the float generator",
    "ssim": "structural similarity to the float generator (Wang et al. 2004), 11 x 11 Gaussian windows, all channels",
    "max_abs_error": "largest absolute difference to the float generator's output",
    "fid_resnet20_cifar10": "Fréchet distance to CIFAR-10 test images in 64 ResNet-20 features; 1,000 images or more",
}
"""Name -> one line of meaning, for `accelsim list metrics`."""

_DISTANCES: Mapping[str, Callable[[NDArray[np.uint8]], Distance]] = {"fid_resnet20_cifar10": fid_resnet20_cifar10}


def quality(
    reference: NDArray[Any],
    outputs: NDArray[Any],
    reference_images: NDArray[np.uint8] | None,
    images: NDArray[np.uint8] | None,
    metrics: tuple[str, ...],
) -> tuple[dict[str, float | None], list[str]]:
    """Figures by name, and a sentence for each that is absent.

    reference, outputs: real outputs `[N, ...]`. images: their pixels `[N, H, W, C]`, None where they are no images.
    metrics: distances to real images to compute, see METRICS.
    """
    figures: dict[str, float | None] = {}
    reasons: list[str] = []
    if images is not None and reference_images is not None:
        figures["psnr_db"] = psnr_db(reference_images, images)
        figures["psnr_db_mean"] = psnr_db_mean(reference_images, images)
        figures["ssim"], missing = ssim(reference_images, images)
    else:
        figures["psnr_db"] = value_psnr_db(reference, outputs)
        figures["psnr_db_mean"] = value_psnr_db_mean(reference, outputs)
        figures["ssim"], missing = None, "the output is not [N, 1 or 3, H, W]"
        reasons.append("psnr_db: the output is not [N, 1 or 3, H, W]; MAX is the range of the float output")
    if figures["psnr_db"] is None:
        reasons.append("psnr_db: no error at all against the float generator")
    if missing is not None:
        reasons.append(f"ssim: {missing}")
    figures["max_abs_error"] = max_abs_error(reference, outputs)
    for name in metrics:
        distance = _DISTANCES[name](images) if images is not None else Distance(None, "the output is not images")
        figures[name] = distance.value
        if distance.reason:
            reasons.append(f"{name}: {distance.reason}")
    return figures, reasons
