"""Arrays of any layout as the flat memory that compiled loops take."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def by_place(values: Array) -> tuple[Array, NDArray[np.intp]]:
    """The values with their axes in the order in which they lie, and which axis each of these was.

    The same memory where it lies end to end and can be written to, else a copy.
    """
    order = np.argsort([-abs(stride) for stride in values.strides], kind="stable")
    ordered = values.transpose(order)
    if not (ordered.flags.c_contiguous and ordered.flags.writeable):  # read-only arrays have a type of their own
        ordered = ordered.copy(order="C")
    return ordered, order


def flat(values: Array) -> tuple[Array, tuple[int, ...]]:
    """The values of `by_place` in a row, and how far apart they lie along each axis, in elements."""
    ordered, order = by_place(values)
    steps = np.empty(values.ndim, np.int64)
    steps[order] = [prod(ordered.shape[axis + 1 :]) for axis in range(values.ndim)]
    return ordered.reshape(-1), tuple(steps.tolist())
