"""From a name, a path or plain data to a machine."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from accelsim.errors import did_you_mean
from accelsim.file_memo import read_once
from accelsim.hardware.architecture import Machine
from accelsim.hardware.cross_checks import STRUCTURE, fits_the_device
from accelsim.shared import find_shared
from accelsim.yaml_file import Check, Document, Mistake, Plain, read_yaml, show, validate

FOLDER = "hw_configs"
KINDS = {
    "fpga": ("accelsim.hardware.architecture", "FpgaArchitecture"),
    "spatial": ("accelsim.hardware.spatial", "SpatialArchitecture"),
    "cpu": ("accelsim.hardware.cpu", "CpuArchitecture"),
    "reram": ("accelsim.hardware.reram", "ReramArchitecture"),
    "stream": ("accelsim.hardware.stream", "StreamArchitecture"),
}
"""Kind, which is also its section of the file -> module and model, imported when such a machine is loaded."""


def load_architecture(name_or_path: str) -> Machine:
    """The machine of a shipped name (`zcu104`) or of a YAML file.

    Raises AccelsimError for an unknown name, LocatedErrors with all mistakes of the file at once.
    """
    return _of_file(find_shared(FOLDER, name_or_path))


@read_once
def _of_file(path: Path) -> Machine:
    return _architecture(read_yaml(path), must_fit=True)


def parse_architecture(data: Mapping[str, Plain], origin: str, must_fit: bool = True) -> Machine:
    """The machine of plain data, for variants made in memory; `origin` names them in errors.

    must_fit=False lets a study ask for more than the device has; `fpga_resources` then says that it does not fit.
    """
    return _architecture(Document(origin, dict(data)), must_fit)


def _architecture(document: Document, must_fit: bool) -> Machine:
    kind = document.data.get("kind")
    checks = (*_structure(document), fits_the_device) if must_fit else _structure(document)
    if isinstance(kind, str) and kind in KINDS:
        return validate(document, _model(kind), checks)
    mistake = _unknown_kind(document)
    section = next((name for name in reversed(KINDS) if name in document.data), None)  # a stream has an fpga too
    if section is None:  # nothing else of the file can be judged without its kind
        raise document.errors([mistake])
    judged = replace(document, data={**document.data, "kind": section})
    return validate(judged, _model(section), (*checks, lambda _: [mistake]))


def _unknown_kind(document: Document) -> Mistake:
    kind, known = document.data.get("kind"), ", ".join(KINDS)
    near = did_you_mean(kind, KINDS) if isinstance(kind, str) else ""
    what = f"{show(kind)} is not one of: {known}{near}" if "kind" in document.data else f"missing; one of: {known}"
    return Mistake(("kind",), what)


def _model(kind: str) -> type[Machine]:
    module, name = KINDS[kind]
    model: type[Machine] = getattr(import_module(module), name)
    return model


def _structure(document: Document) -> tuple[Check, ...]:
    if "reram" not in document.data:
        return STRUCTURE
    from accelsim.hardware.reram import CROSSBAR_CHECKS

    return (*STRUCTURE, *CROSSBAR_CHECKS)
