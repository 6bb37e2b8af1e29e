"""Whole runs of the shipped generator on the shipped FPGA, and of a user's own modules."""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import accelsim
from accelsim.cost.costing import cost
from accelsim.engine.run import run_float, run_program
from accelsim.errors import AccelsimError
from accelsim.formats.quantize import dequantize, quantize
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import load_workload
from accelsim.hardware.load import load_architecture
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights

WEIGHTS, INPUTS, OUTPUTS = 1_438_400, 100, 3_072
CHANNELS = 4096 + 128 + 64 + 3
SLOPES = 5 * (128 + 64)
"""LeakyReLU behind up1 and up2: a 32-bit multiplier and an 8-bit shift a channel for what is negative. What is not
negative takes the factor of the requantization."""
TANH = 1 << (8 + 4)
"""Bytes of the table behind up3: an 8-bit entry for each code with 4 more bits than the result."""
CONSTANTS = (4 + 4 + 1) * CHANNELS + SLOPES + TANH
"""Bias, multiplier and shift of every channel, slopes and the table."""
FLOOR = 1_498_916
"""Off-chip bytes at int8, batch 1, nothing kept: weights once, every value between layers written and read once."""


@cache
def run(precision="int8", images=8, seed=0, kernels="fast", **changes):
    return accelsim.simulate(
        "dcgan32", on="zcu104", precision=precision, images=images, seed=seed, kernels=kernels, **changes
    )


@cache
def estimated(precision="int8", batch=1, **changes):
    return accelsim.estimate("dcgan32", on="zcu104", precision=precision, batch=batch, **changes)


def test_the_counts_of_the_generator():
    totals = run().totals
    assert totals["macs_zero_inserted"] == 110_182_400
    assert totals["macs_scatter"] == 27_852_800
    assert totals["macs_effectual"] == 22_232_768
    assert totals["parameters"] == 1_438_784
    assert totals["weight_bytes"] == WEIGHTS + CONSTANTS
    assert totals["compression_ratio"] == pytest.approx(4 * 1_438_784 / (WEIGHTS + CONSTANTS))


def test_eight_bits_are_close_to_float():
    report = run(images=16)
    assert report.quality["psnr_db"] > 30 and report.quality["psnr_db_mean"] > 30
    assert report.images.shape == report.float_images.shape == (16, 32, 32, 3) and report.images.dtype == np.uint8
    assert report.images.std() > 20
    assert abs(report.images.astype(int) - report.float_images).mean() < 5


@pytest.mark.parametrize("precision", ["int4", "int8", "int16", "weights=int3,activations=int5"])
@pytest.mark.parametrize("batch", [1, 64])
def test_parts_add_up(precision, batch):
    report = estimated(precision, batch)
    totals = report.totals
    assert math.isclose(sum(report.energy_by_component_j.values()), totals["energy_j"], rel_tol=1e-12)
    layers = report.layer_rows
    assert math.isclose(sum(row["energy_j"] for row in layers), totals["energy_j"], rel_tol=1e-12)
    assert math.isclose(sum(row["latency_s"] for row in layers), totals["latency_s"], rel_tol=1e-12)
    assert sum(row["offchip_bytes"] for row in layers) == totals["offchip_bytes"]
    assert sum(report.offchip_bytes_by_operand.values()) == totals["offchip_bytes"]
    assert totals["offchip_read_bytes"] + totals["offchip_write_bytes"] == totals["offchip_bytes"]
    assert totals["offchip_write_bytes"] >= batch * OUTPUTS * max(8, parse_precision(precision).activations.bits) // 8
    for key in ("macs", "macs_zero_inserted", "macs_scatter", "macs_effectual", "ops", "weight_bytes"):
        assert sum(row[key] for row in layers) == totals[key]
    for row in layers:
        assert math.isclose(sum(row["energy_by_component_j"].values()), row["energy_j"], rel_tol=1e-12)
        offchip = sum(bits["read"] + bits["write"] for bits in row["accesses_bits"]["ddr"].values())
        assert row["offchip_bytes"] == -(-offchip // 8)


def test_nothing_kept_reaches_the_compulsory_floor():
    """Weights, activations between layers and the ends once each, plus the constants: not a byte more. Least energy may
    be worth some bytes.
    """
    offchip, energy = (estimated(residency=False, goal=goal) for goal in ("offchip", "energy"))
    assert offchip.totals["offchip_bytes"] == FLOOR + CONSTANTS <= energy.totals["offchip_bytes"]
    assert energy.totals["energy_j"] <= offchip.totals["energy_j"]


def test_nothing_kept_in_the_report():
    report = estimated(residency=False, goal="offchip")
    assert report.memory_plan["constant_bytes"] == CONSTANTS
    assert report.totals["offchip_bytes"] == FLOOR + CONSTANTS
    assert report.memory_plan["pinned_weight_bytes"] == 0 and report.memory_plan["resident"] == []
    assert report.per_image_steady["offchip_bytes"] == report.totals["offchip_bytes"]
    between = {row["name"]: row["accesses_bits"]["ddr"]["outputs"]["write"] // 8 for row in report.layer_rows}
    assert between == {"fc": 4096, "up1": 8192, "up2": 16384, "up3": 3072}


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("precision", ["int4", "int8", "int16"])
def test_never_below_what_must_cross(precision, batch):
    bits = int(precision[3:])
    floor = (WEIGHTS * bits + batch * (INPUTS + OUTPUTS) * max(8, bits)) // 8
    assert estimated(precision, batch).totals["offchip_bytes"] >= floor


def test_energy_bytes_and_quality_fall_together():
    sixteen, eight, four = run("int16"), run("int8"), run("int4")
    for key in ("energy_j", "offchip_bytes", "energy_j_low", "energy_j_high"):
        assert sixteen.totals[key] > eight.totals[key] > four.totals[key]
    assert sixteen.per_image_steady["offchip_bytes"] > eight.per_image_steady["offchip_bytes"]
    assert sixteen.quality["psnr_db"] > eight.quality["psnr_db"] + 10 > four.quality["psnr_db"] + 20
    for key in ("psnr_db_mean", "ssim"):
        assert sixteen.quality[key] > eight.quality[key] > four.quality[key]
    # max_abs_error is left out: a value beyond the calibrated range saturates alike at every width


@pytest.mark.parametrize("precision", ["int8", "int4", "int16"])
def test_weights_amortise_over_the_batch_as_planned(precision):
    knots = 4 * ((1 << 12) + 2)  # of a table over 20 bits
    held = CONSTANTS if precision != "int16" else (6 + 4 + 1) * CHANNELS + SLOPES + knots  # a 48-bit bias
    once = WEIGHTS * int(precision[3:]) // 8 + held
    for batch in (1, 64):
        report = estimated(precision, batch)
        plan = report.memory_plan
        assert report.offchip_bytes_by_operand["weights"] == plan["offchip_weight_bytes_cold"] == once
        assert sum(step["weight_bytes"] * step["weight_reads"] for step in plan["steps"]) == once
        assert plan["offchip_weight_bytes_steady"] == once - plan["pinned_weight_bytes"]
        assert sum(step["pinned_bytes"] for step in plan["steps"]) == plan["pinned_weight_bytes"]
        assert plan["peak_bytes"] <= plan["capacity_bytes"] == 248 * 36864 // 8
        rest = report.totals["offchip_bytes"] - once
        assert rest >= batch * (INPUTS + OUTPUTS)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_per_image_figures(batch):
    report = estimated(batch=batch)
    totals, each, steady = report.totals, report.per_image, report.per_image_steady
    for key in ("macs", "offchip_bytes", "energy_j", "latency_s", "offchip_read_bytes"):
        assert each[key] == totals[key] / batch
    assert totals["images_per_s"] == pytest.approx(batch / totals["latency_s"])
    assert totals["macs_scatter"] == batch * 27_852_800
    for key in ("offchip_bytes", "offchip_read_bytes", "energy_j"):
        assert steady[key] <= each[key]
    assert steady["offchip_write_bytes"] == each["offchip_write_bytes"]
    saved = report.memory_plan["pinned_weight_bytes"]
    assert steady["offchip_bytes"] == pytest.approx((totals["offchip_bytes"] - saved) / batch, rel=1e-12)
    for figures in (totals, steady):
        assert 0 < figures["energy_j_low"] < figures["energy_j"] < figures["energy_j_high"]


def test_the_batch_spreads_the_weights():
    one, many = estimated(batch=1), estimated(batch=64)
    assert many.per_image["offchip_bytes"] < one.per_image["offchip_bytes"]
    assert many.per_image["energy_j"] < one.per_image["energy_j"]
    assert many.per_image["latency_s"] < one.per_image["latency_s"]


def test_a_deadline_is_met_missed_or_not_asked():
    latency = estimated().totals["latency_s"] * 1e3
    asked = {ms: estimated(deadline_ms=ms).totals["meets_deadline"] for ms in (latency, latency * 0.999, 1e9)}
    assert list(asked.values()) == [True, False, True]
    assert estimated().totals["meets_deadline"] is None


def test_an_estimate_is_the_cost_of_the_run():
    simulated, alone = run(), estimated()
    assert simulated.totals == alone.totals
    assert simulated.memory_plan == alone.memory_plan
    assert simulated.energy_by_component_j == alone.energy_by_component_j
    assert alone.quality == {} and alone.images is None and alone.provenance["seed"] is None


def test_how_many_are_simulated_never_changes_the_cost():
    assert run(images=4).totals == run(images=8).totals


def test_no_images():
    report = run(images=0)
    assert report.images.shape == (0, 32, 32, 3)
    assert report.outputs["tanh"].shape == (0, 3, 32, 32)
    assert report.quality["psnr_db"] is None and report.totals == run().totals
    json.loads(report.json(), parse_constant=pytest.fail)


def test_a_seed_gives_the_same_bits_again():
    again = accelsim.simulate("dcgan32", on="zcu104", images=8, seed=0)
    assert np.array_equal(again.images, run().images)
    assert again.quality == run().quality and again.totals == run().totals
    assert again.provenance["hashes"] == run().provenance["hashes"]
    (name,) = again.outputs
    assert np.array_equal(again.outputs[name], run().outputs[name])


def test_another_seed_gives_others():
    assert not np.array_equal(run(images=4, seed=1).inputs["z"], run(images=4).inputs["z"])
    assert not np.array_equal(run(images=4, seed=1).images, run(images=4).images)


def test_more_images_do_not_change_the_first():
    assert np.array_equal(run(images=8).inputs["z"][:4], run(images=4).inputs["z"])
    assert np.array_equal(run(images=8).images[:4], run(images=4).images)


def test_fast_kernels_give_the_reference_bits():
    (fast,), (plain,) = run(images=4).outputs.values(), run(images=4, kernels="reference").outputs.values()
    assert np.array_equal(fast, plain)


def test_threads_do_not_change_the_bits():
    assert np.array_equal(run(images=4, threads=2).images, run(images=4).images)


def test_float32_runs_without_a_cost():
    report = run("float32", images=4)
    costs = ("offchip_bytes", "offchip_read_bytes", "energy_j", "energy_j_low", "latency_s", "images_per_s")
    assert all(report.totals[key] is None for key in (*costs, "meets_deadline"))
    assert report.totals["macs_scatter"] == 27_852_800
    assert any("floating-point" in sentence and "zcu104" in sentence for sentence in report.assumptions)
    assert np.array_equal(report.images, report.float_images)
    assert report.quality["max_abs_error"] == 0 and report.quality["psnr_db"] is None
    assert report.energy_by_component_j == {} and report.memory_plan is None
    assert np.array_equal(report.float_images, run(images=4).float_images)


# --- the bit width as a property -------------------------------------------------------------------------------------


@cache
def folded():
    workload = load_workload("dcgan32")
    return workload, *normalise(workload.graph, workload.load())


@pytest.mark.slow
@settings(max_examples=8)
@given(st.integers(2, 16), st.integers(2, 16))
def test_every_width(weight_bits, activation_bits):
    workload, graph, weights = folded()
    precision = parse_precision(f"weights=int{weight_bits},activations=int{activation_bits}")
    program = assign_formats(graph, precision)
    inputs = workload.draw_inputs(2, 5)
    program = calibrate(program, weights, workload.draw_inputs(16, 6))
    program = quantize_weights(program, weights)
    values = list(program.encodings)
    fast = run_program(program, inputs, keep=values)
    plain = run_program(program, inputs, keep=values, kernels="reference")
    seen = {}
    run_float(graph, weights, inputs, observe=lambda name, value: seen.__setitem__(name, value))
    for name in values:
        format, scaling = program.encodings[name].format, program.encodings[name].scaling
        boundary = name in (*graph.outputs, "z")
        assert format.bits == (max(8, activation_bits) if boundary else activation_bits)
        assert fast[name].dtype == plain[name].dtype and np.array_equal(fast[name], plain[name])
        assert fast[name].min() >= format.low and fast[name].max() <= format.high
        zero = quantize(np.zeros(1), format, scaling)
        assert dequantize(zero, scaling)[0] == 0
        reach = [dequantize(np.array([code]), scaling)[0] for code in (format.low, format.high)]
        inside = np.clip(seen[name], *reach).astype(np.float64)
        error = np.abs(dequantize(quantize(inside, format, scaling), scaling) - inside)
        assert error.max() <= scaling.scale[0] / 2 * (1 + 1e-9)
    for node in graph.nodes:
        if node.name in program.linear:
            layer = program.linear[node.name]
            codes = layer.integers.codes
            assert codes.min() >= -(2 ** (weight_bits - 1)) + 1 and codes.max() <= 2 ** (weight_bits - 1) - 1
    made = cost(program, load_architecture("zcu104"), 1, ScheduleOptions())
    assert math.isclose(sum(e.value for e in made.energy.values()), made.energy_total.value, rel_tol=1e-12)
    assert made.energy_total.low < made.energy_total.value < made.energy_total.high
    assert sum(made.offchip_bits_by_operand.values()) == made.offchip_read_bits + made.offchip_write_bits


def test_calibration_draws_512_others():
    """With the seed after that of the run: the pipeline put together by hand gives the bits of the run."""
    workload, graph, weights = folded()
    program = calibrate(assign_formats(graph, parse_precision("int8")), weights, workload.draw_inputs(512, 1))
    codes = run_program(quantize_weights(program, weights), workload.draw_inputs(4, 0))
    ((name, values),) = codes.items()
    (made,) = run(images=4).outputs.values()
    assert np.array_equal(dequantize(values, program.encodings[name].scaling), made)


# --- a user's own modules --------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Every operator that a small generator uses."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.norm = nn.Linear(16, 8 * 4 * 4), nn.BatchNorm1d(8 * 4 * 4)
        self.up, self.bn = nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.BatchNorm2d(6)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.drop, self.out = nn.Dropout(0.5), nn.Conv2d(6, 3, 1)

    def forward(self, z):
        h = torch.relu(self.norm(self.fc(z))).view(-1, 8, 4, 4)
        h = nn.functional.leaky_relu(self.bn(self.up(h)), 0.2)
        h = h + torch.sigmoid(self.conv(self.drop(h)))
        return torch.tanh(self.out(nn.functional.pad(h, (1, 1, 1, 1))))[:, :, 1:-1, 1:-1]


def perceptron():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 20), nn.LeakyReLU(0.1), nn.Linear(20, 5))


@pytest.mark.parametrize("precision", ["int8", "float32", "weights=int6,activations=int10"])
def test_a_module_of_ones_own(precision):
    module = Generator()
    report = accelsim.simulate(module, on="zcu104", precision=precision, images=5, example_inputs=torch.zeros(1, 16))
    ((name, made),), (drawn,) = report.outputs.items(), report.inputs.values()
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(drawn)).numpy()
    assert made.shape == expected.shape == (5, 3, 8, 8) and report.images.shape == (5, 8, 8, 3)
    assert np.abs(made - expected).max() < (1e-5 if precision == "float32" else 0.2)
    assert report.quality["max_abs_error"] == pytest.approx(np.abs(made - expected).max(), abs=1e-5)
    assert report.provenance["workload"] == "Generator" and name


def test_a_module_is_left_as_it_was():
    module = Generator().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    accelsim.estimate(module, on="zcu104", example_inputs=torch.zeros(2, 16))
    assert module.training and module.bn.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_an_output_that_is_no_image():
    report = accelsim.simulate(perceptron(), on="zcu104", images=6, example_inputs=np.zeros((1, 12), np.float32))
    assert report.images is None and report.float_images is None
    assert report.quality["psnr_db"] > 25
    assert any("MAX is the range of the float output" in sentence for sentence in report.assumptions)
    assert next(iter(report.outputs.values())).shape == (6, 5)


def test_estimating_a_module_needs_only_shapes():
    one = accelsim.estimate(perceptron(), on="zcu104", example_inputs=[torch.zeros(1, 12)])
    assert one.totals["macs_effectual"] == one.totals["macs_scatter"] == 12 * 20 + 20 * 20 + 20 * 5
    assert one.totals["parameters"] == 13 * 20 + 21 * 20 + 21 * 5
    assert one.quality == {}


def test_lowering_a_module():
    graph = accelsim.lower(Generator(), torch.zeros(1, 16))
    assert isinstance(graph, accelsim.Graph)
    assert graph.inputs[0].shape == (16,) and graph.shapes[graph.outputs[0]] == (3, 8, 8)


class Twice(nn.Module):
    """Two outputs, the first of which fuses with what makes it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.a, self.b = nn.Linear(8, 4), nn.Linear(4, 2)

    def forward(self, x, y):
        h = torch.relu(self.a(x) + self.a(y))
        return torch.tanh(self.b(h)), h


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_several_inputs_and_outputs_keep_their_names(precision):
    module = Twice()
    report = accelsim.simulate(
        module, on="zcu104", images=30, precision=precision, example_inputs=[torch.zeros(1, 8), torch.zeros(1, 8)]
    )
    graph = accelsim.lower(module, [torch.zeros(1, 8), torch.zeros(1, 8)])
    assert list(report.outputs) == list(graph.outputs) and list(report.inputs) == ["x", "y"]
    with torch.no_grad():
        expected = module(*(torch.from_numpy(report.inputs[name]) for name in ("x", "y")))
    for made, wanted in zip(report.outputs.values(), expected, strict=True):
        assert np.median(np.abs(made - wanted.numpy())) < 0.02  # the largest values of new inputs may saturate


@pytest.mark.parametrize("module", [nn.Flatten(), nn.ReLU(), nn.Tanh()])
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_networks_without_a_layer(module, precision):
    report = accelsim.simulate(module, on="zcu104", images=2, precision=precision, example_inputs=torch.zeros(1, 3, 2))
    assert report.totals["macs_scatter"] == 0 and report.totals["parameters"] == 0
    assert report.totals["compression_ratio"] is None
    assert all(np.isfinite(made).all() for made in report.outputs.values())
    assert [step.name for step in accelsim.lower(module, torch.zeros(1, 3, 2)).nodes]


def test_paths_as_path_objects(tmp_path):
    machine = Path(__file__).parent.parent / "hw_configs" / "fpga" / "zcu104.yaml"
    workload = Path(__file__).parent.parent / "workloads" / "dcgan32.yaml"
    assert accelsim.estimate(workload, on=machine).totals == estimated().totals
    assert accelsim.estimate("dcgan32", on=load_architecture("zcu104")).totals == estimated().totals


def no_number():
    module = perceptron()
    with torch.no_grad():
        module[2].weight[3, 4] = float("nan")
    return module


class Sums(nn.Module):
    def forward(self, x):
        return torch.cumsum(x, 1)


X = np.zeros((1, 12), np.float32)
REFUSED = [
    (perceptron, {"images": -1, "example_inputs": X}, "images: -1; expected 0 or more"),
    (perceptron, {"seed": -1, "example_inputs": X}, "seed: -1; expected 0 or more"),
    (perceptron, {"batch": 0, "example_inputs": X}, "batch: 0; the cost of a batch needs 1 to 1,000,000 images"),
    (
        perceptron,
        {"kernels": "slow", "example_inputs": X},
        "kernels: 'slow'; expected one of fast, native, portable, reference",
    ),
    (perceptron, {}, "Sequential: a module needs example_inputs"),
    (perceptron, {"example_inputs": "abc"}, "example_inputs[0] is 'abc'; expected a tensor"),
    (perceptron, {"example_inputs": np.zeros((1, 13))}, "Sequential: torch.export refuses this module"),
    (perceptron, {"example_inputs": X, "precision": "int17"}, "int17 is not supported; expected int2 to int16"),
    (lambda: Generator, {"example_inputs": X}, "got the class Generator; expected"),
    (lambda: 42, {"example_inputs": X}, "got int 42; expected"),
    (no_number, {"example_inputs": X}, "tensor '2.weight' holds nan at [3, 4]; expected finite values"),
    (lambda: "dcgan23", {}, "no workload 'dcgan23' (did you mean 'dcgan32'?)"),
    (Sums, {"example_inputs": X}, "module (Sums): operator aten.cumsum.default is not supported"),
]


@pytest.mark.parametrize(("make", "arguments", "message"), REFUSED, ids=[message[:30] for _, _, message in REFUSED])
def test_refusals_are_one_sentence(make, arguments, message, caplog):
    with pytest.raises(AccelsimError) as refused:
        accelsim.simulate(make(), on="zcu104", **({"images": 1} | arguments))
    assert message in str(refused.value.args[0])
    assert "\n" not in refused.value.args[0]
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_what_does_not_fit_is_said_before_anything_runs():
    stages = []
    machine = load_architecture("zcu104")
    ddr, bram, sums = machine.memories
    small = machine.model_copy(update={"memories": (ddr, bram.model_copy(update={"blocks": 1}), sums)})
    with pytest.raises(AccelsimError, match=r"layer \w+: memory 'bram': the smallest tiles need"):
        accelsim.simulate("dcgan32", on=small, images=1, progress=lambda *stage: stages.append(stage))
    assert stages == []


def test_progress_ends_where_it_should():
    stages = {}
    accelsim.simulate(
        "dcgan32", on="zcu104", images=70, progress=lambda name, done, total: stages.update({name: (done, total)})
    )
    assert stages.pop("calibrating", None) is not None
    assert len(stages) == 2 and set(stages.values()) == {(70, 70)}


def test_calibration_images_change_the_ranges_and_are_recorded():
    few, many = (
        accelsim.simulate("dcgan32", on="zcu104", precision="int4", images=4, calibration_images=n) for n in (1, 512)
    )
    usual = accelsim.simulate("dcgan32", on="zcu104", precision="int4", images=4)
    assert np.array_equal(many.images, usual.images) and not np.array_equal(few.images, usual.images)
    recorded = [report.provenance["calibration_images"] for report in (few, many, usual)]
    assert recorded == [1, 512, 512]
    assert accelsim.estimate("dcgan32", on="zcu104").provenance["calibration_images"] is None
    exact = accelsim.simulate("dcgan32", on="zcu104", precision="float32", images=1)
    assert exact.provenance["calibration_images"] is None


@pytest.mark.parametrize(
    ("precision", "images"), [("fp16", None), ("bf16", None), ("mxfp4", None), ("fp8e4m3", 7), ("int8", 7)]
)
def test_formats_without_a_scaling_are_not_calibrated(precision, images, monkeypatch):
    drawn = []
    workload = load_workload("dcgan32")
    draw = type(workload).draw_inputs
    monkeypatch.setattr(
        type(workload), "draw_inputs", lambda *arguments: drawn.append(arguments[1:]) or draw(*arguments)
    )
    stages = []
    report = accelsim.simulate(
        workload,
        on="zcu104",
        precision=precision,
        images=1,
        calibration_images=7,
        progress=lambda stage, done, total: stages.append(stage),
    )
    assert report.provenance["calibration_images"] == images
    assert drawn == [(1, 0)] + [(7, 1)] * (images is not None)
    assert ("calibrating" in stages) == (images is not None)


def test_calibration_needs_an_image():
    with pytest.raises(AccelsimError, match="calibration_images: 0; expected 1 or more"):
        accelsim.simulate("dcgan32", on="zcu104", images=1, calibration_images=0)


class Attention(nn.Module):
    """One block of attention: 2 heads of 8 over 16 places."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x):
        q, k, v = (part.view(-1, 16, 2, 8).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=2))
        shares = torch.softmax(q @ k.transpose(2, 3), dim=3)
        return self.out((shares @ v).transpose(1, 2).reshape(-1, 16, 16))


@pytest.mark.parametrize("machine", ["zcu104", "pynq_z2", "rpi4", "isaac", "eyeriss"])
def test_attention_multiplies_on_every_machine(machine):
    report = accelsim.estimate(Attention(), on=machine, example_inputs=torch.zeros(1, 16, 16), batch=2)
    rows = [row for row in report.layer_rows if row["op"].startswith("MatMul")]
    assert [row["macs"] for row in rows] == [2 * 2 * 16 * 16 * 8] * 2
    assert all(row["macs_effectual"] == row["macs"] and row["cycles"] > 0 and row["energy_j"] > 0 for row in rows)
    assert report.totals["macs"] == report.totals["macs_effectual"] == 2 * (16 * 16 * 64 + 2 * 2 * 16 * 16 * 8)
