"""The matrices of a layer in the cells of its crossbars."""

from collections.abc import Iterator
from dataclasses import dataclass

from accelsim.engine.crossbar_cells import RowGroup, Stored, row_groups, stored_levels
from accelsim.engine.crossbar_matrices import Part, matrix, parts
from accelsim.engine.linear_kernel import Integers, integers_of
from accelsim.formats.number_format import FloatingFormat
from accelsim.ir.crossbar_target import CrossbarTarget
from accelsim.ir.ops import Linear
from accelsim.ir.program import LinearLayer
from accelsim.ir.shapes import result_shape


@dataclass(frozen=True)
class Programmed:
    """One matrix of a layer in its cells."""

    part: Part
    factors: Integers
    stored: Stored
    groups: list[RowGroup]


def programmed(
    op: Linear, sample: tuple[int, ...], layer: LinearLayer, crossbar: CrossbarTarget
) -> Iterator[Programmed]:
    """The matrices of a layer on `sample`, in their order, one after the other.

    Raises:
        AccelsimError: a weight that the slices do not hold, or a layer without integers.
    """
    integers, form, result = integers_of(layer), crossbar.form, result_shape(op, sample)
    assert not isinstance(layer.weights, FloatingFormat)
    for number, part in enumerate(parts(op, sample, result, form)):
        codes, factors = matrix(op, part, integers.codes, form), matrix(op, part, integers.factors, form)
        stored = stored_levels(layer.weights, codes, factors, crossbar)
        yield Programmed(part, factors, stored, row_groups(stored, crossbar, number))
