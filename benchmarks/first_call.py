"""How long a fresh process waits for its first layer when the cache is warm; `make bench` puts it into the page."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from page import PAGE, load, put

HEADING = "First call of a process"
SCRIPT = """
import json, sys, time
begun = time.perf_counter(), time.process_time()
import numpy as np
from accelsim.engine.kernels.fast import FastKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.requantize import Requantization
from accelsim.ir.ops import ConvTranspose2d
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer
imported = time.perf_counter(), time.process_time()
rng, op = np.random.default_rng(0), ConvTranspose2d(256, 128, (5, 5), (2, 2), (1, 1), (2, 1, 2, 1), 1, True)
constants = Requantization(rng.integers(1 << 30, 1 << 31, 128), np.full(128, 41))
weights = rng.integers(-127, 128, (256, 128, 5, 5)).astype(np.int8)
format = AffineInt(8, "tensor", symmetric=False)
layer = LinearLayer(format, Accumulator(32), IntegerWeights(weights, Scaling(np.ones(1), 0), np.arange(128), constants))
source, x = Encoding(format, Scaling(np.ones(1), 3)), rng.integers(-128, 128, (64, 256, 4, 4)).astype(np.int8)
called = time.perf_counter(), time.process_time()
kernel = FastKernel()
kernel.codes(op, x, source, layer, source, True)
first = time.perf_counter(), time.process_time()
kernel.codes(op, x, source, layer, source, True)
second = time.perf_counter(), time.process_time()
spans = [(imported, begun), (first, called), (second, first)]
print(json.dumps([[a[i] - b[i] for a, b in spans] for i in (0, 1)]))
"""


def measured(cache: Path) -> list[list[float]]:
    """Seconds by the clock, and of CPU, of imports, first and second call."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    made = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    times: list[list[float]] = json.loads(made.stdout)
    return times


def cached(cache: Path) -> dict[str, int]:
    """When each file of the cache was written."""
    return {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    before = load()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        compiling = measured(cache)[0][1]
        files = cached(cache)
        runs = [measured(cache) for _ in range(arguments.rounds)]
        changed = len(dict(set(cached(cache).items()) ^ set(files.items())))
    wall, cpu = ([min(run[i][part] for run in runs) for part in range(3)] for i in (0, 1))
    names = ("imports: numpy, numba, the kernels", "first call of the layer, weights packed", "second call")
    lines = [
        "ConvT 256-128 k5 s2 4-8, batch 64, int8, in a fresh process after another has filled the cache: best of",
        f"{arguments.rounds} processes, in seconds. Files of the cache that they wrote: {changed}; the first",
        f"process, which compiled, waited {compiling:.1f} s.",
        f"Load average {before} before, {load()} after.",
        "",
        "| | wall | CPU |",
        "|---|---|---|",
        *(f"| {name} | {wall[i]:.3f} | {cpu[i]:.3f} |" for i, name in enumerate(names)),
    ]
    put(arguments.out, HEADING, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
