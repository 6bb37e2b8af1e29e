"""Power, area and throughput of a chip of crossbars with every crossbar reading in every cycle: sums of its parts."""

from itertools import product

from accelsim.cost.crossbar_peak import chip_power_w, driven_power_w, tile_power_w
from accelsim.cost.energy import total
from accelsim.hardware.crossbar_area import CrossbarArea
from accelsim.hardware.reram import Reram


def power_figures(chip: Reram) -> dict[str, float]:
    """`ima_power_w`, `tile_power_w`, `chip_power_w`, and `peak_ops_per_s` at its own widths, 2 a MAC.

    Where columns integrate, also `bits_3_1.power_w` and `bits_3_1.ops_per_s` for 3 bits out and 1 in, and so on: all
    crossbars alone, without what moves inputs and results.
    """
    parts = tile_power_w(chip)
    in_imas = total(power for name, power in parts.items() if not name.startswith("tile "))
    slices, cycles = chip.slices(int(chip.weight_bits)), chip.readout(int(chip.activation_bits)).cycles
    return {
        "ima_power_w": in_imas.value / int(chip.tile.imas),
        "tile_power_w": total(parts.values()).value,
        "chip_power_w": chip_power_w(chip).value,
        "peak_ops_per_s": 2 * chip.peak_macs_per_s(slices, cycles),
        **(_by_widths(chip) if chip.adc.integrator else {}),
    }


def _by_widths(chip: Reram) -> dict[str, float]:
    """For each resolution that the file gives and each width of inputs, weights of one cell a sign."""
    figures: dict[str, float] = {}
    for out, bits in product(chip.adc.energy_pj, range(1, int(chip.activation_bits) + 1)):
        adc = chip.adc.model_copy(update={"bits": int(out)})
        read = chip.model_copy(update={"adc": adc})
        power = total(driven_power_w(read, bits).values()).value * int(chip.tiles)
        rate = read.peak_macs_per_s(read.slices(int(chip.cell_bits)), read.readout(bits).cycles)
        figures |= {f"bits_{out}_{bits}.power_w": power, f"bits_{out}_{bits}.ops_per_s": 2 * rate}
    return figures


def area_figures(chip: Reram, area: CrossbarArea, peak_ops_per_s: float) -> dict[str, float]:
    """`ima_area_mm2`, `tile_area_mm2`, `chip_area_mm2`, and `gops_per_mm2`, the computational efficiency."""
    ima = total(area.ima_mm2.values()).value
    tile = int(chip.tile.imas) * ima + total(area.tile_mm2.values()).value
    whole = int(chip.tiles) * tile + area.link_mm2.value
    return {
        "ima_area_mm2": ima,
        "tile_area_mm2": tile,
        "chip_area_mm2": whole,
        "gops_per_mm2": peak_ops_per_s / 1e9 / whole,
    }
