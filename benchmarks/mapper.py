"""How long a warm estimate takes with every mapping searched anew, and a thousand variants of a machine.

    python benchmarks/mapper.py [--runs 5] [--processes 2]

CPU time, best of several runs: on a machine that others use too, wall time says little. "empty memo": nothing that the
mapper remembers is there, neither mappings nor tables of tiles; "remembered": all of it is.
"""

import argparse
import copy
import gc
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import product
from typing import Any

import accelsim
from accelsim.hardware.architecture import Machine
from accelsim.hardware.load import FOLDER, parse_architecture
from accelsim.mapping.mapper import best_mapping
from accelsim.shared import find_shared
from accelsim.yaml_file import Plain, read_yaml

WORKLOADS = ("dcgan32", "cyclegan_resnet9_256")
MACHINES = ("zcu104", "pynq_z2", "eyeriss", "rpi4")
BLOCKS = (31, 62, 93, 124, 155, 186, 217, 248, 279, 310)
"""Block RAMs of a variant of zcu104, 4 KiB each."""
ARRAYS = ((8, 8), (8, 16), (16, 16), (16, 32), (32, 16), (24, 24), (32, 32), (16, 64), (64, 16), (48, 32))
PRECISIONS = (*(f"int{bits}" for bits in range(2, 9)), "fixed8.6", "fixed16.10", "weights=int4,activations=int8")


def forget() -> None:
    """Empty everything that a module of the mapper remembers."""
    for name, module in list(sys.modules.items()):
        if name.startswith("accelsim.mapping."):
            for value in list(vars(module).values()):
                clear = getattr(value, "cache_clear", None)
                if clear is not None:
                    clear()


def seconds(workload: str, machine: str, runs: int, empty: bool) -> tuple[float, int]:
    """(best CPU time of an estimate, searches in it)."""
    best, searches = float("inf"), 0
    for _ in range(runs):
        if empty:
            forget()
        gc.collect()
        before, started = best_mapping.cache_info().misses, time.process_time()
        accelsim.estimate(workload, on=machine)
        best = min(best, time.process_time() - started)
        searches = best_mapping.cache_info().misses - before
    return best, searches


def estimates(runs: int) -> Iterator[str]:
    """The first table."""
    yield "| workload | machine | searches | empty memo, ms | remembered, ms |"
    yield "|---|---|---|---|---|"
    for workload, machine in product(WORKLOADS, MACHINES):
        anew, searches = seconds(workload, machine, runs, empty=True)
        again, _ = seconds(workload, machine, runs, empty=False)
        yield f"| {workload} | {machine} | {searches} | {1e3 * anew:.0f} | {1e3 * again:.0f} |"


@cache
def machine_of(blocks: int, rows: int, cols: int) -> Machine:
    """A variant of zcu104."""
    data: dict[str, Any] = copy.deepcopy(shipped())
    data["memories"][1]["blocks"] = blocks
    data["array"] |= {"rows": rows, "cols": cols}
    return parse_architecture(data, f"zcu104 with {blocks} blocks and {rows} x {cols} PEs", must_fit=False)


@cache
def shipped() -> dict[str, Plain]:
    """The file of zcu104 as plain data."""
    return read_yaml(find_shared(FOLDER, "zcu104")).data


def variant(workload: str, choice: tuple[int, tuple[int, int], str]) -> tuple[float, float]:
    """(energy J, CPU seconds) of one variant."""
    blocks, (rows, cols), precision = choice
    started = time.process_time()
    report = accelsim.estimate(workload, on=machine_of(blocks, rows, cols), precision=precision)
    return float(report.totals["energy_j"] or 0.0), time.process_time() - started


def thousand(processes: int) -> Iterator[str]:
    """A thousand variants of dcgan32 on zcu104: wall and CPU time of all, from starting the processes on."""
    every = list(product(BLOCKS, ARRAYS, PRECISIONS))
    started = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(partial(variant, "dcgan32"), every, chunksize=25))
    wall = time.perf_counter() - started
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    costed = sum(energy > 0 for energy, _ in found)
    yield (
        f"{len(every)} variants of dcgan32 on zcu104 ({len(BLOCKS)} buffers x {len(ARRAYS)} arrays x {len(PRECISIONS)} "
        f"precisions), {costed} with a cost: {wall:.1f} s on {processes} processes, "
        f"{of_children.ru_utime + of_children.ru_stime:.1f} s of CPU time, "
        f"{1e3 * sum(each for _, each in found) / len(every):.0f} ms a variant"
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    accelsim.estimate("mlp32", on="zcu104")  # loads the compiled search
    for line in estimates(given.runs):
        print(line, flush=True)
    for line in thousand(given.processes):
        print(line)


if __name__ == "__main__":
    main()
