"""What a program costs on ReRAM crossbars: actions counted by the mapping, times their energies.

Components: `dac`, `adc`, `crossbar` (cells read), `sample_hold`, `integrator` (where there is one), `shift_add`,
`registers`, `edram`, `bus`, `router`, `programming` (cells written), `offchip`, `static`.
"""

from collections.abc import Iterable
from typing import get_args

from accelsim.cost.crossbar_peak import FEMTO, integration
from accelsim.cost.crossbar_values import value_sentences
from accelsim.cost.energy import NOTHING, STATIC, Components, by_component, minus, total
from accelsim.cost.fpga_resources import Resources
from accelsim.cost.records import OPERANDS, Cost, StepCost
from accelsim.hardware.architecture import PICO, Machine
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.quantity import Quantity
from accelsim.hardware.reram import Reram, ReramArchitecture
from accelsim.ir.ops import Product
from accelsim.ir.program import Program
from accelsim.mapping.crossbar import CrossbarLayer
from accelsim.mapping.crossbar_schedule import CELLS, EDRAM, OFFCHIP, CrossbarStep, crossbar_schedule
from accelsim.mapping.scheduled import Schedule, ScheduleOptions, merged_traffic
from accelsim.mapping.tasks import whole_batches


def crossbar_cost(program: Program, machine: Machine, batch: int, options: ScheduleOptions) -> Cost | NoFormat:
    """Cut the program into crossbars and add everything up; NoFormat where its formats have no cost.

    Raises:
        DoesNotFit: a layer whose input lines the buffers cannot hold.
    """
    assert isinstance(machine, ReramArchitecture)
    made = crossbar_schedule(program, machine, batch, options)
    if isinstance(made, NoFormat):
        return made
    scheduled = [step for step in made.steps if isinstance(step, CrossbarStep)]
    steps = tuple(_step_cost(step, machine) for step in scheduled)
    offchip = [row for step in scheduled for row in step.offchip]
    resources = crossbar_resources(scheduled, machine.reram, made)
    components, latency_s = by_component(step.energy for step in steps), sum(step.latency_s for step in steps)
    energy = total(components.values())
    return Cost(
        steps=steps,
        schedule=made,
        energy=components,
        latency_s=latency_s,
        offchip_read_bits=sum(row.read_bits for row in offchip),
        offchip_write_bits=sum(row.write_bits for row in offchip),
        offchip_bits_by_operand={
            kind: sum(row.read_bits + row.write_bits for row in offchip if row.kind == kind) for kind in OPERANDS
        },
        saved_bits=sum(step.saved_bits for step in scheduled),
        steady_energy=minus(energy, total(_saved_energy(step, machine) for step in scheduled)),
        steady_s=latency_s - sum(_spared_s(step, machine.reram) for step in scheduled),
        resources=resources,
        assumptions=(*whole_batches(batch), *_assumptions(scheduled, machine, resources), *machine.assumptions()),
    )


def _step_cost(step: CrossbarStep, machine: ReramArchitecture) -> StepCost:
    chip = machine.reram
    accesses: dict[str, dict[str, tuple[int, int]]] = {OFFCHIP: {}, EDRAM: {}, CELLS: {}}
    for row in merged_traffic(step.traffic):
        accesses[row.memory][row.kind] = (row.read_bits, row.write_bits)
    latency_s = step.latency_cycles * chip.cycle_s
    return StepCost(
        scheduled=step,
        accesses=accesses,
        energy=_step_energy(step, chip) | {STATIC: machine.static_power_w * latency_s},
        latency_s=latency_s,
        utilisation=step.macs / (step.layer.peak_macs_per_s * latency_s) if step.layer else None,
        bound="compute" if step.latency_cycles < 2 * step.cycles else "memory",
    )


def _step_energy(step: CrossbarStep, chip: Reram) -> Components:
    energy = _crossbar_energy(step.layer, chip) if step.layer else {}
    edram = [row for row in step.traffic if row.memory == EDRAM]
    tile = chip.tile
    energy |= {
        "edram": tile.edram.energy_j_per_bit * sum(row.read_bits + row.write_bits for row in edram),
        "bus": tile.bus.energy_pj_per_bit * (PICO * step.bus_bits),
        "router": tile.router.energy_j_per_bit * step.router_bits,
        "offchip": _link_energy(chip) * sum(row.read_bits + row.write_bits for row in step.offchip),
    }
    return energy


def _crossbar_energy(layer: CrossbarLayer, chip: Reram) -> Components:
    """J of one layer in and around its crossbars; one shift-and-add a conversion, and one for each sum of sums."""
    conversions, bits_driven = layer.adc_conversions, layer.dac_events * int(chip.dac.bits)
    columns, readout = layer.columns_read, layer.readout
    driven = chip.input_register.energy_pj_per_bit * (PICO * bits_driven)
    return {
        "dac": chip.dac.energy_pj * (PICO * layer.dac_events),
        "adc": chip.adc_energy_j * (columns * readout.decisions / int(chip.adc.bits)),
        "crossbar": chip.cell.read_energy_fj * (FEMTO * layer.cell_reads),
        "sample_hold": chip.sample_hold.energy_pj * (PICO * columns * readout.driven),
        **integration(chip, columns * readout.integrations),
        "shift_add": chip.shift_add.energy_pj * (PICO * (conversions + layer.sum_adds)),
        "registers": driven + chip.output_register.energy_pj * (PICO * conversions),
        "programming": _write_energy(chip) * layer.cells,
    }


def _link_energy(chip: Reram) -> Quantity:
    return chip.offchip.energy_pj_per_bit * PICO


def _write_energy(chip: Reram) -> Quantity:
    """J of programming one cell; nothing where the machine does not say."""
    return NOTHING if chip.cell.write_energy_pj is None else chip.cell.write_energy_pj * PICO


def _spared_s(step: CrossbarStep, chip: Reram) -> float:
    """Seconds that a later batch need not wait for what stays."""
    return step.spared_cycles * chip.cycle_s


def _saved_energy(step: CrossbarStep, machine: ReramArchitecture) -> Quantity:
    """J that a later batch saves: weights stay in the cells, constants in the buffers."""
    chip = machine.reram
    constants = step.saved_bits - (8 * step.task.weight_bytes if step.saved_cells else 0)
    moved = (_link_energy(chip) + chip.tile.router.energy_j_per_bit) * step.saved_bits
    idle = machine.static_power_w * _spared_s(step, chip)
    return moved + chip.tile.edram.energy_j_per_bit * constants + _write_energy(chip) * step.saved_cells + idle


def crossbar_resources(steps: Iterable[CrossbarStep], chip: Reram, made: Schedule) -> Resources:
    """Crossbars, tiles (layers share them) and buffer bytes; a network with too many crossbars does not fit."""
    crossbars = sum(step.layer.crossbars for step in steps if step.layer)
    used = {
        "crossbars": crossbars,
        "tiles": -(-crossbars // chip.crossbars_per_tile),
        "edram_bytes": made.plan.peak_bytes,
    }
    available = {"crossbars": chip.crossbars, "tiles": int(chip.tiles), "edram_bytes": chip.edram_bytes}
    over = crossbars > chip.crossbars
    return Resources(
        used=used,
        available=available,
        fits=not over,
        limited_by=max(("crossbars", "edram_bytes"), key=lambda name: used[name] / available[name]),
        reasons={"crossbars": "weights are programmed anew in each batch, layer by layer"} if over else {},
    )


def _assumptions(steps: list[CrossbarStep], machine: ReramArchitecture, resources: Resources) -> tuple[str, ...]:
    chip = machine.reram
    stay = any(step.saved_cells for step in steps)
    has_products = any(isinstance(step.task.node.op, get_args(Product)) for step in steps)
    sentences = [
        "a cold batch loads all weights from off chip once and programs them into the cells; "
        + ("the cells keep them, so later batches move only inputs and outputs" if stay else "so does every other"),
        "padding and inserted zeros are driven and converted like any input; energies are those of a mean action, "
        "whatever the values; energy_by_value_j of the layers of a run follows them",
        "layers run one after the other without copies of their crossbars, so a layer lasts as long as its positions; "
        "buffers, bus and routers keep up",
        "an input is sent to each tile of its layer over one router and waits in one buffer of all tiles together; "
        "words of buffer and router are used in full",
        "activations, requantization and other operators without MACs cost no arithmetic energy, only their traffic",
        *value_sentences(machine, has_products),
    ]
    if machine.static_power_w.value == 0:
        sentences.append(f"{machine.name}: idle tiles and links are taken to draw nothing")
    if chip.encoding == "offset":
        sentences.append(
            "the sum of inputs that corrects the offset of weights (a further column in each crossbar) is free"
        )
    if chip.cell.write_energy_pj is None:
        sentences.append(f"{machine.name} gives no energy for writing a cell: programming is counted, not costed")
    else:
        sentences.append("a cell is programmed by one pulse, without verifying")
    if has_products:
        sentences.append("of a product of two values the second is programmed into cells anew for every sample")
    if not resources.fits:
        sentences.append(
            f"the network takes {resources.used['crossbars']} crossbars of {chip.crossbars}: "
            f"{resources.reasons['crossbars']}"
        )
    return tuple(sentences)
