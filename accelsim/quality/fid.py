"""The Fréchet distance between two normal distributions, from samples (Heusel et al. 2017, arXiv 1706.08500, eq. 6).

    d^2 = |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))

C1 C2 is similar to the symmetric S1 C2 S1 with S = C^(1/2), so its root has the trace of (S1 C2 S1)^(1/2), which is the
sum of the singular values of S1 S2 (Dowson and Landau 1982, J. Multivariate Anal. 12, 450-455). Taking singular values
instead of roots of eigenvalues keeps rounding errors of 1e-16 from growing to 1e-8.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import AccelsimError

NEGATIVE_TOLERANCE = 1e-10
"""An eigenvalue of a covariance may lie this far below zero, relative to the largest; it is then taken as zero."""


@dataclass(frozen=True)
class Statistics:
    """Mean `[D]` and covariance `[D, D]` in float64, and from how many samples."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    count: int


def statistics_of(features: NDArray[Any]) -> Statistics:
    """Mean and unbiased covariance (divided by N - 1) of `[N, D]`, in float64.

    Raises:
        AccelsimError: fewer than two samples, or not a table.
    """
    if features.ndim != 2 or len(features) < 2:
        raise AccelsimError(f"features: got {list(features.shape)}, expected [N, D] with N >= 2")
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    return Statistics(mean, values.T @ values / (len(values) - 1), len(values))


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """The squared distance d^2 >= 0 that is called FID.

    Raises:
        AccelsimError: the dimensions differ, a number is not finite, or a covariance has a negative eigenvalue.
    """
    for side in (a, b):
        size = len(side.mean)
        if side.mean.shape != (size,) or side.covariance.shape != (size, size):
            shapes = f"mean {list(side.mean.shape)}, covariance {list(side.covariance.shape)}"
            raise AccelsimError(f"Fréchet distance: {shapes}; expected [{size}], [{size}, {size}]")
    if len(a.mean) != len(b.mean):
        raise AccelsimError(f"Fréchet distance: dimensions {len(a.mean)} and {len(b.mean)}, expected the same")
    shift = float(np.square(a.mean - b.mean).sum())
    traces = float(np.trace(a.covariance) + np.trace(b.covariance))
    overlap = np.linalg.svd(_square_root(a.covariance) @ _square_root(b.covariance), compute_uv=False)
    return max(0.0, shift + traces - 2 * float(overlap.sum()))


def _square_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric positive root of a symmetric positive semidefinite matrix."""
    if not np.isfinite(covariance).all():
        raise AccelsimError("Fréchet distance: a covariance holds values that are not finite")
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    lowest = float(values.min(initial=0.0))
    if lowest < -NEGATIVE_TOLERANCE * float(values.max(initial=0.0)):
        raise AccelsimError(f"Fréchet distance: a covariance has the eigenvalue {lowest:g}, expected none below zero")
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)
