"""Both tools timed on one machine, in turns: searching each network's layers for the least energy x latency.

ZigZag: its generation and costing of mappings, layer by layer, in one process; imports are not counted. Ours: a fresh
process that has searched another layer first, so that its kernels are loaded; nothing about these layers is known yet.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from zigzag_layers import LAYERS
from zigzag_machines import MEMORIES, searched
from zigzag_recount import problem_of

from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.mapper import best_mapping

HERE = Path(__file__).parent
TIMES = HERE / "times.json"
TURNS = 3
"""Processes of ours around each of ZigZag's; the best counts."""
NETWORKS = tuple(dict.fromkeys(layer.network for layer in LAYERS))


def search_all(machine: str, network: str) -> dict[str, float]:
    """Seconds, clock and CPU, of our searches of the distinct layers; the network's other layers are these again."""
    warm = next(layer for layer in LAYERS if layer.name == "up1_00")
    best_mapping(LayerProblem(K=6, C=10), searched(machine, warm), "edp")
    wall, cpu = time.perf_counter(), time.process_time()
    for layer in LAYERS:
        if layer.network == network:
            best_mapping(problem_of(layer), searched(machine, layer), "edp")
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def measure(zigzag_python: Path) -> dict[str, Any]:
    """Seconds of both tools by machine and network, with the load average before and after."""
    found: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "cpus": os.cpu_count(), "runs": []}
    for machine in MEMORIES:
        for network in NETWORKS:
            before, ours = os.getloadavg()[0], []
            own = [sys.executable, __file__, machine, network]
            ours += [json.loads(subprocess.check_output(own)) for _ in range(TURNS)]
            theirs = _zigzag(zigzag_python, machine, network)
            ours += [json.loads(subprocess.check_output(own)) for _ in range(TURNS)]
            best = {clock: min(turn[clock] for turn in ours) for clock in ("wall", "cpu")}
            load = [round(before, 2), round(os.getloadavg()[0], 2)]
            found["runs"].append({"machine": machine, "network": network, "load": load, "ours": best} | theirs)
    return found


def _zigzag(python: Path, machine: str, network: str) -> dict[str, Any]:
    """ZigZag's seconds over the distinct layers, and over all layers: it maps a layer again each time it occurs."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [str(python), str(HERE / "run_zigzag.py"), machine, "--networks", network, "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        layers = json.loads(out.read_text())["layers"].values()
    return {
        name: {
            clock: sum(one["seconds"][clock] * (one["layer"]["times"] if all_layers else 1) for one in layers)
            for clock in ("wall", "cpu")
        }
        for name, all_layers in (("zigzag", False), ("zigzag_all_layers", True))
    }


def lines_of(times: dict[str, Any]) -> list[str]:
    """The table."""
    found = [
        f"{times['date']}, {times['cpus']} CPUs; seconds by the clock (CPU).",
        "",
        "| machine, network | ours | ZigZag, distinct layers | ZigZag, every layer | its CPU over ours | load |",
        "|---|---|---|---|---|---|",
    ]
    for run in times["runs"]:
        ours = f"{run['ours']['wall']:.3f} ({run['ours']['cpu']:.3f})"
        theirs = " | ".join(
            f"{run[name]['wall']:.1f} ({run[name]['cpu']:.1f})" for name in ("zigzag", "zigzag_all_layers")
        )
        faster = run["zigzag"]["cpu"] / run["ours"]["cpu"]
        load = " to ".join(str(one) for one in run["load"])
        found.append(f"| {run['machine']}, {run['network']} | {ours} | {theirs} | {faster:.0f} | {load} |")
    return found


if __name__ == "__main__":
    print(json.dumps(search_all(*sys.argv[1:3])))
