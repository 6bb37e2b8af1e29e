"""`accelsim vectors` as a person uses it, and what it says where it cannot go on."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest

import accelsim
from accelsim import cli
from accelsim.shared import shared

Run = Callable[..., SimpleNamespace]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

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


@pytest.fixture
def copied(make, tmp_path) -> Path:
    """A run of dcgan32 that a test may change."""
    return Path(shutil.copytree(make("dcgan32", "int8").run, tmp_path / "run"))


def changed(folder: Path, values: dict[str, object], hashes: Mapping[str, str] = MappingProxyType({})) -> None:
    file = folder / "report.json"
    document = json.loads(file.read_text())
    document["provenance"] |= values
    document["provenance"]["hashes"] |= hashes
    file.write_text(json.dumps(document))


def refused(answer: SimpleNamespace) -> tuple[str, str]:
    """The sentence and the hint of a refusal."""
    assert answer.status == 2 and answer.out == "" and "Traceback" not in answer.err, answer.err
    sentence, _, hint = answer.err.rstrip("\n").partition("\nhint: ")
    assert "\n" not in sentence + hint
    return sentence, hint


def test_one_layer(run, copied):
    answer = run("vectors", copied, "--out", "made/here", "--layer", "up3", "--images", 2)
    assert answer.status == 0 and answer.err == ""
    first, second, third = answer.out.splitlines()
    assert first == "up3  6,144 outputs, 0 accumulators overflowed"
    assert second == "outputs of 2 of 2 images compared with those that the run stored: equal"
    assert third == "wrote made/here; check it: cc -O2 made/here/check.c -o check && ./check made/here"
    assert {path.name for path in Path("made/here").iterdir()} == {"up3", "manifest.json", "layers.txt", "check.c"}


def test_a_second_time_the_same_files(run, copied, make):
    assert run("vectors", copied, "--out", "again").status == 0
    made = make("dcgan32", "int8").vectors
    files = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
    assert len(files) > 80
    assert all((made / file).read_bytes() == Path("again", file).read_bytes() for file in files)


@pytest.mark.parametrize(("layer", "near"), [("up4", " (did you mean 'up3'?)"), ("nothing", "")])
def test_no_such_layer(run, copied, layer, near):
    sentence, hint = refused(run("vectors", copied, "--out", "v", "--layer", layer))
    assert sentence == f"--layer {layer}: no such layer in dcgan32{near}"
    assert hint == "its layers: fc, up1, up2, up3" and not Path("v").exists()


def test_no_run_there(run, tmp_path):
    sentence, hint = refused(run("vectors", "nowhere", "--out", "v"))
    assert sentence == "nowhere/report.json: cannot be read: No such file or directory"
    assert "simulate" in hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a JSON file"),
        ("[]", "not a report of `accelsim simulate`; expected schema 'accelsim/report/1'"),
        ('{"schema": "accelsim/graph/1"}', "not a report of `accelsim simulate`; expected schema 'accelsim/report/1'"),
        ('{"schema": "accelsim/report/1"}', "provenance.workload: None; expected text"),
    ],
)
def test_a_report_that_is_not_ours(run, tmp_path, text, said):
    (tmp_path / "report.json").write_text(text)
    sentence, _ = refused(run("vectors", tmp_path, "--out", tmp_path / "v"))
    assert sentence == f"{tmp_path / 'report.json'}: {said}"


def test_runs_that_have_no_integers(run, tmp_path):
    accelsim.estimate("dcgan32", on="zcu104").save(tmp_path / "estimate")
    assert "an estimate, in which nothing ran" in refused(run("vectors", "estimate", "--out", "v"))[0]
    accelsim.simulate("dcgan32", on="zcu104", precision="float32", images=1).save(tmp_path / "float")
    assert "computed in weights=float32" in refused(run("vectors", "float", "--out", "v"))[0]


@pytest.mark.parametrize(
    ("what", "said", "option"),
    [
        ("graph", "the graph of dcgan32", "--workload"),
        ("weights", "the weights of dcgan32", "--workload"),
        ("hardware", "the machine zcu104", "--on"),
        ("precision", "the precision weights=int8:channel:sym,activations=int8:tensor:asym", ""),
    ],
)
def test_what_ran_is_no_longer_there(run, copied, what, said, option):
    changed(copied, {}, {what: "0123456789abcdef"})
    sentence, hint = refused(run("vectors", copied, "--out", "v"))
    assert sentence.startswith(f"{copied}/report.json: hashes.{what}: {said} is not what ran: ")
    assert sentence.endswith(" now, 0123456789ab then") and option in hint and not Path("v").exists()


def test_another_machine_than_the_one_that_ran(run, copied):
    sentence, _ = refused(run("vectors", copied, "--out", "v", "--on", "rpi4"))
    assert "hashes.hardware: the machine rpi4 is not what ran" in sentence


def test_a_machine_and_a_workload_of_ones_own(run, copied, tmp_path):
    changed(copied, {"hardware": "my_board", "workload": "my_net"})
    sentence, hint = refused(run("vectors", copied, "--out", "v"))
    assert "my_net" in sentence and hint == "the run names it so: --workload says where it is now"
    sentence, hint = refused(run("vectors", copied, "--out", "v", "--workload", "dcgan32"))
    assert "my_board" in sentence and hint == "the run names it so: --on says where it is now"
    shutil.copy(shared("hw_configs") / "fpga" / "zcu104.yaml", tmp_path / "here.yaml")
    words = ["--workload", "dcgan32", "--on", "here.yaml", "--layer", "fc"]
    assert run("vectors", copied, "--out", "v", *words).status == 0


def test_outputs_that_are_no_longer_made(run, copied):
    changed(copied, {"seed": 1})
    sentence, hint = refused(run("vectors", copied, "--out", "v"))
    assert sentence.startswith(f"{copied}/arrays.safetensors: output.tanh: this version of accelsim does not make")
    assert "simulate" in hint


def test_out_is_taken(run, copied, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place in ("full", "file"):
        sentence, _ = refused(run("vectors", copied, "--out", place))
        assert sentence == f"{place}: not an empty folder; expected a new or an empty one for the vectors"
    (tmp_path / "empty").mkdir()
    assert run("vectors", copied, "--out", "empty", "--layer", "fc").status == 0


def test_out_cannot_be_written(run, copied, tmp_path):
    (tmp_path / "file").write_text("mine")
    sentence, _ = refused(run("vectors", copied, "--out", "file/inside"))
    assert sentence.startswith("file/inside: cannot be ")


@pytest.mark.parametrize("words", [["--images", "0"], ["--layers", "up3"], []])
def test_usage(run, copied, words):
    sentence, _ = refused(run("vectors", copied, *(["--out", "v", *words] if words else [])))
    assert sentence.startswith("accelsim vectors: ")
