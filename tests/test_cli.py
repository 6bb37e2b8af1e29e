"""The command line as a person uses it: what it prints, where, and what it answers to mistakes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from accelsim import cli
from accelsim.shared import list_shared, shared

ZCU104 = shared("hw_configs") / "fpga" / "zcu104.yaml"
COMMANDS = sorted(command.name or command.callback.__name__ for command in cli.app.registered_commands)

MODULES = '''
import torch
from torch import nn


class Net(nn.Module):
    """A small generator."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.bn = nn.Linear(16, 128), nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 3, 4, 2, 1)

    def forward(self, z):
        return torch.tanh(self.up(torch.relu(self.bn(self.fc(z).view(-1, 8, 4, 4)))))


def mlp():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 5))


class Sums(nn.Module):
    def forward(self, x):
        return torch.cumsum(x, 1)


class Needs(nn.Module):
    def __init__(self, size):
        super().__init__()


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        nn.init.constant_(self.fc.weight, float("nan"))

    def forward(self, x):
        return self.fc(x)


def three():
    return 3
'''

Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("list", "hardware")` -> status, stdout, stderr; in a folder with my_nets.py."""
    (tmp_path / "my_nets.py").write_text(MODULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["accelsim", *map(str, words)])
        capsys.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code or 0
        seen = capsys.readouterr()
        return SimpleNamespace(status=status, out=seen.out, err=seen.err)

    return call


def refused(answer: SimpleNamespace) -> str:
    """The one sentence of a refusal: exit 2, nothing on stdout, no traceback; hints are on lines of their own."""
    assert answer.status == 2 and answer.out == ""
    sentence, *rest = answer.err.rstrip("\n").split("\n")
    assert "Traceback" not in answer.err and sentence
    assert all(line.startswith("hint: ") for line in rest), answer.err
    return sentence


# --- what works ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(run, command):
    answer = run(command, "--help")
    assert answer.status == 0 and answer.err == ""
    assert f"Example: accelsim {command}" in re.sub(r"\x1b\[[0-9;]*m", "", answer.out)


def test_help_lists_every_command(run):
    text = run("--help").out
    assert all(command in text for command in COMMANDS) and "Example: " in text
    assert {"list", "check", "lower", "simulate", "estimate", "train"} <= set(COMMANDS)


@pytest.mark.parametrize("what", ["hardware", "workloads", "formats", "metrics", "passes"])
def test_list(run, what):
    answer = run("list", what, "--json")
    rows = json.loads(answer.out)
    assert answer.status == 0 and answer.err == "" and rows
    assert all(set(row) >= {"name", "meaning"} and row["name"] and row["meaning"] for row in rows)
    shown = run("list", what).out
    assert all(row["name"] in shown for row in rows)


def test_list_names_what_ships(run):
    assert {row["name"] for row in json.loads(run("list", "hardware", "--json").out)} == set(list_shared("hw_configs"))
    assert "dcgan32" in run("list", "workloads").out


def test_check_says_what_valid_files_are(run):
    files = [ZCU104, shared("workloads") / "dcgan32.yaml", shared("workloads") / "graphs" / "dcgan32.json"]
    answer = run("check", *files)
    assert answer.status == 0 and answer.err == ""
    machine, workload, graph = answer.out.splitlines()
    assert machine.endswith("the machine zcu104") and workload.endswith("the workload dcgan32")
    assert "1,438,784 parameters" in graph


@pytest.mark.parametrize("command", [("simulate", "--images", "4"), ("estimate",)])
def test_json_is_one_document_and_nothing_else(run, command):
    answer = run(command[0], "dcgan32", "--on", "zcu104", *command[1:], "--json")
    assert answer.status == 0 and answer.err == ""
    document = json.loads(answer.out, parse_constant=pytest.fail)
    assert document["schema"] == "accelsim/report/1"
    assert document["totals"]["macs_zero_inserted"] == 110_182_400
    assert (document["quality"] == {}) == (command == ("estimate",))


def test_simulate_writes_what_it_says(run, tmp_path):
    place = tmp_path / "run"
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    answer = run("simulate", "dcgan32", "--on", "zcu104", "--images", "4", "--out", place)
    assert answer.status == 0 and answer.err == ""
    names = {"report.json", "report.csv", "images.png", "arrays.safetensors"}
    assert {path.name for path in place.iterdir()} == names | {"notes.txt"}
    assert all(str(place / name) in answer.out for name in names) and "notes.txt" not in answer.out
    assert "psnr_db" in answer.out and "22,232,768 effectual" in answer.out
    again = json.loads((place / "report.json").read_text())
    assert again["totals"]["offchip_bytes"] == sum(row["offchip_bytes"] for row in again["layers"])


def test_simulate_json_agrees_with_the_file(run, tmp_path):
    answer = run("simulate", "dcgan32", "--on", "zcu104", "--images", "2", "--json", "--out", tmp_path / "run")
    assert json.loads(answer.out) == json.loads((tmp_path / "run" / "report.json").read_text())


def test_a_deadline(run):
    asked = {ms: run("estimate", "dcgan32", "--on", "zcu104", "--json", "--deadline-ms", ms) for ms in ("0.001", "5")}
    assert [json.loads(a.out)["totals"]["meets_deadline"] for a in asked.values()] == [False, True]


def test_batches_and_residency_reach_the_cost(run):
    kept, apart = (
        json.loads(run("estimate", "dcgan32", "--on", "zcu104", "--batch", "2", flag, "--json").out)
        for flag in ("--residency", "--no-residency")
    )
    assert kept["totals"]["batch"] == apart["totals"]["batch"] == 2
    assert kept["totals"]["offchip_bytes"] < apart["totals"]["offchip_bytes"]


def test_float32_prints_why_it_has_no_cost(run):
    answer = run("simulate", "dcgan32", "--on", "zcu104", "--images", "2", "--precision", "float32")
    assert answer.status == 0 and "cost          none: " in answer.out and "floating-point" in answer.out


@pytest.mark.parametrize(("name", "shape", "image"), [("Net", "1x16", True), ("mlp", "1x12", False)])
def test_a_module_straight_from_its_file(run, tmp_path, name, shape, image):
    words = ("my_nets.py:" + name, "--on", "zcu104", "--input", shape)
    answer = run("simulate", *words, "--images", "4", "--out", tmp_path / "out", "--json")
    assert answer.status == 0 and answer.err == ""
    simulated = json.loads(answer.out)
    assert simulated["quality"]["psnr_db"] > 25
    assert (tmp_path / "out" / "images.png").exists() == image
    estimated = json.loads(run("estimate", *words, "--json").out)
    assert estimated["totals"] == simulated["totals"]


def test_a_module_lowered_then_simulated(run, tmp_path):
    lowered = run("lower", "my_nets.py:Net", "--input", "1x16", "--out", tmp_path / "low")
    assert lowered.status == 0 and "ConvTranspose2d" in lowered.out
    stored = tmp_path / "low" / "Net.json"
    assert stored.exists() and stored.with_suffix(".safetensors").exists()
    assert run("check", stored).status == 0
    direct = run("simulate", "my_nets.py:Net", "--input", "1x16", "--on", "zcu104", "--images", "6", "--json")
    read = run("simulate", stored, "--on", "zcu104", "--images", "6", "--json")
    one, two = json.loads(direct.out), json.loads(read.out)
    for key in ("totals", "quality", "layers", "memory_plan"):
        assert one[key] == two[key]
    assert one["provenance"]["hashes"] == two["provenance"]["hashes"]


def test_a_module_by_its_import_path(run):
    answer = run("estimate", "my_nets:mlp", "--on", "zcu104", "--input", "1x12", "--json")
    assert json.loads(answer.out)["totals"]["macs_scatter"] == 12 * 20 + 20 * 5


# --- what is refused -------------------------------------------------------------------------------------------------

REFUSALS = {
    "workload": (("dcgan23",), "no workload 'dcgan23' (did you mean 'dcgan32'?)"),
    "machine": (("dcgan32", "--on", "zcu105"), "no hardware 'zcu105' (did you mean 'zcu104'?)"),
    "format": (("dcgan32", "--precision", "itn8"), "precision: no number format 'itn8' (did you mean 'int8'?)"),
    "width": (("dcgan32", "--precision", "int17"), "precision: int17 is not supported; expected int2 to int16"),
    "part": (
        ("dcgan32", "--precision", "wights=int4,activations=int8"),
        "unknown part 'wights' (did you mean 'weights'",
    ),
    "no input": (("my_nets.py:Net",), "my_nets.py:Net: a module needs its input shapes"),
    "bad shape": (("my_nets.py:Net", "--input", "1xa"), "--input 1xa: expected sizes joined by x"),
    "negative": (("my_nets.py:Net", "--input", "1x-16"), "--input 1x-16: expected sizes joined by x"),
    "zero": (("my_nets.py:Net", "--input", "1x0"), "--input 1x0: expected sizes joined by x"),
    "other digits": (("my_nets.py:Net", "--input", "1x\N{SUPERSCRIPT TWO}"), "expected sizes joined by x"),
    "endless": (("my_nets.py:Net", "--input", "1x" + "9" * 5000), "expected sizes joined by x"),
    "huge": (("my_nets.py:Net", "--input", "1x99999999999"), "one sample has 99,999,999,999 elements, expected"),
    "wrong shape": (("my_nets.py:Net", "--input", "1x17"), "Net: torch.export refuses this module: "),
    "two inputs": (("my_nets.py:Net", "--input", "1x16", "--input", "1x16"), "Net: torch.export refuses this module: "),
    "needless input": (("dcgan32", "--input", "1x100"), "--input: dcgan32 states its own input shapes"),
    "class": (("my_nets.py:Nett", "--input", "1x16"), "my_nets.py has no 'Nett' (did you mean 'Net'?)"),
    "file": (("module.py:Net", "--input", "1x16"), "module.py: no such file"),
    "package": (("no.such.thing:Net", "--input", "1x16"), "no.such.thing: importing it failed: ModuleNotFoundError"),
    "arguments": (("my_nets.py:Needs", "--input", "1x16"), "my_nets.py:Needs: calling it without arguments failed"),
    "no module": (("my_nets.py:three", "--input", "1x16"), "my_nets.py:three: expected a torch.nn.Module, got int"),
    "operator": (
        ("my_nets.py:Sums", "--input", "1x16"),
        "module (Sums): operator aten.cumsum.default is not supported",
    ),
    "nan": (("my_nets.py:Broken", "--input", "1x4"), "Broken: tensor 'fc.weight' holds nan at [0, 0]"),
    "folder": ((".",), "no workload '.'"),
}


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("command", ["simulate", "estimate"])
def test_refusals_are_one_sentence(run, case, command):
    words, message = REFUSALS[case]
    on = () if "--on" in words else ("--on", "zcu104")
    assert message in refused(run(command, *words, *on))


USAGE = {
    "negative images": ("simulate", "dcgan32", "--on", "zcu104", "--images", "-1"),
    "negative seed": ("simulate", "dcgan32", "--on", "zcu104", "--seed", "-1"),
    "no batch": ("estimate", "dcgan32", "--on", "zcu104", "--batch", "0"),
    "no machine": ("simulate", "dcgan32"),
    "no workload": ("simulate",),
    "no number": ("simulate", "dcgan32", "--on", "zcu104", "--images", "many"),
    "command": ("simulte",),
    "listed": ("list", "harware"),
    "option": ("estimate", "dcgan32", "--onn", "zcu104"),
}


@pytest.mark.parametrize("case", USAGE)
def test_bad_options_exit_2_and_say_which(run, case):
    answer = run(*USAGE[case])
    assert answer.status == 2 and answer.out == "" and "Traceback" not in answer.err
    assert any(word.strip("-") in answer.err for word in USAGE[case]) or "Missing" in answer.err


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The shipped workload in a folder of its own."""
    folder = tmp_path / "mine"
    for part in ("dcgan32.yaml", "graphs/dcgan32.json", "weights/dcgan32.safetensors"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared("workloads") / part, folder / part)
    return folder


def test_truncated_weights(run, copied):
    weights = copied / "weights" / "dcgan32.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    sentence = refused(run("simulate", copied / "dcgan32.yaml", "--on", "zcu104", "--images", "1"))
    assert sentence.startswith(f"{weights}: not a readable safetensors file")


def test_a_weight_that_is_no_number(run, copied):
    weights = copied / "weights" / "dcgan32.safetensors"
    tensors = {name: tensor.copy() for name, tensor in load_file(weights).items()}
    tensors["up1.weight"][1, 2, 3, 4] = np.nan
    save_file(tensors, weights)
    sentence = refused(run("simulate", copied / "dcgan32.yaml", "--on", "zcu104", "--images", "1"))
    assert sentence == f"{weights}: tensor 'up1.weight' holds nan at [1, 2, 3, 4]; expected finite values"


def test_an_estimate_opens_no_weights(run, copied):
    shutil.rmtree(copied / "weights")
    answer = run("estimate", copied / "dcgan32.yaml", "--on", "zcu104", "--json")
    assert answer.status == 0
    shipped = json.loads(run("estimate", "dcgan32", "--on", "zcu104", "--json").out)
    assert json.loads(answer.out)["totals"] == shipped["totals"]
    assert "no such file" in refused(run("simulate", copied / "dcgan32.yaml", "--on", "zcu104"))


def small_board(tmp_path: Path) -> Path:
    text = ZCU104.read_text()
    assert text.count("blocks: {value: 248,") == 1
    board = tmp_path / "small.yaml"
    board.write_text(text.replace("blocks: {value: 248,", "blocks: {value: 1,"))
    return board


@pytest.mark.parametrize("command", ["simulate", "estimate"])
def test_a_layer_that_cannot_fit(run, tmp_path, command):
    sentence = refused(run(command, "dcgan32", "--on", small_board(tmp_path)))
    assert re.fullmatch(r"layer \w+: memory 'bram': the smallest tiles need \d+ bytes, the memory has 4608", sentence)


def test_four_mistakes_are_four_lines(run, tmp_path):
    lines = ZCU104.read_text().splitlines()
    edits = {
        "kind: fpga": "kind: fpag",
        "double_buffered: true": "duble_buffered: true",
        "transposed_conv: phase": "transposed_conv: phaze",
        "dsp_per_pe: 1": "dsp_per_pe: many",
    }
    expected = []
    for old, new in edits.items():
        (at,) = [i for i, line in enumerate(lines) if line.strip() == old]
        lines[at] = lines[at].replace(old, new)
        expected.append((at + 1, new.split(":")[0]))
    board = tmp_path / "board.yaml"
    board.write_text("\n".join(lines))
    for words in (("check", board), ("simulate", "dcgan32", "--on", board), ("estimate", "dcgan32", "--on", board)):
        answer = run(*words)
        assert answer.status == 2 and answer.out == ""
        found = answer.err.splitlines()
        assert len(found) == 4
        for line, (number, field) in zip(found, sorted(expected), strict=True):
            assert re.match(rf"{re.escape(str(board))}:{number}: [\w.]*{field}: ", line), line
        assert sum("did you mean" in line for line in found) >= 3


def test_check_goes_through_all_files(run, tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "odd.yaml").write_text("schema: accelsim/hardwear/1\n")
    (tmp_path / "graph.json").write_text("{")
    answer = run("check", "empty.yaml", "none.yaml", "odd.yaml", "graph.json", "my_nets.py", ZCU104)
    assert answer.status == 2 and answer.out.count("\n") == 1 and "the machine zcu104" in answer.out
    found = answer.err.splitlines()
    assert len(found) == 5 and "Traceback" not in answer.err
    assert found[0].startswith("empty.yaml:1: ") and found[1].startswith("none.yaml: cannot be read: ")
    assert found[2].startswith("odd.yaml:1: schema: 'accelsim/hardwear/1'") and "did you mean" in found[2]
    assert found[3].startswith("graph.json: not a JSON file") and found[4].startswith(
        "my_nets.py: expected a YAML file"
    )


@pytest.mark.parametrize(
    "words", [("estimate", "dcgan32", "--on", "zcu104"), ("lower", "my_nets.py:mlp", "--input", "1x12")]
)
def test_out_must_be_a_folder(run, tmp_path, words):
    (tmp_path / "taken").write_text("mine")
    assert refused(run(*words, "--out", "taken")).startswith("taken: cannot be written: ")
    assert (tmp_path / "taken").read_text() == "mine"


def test_train_names_what_it_lacks(run):
    assert "dcgan33" in refused(run("train", "dcgan33", "--data", "x", "--out", "y"))
    assert refused(run("train", "dcgan32", "--data", "nowhere", "--out", "y")).startswith("nowhere: ")


# --- a process of its own --------------------------------------------------------------------------------------------


def test_as_a_module_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "accelsim", "estimate", "dcgan32", "--on", "zcu104"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "" and "bytes off chip" in done.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "accelsim", "estimate", "dcgan23", "--on", "zcu104"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert wrong.returncode == 2 and wrong.stdout == "" and wrong.stderr.startswith("no workload 'dcgan23'")


def test_a_reader_that_hangs_up_is_no_traceback(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "accelsim", "list", "passes", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert b"Traceback" not in error


SENTENCES = {
    "simulate --precison int8": "accelsim simulate: No such option: --precison (did you mean --precision?)",
    "simulate dcgan32": "accelsim simulate: --on is missing",
    "simulat": "accelsim: No such command: simulat (did you mean simulate?)",
    "zzzz": "accelsim: No such command 'zzzz'",
    "simulate dcgan32 --on zcu104 --images x": "accelsim simulate: --images: should be a whole number",
    "simulate dcgan32 --on zcu104 --seed -1": "accelsim simulate: --seed: must be at least 0",
    "simulate dcgan32 --on zcu104 --deadline-ms x": "accelsim simulate: --deadline-ms: should be a number",
    "simulate dcgan32 --on": "accelsim simulate: Option '--on' requires an argument",
    "list hardwar": "accelsim list: WHAT: 'hardwar' is not one of 'hardware', 'workloads', 'formats', 'metrics', "
    "'passes' (did you mean 'hardware'?)",
    "check": "accelsim check: FILES is missing",
    "estimate a b --on zcu104": "accelsim estimate: Got unexpected extra argument(s) (b)",
}


@pytest.mark.parametrize("words", SENTENCES)
def test_a_mistake_on_the_command_line_is_one_sentence_and_where_help_is(run, words):
    answer = run(*words.split())
    assert refused(answer) == SENTENCES[words]
    assert re.search(r"hint: accelsim( \w+)? --help shows what it takes\n", answer.err)


def test_no_command_at_all_shows_the_help(run):
    answer = run()
    assert answer.status == 2 and "Usage: accelsim" in answer.out + answer.err
