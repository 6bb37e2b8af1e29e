"""Flexpoint: integer mantissas with one exponent for a whole tensor (Koster et al. 2017, arXiv 1711.02213).

`flex16+5`: 16-bit two's-complement mantissas, value = code * 2**-fraction, the fraction held in 5 bits: 0 .. 32. The
exponent of a tensor is predicted before it is written, from the largest magnitudes of its last writes (Autoflex). For
inference the predictor watches the calibration batches and is then frozen.

The predictor follows the released code (Nervana ngraph, `neonautoflex`): initialisation by trial, a doubled peak after
an overflow, maxval = alpha * (max + beta * std + gamma * unit). The paper's algorithm has alpha 2, the code 1. Its rule
for tensors that are seldom written does not arise here: every calibration batch writes every tensor.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from accelsim.formats.fixed import FixedPoint

TRIALS = 10
"""Writes that initialisation may repeat."""


@dataclass(frozen=True)
class Flexpoint(FixedPoint):
    """A fixed-point format whose fraction is a tensor's own exponent, of `exponent_bits` bits, found by Autoflex.

    alpha, beta, gamma, history: of the predictor; `history` is how many writes it looks back.
    """

    exponent_bits: int = 5
    alpha: float = 1.0
    beta: float = 3.0
    gamma: float = 100.0
    history: int = 16

    @property
    def finest(self) -> int:
        """The largest fraction."""
        return 1 << self.exponent_bits

    def __str__(self) -> str:
        default = Flexpoint(self.bits, None)
        options = [
            f":{name}{np.format_float_positional(value, trim='-')}"
            for name in ("alpha", "beta", "gamma", "history")
            if (value := getattr(self, name)) != getattr(default, name)
        ]
        return f"flex{self.bits}+{self.exponent_bits}{''.join(options)}"


def frozen(format: Flexpoint, peaks: Sequence[float]) -> Flexpoint:
    """The format with the exponent that Autoflex predicts after writes whose largest magnitudes were `peaks`."""
    if not peaks or max(peaks) == 0:
        return replace(format, fraction=0)
    fraction = _initial(format, peaks[0])
    seen: list[float] = []
    for peak in peaks:
        mantissa = _mantissa(format, peak, fraction)
        if mantissa >= format.high:  # overflow: the past says nothing any more, and the true peak is unknown
            seen, mantissa = [], 2 * mantissa
        seen = [*seen, math.ldexp(mantissa, -fraction)][-format.history :]
        fraction = predicted(format, seen, fraction)
    return replace(format, fraction=fraction)


def predicted(format: Flexpoint, seen: Sequence[float], fraction: int) -> int:
    """The fraction under which the predicted largest magnitude uses all bits."""
    reach = format.alpha * (max(seen) + format.beta * statistics.pstdev(seen) + format.gamma * math.ldexp(1, -fraction))
    if reach == 0:
        return 0
    return _clamped(format, format.bits - 2 - (math.frexp(reach)[1] - 1))


def _initial(format: Flexpoint, peak: float) -> int:
    """The fraction after writing the first tensor again and again until its mantissas are of a good size."""
    high_bit, fraction = format.bits - 1, 0
    for _ in range(TRIALS):
        mantissa = _mantissa(format, peak, fraction) + 1
        if mantissa >= format.high:
            fraction = _clamped(format, fraction - (high_bit >> 1))
        elif mantissa < 1 << (high_bit - 1):
            fraction = _clamped(format, fraction + high_bit - mantissa.bit_length())
            if mantissa >= 1 << max((high_bit >> 1) - 2, 0):
                return fraction
        else:
            return fraction
    return fraction


def _mantissa(format: Flexpoint, peak: float, fraction: int) -> int:
    return min(round(math.ldexp(peak, fraction)), format.high)


def _clamped(format: Flexpoint, fraction: int) -> int:
    return min(max(fraction, 0), format.finest)
