"""Operators that multiply nothing: what they move on arrays, crossbars and pipelines, one after the other and kept."""

from math import prod

import pytest
from tiny import program_of, tiny_machine

from accelsim.hardware.load import load_architecture
from accelsim.ir import ops
from accelsim.mapping.crossbar_schedule import crossbar_schedule
from accelsim.mapping.schedule import schedule
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.mapping.stream_schedule import stream_schedule
from accelsim.mapping.tasks import tasks

SHAPE = (4, 6, 6)
UNARY = {
    "batch norm": ops.BatchNorm(4, 1e-5),
    "instance norm": ops.InstanceNorm(4, 1e-5, True),
    "group norm": ops.GroupNorm(4, 2, 1e-5, True),
    "layer norm": ops.LayerNorm((6,), 1e-5, True),
    "root mean square": ops.RMSNorm((0,), 1e-5),
    "max pool": ops.MaxPool((3, 2), (2, 1), (1, 1), (1, 0, 0, 0)),
    "average pool": ops.AveragePool((2, 2), (2, 2), (0, 0, 0, 0), True),
    "global pool": ops.GlobalAveragePool(),
    "adaptive pool": ops.AdaptivePool("mean", (4, 5)),
    "softmax": ops.Softmax(2),
    "bilinear": ops.Interpolate("linear", (11, 7), (6 / 11, 6 / 7), False),
    "tanh": ops.Tanh(),
    "slopes": ops.PReLU(4),
    "variance": ops.Reduce("var", (1, 2), True),
}
BINARY = {"add": ops.Add(), "multiply": ops.Mul(), "concat": ops.Concat(0), "maximum": ops.Maximum()}


def on_array(program, batch, residency):
    machine = tiny_machine(10**6, cols=3)
    return schedule(tasks(program, machine, batch), machine, batch, ScheduleOptions(residency=residency))


def on_crossbars(program, batch, residency):
    return crossbar_schedule(program, load_architecture("isaac"), batch, ScheduleOptions(residency=residency))


def off_chip(steps):
    found = {"inputs": 0, "weights": 0, "outputs": 0}
    for row in (row for step in steps for row in step.offchip):
        found[row.kind] += (row.read_bits + row.write_bits) // 8
    return found


@pytest.mark.parametrize("machine", [on_array, on_crossbars])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
@pytest.mark.parametrize("batch", [1, 3])
def test_each_value_crosses_once_and_kept_ones_do_not(machine, name, batch):
    """tanh -> the operator -> sigmoid: read and written at each step, or only at both ends."""
    op = UNARY.get(name) or BINARY[name]
    reads = ("a",) if name in UNARY else ("a", "x")
    nodes = [("a", ops.Tanh(), ("x",)), ("m", op, reads), ("y", ops.Sigmoid(), ("m",))]
    graph = (program := program_of({"x": SHAPE}, nodes, ("y",))).graph
    steps = machine(program, batch, False).steps
    assert [step.task.node for step in steps] == list(graph.nodes)
    held = sum(step.task.constant_bytes for step in steps)
    one, result = (batch * prod(graph.shapes[value]) for value in ("x", graph.outputs[0]))
    assert off_chip(steps) == {
        "inputs": batch * sum(prod(graph.shapes[value]) for node in graph.nodes for value in node.inputs),
        "outputs": batch * sum(prod(graph.shapes[node.name]) for node in graph.nodes),
        "weights": held,
    }
    kept = machine(program, batch, True).steps
    assert off_chip(kept) == {"inputs": one, "outputs": result, "weights": held}
    assert all(step.cycles > 0 for step in kept)


@pytest.mark.parametrize("name", [name for name in (*UNARY, *BINARY) if name not in ("layer norm", "softmax")])
def test_through_a_pipeline_only_inputs_and_outputs_cross(name):
    op = UNARY.get(name) or BINARY[name]
    reads = ("a",) if name in UNARY else ("a", "b")
    nodes = [("a", ops.Tanh(), ("x",)), ("b", ops.Sigmoid(), ("a",)), ("y", op, reads)]
    program = program_of({"x": SHAPE}, nodes, ("y", "b"))
    made = stream_schedule(program, load_architecture("zcu104_stream"), 2, {})
    results = prod(program.graph.shapes["y"]) + prod(SHAPE)
    assert off_chip(made.steps) == {"inputs": 2 * prod(SHAPE), "outputs": 2 * results, "weights": 0}


PASSES = {"instance norm": 2, "group norm": 2, "layer norm": 2, "root mean square": 2, "softmax": 3}
ROWS = {"instance norm": 36, "group norm": 72, "layer norm": 6, "root mean square": 4, "softmax": 6}


@pytest.mark.parametrize("name", UNARY)
def test_statistics_take_a_pass_of_their_own(name):
    """An array of 3 columns: on the chip the input is read, and time passes, once for each pass."""
    program = program_of({"x": SHAPE}, [("y", UNARY[name], ("x",))], ("y",))
    (step,) = on_array(program, 1, True).steps
    values, times = prod(SHAPE), PASSES.get(name, 1)
    read = [row for row in step.traffic if (row.memory, row.kind) == ("bram", "inputs")]
    assert sum(row.read_bits for row in read) == 8 * values * times
    assert step.cycles == -(-max(values * times, prod(program.graph.shapes["y"])) // 3)
    (crossed,) = on_crossbars(program, 1, True).steps
    fetched = [row for row in crossed.traffic if (row.memory, row.kind) == ("edram", "inputs")]
    assert sum(row.read_bits for row in fetched) == 8 * values * times


@pytest.mark.parametrize("name", PASSES)
def test_a_row_that_has_no_room_is_fetched_for_each_pass(name):
    program = program_of({"x": SHAPE}, [("y", UNARY[name], ("x",))], ("y",))
    for size, times in ((ROWS[name] - 1, PASSES[name]), (ROWS[name], 1)):
        machine = tiny_machine(size)
        work = tasks(program, machine, 1)
        (step,) = schedule(work, machine, 1, ScheduleOptions(residency=False)).steps
        assert off_chip([step])["inputs"] == prod(SHAPE) * times
