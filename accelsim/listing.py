"""What ships, as rows of name and meaning."""

from pathlib import Path

from accelsim.formats.text import MEANINGS
from accelsim.frontend.workload import read_workload
from accelsim.hardware.load import load_architecture
from accelsim.passes.normalise import PASSES
from accelsim.quality.against_float import METRICS
from accelsim.shared import list_shared

Row = dict[str, str]


def listing(what: str) -> list[Row]:
    """Rows `{name, meaning}` of hardware, workloads, formats, metrics or passes."""
    match what:
        case "hardware":
            return [{"name": name, "meaning": _machine(name)} for name in list_shared("hw_configs")]
        case "workloads":
            return [{"name": name, "meaning": _workload(path)} for name, path in list_shared("workloads").items()]
        case "formats":
            return _rows(MEANINGS)
        case "metrics":
            return _rows(METRICS)
        case "passes":
            return _rows(PASSES)
    raise ValueError(what)


def _rows(meanings: dict[str, str]) -> list[Row]:
    return [{"name": name, "meaning": meaning} for name, meaning in meanings.items()]


def _machine(name: str) -> str:
    machine = load_architecture(name)
    return "; ".join(filter(None, (machine.summary, machine.judged)))


def _workload(path: Path) -> str:
    workload = read_workload(path)
    inputs = ", ".join(f"{v.name} [N, {', '.join(map(str, v.shape))}]" for v in workload.graph.inputs)
    output = workload.graph.shapes[workload.graph.outputs[0]]
    return f"{inputs} -> [N, {', '.join(map(str, output))}], {workload.graph.trainable_parameters:,} parameters"
