"""`validated`: whether anything measured on a machine has judged its file."""

from pathlib import Path

import pytest

from accelsim.errors import AccelsimError
from accelsim.hardware.architecture import Machine
from accelsim.hardware.load import load_architecture
from accelsim.shared import find_shared, list_shared
from accelsim.showing import machine_text
from accelsim.validation.targets_file import read_targets, shipped_targets


def board(folder: Path, said: str) -> Machine:
    text = find_shared("hw_configs", "zcu104").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("validated:")]
    (folder / "board.yaml").write_text("\n".join([*lines, said]))
    return load_architecture(str(folder / "board.yaml"))


def test_a_machine_that_nothing_judges_says_so(tmp_path: Path) -> None:
    machine = board(tmp_path, "validated: no")
    assert machine.judged == "not validated" and "; not validated\n" in machine_text(machine)
    assert any("nothing measured on this machine" in sentence for sentence in machine.assumptions())


def test_it_changes_no_figure(tmp_path: Path) -> None:
    silent, judged = board(tmp_path, ""), board(tmp_path, "validated: C1, C2")
    assert (silent.judged, judged.judged) == ("", "validated by C1, C2")
    assert silent.content_hash() == judged.content_hash() == board(tmp_path, "validated: no").content_hash()
    assert silent.assumptions() == judged.assumptions()


@pytest.mark.parametrize("said", ["validated: true", "validated: 'C1;'", "validated: ''"])
def test_another_word_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(AccelsimError, match="validated"):
        board(tmp_path, said)


def test_shipped_machines_name_targets_that_there_are() -> None:
    known = {target.id for target in read_targets(shipped_targets()).targets}
    for name in list_shared("hw_configs"):
        said = load_architecture(name).validated
        assert said in (None, "no") or {part.strip() for part in said.split(",")} <= known
