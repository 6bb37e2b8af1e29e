"""What of a chip of crossbars acts on values, in sentences for the report."""

from accelsim.hardware.reram import Cell, ReramArchitecture


def value_sentences(machine: ReramArchitecture, has_products: bool) -> tuple[str, ...]:
    """One for the converters, one for the cells, and one for what is computed exactly nevertheless."""
    if machine.reram.adc.integrator is not None:
        said = "values are exact, as if every neuron told all sums of its column apart; what it rounds is not modelled"
        return (f"{machine.name}: {said}",)
    effects = cell_effects_named(machine.reram.cell)
    coarse = machine.reram.adc.bits < machine.reram.lossless_adc_bits
    sentences = [_adc_sentence(machine, exact=not (effects or coarse))]
    if effects:
        sentences.append(
            f"{machine.name}: cells act on values by {', '.join(effects)} (estimates), seed {_seed(machine)}"
        )
    else:
        sentences.append(
            f"{machine.name}: cells are ideal: no variation, stuck cells, read noise, off current or wire resistance"
        )
    if has_products and (effects or coarse):
        sentences.append("products of two values are computed exactly: only weights see converters and cells")
    return tuple(sentences)


def cell_effects_named(cell: Cell) -> tuple[str, ...]:
    """What is not ideal about a cell, with its figure."""
    figures = {
        "sigma_relative": cell.sigma_relative,
        "stuck_on": cell.stuck_on,
        "stuck_off": cell.stuck_off,
        "read_noise_levels": cell.read_noise_levels,
        "wire_ohm": cell.wire_ohm,
    }
    named = [f"{key} {value:g}" for key, value in figures.items() if value]
    if cell.sigma_relative:
        named[0] += f" {cell.variation}"
    return (*named, *(["off_current"] if cell.off_current else []))


def _seed(machine: ReramArchitecture) -> int:
    return int(machine.reram.cell.seed)


def _adc_sentence(machine: ReramArchitecture, exact: bool) -> str:
    chip = machine.reram
    bits, needed = int(chip.adc.bits), chip.lossless_adc_bits
    if bits >= needed:
        said = f"{machine.name}: {bits}-bit ADCs hold every sum of a column ({needed} bits)"
        return f"{said}: values are exact" if exact else said
    how = "what is larger is clipped" if chip.adc.range == "clipping" else f"a step is {chip.adc_step} levels of a cell"
    return f"{machine.name}: a sum of a column needs {needed} bits, the ADC has {bits}: {how}"
