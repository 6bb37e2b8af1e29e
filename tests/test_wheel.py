"""The wheel: one top-level name, the shipped files inside, and it runs from its own folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("hw_configs", "workloads")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(place), str(ROOT)]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = place.glob("*.whl")
    return built


def test_the_only_top_level_name(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    version = wheel.name.split("-")[1]
    assert {name.split("/")[0] for name in names} == {"accelsim", f"accelsim-{version}.dist-info"}
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


def test_it_holds_every_module_and_every_shipped_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "accelsim").rglob("*.py")}
    assert modules | {"accelsim/golden/check.c"} <= names
    for folder in SHIPPED:
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in (".yaml", ".json")]
        assert files
        assert {f"accelsim/_shared/{path.relative_to(ROOT)}" for path in files} <= names
    assert "accelsim/_shared/hw_configs/fpga/zcu104.yaml" in names
    assert {f"accelsim/_shared/workloads/{part}" for part in ("dcgan32.yaml", "weights/dcgan32.safetensors")} <= names


def test_it_runs_from_its_own_folder(wheel, tmp_path):
    target = tmp_path / "target"
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import accelsim; print(accelsim.__file__)\n"
        "report = accelsim.estimate('dcgan32', on='zcu104'); print(report.totals['macs_zero_inserted'])\n"
        "print(accelsim.simulate('dcgan32', on='zcu104', images=1).images.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    where, macs, shape = done.stdout.splitlines()
    assert Path(where).is_relative_to(target) and macs == "110182400" and shape == "(1, 32, 32, 3)"
