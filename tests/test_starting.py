"""What a command imports, each in a process of its own: by the names of modules, never by the time it takes."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from accelsim.shared import shared

HEAVY = ("torch", "numba", "matplotlib", "pandas")
COMPILES = ("numba.np.arrayobj", "numba.np.linalg", "numba.core.typing.arraydecl", "scipy.linalg")
"""Modules of which compiling needs some, and machine code that was compiled before none."""

RUN = """
import sys
from accelsim.cli import main
sys.argv = {argv!r}
try:
    main()
except SystemExit as ended:
    assert not ended.code
"""


def imported(code: str, names: tuple[str, ...], folder: Path) -> list[str]:
    """Which of these modules are loaded after this code has run."""
    last = f"\nimport sys\nprint([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + last], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = eval(done.stdout.splitlines()[-1], {})
    return found


def command(*words: str) -> str:
    """Code that runs one command."""
    return RUN.format(argv=["accelsim", *words])


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import accelsim", []),
        (command("--help"), []),
        (command("simulate", "--help"), []),
        (command("list", "hardware"), []),
        (command("check", str(shared("hw_configs") / "fpga" / "zcu104.yaml")), []),
        (command("estimate", "dcgan32", "--on", "isaac"), []),
        (command("estimate", "dcgan32", "--on", "zcu104"), ["numba"]),  # it searches mappings
    ],
    ids=["import", "help", "simulate-help", "list", "check", "estimate-crossbars", "estimate"],
)
def test_light_commands_import_nothing_heavy(code: str, heavy: list[str], tmp_path: Path) -> None:
    assert imported(code, HEAVY, tmp_path) == heavy


def test_machine_code_from_disk_needs_nothing_that_compiles(tmp_path: Path) -> None:
    estimate = command("estimate", "dcgan32", "--on", "zcu104")
    imported(estimate, (), tmp_path)  # compiles what no process has before
    assert imported(estimate, COMPILES, tmp_path) == []


NEVER = (
    "accelsim.simulation",
    "accelsim.engine.run",
    "accelsim.passes.calibrate",
    "accelsim.quality.against_float",
    "accelsim.plots",
)
"""What runs, quality and figures need, and no estimate."""
NUMPY = ("numpy.ma", "numpy.random")  # numba imports both
CROSSBARS = ("accelsim.hardware.reram", "accelsim.cost.crossbar", "accelsim.mapping.crossbar_schedule")
STREAMS = ("accelsim.hardware.stream", "accelsim.cost.stream_cost", "accelsim.mapping.stream_schedule")


@pytest.mark.parametrize(
    ("machine", "unused"),
    [
        ("zcu104", (*NEVER, *CROSSBARS, *STREAMS)),
        ("isaac", (*NEVER, *NUMPY, *STREAMS, "accelsim.mapping.kernels.descent")),
        ("zcu104_stream", (*NEVER, *NUMPY, *CROSSBARS, "accelsim.mapping.kernels.descent")),
    ],
)
def test_an_estimate_imports_only_what_its_kind_of_machine_needs(
    machine: str, unused: tuple[str, ...], tmp_path: Path
) -> None:
    estimate = f"import accelsim\naccelsim.estimate('dcgan32', on={machine!r})"
    assert imported(estimate, unused, tmp_path) == []
    assert all(find_spec(name) is not None for name in unused)
