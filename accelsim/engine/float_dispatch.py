"""The verb that runs one operator in floating point; the families of operators register with it."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from numpy.typing import NDArray

from accelsim.ir.ops import Op

Array = NDArray[Any]


@singledispatch
def run_float_op(op: Op, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    """Result `[N, ...]` of one operator; `parameters` by role. Convolutions sum in BLAS order.

    Raises:
        AccelsimError: an index outside its table.
    """
    raise TypeError(f"no float execution for {type(op).__name__}")
