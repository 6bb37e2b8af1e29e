"""`file.py:Class` and `package.module:callable`: what loads, and what the user is told when it does not."""

import re
from pathlib import Path

import pytest
from torch import nn

from accelsim.errors import AccelsimError
from accelsim.frontend.module_source import is_module_source, load_module

SOURCE = """
import sys
from torch import nn
class Good(nn.Linear):
    def __init__(self): super().__init__(2, 3)
class Needs(nn.Module):
    def __init__(self, size): super().__init__()
class Raises(nn.Module):
    def __init__(self): raise RuntimeError("no such luck")
def leaves(): sys.exit(3)
made = Good()
number = 7
text = lambda: "a module"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


def test_a_class_a_function_and_a_module_load(file: Path) -> None:
    for name in ("Good", "made"):
        module = load_module(f"{file}:{name}")
        assert isinstance(module, nn.Linear) and module.out_features == 3
    assert type(load_module("accelsim.models.dcgan:Generator32")).__name__ == "Generator32"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Goood", "has no 'Goood' (did you mean 'Good'?)"),
        ("", "has no ''"),
        ("Needs", "calling it without arguments failed: TypeError: "),
        ("Raises", "calling it without arguments failed: RuntimeError: no such luck"),
        ("leaves", "calling it without arguments failed: SystemExit: 3"),
        ("number", "calling it without arguments failed: TypeError: 'int' object is not callable"),
        ("text", "expected a torch.nn.Module, got str"),
    ],
)
def test_a_name_that_makes_no_module(file: Path, name: str, message: str) -> None:
    with pytest.raises(AccelsimError, match=re.escape(message)) as caught:
        load_module(f"{file}:{name}")
    assert str(caught.value).startswith(f"{file}:{name}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:", "importing it failed: SyntaxError: "),
        ("import no_such_library", "importing it failed: ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "importing it failed: ZeroDivisionError: division by zero"),
        ("raise SystemExit('bye')", "importing it failed: SystemExit: bye"),
        ("\0", "importing it failed: "),
    ],
)
def test_a_file_that_does_not_import(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(AccelsimError, match=re.escape(f"{path}: {message}")):
        load_module(f"{path}:Net")


def test_places_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(AccelsimError, match=re.escape(f"{tmp_path}/none.py: no such file")):
        load_module(f"{tmp_path}/none.py:Net")
    with pytest.raises(AccelsimError, match="no_such_package: importing it failed: ModuleNotFoundError"):
        load_module("no_such_package:Net")
    with pytest.raises(AccelsimError, match="importing it failed: ValueError: Empty module name"):
        load_module(":Net")


def test_what_is_a_source() -> None:
    assert is_module_source("net.py:Net") and is_module_source("a.b:C")
    assert not is_module_source("dcgan32") and not is_module_source("a:b.yaml") and not is_module_source("c:d.json")
