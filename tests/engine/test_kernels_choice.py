"""What multiplies is chosen at run time, and what was compiled once is found by the next process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from accelsim.engine.kernels import native
from accelsim.engine.run import run_program
from accelsim.errors import AccelsimError
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.passes.formats import assign_formats

SCRIPT = """
import json, sys, time
import numpy as np
from accelsim.engine.kernels.fast import FastKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.ir.ops import Dense
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
format = AffineInt(8, "tensor", False)
integers = IntegerWeights(np.eye(3, dtype=np.int8), Scaling(np.ones(3), 0), np.arange(3), None)
layer, source = LinearLayer(format, Accumulator(32), integers), Encoding(format, Scaling(np.ones(1), 0))
kernel = FastKernel(1, is_native={is_native})
begun = time.process_time()
sums = kernel.sums(Dense(3, 3, True), np.array([[1, 2, 3]], np.int8), source, layer)
print(json.dumps([sums.tolist(), "numba.np.linalg" in sys.modules, time.process_time() - begun]))
"""
RIGHT = [[1, 3, 5]]


class Made(NamedTuple):
    """What a process printed: sums, whether it could compile, seconds of CPU of the first call."""

    sums: list[list[int]]
    compiles: bool
    seconds: float


def run(is_native: bool, cache: Path, **environment: str) -> Made:
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(is_native=is_native)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return Made(*json.loads(made.stdout))


@pytest.mark.slow
def test_the_next_process_compiles_nothing(tmp_path: Path) -> None:
    assert run(False, tmp_path).sums == RIGHT
    compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
    assert compiled and run(False, tmp_path).sums == RIGHT
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")} == compiled


@pytest.mark.slow
@pytest.mark.parametrize("is_native", [True, False])
def test_the_first_call_of_the_next_process_is_soon_done(tmp_path: Path, is_native: bool) -> None:
    assert run(is_native, tmp_path).compiles
    later = [run(is_native, tmp_path) for _ in range(3)]
    assert not any(made.compiles for made in later)  # nor is what compiles imported, which takes longer than all else
    assert min(made.seconds for made in later) < 0.6


@pytest.mark.slow
def test_a_target_without_the_instructions_takes_the_portable_loops(tmp_path: Path) -> None:
    assert run(True, tmp_path, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="").sums == RIGHT


def test_features_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    present = dict.fromkeys(native.NEEDED, True)
    monkeypatch.setattr(native.binding, "get_host_cpu_features", lambda: present)
    assert native.available()
    present["avx512vnni"] = False
    assert not native.available()


def test_an_unknown_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph("net", (Input("x", (2,)),), (Node("fc", ops.Dense(2, 2, True), ("x",)),), ("fc",))
    program = assign_formats(graph, parse_precision("int8"))
    monkeypatch.setenv("ACCELSIM_KERNELS", "fastest")
    with pytest.raises(AccelsimError, match="ACCELSIM_KERNELS='fastest': expected reference, portable or native"):
        run_program(program, {"x": np.zeros((1, 2), np.float32)})
