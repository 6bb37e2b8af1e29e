"""Which phases share a pass: with few output channels, lanes hold several output pixels.

A tile has 16 lanes or more, and an image has 3 channels. Pixels that lie side by side read overlapping inputs: with one
of them in every few lanes, and weights of 0 where a pixel does not read what another does, a pass over the union of
their inputs makes them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from accelsim.engine.kernels.phases import Phase, axis_phases, offsets, split
from accelsim.ir.ops import Linear, Pair

FEW_CHANNELS = 16
WAYS = ((1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 8), (2, 1), (2, 2), (2, 4), (4, 1), (4, 4))
"""Rows and columns of pixels, of each phase, that are tried."""


@dataclass(frozen=True)
class Fold:
    """The phases of one pass: every one of the rows with every one of the columns."""

    rows: tuple[Phase, ...]
    columns: tuple[Phase, ...]

    @property
    def grid(self) -> Pair:
        """Rows and columns of pixels of the pass; some phases may have one less."""
        return max(p.count for p in self.rows), max(p.count for p in self.columns)

    @property
    def cells(self) -> tuple[tuple[Phase, Phase], ...]:
        """The phases of each run of lanes."""
        return tuple(product(self.rows, self.columns))


def folds(op: Linear, rows: int, columns: int, channels: int, lanes: int) -> tuple[Fold, ...]:
    """The passes that make an output of `rows` x `columns`, `channels` of each group, in tiles of up to `lanes`."""
    by_row, by_column = axis_phases(op, 0, rows), axis_phases(op, 1, columns)
    if not by_row or not by_column:
        return ()
    separate = tuple(Fold((y,), (x,)) for y, x in product(by_row, by_column))
    if channels > FEW_CHANNELS:
        return separate
    choices = [separate, *_folded(by_row, by_column)]
    return min(choices, key=lambda passes: sum(_cost(one, channels, lanes) for one in passes))


def _folded(by_row: tuple[Phase, ...], by_column: tuple[Phase, ...]) -> Iterator[tuple[Fold, ...]]:
    for down, across in WAYS:
        rows = tuple(part for phase in by_row for part in split(phase, down))
        columns = tuple(part for phase in by_column for part in split(phase, across))
        yield (Fold(rows, columns),)


def _cost(fold: Fold, channels: int, lanes: int) -> int:
    """Products of one input channel, lanes that hold nothing included."""
    half = lanes // 2
    needed = len(fold.cells) * channels
    width = half if needed <= half else lanes
    panels = -(-len(fold.cells) // (width // channels)) if channels <= width else -(-channels // width)
    return fold.grid[0] * fold.grid[1] * len(offsets(fold.rows)) * len(offsets(fold.columns)) * panels * width
