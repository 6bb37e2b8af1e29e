"""What a chip of crossbars draws when every crossbar reads in every cycle, to compare with published power."""

from collections.abc import Mapping

from accelsim.cost.energy import NOTHING, total
from accelsim.hardware.architecture import PICO
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.reram import Reram

FEMTO, MILLI = 1e-15, 1e-3


def tile_power_w(chip: Reram) -> Mapping[str, Quantity]:
    """W of one tile at full activity: what follows the crossbars by its energies per action, the rest as published."""
    rate = chip.crossbars_per_tile / chip.cycle_s
    rows, cols = chip.rows * rate, chip.cols * rate
    driven = {
        "dac": chip.dac.energy_pj * (PICO * rows),
        "adc": chip.adc_energy_j * cols,
        "crossbar": chip.cell.read_energy_fj * (FEMTO * chip.rows * cols),
        "sample_hold": chip.sample_hold.energy_pj * (PICO * cols),
        "shift_add": chip.shift_add.energy_pj * (PICO * cols),
        "input_register": chip.input_register.energy_pj_per_bit * (PICO * rows * chip.dac.bits),
        "output_register": chip.output_register.energy_pj * (PICO * cols),
    }
    return driven | {f"tile {name}": power * MILLI for name, power in chip.tile.peak_power_mw.items()}


def chip_power_w(chip: Reram) -> Quantity:
    """W of all tiles and the link at full activity."""
    link = NOTHING if chip.offchip.peak_power_w is None else chip.offchip.peak_power_w
    return total(tile_power_w(chip).values()) * int(chip.tiles) + link
