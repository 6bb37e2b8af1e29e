"""Chains that no best mapping needs, axis by axis."""

from functools import lru_cache

import numpy as np

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import OPERANDS
from accelsim.mapping.tables import AxisTable, Ints, columns_of


@lru_cache(maxsize=1024)
def without_dominated(table: AxisTable, hierarchy: Hierarchy) -> AxisTable:
    """The table without chains that another one, moving operands at the same levels, beats or equals in every column.

    The score is non-decreasing in every column except the copies (V) of sums across a fan-out with another memory of
    sums beyond it, and where a memory waits the fetches into it, each of which is hidden in part, and the cycles that
    hide them; these must be equal.
    """
    from accelsim.mapping.kernels.columns import undominated

    equal, mattering = _rules(hierarchy)
    group = (table.moves & mattering) @ (1 << hierarchy.levels * np.arange(len(OPERANDS)))
    return table.keep(undominated(table.values, equal, group))


@lru_cache(maxsize=64)
def _rules(hierarchy: Hierarchy) -> tuple[Ints, Ints]:
    """(columns that must be equal, levels at which it matters whether a loop moves each operand, as bits)."""
    deepest, profits = {}, {}
    for operand, _, child in hierarchy.boundaries:
        if child < hierarchy.levels:
            deepest[operand] = child
        if child < hierarchy.levels or operand in hierarchy.latch:
            profits[operand] = child
    waits = any(memory.waits for memory in hierarchy.memories)
    equal = [
        (column.kind == "cycles" and waits)
        or (column.kind == "V" and column.operand == "O" and column.child < deepest.get("O", 0))
        or (column.kind == "fetches" and column.child < hierarchy.levels and hierarchy.memories[column.child].waits)
        for column in columns_of(hierarchy)
    ]
    mattering = [(1 << profits.get(operand, 0)) - 1 for operand in OPERANDS]
    return np.array(equal, dtype=np.int64), np.array(mattering)
