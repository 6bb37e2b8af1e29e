"""Maps the layers with ZigZag and stores what it found, one layer at a time. Runs in an environment of its own.

    python benchmarks/zigzag/run_zigzag.py tpu_like --networks dcgan32 cyclegan

Layers that are stored already are left out, so that a run that was stopped goes on. The times are of the search alone:
mappings are generated and costed, nothing is drawn or saved.
"""

import argparse
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from zigzag.cost_model.cost_model import CostModelEvaluation
from zigzag.mapping.temporal_mapping import TemporalMappingType
from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
from zigzag.stages.main import MainStage
from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage
from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
from zigzag.stages.parser.workload_parser import WorkloadParserStage
from zigzag.stages.results.reduce_stages import MinimalEDPStage
from zigzag.stages.workload_iterator import WorkloadStage
from zigzag.utils import json_repr_handler
from zigzag_layers import LAYERS, Layer, unrolling

HERE = Path(__file__).parent
LPF_LIMIT = 6
"""ZigZag's default: at most six temporal loops, so at most 720 orders of them."""


def workload_of(layer: Layer) -> dict[str, Any]:
    """The layer as ZigZag reads it: 8-bit operands, sums of 16 bit that leave as 8."""
    bits = {"W": 8, "I": 8, "O": 16, "O_final": 8}
    both = {"id": 0, "name": layer.label, "operand_precision": bits, "operand_source": {}}
    if layer.h.outputs == layer.w.outputs == 1:
        dense = {"operator_type": "Gemm", "equation": "O[b][k]+=W[k][c]*I[b][c]"}
        return both | dense | {"loop_dims": ["B", "K", "C"], "loop_sizes": [1, layer.K, layer.C]}
    h, w = layer.h, layer.w
    return both | {
        "operator_type": "Conv",
        "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
        "dimension_relations": [f"iy={h.stride}*oy+1*fy", f"ix={w.stride}*ox+1*fx"],
        "loop_dims": ["B", "K", "C", "OY", "OX", "FY", "FX"],
        "loop_sizes": [1, layer.K, layer.C, h.outputs, w.outputs, h.taps, w.taps],
        "pr_loop_dims": ["IY", "IX"],
        "pr_loop_sizes": [h.size, w.size],
        "padding": [[h.pad, h.pad_behind], [w.pad, w.pad_behind]],
    }


def write_mapping(machine: str, layer: Layer, path: Path) -> None:
    """ZigZag's mapping file: the array's loops, and which memory operand is which."""
    lines = ["- name: default", "  spatial_mapping:"]
    for side, loops in unrolling(machine, layer).items():
        lines += [f"    {side}:", *(f"      - {dim}, {copies}" for dim, copies in loops)]
    path.write_text("\n".join([*lines, "  memory_operand_links: {O: O, W: I2, I: I1}"]) + "\n")


def search(machine: str, layer: Layer, folder: Path) -> CostModelEvaluation:
    """ZigZag's mapping of least energy x latency among those that it generates."""
    mapping = folder / "mapping.yaml"
    write_mapping(machine, layer, mapping)
    main = MainStage(
        [
            WorkloadParserStage,
            AcceleratorParserStage,
            WorkloadStage,
            MinimalEDPStage,
            SpatialMappingGeneratorStage,
            TemporalMappingGeneratorStage,
            CostModelStage,
        ],
        accelerator=str(files("zigzag") / "inputs" / "hardware" / f"{machine}.yaml"),
        workload=[workload_of(layer)],
        mapping=str(mapping),
        loma_lpf_limit=LPF_LIMIT,
        loma_show_progress_bar=False,
        nb_mappings_generated=3,
        enable_mix_spatial_mapping_generation=False,
        access_same_data_considered_as_no_access=True,
        temporal_mapping_type=TemporalMappingType.UNEVEN,
    )
    found = main.run()[0][0]
    assert isinstance(found, CostModelEvaluation)
    return found


def plain(value: Any) -> Any:
    """ZigZag's objects as JSON."""
    return json.loads(json.dumps(value, default=json_repr_handler))


def loops(levels: Any) -> Iterator[list[list[Any]]]:
    """Per level, innermost first: [dim, trips] of each loop, innermost first."""
    for level in levels:
        yield [[dim.name, size] for dim, size in level]


def record(found: CostModelEvaluation, wall: float, cpu: float, load: tuple[float, float]) -> dict[str, Any]:
    """What comparing needs; energies in pJ, times in cycles, accesses in words of each port's largest width."""
    per_operand = {
        operand.name: {
            "memories": [
                found.accelerator.get_memory_level(found.memory_operand_links.layer_to_mem_op(operand), i).name
                for i in range(len(levels))
            ],
            "temporal": list(loops(levels)),
            "spatial": list(loops(found.spatial_mapping.mapping_dict_origin[operand])),
            "accesses": [plain(access) for access in found.memory_word_access[operand]],
            "energy": [plain(energy) for energy in found.mem_energy_breakdown_further[operand]],
        }
        for operand, levels in found.temporal_mapping.mapping_dic_origin.items()
    }
    return {
        "energy": found.energy_total,
        "mac_energy": found.mac_energy,
        "latency": {
            "computation": found.latency_total0,
            "onloading": found.latency_total1 - found.latency_total0,
            "offloading": found.data_offloading_cycle,
            "systolic": found.systolic_drain_cycle,
            "total": found.latency_total2,
        },
        "operands": per_operand,
        "seconds": {"wall": round(wall, 3), "cpu": round(cpu, 3)},
        "load": [round(one, 2) for one in load],
    }


def provenance() -> dict[str, Any]:
    """What made the file."""
    return {
        "tool": f"zigzag-dse {version('zigzag-dse')}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "settings": {"opt": "EDP", "lpf_limit": LPF_LIMIT, "temporal_mapping": "uneven"},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    named = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return named[0].split(":")[1].strip() if named else platform.processor()


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description="Map the layers with ZigZag; results in <machine>.json beside this.")
    options.add_argument("machine", choices=["tpu_like", "eyeriss_like"])
    options.add_argument("--networks", nargs="+", default=["dcgan32", "cyclegan"])
    options.add_argument("--out", type=Path, help="another file for the results")
    chosen = options.parse_args()
    logging.getLogger().setLevel(logging.WARNING)
    path = chosen.out or HERE / f"{chosen.machine}.json"
    stored = json.loads(path.read_text()) if path.exists() else provenance() | {"machine": chosen.machine, "layers": {}}
    for layer in LAYERS:
        if layer.network not in chosen.networks or layer.label in stored["layers"]:
            continue
        before, wall, cpu = os.getloadavg()[0], time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            found = search(chosen.machine, layer, Path(folder))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        stored["layers"][layer.label] = {"layer": asdict(layer)} | record(
            found, wall, cpu, (before, os.getloadavg()[0])
        )
        path.write_text(json.dumps(stored, indent=1) + "\n")
        print(
            f"{layer.label}: {found.energy_total:.6g} pJ, {found.latency_total2:.6g} cycles, {wall:.1f} s", flush=True
        )


if __name__ == "__main__":
    main()
