"""Whole programs on a machine small enough to count every bit by hand."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import BRAM_READ_PJ, BRAM_WRITE_PJ, DDR_BITS_PER_CYCLE, DDR_PJ, one_layer, program_of, tiny_machine

from accelsim.errors import DoesNotFit
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.mapping.schedule import schedule
from accelsim.mapping.scheduled import Schedule, ScheduleOptions, merged_traffic
from accelsim.mapping.tasks import tasks
from accelsim.passes.formats import assign_formats
from accelsim.passes.normalise import normalise

DENSE = ops.Dense(4, 3, True)
CONSTANTS = 9  # bytes an output channel: 32-bit bias, 32-bit multiplier, 8-bit shift
FACTOR = 5  # bytes: a 32-bit multiplier and an 8-bit shift
OFFSET = 6  # bytes: 48 bits


def conv(padding=0, channels=1):
    return ops.Conv2d(1, channels, (2, 2), (1, 1), (1, 1), (padding,) * 4, 1, True)


def scheduled(program, machine=None, batch=1, **options):
    machine = machine or tiny_machine()
    return schedule(tasks(program, machine, batch), machine, batch, ScheduleOptions(**options))


def moved(step):
    """(memory, kind) -> (bits read, bits written)."""
    rows = merged_traffic(step.traffic)
    return {(r.memory, r.kind): (r.read_bits, r.write_bits) for r in rows if r.read_bits or r.write_bits}


def later_pj(made: Schedule):
    """Traffic energy of a later batch on the tiny machine, pJ."""
    price = {"ddr": (DDR_PJ, DDR_PJ), "bram": (BRAM_READ_PJ, BRAM_WRITE_PJ), "sums": (0.125, 0.125)}
    rows = [row for step in made.steps for row in step.traffic]
    moving = sum(row.read_bits * price[row.memory][0] + row.write_bits * price[row.memory][1] for row in rows)
    return moving - sum(step.saved_bits for step in made.steps) * (DDR_PJ + BRAM_WRITE_PJ)


@pytest.mark.parametrize("residency", [True, False])
@pytest.mark.parametrize(
    ("op", "shape", "macs", "weights", "inputs_read", "inputs", "outputs"),
    [
        (DENSE, (4,), 12, 12, 12, 4, 3),
        (conv(), (1, 3, 3), 16, 4, 16, 9, 4),
        # padding: per axis 3 positions x 2 taps are real, 6 x 6 of the 64 products fetch an input
        (conv(padding=1), (1, 3, 3), 64, 4, 36, 9, 16),
        # two output channels share the input
        (conv(channels=2), (1, 3, 3), 32, 8, 32, 9, 8),
    ],
)
def test_one_layer_without_registers(op, shape, macs, weights, inputs_read, inputs, outputs, residency):
    """One multiplier without registers: each product fetches its weight and input, reads and writes its 32-bit sum;
    first sums start cleared, so `outputs` of them are not read; off chip every word crosses once.
    """
    (step,) = scheduled(one_layer(op, shape), residency=residency).steps
    constants = 8 * CONSTANTS * (3 if op is DENSE else op.out_channels)
    sums = 32 * macs
    assert moved(step) == {
        ("ddr", "weights"): (8 * weights + constants, 0),
        ("ddr", "inputs"): (8 * inputs, 0),
        ("ddr", "outputs"): (0, 8 * outputs),
        ("bram", "weights"): (8 * macs + constants, 8 * weights + constants),
        ("bram", "inputs"): (8 * inputs_read, 8 * inputs),
        ("bram", "partial_sums"): (sums - 32 * outputs + 32 * outputs, sums),  # all but the first, then the drain
    }
    assert step.cycles == macs and step.weight_reads == 1
    assert step.saved_bits == (8 * weights + constants if residency else 0)


def test_latency_of_the_convolution_by_hand():
    """The whole input (72 bits) before the first product, the whole output (32) after the last, and what is loaded
    before the layer: weights and constants where they are pinned, else the constants; 64 bits a cycle.
    """
    (pinned,) = scheduled(one_layer(conv(), (1, 3, 3))).steps
    assert pinned.latency_cycles == pytest.approx(16 + (72 + 32 + 8 * (4 + CONSTANTS)) / DDR_BITS_PER_CYCLE)
    (streamed,) = scheduled(one_layer(conv(), (1, 3, 3)), residency=False).steps
    assert streamed.latency_cycles == pytest.approx(16 + (72 + 32 + 32 + 8 * CONSTANTS) / DDR_BITS_PER_CYCLE)


def test_pinned_weights_stream_to_their_place_where_that_is_faster():
    """64 x 64 products and as many bytes of weights, 8 a cycle: the array need not wait for all of them."""
    program = one_layer(ops.Dense(64, 64, True), (64,))
    made = scheduled(program, tiny_machine(2**14))
    (first,), (later,) = made.steps, made.later
    weights, constants = 64 * 64, 64 * CONSTANTS
    assert made.plan.pinned_weight_bytes == weights + constants
    waiting = (weights + constants + 64 + 64) / 8
    assert (
        64 * 64 <= first.latency_cycles < 64 * 64 + waiting - 64
    )  # one buffer: the next tile comes when the last is done
    assert moved(first)["ddr", "weights"] == (8 * (weights + constants), 0)
    assert moved(first)["bram", "weights"][1] == 8 * (weights + constants)
    assert first.saved_bits == 8 * (weights + constants)
    assert 64 * 64 + 64 / 8 < later.latency_cycles <= 64 * 64 + (64 + 64) / 8  # its input before, outputs on the way
    assert ("ddr", "weights") not in moved(later)
    assert moved(later)["bram", "weights"] == (8 * (weights + constants), 0)


def test_a_later_batch_waits_for_what_is_not_pinned_alone():
    """The same layer with room for about half of its weights: what is pinned is neither fetched nor waited for."""
    program = one_layer(ops.Dense(64, 64, True), (64,))
    made = scheduled(program, tiny_machine(2500))
    (first,), (later,) = made.steps, made.later
    assert 0 < made.plan.pinned_weight_bytes < 64 * 64
    (fetched, _), (again, _) = (moved(step)["ddr", "weights"] for step in (first, later))
    assert fetched - again == first.saved_bits == 8 * made.plan.pinned_weight_bytes
    assert 64 * 64 <= later.latency_cycles <= first.latency_cycles


def test_a_chain_kept_on_chip_crosses_only_at_its_ends():
    """x -> 8 -> 6 -> 3: the two values between stay; without residency each is written and read once."""
    program = program_of(
        {"x": (4,)},
        [
            ("a", ops.Dense(4, 8, True), ("x",)),
            ("b", ops.Dense(8, 6, True), ("a",)),
            ("c", ops.Dense(6, 3, True), ("b",)),
        ],
        ("c",),
    )
    weights = 4 * 8 + 8 * 6 + 6 * 3 + CONSTANTS * (8 + 6 + 3)
    for batch in (1, 5):
        kept = [r for step in scheduled(program, batch=batch).steps for r in step.offchip]
        assert sum(r.read_bits + r.write_bits for r in kept) == 8 * (weights + batch * (4 + 3))
        apart = [r for step in scheduled(program, batch=batch, residency=False).steps for r in step.offchip]
        assert sum(r.read_bits for r in apart) == 8 * (weights + batch * (4 + 8 + 6))
        assert sum(r.write_bits for r in apart) == 8 * batch * (8 + 6 + 3)


def test_pinned_weights_are_saved_to_the_byte():
    """300 bytes on chip hold part of the weights: what is pinned is what a later batch saves."""
    program = program_of(
        {"x": (16,)}, [("a", ops.Dense(16, 16, True), ("x",)), ("b", ops.Dense(16, 16, True), ("a",))], ("b",)
    )
    made = scheduled(program, tiny_machine(300))
    pinned = made.plan.pinned_weight_bytes
    assert 0 < pinned < 2 * 16 * (16 + CONSTANTS)
    assert sum(step.saved_bits for step in made.steps) == 8 * pinned
    assert all(step.weight_reads == 1 for step in made.steps)


def test_views_make_no_steps():
    program = program_of(
        {"x": (2, 2, 2)},
        [
            ("v", ops.Reshape((8,)), ("x",)),
            ("a", ops.Dense(8, 8, True), ("v",)),
            ("w", ops.Reshape((2, 2, 2)), ("a",)),
            ("p", ops.Permute((1, 0, 2)), ("w",)),
        ],
        ("p",),
    )
    (step,) = scheduled(program).steps
    assert step.task.node.name == "a"
    assert moved(step)["ddr", "inputs"] == (64, 0) and moved(step)["ddr", "outputs"] == (0, 64)


def test_a_network_of_views_alone_moves_nothing():
    made = scheduled(program_of({"x": (2, 3)}, [("v", ops.Reshape((6,)), ("x",))], ("v",)))
    assert made.steps == () and made.plan.peak_bytes == 0


STREAMED = program_of(
    {"x": (3, 2, 2), "y": (3, 2, 2)}, [("s", ops.Add(), ("x", "y")), ("p", ops.GlobalAveragePool(), ("s",))], ("p",)
)


def test_streaming_steps_count_reads_and_writes():
    """Without residency each operand of add and pool comes in and goes out once, through the memory on chip; before
    them a factor for each operand of the add and that of the pool, whatever the batch.
    """
    add, pool = scheduled(STREAMED, batch=2, residency=False).steps
    whole, mean, factor = 2 * 8 * 12, 2 * 8 * 3, 8 * FACTOR
    assert moved(add) == {
        ("ddr", "weights"): (2 * factor, 0),
        ("bram", "weights"): (2 * factor, 2 * factor),
        ("ddr", "inputs"): (2 * whole, 0),
        ("ddr", "outputs"): (0, whole),
        ("bram", "inputs"): (2 * whole, 2 * whole),
        ("bram", "outputs"): (whole, whole),
    }
    assert moved(pool) == {
        ("ddr", "weights"): (factor, 0),
        ("bram", "weights"): (factor, factor),
        ("ddr", "inputs"): (whole, 0),
        ("ddr", "outputs"): (0, mean),
        ("bram", "inputs"): (whole, whole),
        ("bram", "outputs"): (mean, mean),
    }
    assert (add.cycles, pool.cycles) == (24, 24) and add.mapping is None
    assert (add.saved_bits, pool.saved_bits) == (0, 0)


def test_streaming_between_resident_tensors_stays_on_chip():
    add, pool = scheduled(STREAMED, batch=2).steps
    whole, mean, factor = 2 * 8 * 12, 2 * 8 * 3, 8 * FACTOR
    assert ("ddr", "outputs") not in moved(add) and moved(add)["bram", "outputs"] == (0, whole)
    assert (add.saved_bits, pool.saved_bits) == (2 * factor, factor)  # loaded once: factors stay
    assert moved(pool) == {
        ("ddr", "weights"): (factor, 0),
        ("bram", "weights"): (factor, factor),
        ("ddr", "outputs"): (0, mean),
        ("bram", "inputs"): (whole, 0),
        ("bram", "outputs"): (mean, mean),
    }


def test_a_channel_affine_brings_its_constants():
    program = program_of({"x": (3, 2, 2)}, [("t", ops.Tanh(), ("x",)), ("y", ops.ChannelAffine(3), ("t",))], ("y",))
    _, affine = scheduled(program, residency=False).steps
    held = 8 * 3 * (FACTOR + OFFSET)
    assert moved(affine)["ddr", "weights"] == (held, 0) and moved(affine)["bram", "weights"] == (held, held)


def test_a_layer_that_cannot_fit_is_named():
    with pytest.raises(
        DoesNotFit, match=r"^layer y: memory 'bram': the smallest tiles need \d+ bytes, the memory has 4$"
    ):
        scheduled(one_layer(DENSE, (4,)), tiny_machine(4))


def test_goals_are_met_by_their_own_measure():
    program = one_layer(ops.Dense(24, 20, True), (24,))
    made = {
        goal: scheduled(program, tiny_machine(150), batch=4, goal=goal, residency=False).steps[0].mapping
        for goal in ("energy", "latency", "offchip")
    }
    assert made["energy"].energy_pj == min(m.energy_pj for m in made.values())
    assert made["latency"].latency_cycles == min(m.latency_cycles for m in made.values())
    offchip = {goal: sum(m.offchip_bytes.values()) for goal, m in made.items()}
    assert offchip["offchip"] == min(offchip.values())


@st.composite
def networks(draw):
    """Upsampling, a residual block, a pool and a dense layer, each optional."""
    channels, out, size = (draw(st.integers(1, 5)) for _ in range(3))
    wide = draw(st.integers(1, 5))
    nodes, last = [], "x"
    if draw(st.booleans()):
        up = ops.ConvTranspose2d(channels, wide, (3, 3), (2, 2), (1, 1), (1, 0, 1, 0), 1, True)
        nodes, last = [("up", up, ("x",)), ("r", ops.ReLU(), ("up",))], "r"
    inside = wide if nodes else channels
    if draw(st.booleans()):
        same = ops.Conv2d(inside, inside, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True)
        nodes += [("b", same, (last,)), ("s", ops.Add(), ("b", last))]
        last = "s"
    nodes += [("p", ops.GlobalAveragePool(), (last,)), ("y", ops.Dense(inside, out, True), ("p",))]
    precision = draw(st.sampled_from(["int8", "int5", "weights=int3,activations=int7"]))
    return program_of({"x": (channels, size + 1, size + 1)}, nodes, ("y",), precision)


def schedules(program, sizes, batch, **options):
    made = []
    for size in sizes:
        try:
            made.append(scheduled(program, tiny_machine(size, sums_bytes=64), batch, **options))
        except DoesNotFit:
            assert not made, f"fits a smaller memory but not {size} bytes"
    return made


@settings(max_examples=12)
@given(networks(), st.sets(st.integers(20, 2000), min_size=3, max_size=5), st.integers(1, 2))
def test_more_memory_never_costs_more_energy(program, sizes, batch):
    """Of a layer by itself, the energy table fixed; and what fits a memory fits every larger one."""
    costs = [
        sum(step.mapping.energy_pj for step in made.steps if step.mapping)
        for made in schedules(program, sorted(sizes), batch, residency=False)
    ]
    assert all(more <= less * (1 + 1e-9) for less, more in pairwise(costs))


@settings(max_examples=12)
@given(networks(), st.sets(st.integers(20, 2000), min_size=3, max_size=5), st.integers(1, 2))
def test_keeping_things_on_chip_fits_and_saves(program, sizes, batch):
    """With residency: still fits in every larger memory, holds no more than there is, and saves what is pinned."""
    for made in schedules(program, sorted(sizes), batch):
        assert made.plan.peak_bytes <= made.plan.capacity_bytes
        for index, step in enumerate(made.steps):
            if step.mapping:
                level = step.mapping.hierarchy.level("bram")
                assert step.mapping.costs.used_bits[level] <= 8 * made.plan.capacity_bytes
                reads = sum(r.read_bits for r in step.offchip if r.kind == "weights")
                assert 0 <= step.saved_bits <= reads
                assert step.saved_bits >= 8 * made.plan.pinned_bytes[index] or not made.plan.pinned_bytes[index]
    (kept,), (apart,) = schedules(program, [10**5], batch), schedules(program, [10**5], batch, residency=False)
    assert later_pj(kept) < later_pj(apart)


def test_a_larger_memory_that_once_was_refused():
    """Upsampling and a residual block in 1386 bytes: the plan left too little room beside what it kept."""
    up = ops.ConvTranspose2d(6, 8, (3, 3), (2, 2), (1, 1), (0, 1, 0, 1), 1, True)
    same = ops.Conv2d(8, 8, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True)
    program = program_of(
        {"x": (6, 4, 4)},
        [
            ("up", up, ("x",)),
            ("r", ops.ReLU(), ("up",)),
            ("b", same, ("r",)),
            ("s", ops.Add(), ("b", "r")),
            ("p", ops.GlobalAveragePool(), ("s",)),
            ("y", ops.Dense(8, 3, True), ("p",)),
        ],
        ("y",),
    )
    for size in range(900, 2400, 100):
        made = scheduled(program, tiny_machine(size), batch=2)
        assert made.plan.peak_bytes <= size


def stored_tensor(**changes):
    """x + k of 8 bytes each; k is stored."""
    nodes = [("k", ops.Constant((8,)), ("x",)), ("s", ops.Add(), ("x", "k"))]
    program = program_of({"x": (8,)}, nodes, ("s",))
    machine = tiny_machine(**changes)
    return {
        residency: schedule(tasks(program, machine, 2), machine, 2, ScheduleOptions(residency=residency)).steps
        for residency in (True, False)
    }


def moved_bytes(step):
    return {(r.memory, r.kind): (r.read_bits // 8, r.write_bits // 8) for r in merged_traffic(step.traffic)}


def test_a_stored_tensor_is_read_once_as_weights_and_no_input_is():
    kept, streamed = stored_tensor()[True][0], stored_tensor()[False][0]
    assert moved_bytes(kept) == {
        ("ddr", "weights"): (8, 0),
        ("bram", "weights"): (8, 8),
        ("bram", "outputs"): (0, 16),  # for both samples
    }
    assert kept.saved_bits == 64 and streamed.saved_bits == 0
    assert ("ddr", "outputs") not in moved_bytes(streamed) and ("ddr", "inputs") not in moved_bytes(streamed)


def test_only_the_rows_looked_up_are_read_of_a_table_on_chip():
    program = program_of(
        {"y": ()}, [("e", ops.Embedding(100, 4), ("y",)), ("d", ops.Dense(4, 2, False), ("e",))], ("d",)
    )
    machine = tiny_machine()
    step = schedule(tasks(program, machine, 3), machine, 3, ScheduleOptions()).steps[0]
    assert moved_bytes(step)["ddr", "weights"] == (400, 0)
    assert moved_bytes(step)["bram", "weights"] == (3 * 4, 400)
    assert step.saved_bits == 8 * 400


def attention(batch=2, heads=2, length=3, size=4, **options):
    """softmax(q k) v, of q `[heads, length, size]`, k `[heads, size, length]`, v as q; steps by name."""
    shape, turned = (heads, length, size), (heads, size, length)
    nodes = [
        ("scores", ops.MatMul(length), ("q", "k")),
        ("shares", ops.Softmax(2), ("scores",)),
        ("mixed", ops.MatMul(size), ("shares", "v")),
    ]
    program = program_of({"q": shape, "k": turned, "v": shape}, nodes, ("mixed",), options.pop("precision", "int8"))
    return {step.task.node.name: step for step in scheduled(program, batch=batch, **options).steps}


def test_products_of_values_multiply_head_by_head():
    """2 samples x 2 heads x 3 rows x 3 columns x 4 deep, one multiply a cycle, both ways."""
    steps = attention()
    assert [steps[name].macs for name in ("scores", "shares", "mixed")] == [144, 0, 144]
    assert steps["scores"].cycles == steps["mixed"].cycles == 144
    problem = steps["scores"].mapping.problem
    assert (problem.G, problem.K, problem.C, problem.size["P"] * problem.size["Q"]) == (4, 3, 4, 3)
    assert problem.macs_effectual == 144


def test_both_operands_of_a_product_are_inputs():
    """Each element once from off chip where nothing stays: q and k 2 x 24 bytes each, the scores 2 x 18. All that is
    loaded beside them, and saved later, are a factor of each step and the 4-byte powers of the 2^8 codes of the scores.
    """
    steps = attention(residency=False)
    powers = 4 * 2**8
    assert offchip_bytes(steps["scores"]) == {"inputs": 48 + 48, "outputs": 36, "weights": FACTOR}
    assert offchip_bytes(steps["mixed"]) == {"inputs": 36 + 48, "outputs": 48, "weights": FACTOR}
    kept = attention()
    assert offchip_bytes(kept["shares"]) == {"weights": powers + FACTOR}
    # v comes, the shares are there
    assert offchip_bytes(kept["mixed"]) == {"inputs": 48, "outputs": 48, "weights": FACTOR}
    held = {"scores": FACTOR, "shares": powers + FACTOR, "mixed": FACTOR}
    assert {name: step.saved_bits for name, step in kept.items()} == {name: 8 * size for name, size in held.items()}


def test_the_second_value_of_a_product_has_its_own_width():
    program = program_of(
        {"x": (3, 4)},
        [("a", ops.Tanh(), ("x",)), ("t", ops.Permute((1, 0)), ("a",)), ("y", ops.MatMul(3), ("a", "t"))],
        ("y",),
        "int4",
    )
    hierarchy = tasks(program, tiny_machine(), 1).steps[-1].hierarchy
    assert (hierarchy.weight_bits, hierarchy.input_bits, hierarchy.partial_sum_bits) == (4, 4, 32)


def offchip_bytes(step):
    return {row.kind: (row.read_bits + row.write_bits) // 8 for row in step.offchip if row.read_bits or row.write_bits}


def test_convolutions_with_computed_weights_multiply():
    """Each sample has its own 2 x 2 x 3 x 3 weights and 4 x 4 positions, borders padded."""
    op = ops.DynamicConv2d(2, 2, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1)
    program = program_of({"x": (2, 4, 4), "w": (2, 2, 3, 3)}, [("y", op, ("x", "w"))], ("y",))
    (step,) = scheduled(program, batch=3, residency=False).steps
    assert step.macs == 3 * 2 * 2 * 9 * 16 and step.mapping.problem.macs_effectual == 3 * 2 * 2 * 10 * 10
    assert offchip_bytes(step) == {"inputs": 3 * (32 + 36), "outputs": 3 * 32, "weights": FACTOR}


def tied(*sizes_of_memory, **options):
    """x -> 4 -> 4 -> 4 by the same 16 weights twice, biases and requantization apart; schedules by size of memory."""
    layer = ops.Dense(4, 4, True)
    nodes = (Node("a", layer, ("x",)), Node("b", layer, ("a",), parameters="a"))
    graph = Graph("net", (Input("x", (4,)),), nodes, ("b",))
    program = assign_formats(normalise(graph, None)[0], parse_precision("int8"))
    return [scheduled(program, tiny_machine(size), **options) for size in sizes_of_memory]


def test_shared_weights_that_stay_are_loaded_once():
    (made,) = tied(4096)
    weights, constants = 16, 4 * CONSTANTS
    assert [offchip_bytes(step)["weights"] for step in made.steps] == [weights + constants, constants]
    assert [step.saved_bits for step in made.steps] == [8 * (weights + constants), 8 * constants]
    assert made.plan.pinned_weight_bytes == weights + 2 * constants


def test_shared_weights_that_do_not_stay_are_loaded_for_each_use():
    (made,) = tied(4096, residency=False)
    assert [offchip_bytes(step)["weights"] for step in made.steps] == [16 + 4 * CONSTANTS] * 2
    assert [step.saved_bits for step in made.steps] == [0, 0]


def test_shared_weights_that_stay_in_part_save_their_part_of_each_use():
    """Room for a few bytes beside the work: what is pinned of the weights is saved by both layers."""
    shares = set()
    for made in tied(*range(24, 90, 3)):
        first, second = made.plan.pinned_bytes
        assert second <= 4 * CONSTANTS and made.plan.peak_bytes <= made.plan.capacity_bytes
        weights = min(first, 16)
        assert [step.saved_bits for step in made.steps] == [8 * first, 8 * (weights + second)]
        shares.add(weights)
    assert {0, 16} < shares
