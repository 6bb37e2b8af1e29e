"""Binary numbers: value = scale * code, code in {-1, +1}; 0 counts as +1.

xnor   Rastegari et al. 2016 (arXiv 1603.05279, equation 6): scale = mean|w| of each output channel.
bnn    Hubara et al. 2016 (arXiv 1602.02830): the sign alone, scale 1: for networks that were trained so.
apgan  Roohi et al. 2020 (10.1109/TC.2019.2949042): xnor in the layers that bear it, int8 in the others. The measure
       of a layer is that of Liu et al. 2018 (arXiv 1802.09153): c - h * w of its input feature map, binary if positive.
       Read from the abstracts and from memory; that h and w are the map's, not the kernel's, is our reading.

There is no code for 0. Where a convolution reads outside its image, nothing is added: such taps are masked.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.affine import Granularity

Rule = Literal["xnor", "bnn", "apgan"]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Binary:
    """One bit a code. `rule` and `granularity` are those of weights; activations have one scale for a tensor."""

    rule: Rule = "xnor"
    granularity: Granularity = "channel"

    bits = 1
    low = -1
    high = 1
    dtype = np.int8
    factor_bits = 1

    def __str__(self) -> str:
        return f"binary:{self.rule}:{self.granularity}"


def signs(values: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.int64]:
    """+1 where a value is not negative, else -1."""
    return np.where(values >= 0, 1, -1).astype(np.int64)


def binary_scale(rule: Rule, rows: Float64) -> Float64:
    """Scale `[C]` of rows `[C, K]`; a row of zeros gets 1, for want of any other."""
    if rule == "bnn":
        return np.ones(len(rows))
    scale = np.abs(rows).mean(axis=1)
    return np.where(scale > 0, scale, 1.0)


def redundancy(channels: int, height: int, width: int) -> int:
    """c - h * w of an input feature map: the larger, the better its layer bears binary weights."""
    return channels - height * width
