"""What a chip of crossbars draws when every crossbar reads all the time, to compare with published power."""

from collections.abc import Mapping

from accelsim.cost.energy import NOTHING, Components, total
from accelsim.hardware.architecture import PICO
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.reram import Reram

FEMTO, MILLI = 1e-15, 1e-3


def integration(chip: Reram, additions: float) -> Components:
    """J of so many additions, `integrator`; nothing where columns do not integrate."""
    neuron = chip.adc.integrator
    return {} if neuron is None else {"integrator": neuron.energy_pj * (PICO * additions)}


def driven_power_w(chip: Reram, activation_bits: int) -> Components:
    """W of the crossbars of one tile and what follows their reads, with inputs of so many bits."""
    readout = chip.readout(activation_bits)
    vectors = chip.crossbars_per_tile / (readout.cycles * chip.cycle_s)
    rows, columns = chip.rows * readout.driven * vectors, chip.cols * vectors
    return {
        "dac": chip.dac.energy_pj * (PICO * rows),
        "adc": chip.adc_energy_j * (columns * readout.decisions / int(chip.adc.bits)),
        "crossbar": chip.cell.read_energy_fj * (FEMTO * rows * chip.cols),
        "sample_hold": chip.sample_hold.energy_pj * (PICO * columns * readout.driven),
        **integration(chip, columns * readout.integrations),
        "shift_add": chip.shift_add.energy_pj * (PICO * columns * readout.conversions),
        "input_register": chip.input_register.energy_pj_per_bit * (PICO * rows * chip.dac.bits),
        "output_register": chip.output_register.energy_pj * (PICO * columns * readout.conversions),
    }


def tile_power_w(chip: Reram) -> Mapping[str, Quantity]:
    """W of one tile at full activity: what follows the crossbars by its energies per action, the rest as published."""
    published = {f"tile {name}": power * MILLI for name, power in chip.tile.peak_power_mw.items()}
    return driven_power_w(chip, int(chip.activation_bits)) | published


def chip_power_w(chip: Reram) -> Quantity:
    """W of all tiles and the link at full activity."""
    link = NOTHING if chip.offchip.peak_power_w is None else chip.offchip.peak_power_w
    return total(tile_power_w(chip).values()) * int(chip.tiles) + link
