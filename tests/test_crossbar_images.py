"""What crossbars do to dcgan32: nothing as published, and much with fewer ADC bits or worn cells; never to the cost."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import accelsim
from accelsim.cost.crossbar_by_value import value_ratios
from accelsim.engine import run
from accelsim.engine.crossbar_activity import cell_activity, row_loads
from accelsim.engine.crossbar_kernel import CrossbarKernel
from accelsim.flow import program_for
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import load_workload
from accelsim.hardware.architecture import Machine
from accelsim.hardware.load import parse_architecture
from accelsim.hardware.reram import ReramArchitecture
from accelsim.ir.ops import Linear
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights
from accelsim.report import Report
from accelsim.study.variant import changed, machine_data
from accelsim.yaml_file import Plain


@dataclass(frozen=True)
class Always(CrossbarKernel):
    """Runs crossbars also where their sums are exact."""

    always: bool = True


def isaac(changes: dict[str, Plain]) -> Machine:
    """Isaac with values of the section `reram` changed, by path."""
    paths = [(f"reram.{path}", value) for path, value in changes.items()]
    return parse_architecture(changed(machine_data("isaac"), paths), "isaac")


def dcgan32(machine: Machine) -> Program:
    source = load_workload("dcgan32")
    program = program_for(source, machine, parse_precision("int8"))
    folded = normalise(source.graph, source.load())[1]
    assert folded is not None
    return quantize_weights(calibrate(program, folded, source.draw_inputs(64, 1)), folded)


@pytest.mark.parametrize(
    "changes", [{}, {"adc.bits": 9, "flip_encoding": False}, {"encoding": "differential"}], ids=str
)
def test_enough_bits_and_ideal_cells_give_every_code_of_the_integers(
    changes: dict[str, Plain], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = dcgan32(isaac(changes))
    inputs = load_workload("dcgan32").draw_inputs(3, 0)
    kept = tuple(program.linear)
    exact = run.run_program(program, inputs, keep=kept)
    monkeypatch.setattr(run, "CrossbarKernel", Always)
    through = run.run_program(program, inputs, keep=kept)
    assert len(kept) == 4
    for name in exact:
        np.testing.assert_array_equal(through[name], exact[name])


def test_results_do_not_depend_on_batch_threads_or_kernels() -> None:
    program = dcgan32(isaac({"cell.sigma_relative": 0.05, "cell.read_noise_levels": 0.5}))
    inputs = load_workload("dcgan32").draw_inputs(5, 0)
    (out,) = program.graph.outputs
    once = run.run_program(program, inputs)[out]
    np.testing.assert_array_equal(run.run_program(program, inputs, batch=2, threads=2)[out], once)
    np.testing.assert_array_equal(run.run_program(program, inputs, batch=1, kernels="portable")[out], once)


def simulated(changes: dict[str, Plain]) -> Report:
    report: Report = accelsim.simulate("dcgan32", on=isaac(changes), images=2, calibration_images=32)
    return report


def test_fewer_bits_and_worn_cells_show_in_the_image_and_not_in_the_cost() -> None:
    ideal, worn = simulated({}), simulated({"cell.sigma_relative": 0.1, "cell.stuck_on": 0.01})
    assert [row["adc_clipped"] for row in ideal.layer_rows if row["weight_format"]] == [0, 0, 0, 0]
    coarse, clipped = simulated({"adc.bits": 6}), simulated({"adc.bits": 6, "adc.range": "clipping"})
    for report in (worn, coarse, clipped):
        psnr, most = report.quality["psnr_db"], ideal.quality["psnr_db"]
        assert psnr is not None and most is not None and psnr < 20 < 35 < most
    assert all(row["adc_clipped"] > 0 for row in clipped.layer_rows if row["weight_format"])
    assert worn.totals == ideal.totals and coarse.totals == clipped.totals
    assert coarse.energy_by_component_j["adc"] < ideal.energy_by_component_j["adc"]
    assert coarse.totals == accelsim.estimate("dcgan32", on=isaac({"adc.bits": 6})).totals


def test_energies_by_value_are_those_of_what_was_driven() -> None:
    """By the kept codes of each layer's input, however the run is cut; the fixed totals stay those of the estimate."""
    machine, inputs = isaac({}), load_workload("dcgan32").draw_inputs(3, 0)
    assert isinstance(machine, ReramArchitecture)
    report = accelsim.simulate("dcgan32", on=machine, images=3, calibration_images=64)
    program = dcgan32(machine)
    codes = run.run_program(program, inputs, keep=[program.graph.node(name).inputs[0] for name in program.linear])
    for row in report.layer_rows:
        if row["weight_format"] is None:
            assert "energy_by_value_j" not in row
            continue
        node, layer = program.graph.node(row["name"]), program.linear[row["name"]]
        assert layer.crossbar is not None and isinstance(node.op, get_args(Linear))
        x, fixed = codes[node.inputs[0]], row["energy_by_component_j"]
        loads = list(row_loads(node.op, x.shape[1:], layer, layer.crossbar))
        seen = cell_activity(node.op, x, program.encodings[node.inputs[0]], loads, layer.crossbar)
        ratios = value_ratios(seen, machine.reram)
        moved = sum((ratio - 1) * fixed[part] for part, ratio in ratios.items())
        assert row["energy_by_value_j"] == pytest.approx(row["energy_j"] + moved, rel=1e-12)
        assert 0.2 < min(ratios.values()) < max(ratios.values()) < 1.8
    cost = accelsim.estimate("dcgan32", on=machine)
    assert report.totals == cost.totals
    assert [row["energy_by_value_j"] for row in cost.layer_rows if "adc_clipped" in row] == [None] * 4


def test_a_machine_without_crossbars_has_none_in_its_program() -> None:
    source = load_workload("dcgan32")
    program = program_for(source, isaac({}), parse_precision("int8"))
    assert {layer.crossbar.layer for layer in program.linear.values() if layer.crossbar} == set(program.linear)
    for precision in ("fp16", "float32"):
        floating = program_for(source, isaac({}), parse_precision(precision))
        assert all(layer.crossbar is None for layer in floating.linear.values())
    assert "adc_clipped" not in accelsim.estimate("dcgan32", on="zcu104").layer_rows[0]


def test_more_variation_is_worse() -> None:
    figures = [simulated({"cell.sigma_relative": sigma}).quality["psnr_db"] or 0.0 for sigma in (0.0, 0.02, 0.1)]
    assert figures == sorted(figures, reverse=True)


def test_converters_and_cells_can_be_swept(tmp_path: Path) -> None:
    sweep = {
        "schema": "accelsim/sweep/1",
        "workload": "dcgan32",
        "images": 2,
        "on": "isaac",
        "zip": {"machine.reram.adc.bits": [7, 8], "machine.reram.cell.sigma_relative": [0, 0.05]},
    }
    table = accelsim.sweep(sweep, out=tmp_path / "r.sqlite", workers=1)
    assert list(table["status"]) == ["done"] * 2 and table["psnr_db"].nunique() == 2
    assert table["energy_j"].nunique() == 2


def test_what_is_off_leaves_the_hash_of_a_machine_alone() -> None:
    def made(changes: dict[str, Plain]) -> str:
        return isaac(changes).content_hash()

    plain = made({})
    assert made({"cell.sigma_relative": 0.0, "cell.seed": 0, "adc.range": "covering"}) == plain
    others = {made({"cell.sigma_relative": 0.1}), made({"cell.seed": 1}), made({"adc.range": "clipping"})}
    assert len(others | {plain}) == 4
