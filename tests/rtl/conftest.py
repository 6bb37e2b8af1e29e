"""Vectors of dcgan32, made once a session; and Icarus Verilog."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import accelsim
from accelsim.frontend.workload import load_workload
from accelsim.golden.recorded_run import read_run
from accelsim.golden.writing import write_vectors
from accelsim.hardware.load import load_architecture


@dataclass(frozen=True)
class Vectors:
    """A folder of vectors, and how many accumulators of each layer overflowed."""

    folder: Path
    overflowed: dict[str, int]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Vectors]:
    """`make(precision)`: vectors of one image."""
    known: dict[str, Vectors] = {}
    source, machine = load_workload("dcgan32"), load_architecture("zcu104")

    def call(precision: str) -> Vectors:
        if precision not in known:
            place = tmp_path_factory.mktemp("rtl")
            report = accelsim.simulate(
                source, on=machine, precision=precision, images=1, calibration_images=8, kernels="reference"
            )
            report.save(place / "run")
            written = write_vectors(read_run(place / "run"), source, machine, place / "vectors")
            overflowed = {row["name"]: row["overflowed"] for row in written.layers}
            known[precision] = Vectors(written.folder, overflowed)
        return known[precision]

    return call


@pytest.fixture(scope="session")
def icarus() -> tuple[str, str]:
    """Paths of iverilog and vvp; without them tests skip, or fail where ACCELSIM_TOOLS is `required`."""
    found = tuple(filter(None, map(shutil.which, ("iverilog", "vvp"))))
    if len(found) == 2:
        return found
    if os.environ.get("ACCELSIM_TOOLS") == "required":
        pytest.fail("no iverilog, and ACCELSIM_TOOLS=required")
    pytest.skip("no iverilog on the PATH (Debian package iverilog)")
