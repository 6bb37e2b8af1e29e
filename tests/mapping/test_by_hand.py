"""Loops given by hand: costed as they are, with every mistake located."""

from pathlib import Path

import pytest
from tiny import one_layer, tiny_machine

from accelsim import estimate
from accelsim.cost.costing import cost
from accelsim.errors import AccelsimError, DoesNotFit, LocatedErrors
from accelsim.hardware.load import load_architecture
from accelsim.ir.ops import Conv2d
from accelsim.mapping.by_hand import read_mappings
from accelsim.mapping.machine import DIMS
from accelsim.mapping.scheduled import ScheduleOptions

CONV = Conv2d(4, 8, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False)
SHAPE = (4, 6, 6)
ENDING = """
    bram: [{in_channels: 1}, {out_channels: 1}, {out_height: 1}, {out_width: 1}, {kernel_height: 1}, {kernel_width: 1}]
"""


def written(tmp_path, layers):
    path = tmp_path / "loops.yaml"
    path.write_text(f"schema: accelsim/mapping/1\nlayers:\n{layers}")
    return read_mappings(path)


def costed(given, machine=None, goal="energy"):
    program = one_layer(CONV, SHAPE)
    return cost(program, machine or tiny_machine(), 1, ScheduleOptions(goal, residency=False), mappings=given)


def as_written(step):
    """The loops of a step's mapping in the words of a file."""
    spelled, lines = {dim: name for name, dim in DIMS.items()}, []
    for level, memory in enumerate(step.mapping.hierarchy.memories):
        loops = []
        for loop in step.mapping.nest.running:
            if loop.level == level:
                loops += [] if loop.spatial else [f"{{{spelled[loop.dim]}: {loop.step}}}"]
        lines.append(f"    {memory.name}: [{', '.join(loops)}]")
    return "\n".join([f"  {step.task.node.name}:", *lines, ""])


@pytest.mark.parametrize("goal", ["energy", "latency"])
@pytest.mark.parametrize("size", [{}, {"rows": 4, "cols": 8}, {"rows": 3, "cols": 5, "sums_bytes": 64}])
def test_what_the_mapper_finds_costs_the_same_when_written_down(tmp_path, goal, size):
    machine = tiny_machine(**size)
    found = costed(None, machine, goal)
    (step,) = found.schedule.steps
    again = costed(written(tmp_path, as_written(step)), machine, goal)
    assert again.schedule.steps[0].mapping.costs == step.mapping.costs
    assert (again.energy, again.latency_s) == (found.energy, found.latency_s)
    assert any("by hand" in sentence for sentence in again.assumptions)


def test_another_order_is_costed_as_it_stands(tmp_path):
    """Input channels outermost: each result leaves the chip unfinished three times, comes back, and leaves finished."""
    inner = ENDING.replace("{in_channels: 1}, {out_channels: 1}, ", "")
    made = costed(written(tmp_path, f"  y:\n    ddr: [{{in_channels: 1}}, {{out_channels: 1}}]{inner}"))
    (step,) = made.schedule.steps
    outputs, sum_bits = 8 * 6 * 6, step.mapping.hierarchy.partial_sum_bits
    rows = {row.kind: (row.read_bits, row.write_bits) for row in step.mapping.traffic if row.level == 0}
    assert step.mapping.cycles == 8 * 4 * 36 * 9
    assert rows["partial_sums"] == (3 * outputs * sum_bits, 3 * outputs * sum_bits)
    assert rows["outputs"] == (0, outputs * 8)
    assert rows["weights"] == (8 * 4 * 9 * 8, 0)
    assert rows["inputs"] == (4 * 6 * 6 * 8, 0)
    assert "for C in 4 x 1" in str(step.mapping)


def test_layers_that_are_not_named_are_searched(tmp_path):
    path = tmp_path / "loops.yaml"
    loops = "{in_channels: 32}, {out_channels: 32}"
    path.write_text(f"schema: accelsim/mapping/1\nlayers:\n  fc:\n    ddr: [{loops}]\n")
    free, given = estimate("dcgan32", on="zcu104"), estimate("dcgan32", on="zcu104", mapping=path)
    loops_of = [{row["name"]: row["mapping"] for row in report.layer_rows} for report in (free, given)]
    changed = {name for name in loops_of[0] if loops_of[0][name] != loops_of[1][name]}
    assert changed == {"fc"}
    assert given.totals["offchip_bytes"] >= free.totals["offchip_bytes"]


def test_the_loops_in_the_docs_run(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text(encoding="utf-8")
    path = tmp_path / "loops.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0])
    row = next(row for row in estimate("dcgan32", on="zcu104", mapping=path).layer_rows if row["name"] == "up1")
    assert "for K in 2 x 64" in row["mapping"]


def test_every_mistake_has_its_place(tmp_path):
    with pytest.raises(LocatedErrors) as caught:
        written(tmp_path, "  y:\n    ddr: [{in_chanels: 4}]\n    bram: [{out_channels: 0}]\n")
    assert [problem.line for problem in caught.value.problems] == [4, 5]
    with pytest.raises(LocatedErrors) as caught:
        written(tmp_path, "  y:\n    ddr: [{kernel_height: 1, kernel_width: 1}]\n    bram: [{}]\n")
    assert [str(problem).split("loops.yaml:")[1] for problem in caught.value.problems] == [
        "4: layers.y.ddr.0: names 2 dimensions; one dimension a loop",
        "5: layers.y.bram.0: names 0 dimensions; one dimension a loop",
    ]
    with pytest.raises(LocatedErrors) as caught:
        costed(written(tmp_path, "  y:\n    drr: [{in_channels: 4}]\n  x:\n    ddr: []\n"))
    assert [str(problem).split(": ", 1)[1] for problem in caught.value.problems] == [
        "layers.y.drr: the machine has no memory of that name; expected one of: ddr, bram (did you mean 'ddr'?)",
        "layers.x: no layer of that name multiplies; expected one of: y",
    ]
    with pytest.raises(
        LocatedErrors, match=r"3: layers.y: after the loops of the last memory out_width at 3; expected 1"
    ):
        costed(written(tmp_path, f"  y:{ENDING.replace('out_width: 1', 'out_width: 3')}"))


def test_tiles_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(DoesNotFit, match=r"layer y: memory 'bram': the loops given by hand need \d+ bytes"):
        costed(written(tmp_path, f"  y:{ENDING}"), tiny_machine(bram_bytes=128))


def test_machines_without_loops_say_so(tmp_path):
    machine = load_architecture("isaac")
    with pytest.raises(AccelsimError, match="isaac: kind reram has no loops that could be given by hand"):
        costed(written(tmp_path, f"  y:{ENDING}"), machine)
