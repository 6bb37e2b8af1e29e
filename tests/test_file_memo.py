"""A file is read once, and again when it is another."""

import os
from pathlib import Path

import pytest

from accelsim import file_memo
from accelsim.errors import AccelsimError
from accelsim.file_memo import read_once
from accelsim.hardware.load import load_architecture
from accelsim.ir.store import graph_hash, load_graph
from accelsim.shared import find_shared, shared


class Reader:
    """Reads text, and which files it was asked for."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: Path) -> str:
        self.read.append(path.name)
        return path.read_text()


def test_read_once_as_long_as_the_bytes_are_the_same(tmp_path: Path) -> None:
    reader, path = Reader(), tmp_path / "a"
    remembered = read_once(reader.__call__)
    path.write_text("one")
    first = remembered(path)
    assert remembered(path) is first and reader.read == ["a"]
    stamp = path.stat()
    path.write_text("two")  # as long, and as old
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert remembered(path) == "two" and reader.read == ["a", "a"]


def test_a_file_that_is_gone_fails_as_it_would_without(tmp_path: Path) -> None:
    remembered, path = read_once(Reader().__call__), tmp_path / "a"
    path.write_text("one")
    remembered(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        remembered(path)


def test_only_so_many_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_memo, "MOST", 2)
    reader = Reader()
    remembered = read_once(reader.__call__)
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    for path in (*paths, paths[2], paths[1], paths[0]):
        assert remembered(path) == path.name
    assert reader.read == ["a", "b", "c", "a"]


def test_a_machine_and_a_graph_that_change(tmp_path: Path) -> None:
    assert load_architecture("zcu104") is load_architecture("zcu104")
    mine, text = tmp_path / "mine.yaml", find_shared("hw_configs", "zcu104").read_text()
    mine.write_text(text)
    before = load_architecture(str(mine))
    mine.write_text(text.replace("name: zcu104", "name: other1"))
    assert load_architecture(str(mine)).name == "other1" != before.name
    mine.write_text("kind: fpga\n")
    with pytest.raises(AccelsimError, match=r"mine\.yaml"):
        load_architecture(str(mine))
    stored = tmp_path / "net.json"
    source = (shared("workloads") / "graphs" / "dcgan32.json").read_text()
    stored.write_text(source)
    graph = load_graph(stored)
    assert load_graph(stored) is graph
    stored.write_text(source.replace('"name": "dcgan32"', '"name": "dcgan33"'))
    assert load_graph(stored).name == "dcgan33" and graph_hash(load_graph(stored)) != graph_hash(graph)
