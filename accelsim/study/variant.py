"""A machine with single values changed by dotted path: `memories.bram.blocks`, list entries by their name."""

from collections.abc import Iterable
from typing import Any

from accelsim.errors import did_you_mean
from accelsim.hardware.load import load_architecture
from accelsim.yaml_file import Plain

Data = dict[str, Plain]


def machine_data(name_or_path: str) -> Data:
    """The machine as plain data with every default filled in; `parse_architecture` makes the same machine of it.

    Raises:
        AccelsimError: no such machine, or mistakes in its file.
    """
    data: Data = load_architecture(name_or_path).model_dump(mode="json", by_alias=True, exclude_none=True)
    return data


def lacking(data: Data, path: str) -> str | None:
    """Why the machine has no such path, None if it has one; a value that the file leaves out is lacking too."""
    here: Plain = data
    passed: list[str] = []
    for part in path.split("."):
        known = _parts(here)
        if part not in known:
            where = ".".join(passed) or "the machine"
            names = f"; it has {', '.join(known)}" if known else ""
            return f"{where} has no {part!r}{did_you_mean(part, known) or names}"
        here = known[part]
        passed.append(part)
    return None


def changed(data: Data, changes: Iterable[tuple[str, Plain]]) -> Data:
    """The data with each path set to its value; the original is left alone. Every path must be there."""
    made: Any = data
    for path, value in changes:
        made = _set(made, path.split("."), value)
    return dict(made)


def _parts(here: Plain) -> dict[str, Plain]:
    """What can follow in a path: keys, or the names of list entries."""
    if isinstance(here, dict):
        return here
    if isinstance(here, list):
        return {str(entry["name"]): entry for entry in here if isinstance(entry, dict) and "name" in entry}
    return {}


def _set(here: Plain, path: list[str], value: Plain) -> Plain:
    if not path:
        return value
    if isinstance(here, dict):
        return {key: _set(old, path[1:], value) if key == path[0] else old for key, old in here.items()}
    assert isinstance(here, list)
    return [_set(e, path[1:], value) if isinstance(e, dict) and e.get("name") == path[0] else e for e in here]
