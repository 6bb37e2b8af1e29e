"""What a run saw of zeros in what a machine costs: by the stored codes themselves, the same in a study as alone."""

from pathlib import Path

import pytest

import accelsim
from accelsim.cost.run_length import stored_share
from accelsim.cost.zeros import TensorZeros
from accelsim.engine.run import run_program
from accelsim.engine.zero_runs import zero_runs
from accelsim.errors import AccelsimError, LocatedErrors
from accelsim.flow import program_for
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import Workload, load_workload, read_workload
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture
from accelsim.ir.program import Program, storage_roots
from accelsim.passes.calibrate import calibrate
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights

IMAGES, CALIBRATION = 3, 32
PRECISION = "weights=int8,activations=int8"


def quantized(source: Workload, machine: Architecture) -> Program:
    program = program_for(source, machine, parse_precision(PRECISION))
    _, folded = normalise(source.graph, source.load())
    assert folded is not None
    return quantize_weights(calibrate(program, folded, source.draw_inputs(CALIBRATION, 1)), folded)


def test_energy_and_bytes_follow_the_stored_codes() -> None:
    """Of each layer of dcgan32 on eyeriss: the zeros of the kept codes of its input, and the words of its code."""
    source, machine = load_workload("dcgan32"), load_architecture("eyeriss")
    assert isinstance(machine, Architecture) and machine.memories[0].run_length is not None
    common = {"on": "eyeriss", "precision": PRECISION, "residency": False}
    run = accelsim.simulate(source, images=IMAGES, calibration_images=CALIBRATION, **common)
    before = accelsim.estimate(source, **common)
    program = quantized(source, machine)
    names = [value.name for value in program.graph.inputs] + [row["name"] for row in run.layer_rows]
    codes = run_program(program, source.draw_inputs(IMAGES, 0), keep=names)
    costed, roots = {row["name"]: row for row in before.layer_rows}, storage_roots(program.graph)
    for row in run.layer_rows:
        node = program.graph.node(row["name"])
        x, y = (zero_runs(codes[name], _zero(program, name)) for name in (roots[node.inputs[0]], node.name))
        assert row["input_zero_fraction"] == pytest.approx(x.zeros / x.codes) and row["zeros_from"] == "run"
        share = stored_share(TensorZeros(y.zeros / y.codes, y), 8, machine.memories[0].run_length)
        assert row["stored_share"] == float(share)
        fixed = costed[row["name"]]
        busy = (1 - row["zero_multiplies"]) / (1 - fixed["zero_multiplies"])
        assert busy == pytest.approx(1 - x.zeros / x.codes)
        mac = [r["energy_by_component_j"]["mac"] for r in (row, fixed)]
        assert mac[0] == pytest.approx(mac[1] * busy)
        assert row["accesses_bits"] == fixed["accesses_bits"] and row["cycles"] == fixed["cycles"]
        assert fixed["zeros_from"] == "assumed"
    assert run.totals["energy_j"] < before.totals["energy_j"]
    assert run.totals["offchip_bytes"] <= before.totals["offchip_bytes"]
    assert any("that the run saw" in said for said in run.assumptions)
    assert any("not known without a run" in said for said in before.assumptions)


def _zero(program: Program, name: str) -> int:
    scaling = program.encodings[name].scaling
    assert scaling is not None
    return scaling.zero_point


def test_inserted_zeros_need_no_run() -> None:
    """Of a transposed convolution of stride 2 about three of four multiplies meet an inserted zero."""
    rows = {row["name"]: row for row in accelsim.estimate("dcgan32", on="eyeriss").layer_rows}
    up = rows["up2"]
    assert up["zero_multiplies"] == pytest.approx(1 - up["macs_effectual"] / up["macs"]) and up["zero_multiplies"] > 0.7


def test_machines_without_use_for_zeros_cost_the_same_with_a_run() -> None:
    run = accelsim.simulate("dcgan32", on="zcu104", images=2, calibration_images=CALIBRATION)
    assert run.totals == accelsim.estimate("dcgan32", on="zcu104").totals
    assert "zeros_from" not in run.layer_rows[0]


def test_a_study_costs_as_simulate_does(tmp_path: Path) -> None:
    study = {
        "schema": "accelsim/sweep/1",
        "workload": "dcgan32",
        "images": IMAGES,
        "calibration_images": CALIBRATION,
        "grid": {"on": ["zcu104", "eyeriss"], "precision": [PRECISION]},
    }
    rows = accelsim.sweep(study, out=tmp_path / "s.sqlite").set_index("on")
    run = accelsim.simulate("dcgan32", on="eyeriss", images=IMAGES, calibration_images=CALIBRATION, precision=PRECISION)
    for key in ("energy_j", "latency_s", "offchip_bytes"):
        assert rows.loc["eyeriss", key] == run.totals[key]
    assert rows.loc["eyeriss", "psnr_db"] == rows.loc["zcu104", "psnr_db"] == run.quality["psnr_db"]


WORKLOAD = """
schema: accelsim/workload/1
name: mine
generator: accelsim.models.dcgan:Generator32
graph: {graph}
weights: random
inputs:
  {name}: {{shape: {shape}}}
sources: [a test]
activity:
{activity}
"""


def stated(tmp_path: Path, activity: str) -> Workload:
    source = load_workload("dcgan32")
    from accelsim.ir.store import save_graph

    save_graph(source.graph, tmp_path / "g.json")
    (value,) = source.graph.inputs
    file = tmp_path / "w.yaml"
    file.write_text(WORKLOAD.format(graph="g.json", name=value.name, shape=list(value.shape), activity=activity))
    return read_workload(file)


def test_what_the_workload_states_is_used_without_a_run(tmp_path: Path) -> None:
    source = stated(tmp_path, "  up1: {zero_fraction: 0.5}\n  up3: {zero_multiplies: 0.9}")
    rows = {row["name"]: row for row in accelsim.estimate(source, on="eyeriss").layer_rows}
    assert (rows["up2"]["input_zero_fraction"], rows["up2"]["zeros_from"]) == (0.5, "workload")
    assert (rows["up1"]["zeros_from"], rows["up3"]["zero_multiplies"]) == ("assumed", 0.9)


@pytest.mark.parametrize(
    ("activity", "what"),
    [
        ("  up9: {zero_fraction: 0.5}", r"activity\.up9: the graph has no such input or layer \(did you mean"),
        ("  up1: {zero_fraction: 1.5}", "activity.up1.zero_fraction"),
        ("  up1: {zeros: 0.5}", "activity.up1.zeros"),
    ],
)
def test_activity_that_cannot_be_is_located(tmp_path: Path, activity: str, what: str) -> None:
    with pytest.raises(LocatedErrors, match=what):
        stated(tmp_path, activity)


def test_activity_of_what_is_not_stored_is_refused(tmp_path: Path) -> None:
    source = load_workload("dcgan32")
    hidden = next(node.name for node in source.graph.nodes if type(node.op).__name__ == "BatchNorm")
    with pytest.raises(AccelsimError, match=f"activity of '{hidden}', which is no value that is stored"):
        accelsim.estimate(stated(tmp_path, f"  {hidden}: {{zero_fraction: 0.5}}"), on="eyeriss")


def test_zeros_do_not_depend_on_batches() -> None:
    source, machine = load_workload("dcgan32"), load_architecture("eyeriss")
    assert isinstance(machine, Architecture)
    program = quantized(source, machine)
    from accelsim.engine.activity import ActivityCounter

    seen = []
    for batch in (1, 2, 5):
        counter = ActivityCounter(counts_runs=True)
        run_program(program, source.draw_inputs(5, 0), batch=batch, activity=counter)
        seen.append(counter.activity().values)
    assert seen[0] == seen[1] == seen[2]
    assert all(value.runs is not None and value.runs.zeros == value.zeros for value in seen[0].values())
