"""The cost rules of `traffic.py` as arrays, for rows of columns and their lower bounds (`kernels/rules.py`).

A row is the product over axes of one node each (`refine.py`): a chain, or all chains that begin with the same tiles.
As a bound, each column is a lower bound of the finished product and `moves` may lack levels. Every rule is
non-decreasing in every column, and in `moves`: a later innermost moving loop only counts more turns. Two terms are not:
more copies of a sum (V) mean more first visits, which are free; and fetches and cycles hide what a memory
waits for, which a bound leaves out. Reads of a memory cancel, since drained V plus fills
below equals U below plus fills above, and are written in that form; fills beyond a fan-out are taken as 0 in a bound.
Sums that are written more than once as a bound says are so in every mapping below, and need their full width.
"""

from functools import lru_cache
from itertools import product
from typing import Literal

import numpy as np

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.tables import Floats, Ints, columns_of

Goal = Literal["energy", "latency", "edp", "offchip"]
GOALS: tuple[Goal, ...] = ("energy", "latency", "edp", "offchip")


@lru_cache(maxsize=256)
def stationary_choices(hierarchy: Hierarchy) -> tuple[tuple[str, ...], ...]:
    """Per level, the operands worth keeping in place: those of which a memory further in can profit.

    In every form of layer a dim leaves at most one operand unmoved, so the innermost running loop of a level leaves at
    most one operand in place, and putting all loops that do not move it innermost is no worse for any operand. An order
    that is fixed keeps what it keeps.
    """
    found: list[tuple[str, ...]] = []
    for level, memory in enumerate(hierarchy.memories):
        if memory.dataflow.ordered:
            found.append((memory.dataflow.kept,))
            continue
        useful = {o for o, _, c in hierarchy.boundaries if c > level and (c < hierarchy.levels or o in hierarchy.latch)}
        still = memory.inside == ()  # no loop runs there, so there is no order
        found.append(tuple(sorted(useful)) if useful and not still else ("W",))
    return tuple(found)


@lru_cache(maxsize=256)
def orders_of(hierarchy: Hierarchy) -> tuple[tuple[str, ...], ...]:
    """The loop orders worth trying: one stationary operand a level, or those of an order that is fixed."""
    return tuple(product(*stationary_choices(hierarchy)))


@lru_cache(maxsize=256)
def boundary_rules(hierarchy: Hierarchy) -> Ints:
    """int64 [boundaries, 10]: which columns each boundary reads, -1 where there is none; see `kernels/rules.py`."""
    found, columns = [], columns_of(hierarchy)
    for operand, parent, child in hierarchy.boundaries:
        start: dict[str, int] = {}
        for i, column in enumerate(columns):
            if (column.operand, column.parent, column.child) == (operand, parent, child):
                start.setdefault(column.kind, i)
        every_step = child == hierarchy.levels and operand not in hierarchy.latch
        spans = bool(hierarchy.lanes) and parent <= hierarchy.fan_level < child
        where = [start.get(kind, -1) for kind in ("U", "V", "fetches", "first", "tile")]
        found.append([OPERANDS.index(operand), parent, child, *where, int(every_step), int(spans)])
    return np.array(found, dtype=np.int64)


def memory_rules(hierarchy: Hierarchy) -> Floats:
    """float64 [levels, 10]: prices, ports and room of each memory; see `kernels/rules.py`."""
    rows = [
        (
            memory.read_pj_per_bit,
            memory.write_pj_per_bit,
            memory.read_bandwidth,
            memory.write_bandwidth,
            memory.shared_port,
            memory.access_bits,
            memory.buffers,
            memory.size_bits,
            memory.reserved_bits,
            memory.waits,
        )
        for memory in hierarchy.memories
    ]
    return np.array(rows, dtype=np.float64)


def layer_rules(problem: LayerProblem, hierarchy: Hierarchy, goal: Goal) -> Floats:
    """float64 [9]: widths, words and multiplies of the layer, and the goal; see `kernels/rules.py`."""
    return np.array(
        [
            hierarchy.weight_bits,
            hierarchy.input_bits,
            hierarchy.output_bits,
            hierarchy.partial_sum_bits,
            problem.words["O"],
            problem.macs * hierarchy.mac_pj,
            problem.bias_only_words * hierarchy.output_bits,
            GOALS.index(goal),
            hierarchy.static_pj,
        ],
        dtype=np.float64,
    )
