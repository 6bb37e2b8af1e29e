"""Energy per component against bits times energy per bit, and the arithmetic of intervals."""

import pytest
from tiny import BRAM_READ_PJ, BRAM_WRITE_PJ, DDR_PJ, MAC_PJ, STATIC_W, one_layer, tiny_machine

from accelsim.cost.energy import by_component, minus, prices, step_energy, total
from accelsim.hardware.quantity import Quantity
from accelsim.ir import ops
from accelsim.mapping.schedule import schedule
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.mapping.tasks import tasks

PICO = 1e-12


def one_step(machine, precision="int8"):
    program = one_layer(ops.Dense(4, 3, True), (4,), precision)
    made = schedule(tasks(program, machine, 1), machine, 1, ScheduleOptions())
    return program, made.steps[0]


def test_a_dense_layer_by_hand():
    """12 products; off chip 12 + 27 bytes of weights and constants, 4 in, 3 out; on chip every product moves a weight,
    an input and a 32-bit sum both ways (the first of each of 3 sums is not read, but drained at the end).
    """
    _, step = one_step(tiny_machine())
    energy = step_energy(step, tiny_machine(), prices(tiny_machine()))
    read, written = 12 * (8 + 8 + 32) + 8 * 27, 12 * 32 + 8 * (12 + 27) + 8 * 4
    assert energy["mac"].value == pytest.approx(12 * MAC_PJ * PICO)
    assert energy["ddr"].value == pytest.approx(8 * (39 + 4 + 3) * DDR_PJ * PICO)
    assert energy["bram"].value == pytest.approx((read * BRAM_READ_PJ + written * BRAM_WRITE_PJ) * PICO)
    assert energy["static"].value == pytest.approx(STATIC_W * step.latency_cycles / 100e6)
    assert set(energy) == {"mac", "ddr", "bram", "static"}


def test_a_later_batch_saves_reading_and_writing_the_pinned_weights():
    machine = tiny_machine()
    made = schedule(tasks(one_layer(ops.Dense(4, 3, True), (4,)), machine, 1), machine, 1, ScheduleOptions())
    first, later = (step_energy(step, machine, prices(machine)) for step in (*made.steps, *made.later))
    assert first["ddr"].value - later["ddr"].value == pytest.approx(8 * 39 * DDR_PJ * PICO)
    assert first["bram"].value - later["bram"].value == pytest.approx(8 * 39 * BRAM_WRITE_PJ * PICO)
    assert first["mac"].value == later["mac"].value
    assert later["static"].value < first["static"].value


def test_a_narrow_format_moves_fewer_bits_at_the_same_cost_a_product():
    wide, narrow = (
        step_energy(step, tiny_machine(), prices(tiny_machine()))
        for program, step in (one_step(tiny_machine(), p) for p in ("int8", "int4"))
    )
    assert narrow["mac"].value == wide["mac"].value  # the tiny machine lists int8 alone
    assert narrow["ddr"].value < wide["ddr"].value


def test_intervals_add_and_subtract_bound_by_bound():
    one, two = Quantity(value=2.0, low=1.0, high=4.0), Quantity(value=3.0, low=3.0, high=3.5)
    both = total([one, two])
    assert (both.low, both.value, both.high) == (4.0, 5.0, 7.5)
    left = minus(both, one)
    assert (left.low, left.value, left.high) == (3.0, 3.0, 3.5)
    assert total([]).value == 0.0


def test_components_add_by_name():
    one, two = Quantity(value=1.0), Quantity(value=2.0)
    merged = by_component([{"mac": one, "ddr": two}, {"ddr": two}])
    assert {name: energy.value for name, energy in merged.items()} == {"mac": 1.0, "ddr": 4.0}
