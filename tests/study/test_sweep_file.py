import pytest

from accelsim.errors import AccelsimError, LocatedErrors
from accelsim.study.sweep_file import read_sweep
from accelsim.study.work import jobs_of, tasks_of

WRONG = """\
machine.clock_mz: 100
machin.clock_mhz: 100
images: -3
grid:
  on: [zcu104, zcu14]
  precision: [int8, int99, int4, int4]
  batch: 3
zip:
  machine.array.rows: [1, 2, 3]
  images: [1, 2]
random:
  count: 0
  keys:
    machine.array.cols: {low: 3, high: 3}
    precision: {low: 3, high: 4}
    seed: {low: 0, high: 4}
"""
SAID = {
    "machin.clock_mhz": "4: machin.clock_mhz: unknown key; allowed:",
    "images": "5: images: should be a whole number of at least 0, not -3",
    "machine": "7: grid.on.1: no hardware 'zcu14' (did you mean 'zcu104'?)",
    "width": "8: grid.precision.1: int99 is not supported; expected int2 to int16",
    "repeated": '8: grid.precision.3: "int4" is listed twice',
    "scalar": "9: grid.batch: should be a list, not 3",
    "zip": "10: zip: lists of unequal length: machine.array.rows 3, images 2",
    "twice": "12: zip.images: given twice: also in images",
    "count": "14: random.count: must be at least 1, not 0",
    "range": "16: random.keys.machine.array.cols: a range needs low and high, low less than high",
    "words": "17: random.keys.precision: should be a list of choices, not a range",
    "also": "17: random.keys.precision: given twice: also in grid",
    "whole": "18: random.keys.seed: is a whole number: add integer: true",
}


def test_every_mistake_at_once_with_its_line(write):
    path = write(WRONG)
    with pytest.raises(LocatedErrors) as caught:
        read_sweep(path)
    lines = str(caught.value).splitlines()
    for said in SAID.values():
        assert any(line.startswith(f"{path}:{said}") for line in lines), (said, lines)
    assert len(lines) == len(SAID)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("on: zcu104\nmachine.clock_mz: 100\n", "4: machine.clock_mz: the machine has no 'clock_mz' (did you mean"),
        ("on: zcu104\ngrid: {machine.memories.bam.blocks: [1]}\n", "memories has no 'bam' (did you mean 'bram'?)"),
        ("grid: {on: [zcu104, renamed.yaml], machine.memories.l2.blocks: [1]}\n", "does any of the other 1 machines"),
        ("on: zcu104\nresidency: 1\n", "4: residency: should be true or false, not 1"),
        ("on: zcu104\ndeadline_ms: -1\n", "4: deadline_ms: should be a number of at least 0, not -1"),
        ("on: zcu104\nprecision: 8\n", "4: precision: should be text, not 8"),
        ("precision: int8\n", "on: missing: name one, or several under grid"),
        ("on: [zcu104]\n", "3: on: should be a name or a path, not a list"),
        ("on: zcu104\nrandom: {count: 1, keys: {batch: {low: 0, high: 3, integer: true}}}", "low should be at least 1"),
        ("on: zcu104\nrandom: {count: 1, keys: {batch: 5}}\n", "should be a list of choices, or a mapping with low"),
        ("on: zcu104\ngrid: {batch: []}\n", "grid.batch: must not be empty"),
        ("on: zcu104\nrandom: {count: 1000000, keys: {batch: [1, 2]}}", "1,000,000 points; expected 100,000"),
    ],
)  # fmt: skip
def test_one_mistake(write, text, said):
    with pytest.raises(LocatedErrors) as caught:
        read_sweep(write(text))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_workload_that_is_not_there(folder):
    with pytest.raises(AccelsimError, match="sweep: workload: no workload 'dcgan99'"):
        read_sweep({"schema": "accelsim/sweep/1", "workload": "dcgan99", "on": "zcu104"})


def test_paths_start_at_the_file_and_constants_hold_everywhere(write, folder):
    study = read_sweep(write("on: renamed.yaml\nmachine.clock_mhz: 100\ngrid: {precision: [int8, int4]}\n"))
    jobs = jobs_of(study)
    assert [job.point.settings()["precision"] for job in jobs] == ["int8", "int4"]
    assert {job.machine["clock_mhz"] for job in jobs} == {100}
    assert {job.workload for job in jobs} == {str((folder / "tiny.json").resolve())}
    assert jobs[0].title == "renamed.yaml with clock_mhz=100"


def test_a_path_that_one_machine_lacks_is_not_applicable_there(write):
    text = "grid: {on: [zcu104, renamed.yaml], machine.memories.bram.blocks: [10]}\n"
    here, there = jobs_of(read_sweep(write(text)))
    assert here.lacks is None
    assert there.lacks == "memories has no 'bram' (did you mean 'sram'?)"


def test_points_that_share_a_run_are_one_task(write):
    text = "images: 4\ngrid: {precision: [int8, int4], on: [zcu104, renamed.yaml], batch: [1, 2]}\n"
    tasks = tasks_of(jobs_of(read_sweep(write(text))))
    assert [len(task) for task in tasks] == [4, 4]
    assert [{job.point.precision for job in task} for task in tasks] == [{"int8"}, {"int4"}]
