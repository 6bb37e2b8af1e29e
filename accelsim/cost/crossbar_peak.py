"""What a chip of crossbars does and draws when every crossbar reads in every cycle: the published headline figures."""

from collections.abc import Mapping

from accelsim.cost.energy import NOTHING, total
from accelsim.hardware.architecture import PICO
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.reram import Reram

FEMTO, MILLI = 1e-15, 1e-3


def peak_macs_per_s(chip: Reram, weight_bits: int, activation_bits: int) -> float:
    """MACs a second with all rows driven and all columns used by operands of these widths."""
    cells = chip.crossbars * chip.rows * chip.cols
    return cells / (chip.slices(weight_bits) * chip.input_cycles(activation_bits) * chip.cycle_s)


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
