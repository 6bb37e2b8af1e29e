"""Write into a program which crossbars compute its layers, and what their cells and converters do to values."""

from dataclasses import replace

from accelsim.hardware.architecture import Machine, TransposedConv
from accelsim.hardware.reram import Reram, ReramArchitecture
from accelsim.ir.crossbar_target import CellEffects, CrossbarTarget
from accelsim.ir.program import LinearLayer, Program


def in_crossbars(program: Program, machine: Machine) -> Program:
    """Layers in crossbars, but for those whose operands these do not take: they have no cost and stay exact. So do all
    where columns integrate over bits before they are converted: how values come out of that is not modelled."""
    assert isinstance(machine, ReramArchitecture)
    if machine.reram.adc.integrator is not None:
        return program

    def placed(name: str, layer: LinearLayer) -> LinearLayer:
        bits = program.encodings[program.graph.node(name).inputs[0]].format.bits
        if machine.refusal(layer.weights.bits, bits, program.precision.is_float):
            return layer
        return replace(layer, crossbar=crossbar_target(name, machine.reram, machine.transposed_conv))

    return replace(program, linear={name: placed(name, layer) for name, layer in program.linear.items()})


def crossbar_target(layer: str, chip: Reram, form: TransposedConv) -> CrossbarTarget:
    """The crossbars of a chip as those of one layer, by name."""
    return CrossbarTarget(
        layer=layer,
        rows=chip.rows,
        cols=chip.cols,
        cell_bits=int(chip.cell_bits),
        encoding=chip.encoding,
        flips=chip.flip_encoding,
        dac_bits=int(chip.dac.bits),
        adc_bits=int(chip.adc.bits),
        adc_step=chip.adc_step,
        largest_sum=chip.largest_sum,
        form=form,
        cells=cell_effects(chip),
    )


def cell_effects(chip: Reram) -> CellEffects:
    """The cells with conductances in levels."""
    cell = chip.cell
    return CellEffects(
        sigma_relative=cell.sigma_relative,
        variation=cell.variation,
        stuck_on=cell.stuck_on,
        stuck_off=cell.stuck_off,
        read_noise_levels=cell.read_noise_levels,
        off_level=chip.off_levels if cell.off_current else 0.0,
        wire_levels=cell.wire_ohm * chip.level_siemens,
        seed=cell.seed,
    )
