"""Validate any file that accelsim reads, by what the file says it is."""

from collections.abc import Callable
from pathlib import Path

from accelsim.errors import AccelsimError, LocatedErrors, Problem, did_you_mean
from accelsim.formats.precision_file import load_precision
from accelsim.frontend.workload import read_workload
from accelsim.hardware.load import load_architecture
from accelsim.ir.store import load_graph
from accelsim.study.sweep_file import read_sweep
from accelsim.validation.targets_file import read_targets
from accelsim.yaml_file import read_yaml

KINDS: dict[str, Callable[[Path], str]] = {
    "accelsim/hardware/1": lambda path: f"the machine {load_architecture(str(path)).name}",
    "accelsim/workload/1": lambda path: f"the workload {read_workload(path).name}",
    "accelsim/sweep/1": lambda path: f"a sweep of {len(read_sweep(path).points):,} points",
    "accelsim/precision/1": lambda path: f"the precision {load_precision(path)}",
    "accelsim/targets/1": lambda path: f"{len(read_targets(path).targets)} published results to compare with",
}
"""By schema: reads the file, whatever its mistakes raise, and says what it is."""


def check_file(path: Path) -> str:
    """What a valid file is, in a few words.

    Raises:
        LocatedErrors: all its mistakes.
        AccelsimError: it is not a file that accelsim reads.
    """
    if path.suffix == ".json":
        graph = load_graph(path)
        return f"a graph of {len(graph.nodes)} nodes, {graph.trainable_parameters:,} parameters"
    if path.suffix not in (".yaml", ".yml"):
        raise AccelsimError(f"{path}: expected a YAML file or a stored graph (.json)")
    schema = read_yaml(path).data.get("schema")
    if isinstance(schema, str) and schema in KINDS:
        return KINDS[schema](path)
    near = did_you_mean(schema, KINDS) if isinstance(schema, str) else ""
    found = "missing" if schema is None else f"{schema!r}"
    raise LocatedErrors([Problem(str(path), 1, "schema", f"{found}; expected {' or '.join(KINDS)}{near}")])
