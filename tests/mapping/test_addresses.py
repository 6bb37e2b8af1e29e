"""Layers against plain loops over their definitions, which note every address that is touched.

Groups, dilation, strides and padding that differ by axis and side, output padding, kernels below the stride, one
channel, one pixel, prime sizes. Nothing here uses the index maps of `mapping.spaces`.
"""

from dataclasses import dataclass
from itertools import product
from math import prod

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tiny import one_layer, tiny_machine

from accelsim.errors import DoesNotFit
from accelsim.ir import ops
from accelsim.ir.shapes import result_shape
from accelsim.mapping.operators import layer_problem, mac_counts
from accelsim.mapping.schedule import schedule
from accelsim.mapping.scheduled import ScheduleOptions, merged_traffic
from accelsim.mapping.tasks import tasks

FORMS = ("phase", "scatter", "zero_insert")


@dataclass(frozen=True)
class Touched:
    """Of one sample: multiplies of a real input for an output that is there, and what they read."""

    multiplies: int
    weights: int
    inputs: int


def touched(op, shape):
    """By the definition of the operator, one multiply after the other."""
    back = isinstance(op, ops.ConvTranspose2d)
    _, height, width = shape
    out = result_shape(op, shape)
    top, left = (op.crop[0], op.crop[2]) if back else (op.padding[0], op.padding[2])
    (sy, sx), (dy, dx), (rows, columns) = op.stride, op.dilation, op.kernel
    ins, outs = op.in_channels // op.groups, op.out_channels // op.groups
    multiplies, weights, inputs = 0, set(), set()
    scanned = shape[1:] if back else out[1:]
    for g, k, c, y, x, r, s in product(
        *(range(n) for n in (op.groups, outs, ins, *scanned, rows, columns)),
    ):
        weights.add((g, k, c, r, s))
        if back:
            there = 0 <= y * sy + r * dy - top < out[1] and 0 <= x * sx + s * dx - left < out[2]
            source = (g, c, y, x)
        else:
            source = (g, c, y * sy + r * dy - top, x * sx + s * dx - left)
            there = 0 <= source[2] < height and 0 <= source[3] < width
        if there:
            multiplies += 1
            inputs.add(source)
    return Touched(multiplies, len(weights), len(inputs))


sides = st.tuples(*[st.integers(0, 2)] * 4)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def layers(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels = [groups * draw(st.integers(1, 3)) for _ in range(2)]
    depthwise = draw(st.booleans()) and groups > 1
    ins, outs = (groups, groups) if depthwise else channels
    shape = (ins, draw(st.sampled_from([1, 2, 3, 5])), draw(st.sampled_from([1, 2, 4, 7])))
    kernel, stride, dilation, edge = draw(pairs), draw(pairs), draw(pairs), draw(sides)
    back = draw(st.booleans())
    if back:
        grown = tuple(
            side - draw(st.integers(0, 2)) if i % 2 else side for i, side in enumerate(edge)
        )  # output padding
        op = ops.ConvTranspose2d(ins, outs, kernel, stride, dilation, grown, groups, False)
        spans = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(shape[1:], stride, dilation, kernel, strict=True)]
        assume(all(span > grown[2 * i] + grown[2 * i + 1] for i, span in enumerate(spans)))
    else:
        op = ops.Conv2d(ins, outs, kernel, stride, dilation, edge, groups, False)
        spans = [n + edge[2 * i] + edge[2 * i + 1] for i, n in enumerate(shape[1:])]
        assume(all(span > d * (k - 1) for span, d, k in zip(spans, dilation, kernel, strict=True)))
    assume(touched(op, shape).multiplies)
    return op, shape


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(layers(), st.sampled_from(FORMS), st.sampled_from([1, 2, 5]))
def test_a_layer_reads_and_makes_what_its_definition_says(layer, form, batch):
    """Each input once, however many phases need it; scatter also takes inputs of which every product is cropped."""
    op, shape = layer
    problem, by_hand = layer_problem(op, (shape,), batch, form), touched(op, shape)
    assert problem.macs_effectual == mac_counts(op, (shape,), batch).effectual == batch * by_hand.multiplies
    assert problem.words["W"] == by_hand.weights == prod(op.kernel) * op.in_channels * op.out_channels // op.groups
    assert batch * by_hand.inputs <= problem.words["I"] <= batch * prod(shape)
    assert problem.words["O"] + problem.bias_only_words == batch * prod(result_shape(op, shape))
    if isinstance(op, ops.Conv2d):
        assert problem.words["I"] == batch * by_hand.inputs


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(layers(), st.sampled_from(FORMS), st.sampled_from([1, 3]), st.sampled_from([20, 60, 200]))
def test_off_chip_bytes_of_a_layer(layer, form, batch, small):
    """With room for all of it each word crosses once; with less never fewer, and finished outputs still once."""
    op, shape = layer
    program = one_layer(op, shape)
    words = layer_problem(op, (shape,), batch, form).words
    results = batch * prod(result_shape(op, shape))
    constants = 9 * op.out_channels
    for size in (10**6, small):
        machine = tiny_machine(size, rows=2, cols=3, form=form)
        try:
            made = schedule(tasks(program, machine, batch), machine, batch, ScheduleOptions(residency=False))
        except DoesNotFit:
            assert size == small
            continue
        rows = {row.kind: row for row in merged_traffic(made.steps[0].traffic) if row.memory == "ddr"}
        floor = {"weights": words["W"] + constants, "inputs": words["I"]}
        for kind, count in floor.items():
            assert rows[kind].read_bits == 8 * count if size > small else rows[kind].read_bits >= 8 * count
        assert rows["outputs"].write_bits == 8 * results
        assert size == small or "partial_sums" not in rows


@pytest.mark.parametrize("form", FORMS)
def test_a_kernel_below_its_stride_leaves_outputs_that_are_bias_alone(form):
    """2 taps every 3 over 2 inputs, 1 more behind: outputs 2 and 5 have no tap. Inserted zeros are multiplied there."""
    op = ops.ConvTranspose2d(1, 1, (2, 1), (3, 1), (1, 1), (0, -1, 0, 0), 1, False)
    problem = layer_problem(op, ((1, 2, 1),), 1, form)
    assert (problem.words["O"], problem.bias_only_words) == ((6, 0) if form == "zero_insert" else (4, 2))
    assert problem.macs_effectual == 4 and problem.words["I"] == 2
