"""From a name, a path or plain data to a machine."""

from collections.abc import Mapping

from accelsim.errors import did_you_mean
from accelsim.hardware.architecture import FpgaArchitecture, Machine
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.cross_checks import STRUCTURE, fits_the_device
from accelsim.hardware.reram import CROSSBAR_CHECKS, ReramArchitecture
from accelsim.hardware.spatial import SpatialArchitecture
from accelsim.hardware.stream import StreamArchitecture
from accelsim.shared import find_shared
from accelsim.yaml_file import Document, Mistake, Plain, read_yaml, show, validate

FOLDER = "hw_configs"
KINDS: dict[str, type[Machine]] = {
    "fpga": FpgaArchitecture,
    "spatial": SpatialArchitecture,
    "cpu": CpuArchitecture,
    "reram": ReramArchitecture,
    "stream": StreamArchitecture,
}


def load_architecture(name_or_path: str) -> Machine:
    """The machine of a shipped name (`zcu104`) or of a YAML file.

    Raises AccelsimError for an unknown name, LocatedErrors with all mistakes of the file at once.
    """
    return _architecture(read_yaml(find_shared(FOLDER, name_or_path)), must_fit=True)


def parse_architecture(data: Mapping[str, Plain], origin: str, must_fit: bool = True) -> Machine:
    """The machine of plain data, for variants made in memory; `origin` names them in errors.

    must_fit=False lets a study ask for more than the device has; `fpga_resources` then says that it does not fit.
    """
    return _architecture(Document(origin, dict(data)), must_fit)


def _architecture(document: Document, must_fit: bool) -> Machine:
    kind = document.data.get("kind")
    section = next((name for name in KINDS if name in document.data), None)
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None and section is None:  # nothing else of the file can be judged without its kind
        known = ", ".join(KINDS)
        near = did_you_mean(kind, KINDS) if isinstance(kind, str) else ""
        what = f"{show(kind)} is not one of: {known}{near}" if "kind" in document.data else f"missing; one of: {known}"
        raise document.errors([Mistake(("kind",), what)])
    structure = (*STRUCTURE, *CROSSBAR_CHECKS)
    checks = (*structure, fits_the_device) if must_fit else structure
    return validate(document, model or KINDS[section or ""], checks)
