"""The nest of a hierarchy whose loops are given."""

from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.nest import Loop


def loops_by_hand(problem: LayerProblem, hierarchy: Hierarchy) -> tuple[Loop, ...]:
    """The given loops outermost first, each memory's followed by the lanes where the fan-out is; none where the
    hierarchy gives none. Each cuts what is left of its dim into chunks; lanes share it evenly.
    """
    left, loops = dict(problem.size), []
    for level, given in enumerate(hierarchy.by_hand or ()):
        lanes = hierarchy.lanes if level == hierarchy.fan_level else ()
        for dim, step in given:
            left[dim] = min(left[dim], step)
            loops.append(Loop(dim, left[dim], level))
        for dim, copies in lanes:
            left[dim] = -(-left[dim] // copies)
            loops.append(Loop(dim, left[dim], level, spatial=True))
    return tuple(loops)
