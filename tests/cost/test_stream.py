"""Memories, resources, energy and search of streaming pipelines: by hand, and the published networks of BNN-PYNQ."""

import math

import pytest

from accelsim.cost.costing import cost
from accelsim.cost.stream_cost import stream_cost, stream_summary
from accelsim.cost.stream_fabric import layer_parts, memory_blocks
from accelsim.cost.stream_search import balanced_folding
from accelsim.errors import AccelsimError, DoesNotFit, LocatedErrors
from accelsim.flow import estimate, program_for
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import load_workload
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.hardware.number_formats import NoFormat
from accelsim.hardware.stream import StreamArchitecture
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.ops import Add, Conv2d, Dense
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.mapping.stream_layer import StreamMemory, stream_layer
from accelsim.mapping.stream_schedule import stream_schedule
from accelsim.passes.formats import assign_formats
from accelsim.shared import find_shared, shared
from accelsim.yaml_file import read_yaml

SHIPPED = read_yaml(find_shared("hw_configs", "pynq_z1_stream")).data
BINARY = "weights=binary,activations=binary,accumulator=acc16:wrap"
PUBLISHED = {
    "cnv_w1a1": ("cnv_bnn_pynq", BINARY),
    "cnv_w2a2": ("cnv_bnn_pynq", "weights=int2,activations=int2,accumulator=acc16:wrap"),
    "lfc_w1a1": ("lfc_bnn_pynq", f"{BINARY},layers.x.activations=binary,layers.fc3.activations=binary"),
    "cnv_finn_w1a1": ("cnv_finn", "weights=binary,activations=binary"),
}


def graph_path(name):
    return str(shared("workloads") / "validation" / "graphs" / f"{name}.json")


def summary(name, on="pynq_z1_stream"):
    network, precision = PUBLISHED[name]
    machine = load_architecture(on)
    return stream_summary(program_for(load_workload(graph_path(network)), machine, parse_precision(precision)), machine)


def machine(layers=None, precision=(8, 8), network="net", **changes):
    """The device of pynq_z1_stream with other fields of its section, and one folding or none."""
    section = {**SHIPPED["stream"], "foldings": {}, **changes}
    if layers:
        bits = {"weight_bits": precision[0], "activation_bits": precision[1]}
        section["foldings"] = {"one": {"network": network, "source": "made up for a test", "layers": layers, **bits}}
    return parse_architecture({**SHIPPED, "stream": section}, "machine")


def program(nodes, shape, precision="int8", outputs=None):
    graph = Graph("net", (Input("x", shape),), tuple(Node(*node) for node in nodes), outputs or (nodes[-1][0],))
    return assign_formats(graph, parse_precision(precision))


def conv(c, k, taps=3, pad=0):
    return Conv2d(c, k, (taps, taps), (1, 1), (1, 1), (pad,) * 4, 1, False)


# --- what was published, and what a pipeline of that folding is said to take -----------------------------------------

# Xilinx/BNN-PYNQ: notebooks (Ultra96), Vivado 2018.2 reports for XC7Z020; MLPerf Tiny v0.7. No figure is used anywhere.


@pytest.mark.parametrize(("name", "fps", "alone_us"), [("cnv_w1a1", 9149.98, 527), ("cnv_w2a2", 2580.3, 1622)])
def test_rate_and_latency_of_cnv_on_ultra96(name, fps, alone_us):
    network, precision = PUBLISHED[name]
    many = estimate(graph_path(network), on="ultra96_stream", precision=precision, batch=10_000)
    assert many.totals["images_per_s"] == pytest.approx(fps, rel=0.02)
    alone = estimate(graph_path(network), on="ultra96_stream", precision=precision)
    assert alone.totals["latency_s"] == pytest.approx(alone_us * 1e-6, rel=0.15)


@pytest.mark.parametrize(
    ("name", "lut", "bram36", "within"),
    [("cnv_w1a1", 26072, 124, 0.3), ("cnv_w2a2", 37302, 140, 0.3), ("lfc_w1a1", 28360, 110, 0.1)],
)
def test_resources_of_bnn_pynq_networks(name, lut, bram36, within):
    used = summary(name).resources.used
    assert used["lut"] == pytest.approx(lut, rel=0.35)
    assert used["bram36"] == pytest.approx(bram36, rel=within)


def test_cnv_of_mlperf_tiny_on_pynq_z2():
    """661.27 inferences/s are 1.512 ms each, at 2,530 uJ of the whole board."""
    network, precision = PUBLISHED["cnv_finn_w1a1"]
    report = estimate(graph_path(network), on="pynq_z1_stream", precision=precision)
    assert report.totals["latency_s"] == pytest.approx(1.512e-3, rel=0.10)
    assert report.totals["energy_j"] == pytest.approx(2530.45e-6, rel=0.10)


def test_the_slowest_layer_sets_the_pace():
    assert {name: summary(name).interval_cycles for name in PUBLISHED} == {
        "cnv_w1a1": 32768,
        "cnv_w2a2": 115200,
        "lfc_w1a1": 512,
        "cnv_finn_w1a1": 32768,
    }
    assert summary("cnv_w1a1").bottleneck == "fc6"


# --- memories by hand ------------------------------------------------------------------------------------------------


def test_weight_memories_of_lfc_are_the_208_halves_that_vivado_reports():
    """32 of 64 x 416, 64 of 32 x 512, 32 of 64 x 512 and 16 of 8 x 512: 2, 1, 2 and 1 RAMB18 each, and what is
    left of 220 are FIFOs."""
    device = load_architecture("pynq_z1_stream")
    network, precision = PUBLISHED["lfc_w1a1"]
    made = program_for(load_workload(graph_path(network)), device, parse_precision(precision))
    folds = device.folding_for(network, 1, 1).layers
    found = []
    for node in made.graph.nodes:
        (weights,) = (m for m in stream_layer(made, node, device, folds[node.name]).memories if m.kind == "weights")
        found.append((weights.copies, weights.width, weights.depth, memory_blocks(weights, 0, 140)[0]))
    assert found == [(32, 64, 416, 64), (64, 32, 512, 64), (32, 64, 512, 64), (16, 8, 512, 16)]
    assert sum(blocks for *_, blocks in found) == 208


@pytest.mark.parametrize(
    ("width", "depth", "halves"),
    [(32, 18432, 36), (4, 32768, 8), (8, 32768, 16), (1, 8192, 1), (32, 2304, 6), (36, 512, 1), (64, 416, 2)],
)
def test_blocks_of_one_memory(width, depth, halves):
    assert memory_blocks(StreamMemory("weights", width, depth, 3, "block_ram"), 0, 140) == (3 * halves, 0)
    assert memory_blocks(StreamMemory("weights", width, depth, 3, "lut_ram"), 0, 140) == (0, 0)


def test_uram_is_taken_where_it_is_the_smaller_share():
    """72 bits x 50,000 words: 13 of 96 URAMs, against 2 x 4 x 49 / 2 of 312 RAMB36."""
    assert memory_blocks(StreamMemory("weights", 72, 50_000, 1, "block_ram"), 96, 312) == (0, 13)
    assert memory_blocks(StreamMemory("weights", 72, 400, 1, "block_ram"), 96, 312) == (2, 0)


def test_memories_of_one_convolution_by_hand():
    """64 -> 32 channels, 3 x 3, 16 wide, pe 4 x simd 16: 8 x 36 words of 64 bits for each PE; 4 rows of lines."""
    made = program([("a", conv(64, 32), ("x",))], (64, 16, 16), "int4")
    device = machine({"a": {"pe": 4, "simd": 16}}, (4, 4))
    layer = stream_layer(made, made.graph.node("a"), device, device.folding_for("net", 4, 4).layers["a"])
    by_kind = {memory.kind: (memory.width, memory.depth, memory.copies) for memory in layer.memories}
    assert by_kind["weights"] == (64, 8 * 36, 4)
    assert by_kind["lines"] == (16 * 8, 16 * 4, 4)  # network inputs have 8 bits
    assert by_kind["fifo"] == (64 * 8, 3 * 16 + 16, 1)  # three rows, and the row that comes in beside the last windows
    assert layer.unit.busy_cycles == 14 * 14 * 8 * 36


def test_small_or_shallow_memories_are_luts():
    made = program([("a", Dense(64, 16, False), ("x",))], (64,), "int8")
    device = machine({"a": {"pe": 16, "simd": 2}})
    layer = stream_layer(made, made.graph.node("a"), device, device.folding_for("net", 8, 8).layers["a"])
    assert {memory.kind: memory.place for memory in layer.memories}["weights"] == "lut_ram"
    assert next(m for m in layer.memories if m.kind == "weights").depth == 32


def test_merged_weights_are_one_wide_memory():
    made = program([("a", Dense(64, 64, False), ("x",))], (64,), "int8")
    device = machine({"a": {"pe": 4, "simd": 8}}, weight_memories="merged")
    layer = stream_layer(made, made.graph.node("a"), device, device.folding_for("net", 8, 8).layers["a"])
    assert next((m.width, m.depth, m.copies) for m in layer.memories if m.kind == "weights") == (256, 128, 1)


# --- slices and LUTs by hand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "per_dsp", "slices"), [("int4", 4, 2 * 8), ("int8", 1, 5 * 8), ("int16", 1, 5 * 8)]
)
def test_narrow_products_share_slices(precision, per_dsp, slices):
    made = program([("x4", Dense(64, 20, False), ("x",)), ("a", Dense(20, 20, False), ("x4",))], (64,), precision)
    bits = int(precision.removeprefix("int"))
    device = machine({"x4": {"pe": 5, "simd": 8}, "a": {"pe": 5, "simd": 4}}, (bits, bits))
    layer = stream_layer(made, made.graph.node("a"), device, device.folding_for("net", bits, bits).layers["a"])
    assert layer.macs_per_dsp == per_dsp
    assert layer.dsps == slices // 2


def test_bits_are_counted_as_gates_and_a_tree():
    """8 XNORs, adders of 1, 2 and 3 bits (4 + 2 x 2 + 3): 19 LUTs a PE, no slice."""
    made = program([("a", Dense(64, 16, False), ("x",)), ("b", Dense(16, 16, False), ("a",))], (64,), BINARY)
    device = machine({"a": {"pe": 2, "simd": 8}, "b": {"pe": 2, "simd": 8}}, (1, 1))
    layer = stream_layer(made, made.graph.node("b"), device, device.folding_for("net", 1, 1).layers["b"])
    parts = {part.name: part for part in layer_parts(layer)}
    assert parts["xnor and count"].luts == 2 * 19
    assert parts["accumulators"].luts == 2 * 16
    assert layer.dsps == 0
    assert all(part.low <= part.luts <= part.high for part in parts.values())


# --- a whole report --------------------------------------------------------------------------------------------------


def test_only_inputs_and_outputs_cross_the_link():
    network, precision = PUBLISHED["cnv_w1a1"]
    report = estimate(graph_path(network), on="pynq_z1_stream", precision=precision, batch=3)
    assert (report.totals["offchip_read_bytes"], report.totals["offchip_write_bytes"]) == (3 * 3072, 3 * 64)
    assert report.offchip_bytes_by_operand["weights"] == 0
    longer = estimate(graph_path(network), on="pynq_z1_stream", precision=precision, batch=4)
    each = longer.totals["energy_j"] - report.totals["energy_j"]  # of one image more: it takes one interval
    assert report.per_image_steady["energy_j"] == pytest.approx(each)
    assert each < report.totals["energy_j"] / 3
    steps = report.layer_rows
    assert sum(row["latency_s"] for row in steps) == pytest.approx(report.totals["latency_s"])
    assert sum(row["energy_j"] for row in steps) == pytest.approx(report.totals["energy_j"])
    assert {row["name"]: (row["pe"], row["simd"]) for row in steps}["conv1"] == (32, 32)
    assert max(row["image_cycles"] for row in steps) == 32768
    said = " ".join(report.assumptions)
    assert "cnvW1A1/hw/config.h: an image every 32,768 cycles" in said


def test_energy_by_hand():
    """64 x 16 int8 dense, pe 4 x simd 8: 1,024 MACs, 32 cycles of 256 weight bits in LUTs, one word of 72 a result."""
    made = program([("a", Dense(64, 16, False), ("x",))], (64,), "int8")
    device = machine({"a": {"pe": 4, "simd": 8}})
    found = cost(made, device, 2, ScheduleOptions())
    energy = {name: quantity.value for name, quantity in found.energy.items()}
    assert energy["mac"] == pytest.approx(2 * 1024 * 5.71e-12)
    fifo = 2 * 64 * 8 * 2  # written and read
    assert energy["block_ram"] + energy["lut_ram"] == pytest.approx((2 * (32 * 256 + 16 * 72) + fifo) * 0.125e-12)
    assert energy["offchip"] == pytest.approx(2 * (64 + 16) * 8 * 28.75e-12)
    interval, alone = 32, 8 + 32 + 1  # 512 bits of input and 128 of output through 64 a cycle
    assert found.latency_s == pytest.approx((alone + interval) * 1e-8)
    assert energy["static"] + energy["board"] == pytest.approx(1.583 * found.latency_s)
    assert found.energy_total.value == pytest.approx(sum(energy.values()))


def test_ways_that_part_and_meet_have_a_fifo_for_what_waits():
    nodes = [("a", conv(4, 4, pad=1), ("x",)), ("b", conv(4, 4, pad=1), ("a",)), ("c", Add(), ("a", "b"))]
    made = program(nodes, (4, 16, 16))
    device = machine({"a": {"pe": 4, "simd": 4}, "b": {"pe": 4, "simd": 4}})
    found = stream_schedule(made, device, 1, device.folding_for("net", 8, 8).layers)
    waits, direct = (memory.depth for memory in found.layers["c"].memories if memory.kind == "fifo")
    assert 16 <= waits <= 4 * 16
    assert direct == 2


def test_what_does_not_fit_is_refused_in_one_sentence():
    with pytest.raises(DoesNotFit, match=r"pynq_z1_stream: dcgan32 does not fit as a streaming pipeline, .* usable"):
        estimate("dcgan32", on="pynq_z1_stream")
    made = program([("a", Dense(4096, 2048, False), ("x",))], (4096,), "int8")
    device = machine({"a": {"pe": 8, "simd": 8}})
    with pytest.raises(DoesNotFit, match=r"net needs [\d,]+ bram36 blocks of 140: .* all weights on the chip"):
        stream_cost(made, device, 1)


def test_a_folding_for_another_network_of_the_name_is_one_sentence():
    made = program([("a", Dense(64, 16, False), ("x",))], (64,))
    with pytest.raises(AccelsimError, match=r"net has no layer 'b', which its folding names"):
        stream_summary(made, machine({"b": {"pe": 4, "simd": 8}}))
    two = program([("a", Dense(64, 16, False), ("x",)), ("b", Dense(16, 4, False), ("a",))], (64,))
    with pytest.raises(DoesNotFit, match=r"layer b: pynq_z1_stream has no folding for it"):
        stream_summary(two, machine({"a": {"pe": 4, "simd": 8}}))


@pytest.mark.parametrize(
    ("op", "fold", "said"),
    [
        (conv(4, 16), (17, 4), "pe 17 is more than its 16 output channels"),
        (conv(4, 16), (16, 5), "simd 5 is more than the 4 input channels that its window hands out at once"),
        (conv(4, 16, taps=1), (16, 5), "simd 5 is more than the 4 products of a result"),
        (Dense(8, 16, False), (17, 8), "pe 17 is more than its 16 output channels"),
        (Dense(8, 16, False), (16, 9), "simd 9 is more than the 8 products of a result"),
    ],
)
def test_a_folding_beyond_the_layer_is_refused(op, fold, said):
    made = program([("a", op, ("x",))], (8,) if isinstance(op, Dense) else (4, 8, 8))
    pe, simd = fold
    with pytest.raises(DoesNotFit, match=f"layer a: {said}"):
        stream_summary(made, machine({"a": {"pe": pe, "simd": simd}}))
    most = {"pe": min(pe, 16), "simd": simd if pe > 16 else simd - 1}
    stream_summary(made, machine({"a": most}))


def test_formats_that_nothing_holds_have_a_reason():
    made = program([("a", Dense(64, 16, False), ("x",))], (64,), "float32")
    assert isinstance(stream_summary(made, load_architecture("zcu104_stream")), NoFormat)
    assert estimate("mlp32", on="zcu104_stream", precision="float32").totals["energy_j"] is None


# --- search ----------------------------------------------------------------------------------------------------------


def test_the_search_balances_dcgan32_on_zcu104():
    """All four layers take 25,600 cycles; zeros of the transposed convolutions are never multiplied."""
    report = estimate("dcgan32", on="zcu104_stream")
    busy = {row["name"]: row["image_cycles"] for row in report.layer_rows}
    assert max(busy.values()) <= 1.5 * min(busy.values())
    resources = report.resources
    machine = load_architecture("zcu104_stream")
    assert resources["fits"]
    assert all(resources["used"][name] <= machine.usable(name) for name in resources["used"])
    assert report.totals["macs"] == report.totals["macs_scatter"]


def test_a_rate_that_is_asked_for_is_met_with_fewer_multipliers():
    made = program([("a", conv(8, 16), ("x",)), ("b", conv(16, 16), ("a",))], (8, 12, 12))
    fast, slow = stream_summary(made, machine()), stream_summary(made, machine(images_per_s=2000))
    assert slow.images_per_s >= 2000
    assert fast.images_per_s > slow.images_per_s
    assert fast.resources.used["dsp"] > slow.resources.used["dsp"]
    with pytest.raises(DoesNotFit, match=r"layer a: 1e\+09 images/s asked, at most"):
        stream_summary(made, machine(images_per_s=1e9))


def test_the_folding_of_zc706_is_what_the_search_finds_for_its_rate():
    network, precision = PUBLISHED["cnv_w1a1"]
    shipped = read_yaml(find_shared("hw_configs", "zc706_stream")).data
    section = {**shipped["stream"], "foldings": {}, "images_per_s": 21906}
    device = parse_architecture({**shipped, "stream": section}, "machine")
    made = program_for(load_workload(graph_path(network)), device, parse_precision(precision))
    given = load_architecture("zc706_stream").folding_for(network, 1, 1).layers
    found = balanced_folding(made, device)
    assert {name: (fold.pe, fold.simd) for name, fold in found.items()} == {
        name: (fold.pe, fold.simd) for name, fold in given.items()
    }
    assert 21906 <= summary("cnv_w1a1", "zc706_stream").images_per_s < 1.25 * 21906


def test_the_search_finds_the_fastest_of_all_foldings_of_a_small_network():
    """Every divisor pair of both layers is tried by hand on a device of few slices."""
    made = program([("a", Dense(12, 6, False), ("x",)), ("b", Dense(6, 4, False), ("a",))], (12,))
    device = machine(usable={"dsp": 0.06})  # 13 slices
    found = stream_summary(made, device)
    best = math.inf
    divisors = lambda n: [d for d in range(1, n + 1) if n % d == 0]  # noqa: E731
    for pe in divisors(6):
        for simd in divisors(12):
            for pe2 in divisors(4):
                for simd2 in divisors(6):
                    folds = {"a": {"pe": pe, "simd": simd}, "b": {"pe": pe2, "simd": simd2}}
                    tried = stream_summary(made, machine(folds))
                    if tried.resources.used["dsp"] <= 13:
                        best = min(best, tried.interval_cycles)
    assert found.interval_cycles == best


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_machine_says_what_it_is():
    loaded = load_architecture("pynq_z1_stream")
    assert isinstance(loaded, StreamArchitecture)
    assert loaded.summary.startswith("stream on xc7z020 at 100 MHz; folded for cnv_w1a1, ")
    assert loaded.port_bits_per_cycle == 64
    assert loaded.usable("dsp") == 176
    assert loaded.static_power_w.value + loaded.stream.board_power_w.value == pytest.approx(1.583)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"usable": {"dsp": 1.5}}, "a share of the device, so 1 at most, not 1.5"),
        ({"usable": {"dps": 0.5}}, "'dps'"),
        ({"weight_memories": "one"}, "per_pe"),
        ({"block_ram_from_bits": 0}, "must be at least 1, not 0"),
    ],
)
def test_mistakes_of_the_section_are_told(change, said):
    with pytest.raises(LocatedErrors) as caught:
        machine(**change)
    assert said in str(caught.value)


def test_board_power_is_what_another_network_drew():
    """MLPerf Tiny v0.7, AD08 on the same board: 30.006 uJ an inference at 52,760 a second."""
    measured = 30.006e-6 * 52760.008
    loaded = load_architecture("pynq_z1_stream")
    assert loaded.static_power_w.value + loaded.stream.board_power_w.value == pytest.approx(measured, rel=0.001)
