"""Runs and their vectors, made once a session; and the C compiler."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import accelsim
from accelsim.frontend.workload import Workload, load_workload, workload_of_module
from accelsim.golden.recorded_run import read_run
from accelsim.golden.writing import Written, write_vectors
from accelsim.hardware.load import load_architecture


@dataclass(frozen=True)
class Made:
    """A run, its vectors, and what was written."""

    run: Path
    vectors: Path
    written: Written
    source: Workload


Make = Callable[[str, str], Made]


@cache
def every_kind() -> Workload:
    """A small network with each kind of multiplying layer: groups, dilation, uneven padding, crops, functions."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows, self.mixed = nn.Linear(6, 5), nn.Conv2d(3, 8, (3, 2), (2, 1), (1, 2), (1, 2))
            self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
            self.up = nn.ConvTranspose2d(12, 6, (4, 3), (2, 3), (1, 0), (1, 1), groups=2, dilation=(1, 2))
            self.last = nn.ConvTranspose2d(6, 3, 3, 1, 1, bias=False)

        def forward(self, x):
            x = torch.relu(self.mixed(self.rows(x)))
            x = nn.functional.leaky_relu(self.grouped(x), 0.2)
            return torch.tanh(self.last(torch.sigmoid(self.up(x))))

    torch.manual_seed(3)
    return workload_of_module(Net(), torch.zeros(1, 3, 7, 6))


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`make("dcgan32" or "every_kind", precision)`."""
    known: dict[tuple[str, str], Made] = {}
    zcu104 = load_architecture("zcu104")

    def call(network: str, precision: str) -> Made:
        if (network, precision) not in known:
            source = load_workload("dcgan32") if network == "dcgan32" else every_kind()
            place, images = tmp_path_factory.mktemp("golden"), 1 if network == "dcgan32" else 3
            report = accelsim.simulate(
                source, on=zcu104, precision=precision, images=2, calibration_images=8, kernels="reference"
            )
            report.save(place / "run")
            written = write_vectors(read_run(place / "run"), source, zcu104, place / "vectors", images=images)
            known[network, precision] = Made(place / "run", place / "vectors", written, source)
        return known[network, precision]

    return call


@pytest.fixture(scope="session")
def compiler() -> str:
    """Path of the C compiler; without one tests skip, or fail where ACCELSIM_TOOLS is `required`."""
    found = shutil.which("cc")
    if found is None and os.environ.get("ACCELSIM_TOOLS") == "required":
        pytest.fail("no cc, and ACCELSIM_TOOLS=required")
    if found is None:
        pytest.skip("no C compiler: cc is not on the PATH (Debian package gcc)")
    return found
