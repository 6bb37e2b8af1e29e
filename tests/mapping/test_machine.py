"""Machine files to hierarchies: units, lanes, what each memory holds."""

import pytest
from tiny import CLOCK_HZ, DDR_BITS_PER_CYCLE, tiny_machine

from accelsim.errors import DoesNotFit
from accelsim.hardware.load import load_architecture
from accelsim.hardware.number_formats import integer
from accelsim.mapping.machine import machine_hierarchy, on_chip_memory, transposed_form


def hierarchy(machine, weights=8, inputs=8):
    match = machine.format_for(integer(weights), integer(inputs))
    return machine_hierarchy(machine, match, weights, inputs, 32, 8)


def test_zcu104_by_hand():
    made = hierarchy(load_architecture("zcu104"))
    ddr, bram, sums = made.memories
    assert (ddr.holds, bram.holds, sums.holds) == ("WIO", "WIO", "O")
    assert ddr.read_bandwidth == pytest.approx(19.2e9 * 8 / 200e6) and ddr.shared_port and not bram.shared_port
    assert (ddr.access_bits, bram.access_bits, sums.access_bits) == (512, 72, 1)
    assert bram.size_bits == 248 * 36864 and bram.buffers == 2
    assert bram.read_pj_per_bit == pytest.approx(0.208) and sums.read_bandwidth == 0.0
    assert dict(made.lanes) == {"C": 32, "K": 64} and made.lanes_total == 2048
    assert made.latch == "W" and made.fan_level == 2 and made.mac_pj == pytest.approx(1.125)


@pytest.mark.parametrize(
    ("name", "waiting"),
    [("zcu104", []), ("eyeriss", ["glb"]), ("edge_tpu_like", ["sram"]), ("ganax_like", ["glb"]), ("rpi4", [])],
)
def test_tiles_of_a_shared_buffer_that_holds_one_wait(name, waiting):
    """Not those of a double buffer, of registers or of caches."""
    machine = load_architecture(name)
    match = machine.format_for(integer(8), integer(8))
    made = machine_hierarchy(machine, match, 8, 8, 32, 8)
    assert [memory.name for memory in made.memories if memory.waits] == waiting


@pytest.mark.parametrize(("bits", "lanes"), [(16, 1024), (8, 2048), (4, 4096), (5, 2048), (3, 4096)])
def test_lanes_follow_the_listed_format_that_stands_in(bits, lanes):
    made = hierarchy(load_architecture("zcu104"), bits, bits)
    assert made.lanes_total == lanes
    assert (made.weight_bits, made.input_bits) == (bits, bits)


def test_bandwidth_in_bits_a_cycle():
    assert hierarchy(tiny_machine()).memories[0].read_bandwidth == pytest.approx(DDR_BITS_PER_CYCLE)
    assert tiny_machine().clock_hz == CLOCK_HZ


def test_the_plan_keeps_tensors_in_the_outermost_memory_of_weights_and_activations():
    assert on_chip_memory(load_architecture("zcu104")) == "bram"
    only_sums = tiny_machine()
    ddr, bram = only_sums.memories
    narrow = only_sums.model_copy(update={"memories": (ddr, bram.model_copy(update={"holds": ("weights",)}))})
    with pytest.raises(DoesNotFit, match="tiny: no memory on the chip holds both weights and activations"):
        on_chip_memory(narrow)


def test_forms_of_transposed_convolution():
    assert [transposed_form(tiny_machine(form=form)) for form in ("phase", "scatter", "zero_insert")] == [
        "phase",
        "scatter",
        "zero_insert",
    ]
    with pytest.raises(DoesNotFit, match="phase_layers is not costed yet"):
        transposed_form(tiny_machine(form="phase_layers"))
