import csv
import json
import sys
from collections import namedtuple

import pandas
import pytest
from PIL import Image, ImageStat

import accelsim
from accelsim.cli import main
from accelsim.errors import AccelsimError
from accelsim.plots import axis_label, pareto_figure, quality_against_bits, stacked_bars

Answer = namedtuple("Answer", "code out err")


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*words) -> Answer:
        monkeypatch.setattr(sys, "argv", ["accelsim", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Answer(code, *capsys.readouterr())

    return run


def opened(path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


SWEEP = "images: 4\nprecision: int8\ngrid: {on: [zcu104, renamed.yaml], precision: [int8, int4, int3]}\n"


@pytest.fixture
def swept(write, tmp_path, command):
    out = tmp_path / "r.sqlite"
    path = write(SWEEP.replace("precision: int8\n", ""))
    assert command("sweep", path, "--out", out, "--workers", 1).code == 0
    return path, out


def test_sweep_writes_tables_that_agree(swept, tmp_path, command):
    path, out = swept
    answer = command("sweep", path, "--out", out, "--csv", tmp_path / "t.csv", "--json")
    rows = json.loads(answer.out)
    assert answer.code == 0 and [row["precision"] for row in rows] == ["int8", "int4", "int3"] * 2
    table = accelsim.load_results(out)
    assert [row["energy_j"] for row in rows] == table["energy_j"].tolist()
    with (tmp_path / "t.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(table.columns)
    assert [float(line["energy_j"]) for line in lines] == table["energy_j"].tolist()
    assert command("sweep", path, "--out", out, "--table", tmp_path / "t.json").code == 0
    assert json.loads((tmp_path / "t.json").read_text()) == rows


def test_sweep_shows_figures_and_reasons(write, tmp_path, command):
    text = "grid: {on: [zcu104, renamed.yaml], machine.memories.bram.blocks: [0, 100000]}\n"
    answer = command("sweep", write(text), "--out", tmp_path / "r.sqlite", "--workers", 1)
    assert answer.code == 0
    assert "done, does not fit" in answer.out and "not applicable" in answer.out
    assert "1 x zcu104 with memories.bram.blocks=0: " in answer.out
    assert "wrote" in answer.out and str(tmp_path / "r.sqlite") in answer.out


def test_exit_codes(write, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = command("sweep", write(SWEEP), "--out", tmp_path / "r.sqlite")
    assert wrong.code == 2 and "grid.precision: given twice: also in precision" in wrong.err
    assert not (tmp_path / "r.sqlite").exists()
    assert command("check", write(SWEEP)).code == 2
    assert command("check", write("on: zcu104\ngrid: {batch: [1, 2, 3]}\n")).out.endswith("a sweep of 3 points\n")
    nothing = command("sweep", write("on: zcu104\nmachine.memories.bram.blocks: 0\n"), "--workers", 1)
    assert nothing.code == 1 and "1 failed" in nothing.out
    table = command("sweep", write("on: zcu104\n"), "--csv", "t.xlsx")
    assert table.code == 2 and "expected a name that ends in .csv, .json, .parquet" in table.err
    monkeypatch.setattr("accelsim.study.table.find_spec", lambda name: None)
    assert "Parquet needs pyarrow" in command("sweep", write("on: zcu104\n"), "--csv", "t.parquet").err
    assert command("pareto", tmp_path / "none.sqlite").code == 2


def test_pareto_prints_and_draws(swept, tmp_path, command):
    _, out = swept
    answer = command("pareto", out, "--out", tmp_path / "p.png")
    assert answer.code == 0 and "points on the front" in answer.out and f"wrote {tmp_path / 'p.png'}" in answer.out
    picture = opened(tmp_path / "p.png")
    assert picture.size == (1200, 800)
    assert min(ImageStat.Stat(picture).stddev) > 10  # not blank
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert (0x00, 0x72, 0xB2) in colours or (0xD5, 0x5E, 0x00) in colours  # a machine's colour
    made = json.loads(command("pareto", out, "--json").out)
    assert made["x"] == {"key": "energy_j", "better": "less"} and made["y"] == {"key": "psnr_db", "better": "more"}
    assert len(made["points"]) == 6 and {"front"} <= {point["standing"] for point in made["points"]}
    turned = json.loads(command("pareto", out, "--x", "energy_j", "--maximise", "energy_j", "--json").out)
    assert turned["x"]["better"] == "more"
    assert command("pareto", out, "--y", "batch").code == 2


def test_vector_figures_are_the_same_each_time(swept, tmp_path, command):
    _, out = swept
    for name in ("a.svg", "b.svg"):
        assert command("pareto", out, "--x", "latency_s", "--out", tmp_path / name).code == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "int4" in (tmp_path / "a.svg").read_text()


def test_other_figures_are_drawn(tmp_path):
    stacked_bars(
        {"a": {"mac": 1e-6, "dram": 3e-6}, "b": {"mac": 2e-6}}, "energy_j", tmp_path / "e.png", {"a": 0, "b": 0}
    )
    quality_against_bits({"intN": [(8, 40.0), (4, 22.0)], "other": [(8, 30.0)]}, "psnr_db", tmp_path / "q.png")
    for name in ("e.png", "q.png"):
        assert min(ImageStat.Stat(opened(tmp_path / name)).stddev) > 5
    with pytest.raises(AccelsimError, match=r"ends in .png, .svg, .pdf"):
        stacked_bars({"a": {"mac": 1.0}}, "energy_j", tmp_path / "e.gif")
    with pytest.raises(AccelsimError, match="cannot be written"):
        stacked_bars({"a": {"mac": 1.0}}, "energy_j", tmp_path / "no" / "e.png")


def test_many_parts_are_drawn_as_the_largest_and_the_rest(tmp_path):
    rows = {"a": {f"part{i}": 1.0 + i for i in range(20)}, "b": {"part0": 9e-6}}
    stacked_bars(rows, "energy_j", tmp_path / "e.svg", shares=True)
    text = (tmp_path / "e.svg").read_text()
    assert "210 J" in text and "9 µJ" in text and "share of the energy of a batch (%)" in text
    named = [name for name in (*rows["a"], "other") if f">{name}<" in text]
    assert named == ["part0", *(f"part{i}" for i in range(13, 20)), "other"]


def test_a_front_of_one_point_without_labels(tmp_path):
    table = pandas.DataFrame({"energy_j": [1e-4], "psnr_db": [30.0], "standing": ["front"]})
    pareto_figure(table, "energy_j", "psnr_db", (False, True), (), tmp_path / "p.png")
    assert opened(tmp_path / "p.png").size == (1200, 800)


@pytest.mark.parametrize(
    ("key", "values", "label"),
    [
        ("energy_j", [2e-4, 4e-4], ("energy of a batch (µJ)", 1e-6)),
        ("offchip_bytes", [1.5e6], ("off-chip traffic of a batch (MB)", 1e6)),
        ("psnr_db", [30.0], ("PSNR against the float32 generator (dB)", 1.0)),
        ("images_per_s", [6e3], ("images per s", 1.0)),
        ("macs", [6e6], ("macs", 1.0)),
        ("energy_by_component_j.mac", [1e-6], ("energy by component j, mac", 1.0)),
    ],
)
def test_axes_name_figure_and_unit(key, values, label):
    assert axis_label(key, values) == label
