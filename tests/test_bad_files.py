"""Every kind of file, spoiled in every way: `check` exits 2 with located sentences, never with a traceback."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from accelsim import cli
from accelsim.shared import shared

SWEEP = "schema: accelsim/sweep/1\nworkload: dcgan32\nimages: 4\ngrid:\n  on: [zcu104]\n  precision: [int8]\n"
PRECISION = "schema: accelsim/precision/1\nweights: int4\nactivations: int8\nfirst: int8\n"
WORKLOADS = shared("workloads")
MACHINES = ("zcu104", "pynq_z1_stream", "isaac", "rpi4", "eyeriss")


KINDS = {
    "workload": re.sub(r"(graphs|weights)/", rf"{WORKLOADS}/\1/", (WORKLOADS / "dcgan32.yaml").read_text()),
    "sweep": SWEEP,
    "precision": PRECISION,
    **{name: next(shared("hw_configs").rglob(f"{name}.yaml")).read_text(encoding="utf-8") for name in MACHINES},
}

SPOILED: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "empty": (lambda t: "", r":1: the file is empty"),
    "binary": (lambda t: b"\x00\x01\xff\xfe" * 50, r":1: not UTF-8 text \(byte 0xff\)"),
    "latin-1": (lambda t: f"{t}\n# \xe9\n".encode("latin-1"), r":\d+: not UTF-8 text \(byte 0xe9\)"),
    "a list": (lambda t: "- 1\n", r":1: expected a mapping of keys to values at the top"),
    "unknown format": (lambda t: re.sub(r"(accelsim/\w+)/1", r"\1/9", t, count=1), r":\d+: schema: 'accelsim/\w+/9'"),
    "no schema": (lambda t: re.sub(r"(?m)^schema:.*\n", "", t), r":1: schema: missing; expected accelsim/"),
    "unknown key": (lambda t: f"{t}\nprecison: 3\n", r":\d+: precison: unknown key"),
    "twice": (lambda t: f"{t}\nschema: x\n", r":\d+: schema: given twice \(first on line \d+\)"),
    "truncated": (lambda t: t[: t.rindex(": ") + 2] + "[", r":\d+: not valid YAML: "),
    "bomb": (lambda t: t + "\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", r":\d+: [abc].*anchors and aliases"),
    "deep": (lambda t: t + "\nd: " + "[" * 5000, r": nested too deeply"),
    "tag": (lambda t: t + "\nd: !!python/object/apply:os.system [x]\n", r":\d+: d: tag .* is not supported"),
}


def check(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The sentences of a refusal."""
    monkeypatch.setattr(sys, "argv", ["accelsim", "check", str(path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    seen = capsys.readouterr()
    assert ended.value.code == 2 and seen.out == "" and "Traceback" not in seen.err
    sentences = seen.err.rstrip("\n").split("\n")
    assert all(sentence.startswith(str(path)) and len(sentence) < len(str(path)) + 300 for sentence in sentences)
    return [sentence.removeprefix(str(path)) for sentence in sentences]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", SPOILED)
def test_each_kind_spoiled_in_each_way(kind, how, tmp_path, monkeypatch, capsys):
    spoil, message = SPOILED[how]
    made = spoil(KINDS[kind])
    path = tmp_path / "f.yaml"
    path.write_bytes(made if isinstance(made, bytes) else made.encode())
    assert re.match(message, check(path, monkeypatch, capsys)[0])


@pytest.mark.parametrize("name", ["f.txt", "f", "f.yaml", "f.json"])
def test_a_wrong_suffix_and_folders(name, tmp_path, monkeypatch, capsys):
    path = tmp_path / name
    if path.suffix in (".yaml", ".json"):
        path.mkdir()
        assert re.search("Is a directory", check(path, monkeypatch, capsys)[0])
    else:
        path.write_text(SWEEP)
        assert check(path, monkeypatch, capsys) == [": expected a YAML file or a stored graph (.json)"]


NUMBERS = {
    "sweep": r"(?m)^images: (4)",
    "workload": r"shape: \[(100)\]",
    "zcu104": r"(?m)^  rows: (\S+)",
    "eyeriss": r"(?m)^clock_mhz: (.*)",
    "rpi4": r"(?m)^clock_mhz: (.*)",
    "isaac": r"(?m)^ *tiles: (\{.*?\}|\S+)",
}
"""A place of each kind where a number greater than 0 stands (0 images are none)."""
WRONG = [".nan", "-1", "0", ".inf", "1e999", '"8"', "true", "{}", "[]", "x" * 70, "1e-400"]


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("wrong", WRONG, ids=[word[:8] for word in WRONG])
def test_numbers_that_are_none(kind, wrong, tmp_path, monkeypatch, capsys):
    if kind == "sweep" and wrong == "0":
        wrong = "-2"  # 0 images mean cost alone
    text = KINDS[kind]
    found = re.search(NUMBERS[kind], text)
    assert found is not None
    path = tmp_path / "f.yaml"
    path.write_text(text[: found.start(1)] + wrong + text[found.end(1) :])
    line = text[: found.start(1)].count("\n") + 1
    assert any(re.match(rf":{line}: [\w.]+: ", sentence) for sentence in check(path, monkeypatch, capsys))


GRAPHS = {
    "empty": ("", "not a JSON file"),
    "truncated": (lambda t: t[:700], "not a JSON file"),
    "binary": (b"\xff\x00" * 30, "not a JSON file"),
    "list": ("[]", "not a stored graph; expected schema 'accelsim/graph/1'"),
    "deep": ("[" * 100_000, "not a JSON file"),
    "schema": (lambda t: t.replace("graph/1", "graph/2"), "not a stored graph"),
    "nan": (lambda t: t.replace('"in_features": 100', '"in_features": NaN'), "fc: Dense.in_features: expected an"),
    "huge": (lambda t: t.replace('"in_features": 100', '"in_features": ' + "9" * 5000), "not a JSON file"),
    "negative": (lambda t: t.replace('"in_features": 100', '"in_features": -1'), "must be 1 or more"),
    "unknown key": (lambda t: t.replace('"in_features"', '"in_feature"', 1), "did you mean 'in_features'?"),
    "unknown operator": (lambda t: t.replace('"Dense"', '"Dens"', 1), "no operator 'Dens' (did you mean 'Dense'?)"),
}


@pytest.mark.parametrize("how", GRAPHS)
def test_graphs_spoiled(how, tmp_path, monkeypatch, capsys):
    spoil, message = GRAPHS[how]
    made = spoil((WORKLOADS / "graphs" / "dcgan32.json").read_text()) if callable(spoil) else spoil
    path = tmp_path / "g.json"
    path.write_bytes(made if isinstance(made, bytes) else made.encode())
    (sentence,) = check(path, monkeypatch, capsys)
    assert message in sentence
