"""Why restrictions of a machine's dataflow leave a layer without tiles, in a sentence."""

from accelsim.hardware.dataflow import WHOLE
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import DIMS, LayerProblem
from accelsim.mapping.machine import DIMS as SPELLED
from accelsim.mapping.tables import Limits, Tiles, chains_of, limits_of

_NAMES = {dim: name for name, dim in SPELLED.items()}


def refusal(problem: LayerProblem, hierarchy: Hierarchy, tiles: Tiles) -> str:
    """Which restriction leaves no chain of tiles of which dim; empty where every dim has one."""
    for dim in DIMS:
        limits, size = limits_of(hierarchy, dim), problem.size[dim]
        ways = (size, hierarchy.fan_out(dim), hierarchy.fan_level, tiles)
        if not len(chains_of(*ways, limits)):
            return _sentence(hierarchy, f"{_NAMES[dim]} ({size} in this layer)", ways, limits)
    return ""


def _sentence(hierarchy: Hierarchy, dim: str, ways: tuple[int, int, int, Tiles], limits: tuple[Limits, ...]) -> str:
    """The innermost restriction that with all further in leaves nothing, and what would be left without it."""
    for level in range(len(limits) - 1, 0, -1):
        within = (*(Limits() for _ in limits[:level]), *limits[level:])
        if not len(chains_of(*ways, within)):
            left = chains_of(*ways, (*within[:level], Limits(limits[level].turns), *within[level + 1 :]))
            lengths = ", ".join(str(length) for length in sorted({int(chain[level - 1]) for chain in left}))
            said = hierarchy.memories[level].dataflow.said
            return f"{said}: no tile of {dim} is {_bounds(limits[level])}; lengths that it can have there: {lengths}"
    reach = max(int(chain[0]) for chain in chains_of(*ways, (Limits(), *limits[1:])))
    said = hierarchy.memories[0].dataflow.said
    return f"{said}: no loop may run over {dim} here, and tiles of the next memory have {reach} of it at most"


def _bounds(limits: Limits) -> str:
    least, most = limits.least, limits.most
    if least == WHOLE:
        return "all of it"
    if least == most:
        return f"{least} long"
    return " and ".join([f"at least {least}"] * (least > 1) + [f"at most {most}"] * (most is not None))
