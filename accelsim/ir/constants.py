"""What an operator needs at run time, as integers: one record for each kind of computation.

All arrays broadcast against values `[N, ...]` from the right: one number a channel has the shape `[C, 1, 1]`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.lookup import Lookup
from accelsim.formats.rescale import Landing, Rescale

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Slopes:
    """Two factors: one for numbers that are not negative, one for the others."""

    positive: Rescale
    negative: Rescale
    landing: Landing


@dataclass(frozen=True)
class Finish:
    """How an operator's exact number becomes the stored code.

    landing: of the number. activation: of the code that it lands on, where there is a function other than clamps; that
    code is then no stored one, but the index of a table or what the slopes multiply.
    """

    landing: Landing
    activation: Lookup | Slopes | None = None


@dataclass(frozen=True)
class Terms:
    """Inputs times multipliers `[inputs]` at one shift: sums, differences, the larger, the smaller."""

    multipliers: Integers
    shift: Integers


@dataclass(frozen=True)
class Scaled:
    """An exact whole number times a factor: sums of pools, products, quotients."""

    factors: Rescale


@dataclass(frozen=True)
class Affine:
    """(code * multiplier + offset) * 2**-shift, per channel."""

    multiplier: Integers
    offset: Integers
    shift: Integers


@dataclass(frozen=True)
class Joined:
    """A factor for each input; None where its codes are the output's already."""

    factors: tuple[Rescale | None, ...]


@dataclass(frozen=True)
class Normalised:
    """Norms: `gain` times 1 / root of the variance; `bias` in 2**-20 of an output code.

    Rows are what has statistics of its own, in the order of the tensor with the normalised axes last; row r takes
    gain and bias r modulo their number, `[rows, 1 or n]`. eps: in input codes squared, times n squared.
    """

    gain: Rescale
    bias: Integers
    eps: int


@dataclass(frozen=True)
class Powers:
    """Softmax: entries[d] = 2**24 * exp(-d * scale) of the distance d below the largest code; `gain` of the output."""

    entries: Integers
    gain: Rescale


@dataclass(frozen=True)
class Resampled:
    """For each spatial axis, taps `[taps, size]`: input positions and their weights in 2**-14."""

    positions: tuple[Integers, ...]
    weights: tuple[Integers, ...]
    factors: Rescale


@dataclass(frozen=True)
class Stored:
    """Output codes of a constant, of table rows, or of 0 and 1. index: from input codes to rows."""

    codes: Integers
    index: Rescale


Core = Slopes | Terms | Scaled | Affine | Joined | Normalised | Powers | Resampled | Stored


@dataclass(frozen=True)
class Constants:
    """All integers of one operator.

    No core: a table acts on the input's codes; or the operator is a multiplying layer, whose requantization is its own.
    """

    finish: Finish
    core: Core | None = None
