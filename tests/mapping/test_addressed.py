"""Convolutions that read through views: every stored element once, against a picture of element numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import one_layer, program_of, tiny_machine

from accelsim.engine.float_ops import run_float_op
from accelsim.ir import ops
from accelsim.mapping.schedule import schedule
from accelsim.mapping.scheduled import ScheduleOptions, merged_traffic
from accelsim.mapping.tasks import tasks

CONV = ops.Conv2d(2, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False)
UP = ops.ResizeNearest((8, 6), (0.5, 0.5), 0.0)
VIEWS = {
    "twice as large": (UP,),
    "mirrored": (ops.EdgePad((0, 1, 2), (0, 2, 1), "reflect"),),
    "the edge repeated": (ops.EdgePad((0, 1, 1), (0, 1, 1), "replicate"),),
    "zeros around": (ops.ZeroPad((0, 2, 0), (0, 0, 1)),),
    "every second row": (ops.Slice(1, 0, 4, 2),),
    "columns of an upsampled picture with a border": (
        UP,
        ops.EdgePad((0, 1, 1), (0, 1, 1), "reflect"),
        ops.Slice(2, 2, 7, 1),
    ),
    "shrunk": (ops.ResizeNearest((2, 2), (2.0, 1.5), 0.0),),
}


def off_chip_inputs(views, conv=CONV, **options):
    reads = ["x", *(f"v{i}" for i in range(len(views)))]
    nodes = [(f"v{i}", view, (reads[i],)) for i, view in enumerate(views)]
    program = program_of({"x": (2, 4, 3)}, [*nodes, ("y", conv, (reads[-1],))], ("y",))
    machine = tiny_machine(10**6, **options)
    made = schedule(tasks(program, machine, 1), machine, 1, ScheduleOptions(residency=False))
    rows = [row for step in made.steps for row in merged_traffic(step.traffic)]
    return sum(row.read_bits for row in rows if (row.memory, row.kind) == ("ddr", "inputs")) // 8


def elements_seen(views):
    """Distinct elements that are left of a picture whose elements are numbers from 1, and 0 where zeros were padded."""
    picture = 1 + np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    for view in views:
        picture = run_float_op(view, {}, picture)
    return len(set(picture.ravel().tolist()) - {0.0})


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_read_off_chip_are_the_elements_of_the_source(name):
    """3x3 taps with a border of padding reach every element of the view."""
    assert off_chip_inputs(VIEWS[name]) == elements_seen(VIEWS[name])


def test_a_function_of_a_view_reads_its_source():
    """An upsampled picture that is not multiplied but stored: 24 elements in, 96 out."""
    program = program_of({"x": (2, 4, 3)}, [("v", UP, ("x",)), ("y", ops.Tanh(), ("v",))], ("y",))
    machine = tiny_machine(10**6)
    (step,) = schedule(tasks(program, machine, 1), machine, 1, ScheduleOptions(residency=False)).steps
    rows = {row.kind: row for row in step.offchip}
    assert (rows["inputs"].read_bits, rows["outputs"].write_bits) == (8 * 24, 8 * 96)


@settings(max_examples=20)
@given(st.sampled_from(sorted(VIEWS)), st.integers(8, 60))
def test_with_less_room_no_fewer_are_read(name, size):
    conv = ops.Conv2d(2, 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, False)
    assert off_chip_inputs(VIEWS[name], conv, sums_bytes=size) >= elements_seen(VIEWS[name])


def test_a_layer_without_views_is_as_it_was():
    program = one_layer(CONV, (2, 4, 3))
    (step,) = tasks(program, tiny_machine(), 1).steps
    assert step.problem.words["I"] == 24 and step.read_elements == (24,)


def test_a_picture_made_of_a_row_of_numbers():
    conv = ops.Conv2d(2, 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, False)
    nodes = [("v", ops.Reshape((2, 4, 3)), ("x",)), ("u", UP, ("v",)), ("y", conv, ("u",))]
    (step,) = tasks(program_of({"x": (24,)}, nodes, ("y",)), tiny_machine(), 1).steps
    assert step.problem.words["I"] == 24
