"""Energies of crossbars that follow what a run drove through them, beside the fixed ones of a mean action.

A cell draws V**2 G t in each cycle in which its row is driven. `cell.read_energy_fj` is taken to be the mean over cells
whose levels are equally likely and digits that are equally likely (a bit is as often 1 as 0): with such values both
energies agree, so the difference is what values alone do. A DAC draws as its row is driven, with the same mean. All
other parts (ADCs, registers, buffers, programming) do not follow values.
"""

from accelsim.cost.energy import Components
from accelsim.engine.crossbar_cells import FRACTION
from accelsim.hardware.reram import Reram
from accelsim.ir.crossbar_target import CellActivity


def mean_square(dac_bits: int) -> float:
    """Of digits 0 .. 2**bits - 1 that are equally likely: top (2 top + 1) / 6."""
    top = (1 << dac_bits) - 1
    return top * (2 * top + 1) / 6


def value_ratios(seen: CellActivity, chip: Reram) -> dict[str, float]:
    """Energy by value over fixed energy, of `dac` and `crossbar` (cells read); 1 where nothing was driven."""
    if not seen.rows or not seen.cells:
        return {"dac": 1.0, "crossbar": 1.0}
    square, off = mean_square(int(chip.dac.bits)), chip.off_levels
    mean_level = ((1 << chip.cell_bits) - 1) / 2 + off
    conducted = seen.driven_conductance / (1 << FRACTION) + off * seen.driven_cells
    return {
        "dac": seen.driven_rows / (seen.rows * square),
        "crossbar": conducted / (seen.cells * square * mean_level),
    }


def by_value(fixed: Components, seen: CellActivity, chip: Reram) -> Components:
    """The energies of one layer with those of its DACs and cells as the run drove them."""
    ratios = value_ratios(seen, chip)
    return {name: energy * ratios.get(name, 1.0) for name, energy in fixed.items()}
