"""Totals of a program on a machine: sums, bounds, utilisation, what is refused."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import program_of, tiny_machine

from accelsim.cost.costing import cost
from accelsim.errors import AccelsimError
from accelsim.hardware.load import load_architecture
from accelsim.hardware.number_formats import NoFormat
from accelsim.ir import ops
from accelsim.mapping.scheduled import ScheduleOptions


def three_layers(precision="int8", width=7):
    return program_of(
        {"x": (3, 4, 4)},
        [
            ("up", ops.ConvTranspose2d(3, width, (4, 4), (2, 2), (1, 1), (1, 1, 1, 1), 1, True), ("x",)),
            ("r", ops.LeakyReLU(0.2), ("up",)),
            ("c", ops.Conv2d(width, width, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), ("r",)),
            ("s", ops.Add(), ("c", "r")),
            ("p", ops.GlobalAveragePool(), ("s",)),
            ("y", ops.Dense(width, 5, False), ("p",)),
        ],
        ("y",),
        precision,
    )


PRECISIONS = ["int8", "int5", "int16", "weights=int3,activations=int7", "weights=int2,activations=int13"]


@settings(max_examples=15)
@given(st.sampled_from(PRECISIONS), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_parts_add_up(precision, width, batch, residency):
    """Components and layers to the energy; layers, operands and directions to the off-chip bytes, at any width."""
    made = cost(
        three_layers(precision, width), load_architecture("zcu104"), batch, ScheduleOptions(residency=residency)
    )
    whole = made.energy_total
    assert math.isclose(sum(e.value for e in made.energy.values()), whole.value, rel_tol=1e-12)
    layers = sum(e.value for step in made.steps for e in step.energy.values())
    assert math.isclose(layers, whole.value, rel_tol=1e-12)
    assert math.isclose(sum(step.latency_s for step in made.steps), made.latency_s, rel_tol=1e-12)
    moved = made.offchip_read_bits + made.offchip_write_bits
    assert moved == sum(made.offchip_bits_by_operand.values())
    assert moved == sum(r.read_bits + r.write_bits for step in made.steps for r in step.scheduled.offchip)
    assert made.offchip_read_bits % 8 == made.offchip_write_bits % 8 == made.saved_bits % 8 == 0
    for quantity in (whole, made.steady_energy, *made.energy.values()):
        assert quantity.low <= quantity.value <= quantity.high
    assert 0 < made.steady_energy.value <= whole.value
    assert made.saved_bits <= made.offchip_bits_by_operand["weights"]
    if not residency:
        assert made.saved_bits == 0 and made.steady_energy.value == whole.value


@settings(max_examples=15)
@given(st.sampled_from(PRECISIONS), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_never_below_the_compulsory_floor(precision, width, batch, residency):
    """Weights and constants once, the network's input and output once."""
    program = three_layers(precision, width)
    made = cost(program, load_architecture("zcu104"), batch, ScheduleOptions(residency=residency))
    held = sum(step.scheduled.task.weight_bytes + step.scheduled.task.constant_bytes for step in made.steps)
    ends = batch * sum(
        math.prod(program.graph.shapes[name]) * program.encodings[name].format.bits for name in ("x", "y")
    )
    assert made.offchip_bits_by_operand["weights"] >= 8 * held
    assert made.offchip_read_bits + made.offchip_write_bits >= 8 * held + ends
    for step in made.steps:
        assert step.latency_s * 200e6 >= step.scheduled.cycles * (1 - 1e-12)
        bits = sum(r.read_bits + r.write_bits for r in step.scheduled.offchip)
        assert step.latency_s * 19.2e9 * 8 >= bits - 8 * 4  # rows are in whole bytes
        assert step.utilisation is None or 0 < step.utilisation <= 1


def test_utilisation_by_hand():
    """16 products of a 2 x 2 convolution on 4 x 1 lanes of which 1 input channel uses 1."""
    program = program_of(
        {"x": (1, 3, 3)}, [("y", ops.Conv2d(1, 1, (2, 2), (1, 1), (1, 1), (0,) * 4, 1, True), ("x",))], ("y",)
    )
    (step,) = cost(program, tiny_machine(rows=4), 1, ScheduleOptions()).steps
    assert step.scheduled.cycles == 16
    assert step.utilisation == pytest.approx(16 / (4 * step.scheduled.latency_cycles))
    assert step.bound == "compute"


def test_a_layer_of_weights_alone_is_bound_by_memory():
    program = program_of({"x": (64,)}, [("y", ops.Dense(64, 64, True), ("x",))], ("y",))
    (step,) = cost(program, tiny_machine(10**5, rows=64, cols=64), 1, ScheduleOptions()).steps
    assert step.scheduled.cycles == 1 and step.bound == "memory"


@pytest.mark.parametrize("batch", [0, -3])
def test_a_batch_has_an_image(batch):
    with pytest.raises(AccelsimError, match=f"batch: {batch}; "):
        cost(three_layers(), tiny_machine(), batch, ScheduleOptions())


def test_floats_are_not_costed_on_integers():
    made = cost(three_layers("float32"), tiny_machine(), 1, ScheduleOptions())
    assert isinstance(made, NoFormat) and "tiny" in made.reason


def test_what_is_assumed_is_said():
    said = cost(three_layers("int5"), load_architecture("zcu104"), 1, ScheduleOptions()).assumptions
    assert any("computed at the cost of int8" in sentence for sentence in said)
    assert any("no arithmetic energy" in sentence for sentence in said)
    assert any("memories.ddr.energy_pj_per_bit = 15" in sentence and "recalled" in sentence for sentence in said)
    assert len(set(said)) == len(said)


def test_products_of_values_cost_their_multiplies():
    """Scores and mixing of 2 heads of 3 x 4: 2 x 72 multiplies at 2 pJ, in 2 x 72 cycles; softmax none."""
    nodes = [
        ("scores", ops.MatMul(3), ("q", "k")),
        ("shares", ops.Softmax(2), ("scores",)),
        ("mixed", ops.MatMul(4), ("shares", "v")),
    ]
    program = program_of({"q": (2, 3, 4), "k": (2, 4, 3), "v": (2, 3, 4)}, nodes, ("mixed",))
    made = cost(program, tiny_machine(), 1, ScheduleOptions())
    assert math.isclose(made.energy["mac"].value, 2 * 72 * 2e-12)
    assert [step.scheduled.cycles for step in made.steps if step.scheduled.macs] == [72, 72]
    assert all(0 < step.utilisation <= 1 for step in made.steps if step.scheduled.macs)
    wide = program_of({"q": (2, 3, 4), "k": (2, 4, 3)}, nodes[:1], ("scores",), "int16")
    assert isinstance(cost(wide, tiny_machine(), 1, ScheduleOptions()), NoFormat)
