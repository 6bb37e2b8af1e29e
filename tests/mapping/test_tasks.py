"""What each step reads, writes and holds."""

import pytest
from tiny import one_layer, program_of, tiny_machine

from accelsim.formats.text import parse_precision
from accelsim.hardware.number_formats import NoFormat
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import storage_roots
from accelsim.mapping.tasks import constant_bytes, tasks, tensor_bytes, weight_bytes, weight_owners
from accelsim.passes.formats import assign_formats

CONV = ops.Conv2d(2, 3, (2, 2), (1, 1), (1, 1), (0, 0, 0, 0), 1, True)


def test_views_are_no_steps_and_share_their_source():
    program = program_of(
        {"x": (4,)},
        [
            ("a", ops.Dense(4, 8, True), ("x",)),
            ("v", ops.Reshape((2, 2, 2)), ("a",)),
            ("p", ops.Permute((0, 2, 1)), ("v",)),
            ("c", CONV, ("p",)),
        ],
        ("c",),
    )
    work = tasks(program, tiny_machine(), 1)
    assert [task.node.name for task in work.steps] == ["a", "c"]
    assert work.steps[1].reads == ("a",)
    assert storage_roots(program.graph) == {"x": "x", "a": "a", "v": "a", "p": "a", "c": "c"}
    assert work.sizes == {"x": 4, "a": 8, "c": 3} and work.outputs == {"c"}


def test_a_view_at_the_end_makes_its_source_the_output():
    program = program_of(
        {"x": (4,)}, [("a", ops.Dense(4, 6, True), ("x",)), ("v", ops.Reshape((2, 3)), ("a",))], ("v",)
    )
    assert tasks(program, tiny_machine(), 1).outputs == {"a"}


@pytest.mark.parametrize(("bits", "size"), [(8, 7), (4, 4), (3, 3), (5, 5), (16, 14)])
def test_tensors_are_packed_at_their_own_width(bits, size):
    program = one_layer(ops.Dense(7, 7, False), (7,), f"int{bits}")
    assert tensor_bytes(7, program.linear["y"].weights) == size


@pytest.mark.parametrize(
    ("op", "shape", "channels"),
    [
        (ops.Dense(8, 5, True), (8,), 5),
        (ops.Dense(8, 5, False), (6, 7, 8), 5),
        (ops.Dense(8, 5, False), (3, 8), 5),
        (CONV, (2, 4, 4), 3),
        (ops.ConvTranspose2d(2, 6, (2, 2), (2, 2), (1, 1), (0, 0, 0, 0), 2, True), (2, 4, 4), 6),
    ],
)
def test_constants_per_output_channel(op, shape, channels):
    """A 32-bit bias, a 32-bit multiplier and an 8-bit shift each."""
    program = one_layer(op, shape)
    assert constant_bytes(program, program.graph.nodes[0]) == 9 * channels


@pytest.mark.parametrize(("bits", "each"), [(8, 6), (12, 7), (20, 8), (32, 9), (48, 11)])
def test_a_bias_is_as_wide_as_the_accumulator_in_whole_bytes(bits, each):
    program = one_layer(ops.Dense(4, 3, True), (4,), f"weights=int8,activations=int8,accumulator=acc{bits}")
    assert constant_bytes(program, program.graph.nodes[0]) == 3 * each


def test_weights_are_packed_at_their_width():
    program = one_layer(ops.Dense(7, 3, True), (7,), "weights=int3,activations=int8")
    assert weight_bytes(program, program.graph.nodes[0]) == -(-7 * 3 * 3 // 8)


def test_a_channel_affine_holds_a_factor_and_an_offset_a_channel():
    """32 + 8 and 48 bits; two 32-bit words in floating formats. A tanh of 8-bit codes is 256 of them."""
    nodes = [("s", ops.Tanh(), ("x",)), ("y", ops.ChannelAffine(3), ("s",))]
    program, floats = (program_of({"x": (3, 2, 2)}, nodes, ("y",), precision) for precision in ("int8", "fp16"))
    assert {node.name: constant_bytes(program, node) for node in program.graph.nodes} == {"s": 256, "y": 3 * (5 + 6)}
    assert {node.name: constant_bytes(floats, node) for node in floats.graph.nodes} == {"s": 0, "y": 3 * (4 + 4)}


@pytest.mark.parametrize(
    ("epilogue", "precision", "behind"),
    [
        (ops.ReLU(), "int8", 0),  # a limit of the code
        (ops.LeakyReLU(0.2), "int8", 5 * 3),  # a factor for what is negative; the other is that of the requantization
        (ops.LeakyReLU(0.2), "weights=int8:tensor,activations=int8", 5),
        (ops.Tanh(), "int8", 1 << 12),  # 8-bit results of codes with 4 more bits
        (ops.Tanh(), "weights=int8,activations=int8,accumulator=acc24", (1 << 12) - 3),  # a bias of 3 bytes, not 4
        (ops.Tanh(), "int12", 4 * ((1 << 12) + 2) + 2 * 3),  # 32-bit knots; a bias of 6 bytes, not 4
    ],
)
def test_what_is_behind_a_layer_counts_once_and_with_its_requantization(epilogue, precision, behind):
    nodes = [("a", ops.Dense(4, 3, True), ("x",)), ("y", epilogue, ("a",))]
    program = program_of({"x": (4,)}, nodes, ("y",), precision)
    assert {node.name: constant_bytes(program, node) for node in program.graph.nodes} == {"a": 9 * 3 + behind}


def test_network_inputs_and_outputs_keep_eight_bits():
    program = program_of(
        {"x": (4,)}, [("a", ops.Dense(4, 6, True), ("x",)), ("b", ops.Dense(6, 2, True), ("a",))], ("b",), "int4"
    )
    first, second = tasks(program, tiny_machine(), 1).steps
    assert (first.read_bits, first.write_bits, second.read_bits, second.write_bits) == ((8,), 4, (4,), 8)


def test_floats_have_no_cost_here():
    answer = tasks(one_layer(ops.Dense(4, 3, True), (4,), "float32"), tiny_machine(), 1)
    assert isinstance(answer, NoFormat) and "floating-point" in answer.reason


def test_a_format_that_stands_in_is_said_once():
    program = program_of(
        {"x": (4,)}, [("a", ops.Dense(4, 6, True), ("x",)), ("b", ops.Dense(6, 2, True), ("a",))], ("b",), "int5"
    )
    said = tasks(program, tiny_machine(), 1).assumptions
    assert len(said) == len(set(said)) == 2  # 5 x 8 bits in the first layer, 5 x 5 in the second
    assert all("computed at the cost of int8" in sentence for sentence in said)


def stored_program(precision="int8"):
    """A label through a table, a norm, slopes and a stored tensor, which takes its batch from the label."""
    nodes = [
        ("e", ops.Embedding(10, 6), ("y",)),
        ("d", ops.Dense(6, 8, True), ("e",)),
        ("r", ops.Reshape((2, 2, 2)), ("d",)),
        ("n", ops.InstanceNorm(2, 1e-5, True), ("r",)),
        ("p", ops.PReLU(2), ("n",)),
        ("k", ops.Constant((2, 2, 2)), ("y",)),
        ("s", ops.Add(), ("p", "k")),
    ]
    return program_of({"y": ()}, nodes, ("s",), precision)


@pytest.mark.parametrize(("bits", "table", "stored"), [(8, 60, 8), (4, 30, 4), (3, 23, 3)])
def test_tables_norms_and_slopes_are_stored(bits, table, stored):
    """10 x 6 and 8 codes at the width of what they make, once; epsilon and a gain and a bias for each channel of the
    norm; a factor and one for each slope; a factor for each input of the sum.
    """
    program = stored_program(f"int{bits}")
    held = {node.name: constant_bytes(program, node) for node in program.graph.nodes}
    norm, slopes, terms = 8 + 2 * (5 + 6), 5 * (1 + 2), 5 * 2
    assert held == {"e": table, "d": 9 * 8, "r": 0, "n": norm, "p": slopes, "k": stored, "s": terms}


def test_a_constant_reads_no_input():
    steps = {task.node.name: task for task in tasks(stored_program(), tiny_machine(), 1).steps}
    assert (steps["k"].reads, steps["k"].read_elements, steps["k"].read_bits) == ((), (), ())
    assert steps["s"].reads == ("p", "k")


def owners(*nodes, precision="int8"):
    graph = Graph("net", (Input("x", (4, 6, 6)),), nodes, (nodes[-1].name,))
    return weight_owners(assign_formats(graph, parse_precision(precision)))


def test_layers_share_weights_of_one_tensor_format_and_layout():
    """A convolution and a transposed one have their output channels, and so their scales, along different axes."""
    conv = ops.Conv2d(4, 4, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False)
    strided = ops.Conv2d(4, 4, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 1, False)
    back = ops.ConvTranspose2d(4, 4, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False)
    chain = (
        Node("a", conv, ("x",)),
        Node("b", strided, ("a",), parameters="a"),
        Node("c", back, ("b",), parameters="a"),
        Node("d", conv, ("c",)),
        Node("e", back, ("d",), parameters="a"),
    )
    assert owners(*chain) == {"b": "a", "e": "c"}
    assert owners(*chain, precision="weights=int4,activations=int8,first=int8") == {"e": "c"}
