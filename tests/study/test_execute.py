import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pytest

import accelsim
from accelsim.errors import AccelsimError
from accelsim.study import evaluate as worker

FIGURES = ("energy_j", "energy_j_low", "latency_s", "offchip_bytes", "macs", "per_image_steady.energy_j",
           "per_image_steady.offchip_bytes", "offchip_bytes_by_operand.weights", "resources.fits")  # fmt: skip


def same(one, other) -> None:
    pandas.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"))


def test_a_row_says_what_the_report_says(write, folder):
    table = accelsim.sweep(write("on: zcu104\nimages: 3\nseed: 7\nbatch: 2\ngrid: {precision: [int8, int4]}\n"))
    assert list(table.columns[:12]) == [
        "workload", "on", "precision", "images", "seed", "calibration_images", "batch", "deadline_ms", "residency",
        "status", "error", "seconds",
    ]  # fmt: skip
    for (_, row), precision in zip(table.iterrows(), ("int8", "int4"), strict=True):
        report = accelsim.simulate(
            str(folder / "tiny.json"), on="zcu104", precision=precision, images=3, seed=7, batch=2
        )
        document = report.document()
        for key in FIGURES:
            section, _, name = key.rpartition(".")
            assert row[key] == document[section or "totals"][name]
        assert row["psnr_db"] == report.quality["psnr_db"]
        assert row["resources.used.dsp"] == document["resources"]["used"]["dsp"]
        parts = [row[column] for column in table if column.startswith("energy_by_component_j.")]
        assert sum(parts) == pytest.approx(row["energy_j"], rel=1e-12)


def test_machines_share_a_run(write, monkeypatch):
    runs = []
    real = worker.run_images
    monkeypatch.setattr(
        worker, "run_images", lambda *given, **named: runs.append(given[1].precision) or real(*given, **named)
    )
    text = "images: 3\ngrid: {precision: [int8, int4], on: [zcu104, renamed.yaml], machine.clock_mhz: [100, 200]}\n"
    table = accelsim.sweep(write(text), workers=1)
    assert len(table) == 8 and set(table["status"]) == {"done"}
    assert list(map(str, runs)) == list(dict.fromkeys(map(str, runs))) and len(runs) == 2
    assert table.groupby("precision")["psnr_db"].nunique().tolist() == [1, 1]


def test_a_failed_point_is_recorded_and_the_others_go_on(write, tmp_path, monkeypatch):
    path, out = (
        write("on: zcu104\ngrid: {machine.memories.bram.blocks: [0, 248], batch: [1, 3]}\n"),
        tmp_path / "r.sqlite",
    )
    real = worker.estimate

    def broken(*args, **options):
        if options["batch"] == 3:
            raise ZeroDivisionError("a bug")
        return real(*args, **options)

    monkeypatch.setattr(worker, "estimate", broken)
    table = accelsim.sweep(path, out=out, workers=1)
    assert list(table["status"]) == ["failed", "failed", "done", "failed"]
    assert table["error"][0].startswith("zcu104 with memories.bram.blocks=0: memories.bram.blocks: must be at least 1")
    assert table["error"][3] == "unexpected ZeroDivisionError: a bug"
    assert table["macs"].dtype == "Int64" and table["macs"].isna().tolist() == [True, True, False, True]

    monkeypatch.setattr(worker, "estimate", real)
    same(accelsim.sweep(path, out=out, workers=1), table)
    again = accelsim.sweep(path, out=out, workers=1, retry=True)
    assert list(again["status"]) == ["failed", "failed", "done", "done"]
    same(accelsim.load_results(out), again)


def test_points_that_do_not_apply_have_a_row_and_a_reason(write):
    text = "grid: {on: [zcu104, renamed.yaml], machine.memories.bram.blocks: [200, 100000]}\n"
    table = accelsim.sweep(write(text), workers=1)
    assert list(table["status"]) == ["done", "done", "not_applicable", "not_applicable"]
    assert table["error"][2] == "renamed.yaml: memories has no 'bram' (did you mean 'sram'?)"
    assert table["resources.fits"].tolist()[:2] == [True, False]  # more than the device has is a result, not a mistake


def test_what_is_stored_is_not_run_again(write, tmp_path, monkeypatch):
    path, out = write("on: zcu104\ngrid: {batch: [1, 2]}\n"), tmp_path / "r.sqlite"
    first = accelsim.sweep(path, out=out, workers=1)
    runs = []
    real = worker.estimate
    monkeypatch.setattr(worker, "estimate", lambda *a, **o: runs.append(o["batch"]) or real(*a, **o))
    same(accelsim.sweep(path, out=out, workers=1), first)
    assert runs == []
    wider = accelsim.sweep(write("on: zcu104\ngrid: {batch: [3, 2, 1]}\n"), out=out, workers=1)
    assert runs == [3] and wider["batch"].tolist() == [3, 2, 1]
    assert accelsim.load_results(out)["batch"].tolist() == [1, 2, 3]


def test_processes_and_this_process_give_the_same_table(write):
    path = write("images: 2\ngrid: {precision: [int8, int5], on: [zcu104, renamed.yaml]}\n")
    same(accelsim.sweep(path, workers=2), accelsim.sweep(path, workers=1))


@pytest.mark.parametrize("executor", ["dask://127.0.0.1:1", "mpi", "spark"])
def test_an_executor_that_is_not_there_is_one_sentence(write, monkeypatch, executor):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "mpi4py.futures", None)
    with pytest.raises(AccelsimError) as caught:
        accelsim.sweep(write("on: zcu104\n"), executor=executor)
    name = executor.partition(":")[0]
    said = "expected dask://host:port or mpi" if name == "spark" else f"pip install 'accelsim[{name}]'"
    assert said in str(caught.value)


# --- killed ---------------------------------------------------------------------------------------------------------

MANY = (
    "grid: {on: [zcu104], precision: [int3, int4, int5, int6, int7, int8], residency: [true, false], batch: [BATCH]}\n"
)


def started(path: Path, out: Path, workers: int) -> "subprocess.Popen[str]":
    """The command, in a process group of its own."""
    command = [sys.executable, "-m", "accelsim", "sweep", str(path), "--out", str(out), "--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def stored(out: Path) -> int:
    """Rows that another process finds in the file."""
    if not out.exists():
        return 0
    with sqlite3.connect(out, timeout=10) as connection:
        found = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'results'").fetchone()[0]
        count = connection.execute("SELECT count(*) FROM results").fetchone()[0] if found else 0
    connection.close()
    return int(count)


def wait_for(out: Path, rows: int, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 60
    while stored(out) < rows and process.poll() is None:
        assert time.monotonic() < end, "no progress"
        time.sleep(0.005)


def wait_until_gone(group: int) -> None:
    """No process of the group is left: workers follow their parent."""
    end = time.monotonic() + 20
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < end, "workers outlived the process that was killed"
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_three_times_the_table_is_that_of_an_undisturbed_run(write, tmp_path):
    path, out = write(MANY.replace("BATCH", ", ".join(map(str, range(1, 13))))), tmp_path / "r.sqlite"
    chance = random.Random(0)
    seen = 0
    for round in range(3):
        process = started(path, out, workers=1 + round % 2)
        wait_for(out, seen + 1 + chance.randrange(30), process)
        time.sleep(chance.random() * 0.02)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
        wait_until_gone(process.pid)
        kept = stored(out)
        assert seen < kept < 144
        seen = kept
    assert accelsim.load_results(out)["status"].value_counts().to_dict() == {"done": seen, "pending": 144 - seen}
    same(accelsim.sweep(path, out=out, workers=1), accelsim.sweep(path, workers=1))
    assert stored(out) == 144


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(write, tmp_path):
    path, out = write(MANY.replace("BATCH", ", ".join(map(str, range(1, 41))))), tmp_path / "r.sqlite"
    process = started(path, out, workers=2)
    wait_for(out, 1, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.strip() == f"interrupted; the points done so far are in {out}: run the same command again to go on"
    wait_until_gone(process.pid)
    assert 0 < stored(out) < 480


@pytest.mark.slow
def test_a_worker_that_dies_is_one_sentence(write, tmp_path):
    path, out = write(MANY.replace("BATCH", ", ".join(map(str, range(1, 41))))), tmp_path / "r.sqlite"
    process = started(path, out, workers=2)
    wait_for(out, 1, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith(f"a worker process died; {stored(out)} of 480 points are stored in {out}\nhint: ")
    wait_until_gone(process.pid)


def test_calibration_on_fewer_images_is_a_setting(write):
    text = "on: zcu104\nimages: 3\ngrid: {calibration_images: [1, 64, 512]}\n"
    table = accelsim.sweep(write(text), workers=1)
    assert table["calibration_images"].tolist() == [1, 64, 512] and set(table["status"]) == {"done"}
    assert table["psnr_db"].nunique() > 1
