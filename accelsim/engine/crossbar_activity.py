"""What the inputs of a run drive through the cells of a layer, from which energies by value follow.

A row at digit d of a DAC stands at d / (2**bits - 1) of the read voltage, so what its cells draw follows d squared.
Sums over a matrix need how often each row is driven and how much its cells conduct together: no products.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from accelsim.engine.crossbar_cells import FRACTION
from accelsim.engine.crossbar_inputs import Driven, driven
from accelsim.engine.crossbar_matrices import Part, padded, vectors
from accelsim.engine.crossbar_programming import Programmed, programmed
from accelsim.engine.linear_kernel import Array, Integers, affine_of
from accelsim.ir.crossbar_target import CellActivity, CrossbarTarget
from accelsim.ir.ops import Linear
from accelsim.ir.program import Encoding, LinearLayer


@dataclass(frozen=True)
class RowLoads:
    """What hangs on the rows of one matrix: used columns, crossbars along a row, and of each row the sum of the
    conductances of its cells above their off state, in 2**-FRACTION level."""

    part: Part
    columns: int
    crossbars: int
    conductance: Integers


def row_loads(op: Linear, sample: tuple[int, ...], layer: LinearLayer, crossbar: CrossbarTarget) -> Iterator[RowLoads]:
    """Of each matrix of a layer on `sample`. Errors as of `programmed`."""
    for one in programmed(op, sample, layer, crossbar):
        columns = one.stored.levels.shape[1] * one.stored.levels.shape[2]
        yield RowLoads(one.part, columns, -(-columns // crossbar.cols), _loads(one, columns, crossbar))


def _loads(one: Programmed, columns: int, crossbar: CrossbarTarget) -> Integers:
    off = round(crossbar.cells.off_level * (1 << FRACTION)) * columns
    sums = [group.conductance.sum(axis=1, dtype=np.float64) - off for group in one.groups]
    return np.concatenate(sums).astype(np.int64) if sums else np.zeros(0, np.int64)


def cell_activity(
    op: Linear, x: Array, source: Encoding, loads: Iterable[RowLoads], crossbar: CrossbarTarget
) -> CellActivity:
    """Of codes `[N, ...]` driven through all matrices of a layer; does not depend on how N is cut into batches."""
    inputs = driven(source, crossbar.dac_bits)
    squares = _squares(padded(op, x, affine_of(source)[1].zero_point), inputs).sum(axis=0, keepdims=True)
    cycles, seen = len(inputs.significance), CellActivity()
    for one in loads:
        per_row = vectors(op, one.part, squares).sum(axis=0).tolist()
        rows, summed = len(x) * one.part.positions * cycles * len(per_row), sum(per_row)
        seen += CellActivity(
            rows=rows * one.crossbars,
            cells=rows * one.columns,
            driven_rows=summed * one.crossbars,
            driven_cells=summed * one.columns,
            driven_conductance=sum(n * load for n, load in zip(per_row, one.conductance.tolist(), strict=True)),
        )
    return seen


def _squares(images: Array, inputs: Driven) -> Integers:
    """Of each code the sum of the squares of its digits over all cycles."""
    if not images.size:
        return images.astype(np.int64)
    low = int(images.min())
    codes = np.arange(low, int(images.max()) + 1)
    table = (inputs.digits(codes[:, None]).astype(np.int64) ** 2).sum(axis=(1, 2))
    return np.asarray(table[images.astype(np.int64) - low])
