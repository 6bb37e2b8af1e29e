"""Stored bytes of floating tensors: packed numbers, and the exponents that they share."""

from math import prod

import pytest

from accelsim.formats.text import parse_format, parse_precision
from accelsim.hardware.load import load_architecture
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.mapping.scale_bytes import ASSUMPTION, tensor_scale_bytes, weight_scale_bytes
from accelsim.mapping.tasks import Tasks, constant_bytes, tasks, weight_bytes
from accelsim.passes.formats import assign_formats

CONV = ops.Conv2d(40, 70, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True)
LAST = ops.Conv2d(70, 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, False)
GRAPH = Graph("g", (Input("x", (40, 5, 6)),), (Node("y", CONV, ("x",)), Node("z", LAST, ("y",))), ("z",))


@pytest.mark.parametrize(("precision", "bits"), [("mxint8", 8), ("mxfp6e3m2", 6), ("mxfp4", 4)])
def test_a_block_costs_a_byte(precision: str, bits: int) -> None:
    program = assign_formats(GRAPH, parse_precision(precision))
    y, z = GRAPH.nodes
    assert weight_bytes(program, y) == -(-70 * 40 * 9 * bits // 8)
    assert constant_bytes(program, y) == 4 * 70 + 70 * 9 * 2  # 40 channels: blocks of 32 and 8
    assert constant_bytes(program, z) == 3 * 3  # 70 channels: 32, 32 and 6; no bias
    made = tasks(program, load_architecture("rpi4"), 1)
    assert isinstance(made, Tasks) and ASSUMPTION in made.assumptions
    assert made.sizes["x"] == 40 * 30 + 2 * 30  # network inputs have 8 bits
    assert made.sizes["y"] == -(-70 * 30 * bits // 8) + 3 * 30
    assert made.steps[0].hierarchy is not None and made.steps[0].hierarchy.partial_sum_bits == 32


def test_fp8_has_a_byte_for_each_output_channel_and_fp16_none() -> None:
    for precision, extra in (("fp8e4m3", 70), ("fp16", 0), ("float32", 0)):
        program = assign_formats(GRAPH, parse_precision(precision))
        assert constant_bytes(program, GRAPH.nodes[0]) == 4 * 70 + extra
        made = tasks(program, load_architecture("rpi4"), 1)
        assert isinstance(made, Tasks) and ASSUMPTION not in made.assumptions
        assert made.sizes["y"] == 70 * 30 * program.encodings["y"].format.bits // 8


def test_blocks_follow_the_summed_channels_of_every_operator() -> None:
    mx = parse_format("mxfp4")
    assert weight_scale_bytes(ops.Dense(33, 5, True), mx) == 2 * 5
    grouped = ops.Conv2d(64, 64, (3, 2), (1, 1), (1, 1), (0, 0, 0, 0), 4, False)
    assert weight_scale_bytes(grouped, mx) == 64 * 6
    back = ops.ConvTranspose2d(65, 8, (4, 4), (2, 2), (1, 1), (1, 1, 1, 1), 1, False)
    assert weight_scale_bytes(back, mx) == 8 * 16 * 3
    assert tensor_scale_bytes((33,), mx) == 2 and tensor_scale_bytes((5, 64), mx) == 10
    assert tensor_scale_bytes((3, 5, 7), mx) == prod((5, 7)) and tensor_scale_bytes((3, 5), parse_format("int8")) == 0
