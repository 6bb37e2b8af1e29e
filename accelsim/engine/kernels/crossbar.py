"""Converting the currents of columns and adding what the converters say, compiled."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import compiled

Array = NDArray[Any]
Int64s = NDArray[np.int64]


def _convert(
    currents: Array,
    to_steps: float,
    most: float,
    levels_per_step: int,
    highest_level: int,
    driven: Int64s,
    flipped: NDArray[np.bool_],
    cycles: Int64s,
    slices: Int64s,
    sums: Int64s,
) -> int:
    """Add to `sums` `[positions, outputs]` what `currents` `[positions, cycles, outputs * slices]` mean.

    An ADC gives floor(current * to_steps + 1/2) within 0 .. most. `driven` `[positions, cycles]`: sums of digits,
    from which a flipped column counts down. cycles, slices: their significance. Returns how many conversions clipped.
    """
    clipped = 0
    positions, outputs = sums.shape
    for p in range(positions):
        for c in range(len(cycles)):
            line, full = currents[p, c], highest_level * driven[p, c]
            for k in range(outputs):
                total = np.int64(0)
                for s in range(len(slices)):
                    column = k * len(slices) + s
                    step = np.floor(line[column] * to_steps + 0.5)
                    held = min(max(step, 0.0), most)
                    clipped += held != step
                    levels = np.int64(held) * levels_per_step
                    total += slices[s] * (full - levels if flipped[column] else levels)
                sums[p, k] += cycles[c] * total
    return clipped


@cache
def converter() -> Callable[..., int]:
    """The compiled loop, made when it is first needed."""
    made: Callable[..., int] = compiled(_convert)
    return made
