"""dcgan32 and small programs on ISAAC: figures by hand, sums, and what bits, batch and the size of the chip change."""

import math
import time
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import one_layer, program_of

import accelsim
from accelsim.cost.costing import cost
from accelsim.cost.records import Cost
from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Machine
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.ir import ops
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.shared import find_shared
from accelsim.yaml_file import Plain, read_yaml

SHIPPED = read_yaml(find_shared("hw_configs", "isaac")).data
SECTION = cast(dict[str, dict[str, Plain]], SHIPPED["reram"])
ISAAC = load_architecture("isaac")
PRECISIONS = ("int16", "int8", "weights=int4,activations=int8", "int4")


def variant(form: str = "phase", **changes: Plain) -> Machine:
    return parse_architecture({**SHIPPED, "transposed_conv": form, "reram": {**SECTION, **changes}}, "variant")


def costed(program: Any, machine: Machine = ISAAC, batch: int = 1, residency: bool = True) -> Cost:
    made = cost(program, machine, batch, ScheduleOptions(residency=residency))
    assert isinstance(made, Cost)
    return made


@pytest.fixture(scope="module")
def dcgan32() -> Any:
    return accelsim.estimate("dcgan32", on="isaac")


def test_the_layer_table_has_the_counts_by_hand(dcgan32: Any) -> None:
    # derived in tests/mapping/test_crossbar.py
    columns = ("name", "crossbars", "dac_events", "adc_conversions", "cell_writes")
    assert [tuple(row[key] for key in columns) for row in dcgan32.layer_rows] == [
        ("fc", 128, 102_400, 131_072, 4 * 100 * 4096),
        ("up1", 200, 3_276_800, 3_276_800, 4 * 256 * 128 * 25),
        ("up2", 50, 3_276_800, 3_276_800, 4 * 128 * 64 * 25),
        ("up3", 13, 3_276_800, 319_488, 4 * 64 * 3 * 25),
    ]
    assert dcgan32.resources["used"]["crossbars"] == 391
    assert dcgan32.resources["used"]["tiles"] == 5  # 391 / 96
    assert dcgan32.resources["fits"]


def test_energy_by_hand(dcgan32: Any) -> None:
    parts = dcgan32.energy_by_component_j
    rows, conversions = 102_400 + 3 * 3_276_800, 131_072 + 2 * 3_276_800 + 319_488
    macs = 409_600 + 2 * 13_107_200 + 1_228_800
    assert parts["dac"] == pytest.approx(rows * 0.390625e-12)
    assert parts["adc"] == pytest.approx(conversions * 1.5625e-12)
    assert parts["sample_hold"] == pytest.approx(conversions * 0.000977e-12)
    assert parts["crossbar"] == pytest.approx(macs * 4 * 8 * 1.831e-15)
    assert parts["registers"] == pytest.approx(rows * 0.1211e-12 + conversions * 0.02246e-12)
    # row groups less one, over the phases: 50 - 4, 25 - 4, 13 - 4
    adds = 16 * 128 * 46 + 64 * 64 * 21 + 256 * 3 * 9
    assert parts["shift_add"] == pytest.approx((conversions + adds) * 0.01953e-12)
    assert parts["programming"] == pytest.approx(4 * (1_438_784 - 192 - 3) * 7.27e-12, rel=1e-3)
    assert parts["offchip"] == pytest.approx(8 * dcgan32.totals["offchip_bytes"] * 50.8e-12)


def test_buffer_traffic_by_hand(dcgan32: Any) -> None:
    """up1: 4096 bytes in, to each of 3 tiles; 256 x 10 x 10 words to the crossbars; 128 x 8 x 8 bytes out."""
    moved = dcgan32.layer_rows[1]["accesses_bits"]
    assert moved["edram"]["inputs"] == {"read": 8 * (4096 + 25_600), "write": 8 * 3 * 4096}
    assert moved["edram"]["outputs"] == {"read": 0, "write": 8 * 8192}
    assert moved["cells"] == {"weights": {"read": 0, "write": 8 * 819_200}}
    last = dcgan32.layer_rows[3]["accesses_bits"]
    assert last["edram"]["outputs"] == {"read": 8 * 3072, "write": 8 * 3072}
    assert last["offchip"]["outputs"] == {"read": 0, "write": 8 * 3072}


def test_latency_is_loading_and_positions_one_layer_after_the_other(dcgan32: Any) -> None:
    cycles = 8 + 16 * 8 + 64 * 8 + 256 * 8 + 4 * 6  # 6 further stages of the pipeline a layer
    loading = dcgan32.totals["weight_bytes"] / 25.6e9
    assert loading / 4 > 128 * 40e-9  # programming 128 rows is hidden behind it, but in the last layer:
    loading += 128 * 40e-9 - dcgan32.layer_rows[3]["weight_bytes"] / 25.6e9
    assert dcgan32.totals["latency_s"] == pytest.approx(cycles * 100e-9 + loading)
    assert [row["bound"] for row in dcgan32.layer_rows] == ["memory", "memory", "compute", "compute"]


def test_cold_loads_the_weights_once_and_later_batches_only_what_goes_in_and_out(dcgan32: Any) -> None:
    totals, steady, plan = dcgan32.totals, dcgan32.per_image_steady, dcgan32.memory_plan
    assert totals["offchip_bytes"] == totals["weight_bytes"] + 100 + 3072
    assert steady["offchip_bytes"] == 100 + 3072
    # bias, multiplier and shift of every channel; a second slope behind up1 and up2; the tanh table behind up3
    constants = (4 + 4 + 1) * (4096 + 128 + 64 + 3) + 5 * (128 + 64) + 2**12
    assert (plan["memory"], plan["weights_in"]) == ("edram", "cells")
    assert plan["pinned_weight_bytes"] == 1_438_400 + constants
    assert plan["resident"] == ["fc", "up1", "up2"]
    # up2 runs with its input (8192), its output (16384) and all constants; three lines of 8 x 128 wait for it,
    # and a line of 16 x 64 of results
    assert plan["peak_bytes"] == 8192 + 16_384 + constants + 3 * 8 * 128 + 16 * 64
    spent = sum(dcgan32.energy_by_component_j[part] for part in ("dac", "adc", "crossbar", "registers"))
    assert spent < steady["energy_j"] < 1.2 * spent


def test_the_report_has_the_columns_of_every_other_machine(dcgan32: Any) -> None:
    other = accelsim.estimate("dcgan32", on="zcu104")
    for part in ("totals", "per_image", "per_image_steady", "offchip_bytes_by_operand", "memory_plan"):
        assert set(getattr(dcgan32, part)) == set(getattr(other, part))
    assert set(other.layer_rows[0]) <= set(dcgan32.layer_rows[0])
    assert dcgan32.totals["macs"] == other.totals["macs"]  # both run phases
    assert all(0 < row["utilisation"] < 1 for row in dcgan32.layer_rows)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_dcgan32_runs_in_every_precision(precision: str) -> None:
    report = accelsim.simulate("dcgan32", on="isaac", precision=precision, images=2, kernels="fast")
    assert report.images is not None and report.images.shape == (2, 32, 32, 3)
    assert report.quality["psnr_db"] > 15
    assert report.totals["energy_j"] == accelsim.estimate("dcgan32", on="isaac", precision=precision).totals["energy_j"]


def test_energy_bytes_and_time_fall_with_bits() -> None:
    runs = [accelsim.estimate("dcgan32", on="isaac", precision=p) for p in PRECISIONS]
    for figure in ("energy_j", "offchip_bytes", "latency_s", "weight_bytes"):
        values = [run.totals[figure] for run in runs]
        assert values == sorted(values, reverse=True)
    steady = [run.per_image_steady["energy_j"] for run in runs]
    assert steady == sorted(steady, reverse=True) and len(set(steady)) == 4
    every = [accelsim.estimate("dcgan32", on="isaac", precision=f"int{bits}").totals for bits in range(2, 17)]
    for figure in ("energy_j", "offchip_bytes"):
        assert all(a[figure] < b[figure] for a, b in pairwise(every))


def test_an_estimate_is_quick() -> None:
    def seconds() -> float:
        started = time.perf_counter()
        accelsim.estimate("dcgan32", on="isaac")
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.3


def three_layers(precision: str = "int8", width: int = 7) -> Any:
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


@settings(max_examples=25)
@given(
    st.sampled_from(["int8", "int5", "int16", "weights=int3,activations=int7", "weights=int2,activations=int13"]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from(["phase", "scatter", "zero_insert", "phase_layers"]),
    st.sampled_from([1, 168]),
)
def test_parts_add_up(precision: str, width: int, batch: int, residency: bool, form: str, tiles: int) -> None:
    made = costed(three_layers(precision, width), variant(form, tiles=tiles), batch, residency)
    whole = made.energy_total
    assert math.isclose(sum(e.value for e in made.energy.values()), whole.value, rel_tol=1e-12)
    assert math.isclose(sum(e.value for s in made.steps for e in s.energy.values()), whole.value, rel_tol=1e-12)
    assert math.isclose(sum(step.latency_s for step in made.steps), made.latency_s, rel_tol=1e-12)
    moved = made.offchip_read_bits + made.offchip_write_bits
    assert moved == sum(made.offchip_bits_by_operand.values())
    weights = sum(s.scheduled.task.weight_bytes + s.scheduled.task.constant_bytes for s in made.steps)
    io = batch * 3 * 4 * 4 * int(made.steps[0].scheduled.task.read_bits[0])
    assert moved >= 8 * weights + io
    for quantity in (whole, made.steady_energy, *made.energy.values()):
        assert 0 <= quantity.low <= quantity.value <= quantity.high
    assert 0 < made.steady_energy.value <= whole.value
    assert made.saved_bits == (8 * weights if residency else 0)


def test_columns_that_integrate_by_hand() -> None:
    """300 x 10 weights of 4 bits on neurram: 2 row groups, 20 columns; 8-bit inputs have 7 magnitude bits: 4 and 3."""
    machine = load_architecture("neurram")
    dense = one_layer(ops.Dense(300, 10, False), (300,), "weights=int4,activations=int8")
    made = costed(dense, machine, batch=3)
    (step,) = made.steps
    figures, parts = step.scheduled.figures, made.energy
    assert (figures["crossbars"], figures["dac_events"], figures["adc_conversions"]) == (2, 3 * 7 * 300, 3 * 2 * 20 * 2)
    # 15 + 7 additions, 8 + 4 bits decided, 2 phases: 304, 298 and 269 ns
    assert step.scheduled.cycles == 3 * round(22 * 304 + 12 / 0.003356 + 2 * 269)
    assert parts["dac"].value == pytest.approx(3 * 7 * 300 * 1.897e-12)
    assert parts["crossbar"].value == pytest.approx(3 * 7 * 300 * 20 * 3.79e-15)
    assert parts["sample_hold"].value == pytest.approx(3 * 7 * 40 * 1.147e-12)
    assert parts["integrator"].value == pytest.approx(3 * 22 * 40 * 0.171e-12)
    assert parts["adc"].value == pytest.approx(3 * 12 * 40 * 0.464e-12)
    assert math.isclose(sum(part.value for part in parts.values()), made.energy_total.value, rel_tol=1e-12)


def test_dcgan32_is_larger_than_neurram_and_its_images_are_exact() -> None:
    report = accelsim.simulate("dcgan32", on="neurram", precision="weights=int4,activations=int8", images=2)
    other = accelsim.estimate("dcgan32", on="isaac", precision="weights=int4,activations=int8")
    assert report.resources["used"]["crossbars"] == 78 > report.resources["available"]["crossbars"] == 48
    # every batch writes all weights: two cells each, one pulse, and brings them through the link
    assert report.energy_by_component_j["programming"] == pytest.approx(2 * (1_438_784 - 192 - 3) * 104e-12, rel=1e-3)
    assert report.per_image_steady["energy_j"] > 0.9 * report.totals["energy_j"]
    assert other.per_image_steady["energy_j"] < 0.1 * other.totals["energy_j"]
    assert any("values are exact, as if every neuron" in sentence for sentence in report.assumptions)
    assert all("adc_clipped" not in row for row in report.layer_rows)
    same = accelsim.simulate("dcgan32", on="zcu104", precision="weights=int4,activations=int8", images=2)
    assert (report.images == same.images).all()


def test_without_residency_tensors_leave_the_chip_and_weights_are_programmed_every_time() -> None:
    kept, loose = costed(three_layers()), costed(three_layers(), residency=False)
    assert kept.offchip_bits_by_operand["inputs"] == 8 * 48
    assert loose.offchip_bits_by_operand["inputs"] > 8 * 48
    assert loose.steady_energy == loose.energy_total
    assert any("so does every other" in sentence for sentence in loose.assumptions)


def test_a_network_larger_than_the_chip_is_programmed_anew_and_runs_in_passes() -> None:
    wide = one_layer(ops.Dense(1000, 1000, False), (1000,))
    # 8 row groups x ceil(4000 / 128) = 32 column groups: 256 crossbars on 96
    large, small = costed(wide), costed(wide, variant(tiles=1))
    assert large.resources is not None and small.resources is not None
    assert (large.resources.used["crossbars"], large.resources.fits) == (256, True)
    assert (small.resources.used["crossbars"], small.resources.available["crossbars"]) == (256, 96)
    assert not small.resources.fits and small.resources.limited_by == "crossbars"
    assert (small.steps[0].scheduled.cycles, large.steps[0].scheduled.cycles) == (3 * 8, 8)
    assert small.saved_bits < 8 * 1_000_000 <= large.saved_bits
    assert any("takes 256 crossbars of 96: weights are programmed anew" in s for s in small.assumptions)


def test_buffers_that_cannot_hold_the_lines_of_a_layer_are_one_clear_error() -> None:
    tile = cast(dict[str, Plain], SECTION["tile"])
    tiny = variant(tiles=1, tile={**tile, "edram": {"size_kib": 1, "access_bits": 256, "energy_pj": 1}})
    conv = one_layer(ops.Conv2d(64, 8, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False), (64, 32, 32))
    with pytest.raises(DoesNotFit, match=r"step 'y' needs \d+ bytes on chip"):
        costed(conv, tiny)


def test_what_the_values_and_energies_assume() -> None:
    def sentences(**changes: Plain) -> str:
        return "\n".join(costed(three_layers(), variant(**changes)).assumptions)

    assert "isaac: 8-bit ADCs hold every sum of a column (8 bits): values are exact" in sentences()
    narrow: Plain = {**SECTION["adc"], "bits": 6}
    assert "a sum of a column needs 8 bits, the ADC has 6: a step is 4 levels of a cell" in sentences(adc=narrow)
    assert "the ADC has 6: what is larger is clipped" in sentences(adc={**narrow, "range": "clipping"})
    assert "isaac: cells are ideal" in sentences() and "values are exact" not in sentences(adc=narrow)
    worn = sentences(cell={**SECTION["cell"], "sigma_relative": 0.05, "stuck_off": 0.01, "seed": 4})
    assert "isaac: cells act on values by sigma_relative 0.05 lognormal, stuck_off 0.01 (estimates), seed 4" in worn
    assert "hold every sum of a column (8 bits)" in worn and "values are exact" not in worn
    cell = {key: value for key, value in SECTION["cell"].items() if not key.startswith("write")}
    assert "programming is counted, not costed" in sentences(cell=cell)
    without = costed(three_layers(), variant(cell=cell))
    assert without.energy["programming"].value == 0
    assert "corrects the offset" in sentences() and "corrects the offset" not in sentences(encoding="differential")


def test_a_slower_or_coarser_converter_costs_what_it_says() -> None:
    base, slow = costed(three_layers()), costed(three_layers(), variant(adc={**SECTION["adc"], "rate_gs_per_s": 0.64}))
    coarse = costed(three_layers(), variant(adc={**SECTION["adc"], "bits": 4}))
    computing = [sum(s.scheduled.cycles for s in made.steps if s.scheduled.macs) for made in (base, slow)]
    assert computing[0] == computing[1] and slow.latency_s > 1.9 * (base.latency_s - 3 * 128 * 40e-9)
    assert coarse.energy["adc"].value == pytest.approx(base.energy["adc"].value * 0.740625 / 1.5625)


def test_float32_has_no_cost_and_says_why() -> None:
    report = accelsim.estimate("dcgan32", on="isaac", precision="float32")
    assert report.totals["energy_j"] is None and report.totals["macs"] is None
    assert report.assumptions[0] == (
        "isaac multiplies integers up to 16-bit weights x 16-bit activations in its crossbars, "
        "not floating-point 32 x 32 bits"
    )


def test_a_product_of_two_values_is_programmed_for_every_sample() -> None:
    made = costed(program_of({"a": (4, 300), "b": (300, 6)}, [("y", ops.MatMul(6), ("a", "b"))], ("y",)), batch=5)
    (step,) = made.steps
    # 300 rows: 3 row groups; 6 columns x 4 slices: 1 column group; 5 samples with their own matrices, 4 positions each
    assert step.scheduled.figures["crossbars"] == 5 * 3
    assert step.scheduled.figures["adc_conversions"] == 5 * 4 * 8 * 24 * 3
    assert step.scheduled.figures["cell_writes"] == 5 * 300 * 6 * 4
    assert step.accesses["cells"]["inputs"] == (0, 5 * 300 * 6 * 8)
    # a later batch programs everything again, but has the factor of the result: 5 bytes through the link and a router
    # (20.74 pJ for 256 bits) into a buffer (20.45 pJ)
    assert (made.saved_bits, made.offchip_bits_by_operand["weights"]) == (8 * 5, 8 * 5)
    saved = 8 * 5 * (50.8 + (20.74 + 20.45) / 256) * 1e-12
    assert made.energy_total.value - made.steady_energy.value == pytest.approx(saved, rel=1e-6)
