"""The verb that runs one operator in whole numbers; the families of operators register with it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.formats.lookup import Lookup, looked_up
from accelsim.formats.rescale import landed, rescaled
from accelsim.formats.rounding import Rounding
from accelsim.ir.constants import Constants, Finish, Slopes
from accelsim.ir.ops import Op

Array = NDArray[Any]
Integers = NDArray[np.int64]

CODES = 256
"""Of 8 bits: functions of one such code are computed once a code."""


@dataclass(frozen=True)
class Operand:
    """Codes `[N, ...]` as stored, and the code of zero."""

    codes: Array
    zero_point: int

    @property
    def centred(self) -> Integers:
        """Codes minus their zero point."""
        return self.codes.astype(np.int64) - self.zero_point

    @property
    def every(self) -> Integers | None:
        """All codes of 8 bits minus their zero point; None of a wider operand."""
        return np.arange(-CODES // 2, CODES // 2) - self.zero_point if self.codes.dtype == np.int8 else None


Dtype = type[np.signedinteger[Any]]
LookUp = Callable[[Array, Lookup, Dtype], Array]
"""`looked_up` of codes, in a type."""


def plainly_looked_up(codes: Array, table: Lookup, dtype: Dtype) -> Array:
    """`looked_up` in numpy."""
    return looked_up(codes, table).astype(dtype, copy=False)


@dataclass(frozen=True)
class Finisher:
    """Makes stored codes, of the output's dtype, of whole numbers that are rounded by `rounding`."""

    finish: Finish
    dtype: Dtype
    look_up: LookUp = plainly_looked_up

    @property
    def rounding(self) -> Rounding:
        """How numbers are to be rounded."""
        return self.finish.landing.rounding

    def __call__(self, values: Array) -> Array:
        """Stored codes of rounded numbers."""
        return self.activated(landed(values, self.finish.landing))

    def activated(self, codes: Array) -> Array:
        """Stored codes of the codes that the numbers land on."""
        activation = self.finish.activation
        if isinstance(activation, Slopes):
            return sloped(codes.astype(np.int64), activation).astype(self.dtype)
        return codes.astype(self.dtype, copy=False) if activation is None else self.looked_up(codes, activation)

    def looked_up(self, codes: Array, table: Lookup) -> Array:
        """Stored codes by a table."""
        return self.look_up(codes, table, self.dtype)


def sloped(values: Array, slopes: Slopes) -> Integers:
    """Codes of whole numbers times one of two factors, each rounded once: the other part is 0 and stays 0."""
    rounding = slopes.landing.rounding
    above = rescaled(np.maximum(values, 0), slopes.positive, rounding)
    below = rescaled(np.minimum(values, 0), slopes.negative, rounding)
    return landed(above + below, slopes.landing)


def of_each_code(operand: Operand, function: Callable[[Integers], Array]) -> Array:
    """A function of centred codes `[...]` that is the same for all: once for each code where there are few."""
    every = operand.every
    if every is None or operand.codes.size <= CODES:
        return function(operand.centred)
    return np.take(function(every), operand.codes.view(np.uint8) ^ np.uint8(CODES // 2))


@singledispatch
def run_integer_op(op: Op, constants: Constants, finisher: Finisher, *operands: Operand) -> Array:
    """Stored codes `[N, ...]` of one operator, by operations on whole numbers alone.

    Raises:
        AccelsimError: an index outside its table.
    """
    raise TypeError(f"no integer execution for {type(op).__name__}")
