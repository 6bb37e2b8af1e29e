"""A balanced folding: every layer just fast enough for one interval, the least that the device has room for.

For an interval, each layer takes the fewest multipliers, pe x simd with pe a divisor of its neurons and simd one of its
input channels, whose cycles are within it (of equally many, the larger simd: fewer results at once). Intervals are
tried from the shortest on: a longer one asks for fewer multipliers, but not for fewer blocks, since deep and narrow
memories fill them badly.
"""

from dataclasses import dataclass, field

from accelsim.cost.fpga_resources import Resources
from accelsim.cost.stream_resources import RESOURCES, LayerRoom, layer_room, stream_resources, within
from accelsim.errors import DoesNotFit
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.quantity import Count
from accelsim.hardware.stream import Fold, StreamArchitecture
from accelsim.ir.graph import Node
from accelsim.ir.program import Program, is_view
from accelsim.mapping.stream_layer import Folds, StreamLayer, stream_layer
from accelsim.mapping.stream_schedule import pipeline_layers
from accelsim.mapping.stream_unit import Matrix

Choices = dict[str, list[tuple[int, int, int]]]
"""Layer -> (cycles, pe, simd), the fewest multipliers first; each faster than all before it."""


@dataclass(frozen=True)
class _Layers:
    """The room of each layer by its folding; layers without one take the same room in all."""

    program: Program
    machine: StreamArchitecture
    known: dict[tuple[str, int, int], LayerRoom] = field(default_factory=dict)

    def room(self, node: Node, fold: tuple[int, int]) -> LayerRoom:
        """What one unit takes."""
        key = (node.name, *fold)
        if key not in self.known:
            layer = stream_layer(self.program, node, self.machine, _fold(*fold) if fold[0] else None)
            assert isinstance(layer, StreamLayer)
            self.known[key] = layer_room(layer, self.machine)
        return self.known[key]

    def resources(self, picked: dict[str, tuple[int, int]]) -> Resources:
        """What all units take together."""
        nodes = [node for node in self.program.graph.nodes if not is_view(node)]
        return stream_resources({n.name: self.room(n, picked.get(n.name, (0, 0))) for n in nodes}, self.machine)


def balanced_folding(program: Program, machine: StreamArchitecture) -> Folds | NoFormat:
    """The folding for `images_per_s` of the machine, or the fastest within its usable shares.

    Raises:
        DoesNotFit: no folding is within the usable shares, or none reaches `images_per_s`.
    """
    nodes = [node for node in program.graph.nodes if not is_view(node)]
    slowest = {node.name: _fold(1, 1) for node in nodes if node.name in program.linear}
    layers = pipeline_layers(program, machine, slowest, nodes)
    if isinstance(layers, NoFormat):
        return layers
    choices = {name: _choices(layers[name].unit.matrix) for name in slowest}
    rooms = _Layers(program, machine)
    wanted = machine.stream.images_per_s.value
    intervals = [int(machine.clock_hz / wanted)] if wanted else _intervals(choices)
    tried = []
    for interval in intervals:
        picked = _picked(choices, interval, machine)
        tried.append(rooms.resources(picked))
        if within(tried[-1], machine):
            return {name: _fold(*fold) for name, fold in picked.items()}
    raise DoesNotFit(_refusal(min(tried, key=lambda made: _largest_share(made, machine)), program, machine))


def _intervals(choices: Choices) -> list[int]:
    """Cycles that layers can have, none shorter than what the slowest layer needs at its fastest."""
    fastest = max((found[-1][0] for found in choices.values()), default=0)
    return sorted({fastest, *(cycles for found in choices.values() for cycles, _, _ in found if cycles >= fastest)})


def _picked(choices: Choices, interval: int, machine: StreamArchitecture) -> dict[str, tuple[int, int]]:
    picked = {}
    for name, found in choices.items():
        fast = [(pe, simd) for cycles, pe, simd in found if cycles <= interval]
        if not fast:
            asked, rate = machine.stream.images_per_s.value, machine.clock_hz / found[-1][0]
            raise DoesNotFit(f"layer {name}: {asked:g} images/s asked, at most {rate:g} with nothing folded")
        picked[name] = fast[0]
    return picked


def _choices(matrix: Matrix | None) -> list[tuple[int, int, int]]:
    assert matrix is not None
    pairs = ((pe * simd, -simd, pe) for pe in _divisors(matrix.neurons) for simd in _divisors(matrix.channels))
    found: list[tuple[int, int, int]] = []
    for _, minus, pe in sorted(pairs):
        cycles = matrix.cycles(pe, -minus)
        if not found or cycles < found[-1][0]:
            found.append((cycles, pe, -minus))
    return found


def _fold(pe: int, simd: int) -> Fold:
    return Fold(pe=Count(pe), simd=Count(simd))


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


def _largest_share(made: Resources, machine: StreamArchitecture) -> float:
    return max((made.used[name] or 0) / max(1, machine.usable(name)) for name in RESOURCES)


def _refusal(made: Resources, program: Program, machine: StreamArchitecture) -> str:
    over = [
        f"{made.used[name]:,} {name} of {machine.usable(name):,} usable"
        for name in RESOURCES
        if (made.used[name] or 0) > machine.usable(name)
    ]
    return (
        f"{machine.name}: {program.graph.name} does not fit as a streaming pipeline, which keeps all weights on the "
        f"chip: at best {', '.join(over)}"
    )
