"""The README says what the code does: its commands run and print what it shows, its files exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CONSOLE = re.compile(r"```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)```", re.DOTALL)


def run(command: str, folder: Path) -> str:
    """What a README command prints, run in an empty folder."""
    words = shlex.split(command)
    if words[0] == "accelsim":
        words = [sys.executable, "-m", "accelsim", *words[1:]]
    else:
        words = [sys.executable, str(ROOT / words[1]), *words[2:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines()) + "\n"


def blocks() -> list[re.Match[str]]:
    return list(CONSOLE.finditer(README.read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(blocks())))
def test_commands_print_what_the_readme_shows(index: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    block = blocks()[index]
    printed = run(block["command"], tmp_path)
    if request.config.getoption("--update-golden"):
        text = README.read_text()
        README.write_text(text[: block.start("output")] + printed + text[block.end("output") :])
    else:
        assert printed == block["output"]


def test_there_are_commands_to_check() -> None:
    assert len(blocks()) >= 2


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert links
    missing = [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]
    assert missing == []


def test_the_file_map_names_every_part_of_the_package() -> None:
    text = README.read_text()
    parts = [p for p in (ROOT / "accelsim").iterdir() if p.name[0] not in "_." and (p.is_dir() or p.suffix == ".py")]
    unnamed = [p.name for p in parts if f"{p.name}/`" not in text and f"{p.name}`" not in text]
    assert [name for name in unnamed if name not in ("_shared", "py.typed")] == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = set(re.findall(r"(?:^|`)make ([a-z]+)", README.read_text(), re.MULTILINE))
    assert wanted <= targets and wanted
