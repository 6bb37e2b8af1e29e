"""When everything happens in a streaming pipeline: tokens of one image into an empty pipeline, then image after image.

    token i of a unit is made at   t[i] = max(t[i - 1], ready[i]) + cycles[i]
    ready[i] = max(arrival of what it needs, arrival of what comes in beside its window - cycles of handing that out)

which is  t = S + running max of (ready - S + cycles),  S the sum of cycles so far. The latency of an image is the
time of the last token to leave. With images back to back, the slowest unit sets the pace: the initiation interval is
the most cycles that any unit takes for one image, refilling its line buffer included, and n images take
latency + (n - 1) intervals. That holds when FIFOs are as deep as `StreamUnit.fifo_pixels`, and `fifo_depths` where ways
part and meet again; it is tested against a simulation of tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from accelsim.mapping.stream_unit import LEAST_FIFO, StreamUnit, Tokens


@dataclass(frozen=True)
class Timing:
    """Cycles of a pipeline. made: when each token of each value is there. fifo_depths: by (reader, its input)."""

    made: Mapping[str, Tokens]
    interval: int
    latency: int
    bottleneck: str
    fifo_depths: Mapping[tuple[str, int], int]

    def first(self, name: str) -> int:
        """When the first token of a value is there."""
        return int(self.made[name][0])

    def last(self, name: str) -> int:
        """When the value is complete."""
        return int(self.made[name][-1])


def pipeline_timing(
    units: tuple[StreamUnit, ...],
    reads: Mapping[str, tuple[str, ...]],
    sources: Mapping[str, Tokens],
    sinks: Mapping[str, int],
) -> Timing:
    """The timing of units in order.

    reads: the values that each node reads (views taken away). sources: cycles of each pixel of each network input.
    sinks: cycles in which each network output leaves; the output of an image leaves as it is made, then its rest.
    """
    made: dict[str, Tokens] = {name: np.cumsum(cycles) for name, cycles in sources.items()}
    busy = {name: int(cycles.sum()) for name, cycles in sources.items()}
    depths: dict[tuple[str, int], int] = {}
    for unit in units:
        name = unit.node.name
        arrived = [_resampled(made[value], n) for value, n in zip(reads[name], unit.pixels, strict=True)]
        if unit.intake:
            arrived = [_run(times, np.full(len(times), unit.intake, np.int64)) for times in arrived]
        made[name] = _made(unit, arrived)
        busy[name] = unit.busy_cycles + unit.refill_cycles
        for index, times in enumerate(arrived):
            depths[name, index] = _backlog(unit, times, made[name], index)
    for name, cycles in sinks.items():
        tokens = len(made[name])
        leaving = np.diff(np.arange(tokens + 1) * cycles // tokens)
        made[name] = _run(made[name], leaving.astype(np.int64))
        busy[f"output {name}"] = cycles
    bottleneck = max(busy, key=lambda name: busy[name])
    return Timing(made, busy[bottleneck], max(int(made[name][-1]) for name in sinks), bottleneck, depths)


def _made(unit: StreamUnit, arrived: list[Tokens]) -> Tokens:
    if not arrived:
        return np.zeros(len(unit.cycles), np.int64)
    ready = np.zeros(len(unit.cycles), np.int64)
    for times in arrived:
        ready = np.maximum(ready, times[np.minimum(unit.needs, len(times) - 1)])
        if unit.beside is not None:
            ready = np.maximum(ready, times[unit.needs + unit.beside] - unit.handing_out)
    return _run(ready, unit.cycles)


def _run(ready: Tokens, cycles: Tokens) -> Tokens:
    """When tokens are made that may start at `ready`, one after the other."""
    total = np.cumsum(cycles)
    made: Tokens = total + np.maximum.accumulate(ready - (total - cycles))
    return made


def _resampled(times: Tokens, pixels: int) -> Tokens:
    """When each of so many equal parts of a value is there: a view may cut it into other pixels than its maker."""
    if len(times) == pixels:
        return times
    return times[-(-np.arange(1, pixels + 1) * len(times) // pixels) - 1]


def _backlog(unit: StreamUnit, arrived: Tokens, made: Tokens, index: int) -> int:
    """Pixels that wait in front of the unit at worst, beyond those that its line buffer holds."""
    if unit.absorbs:
        return LEAST_FIFO
    tokens_done = np.searchsorted(made, arrived, side="right")
    freed = np.concatenate([[0], unit.done_with])[tokens_done]
    waiting = int((np.arange(1, len(arrived) + 1) - freed).max())
    return max(LEAST_FIFO, waiting - (unit.lines.pixels if unit.lines and index == 0 else 0))
