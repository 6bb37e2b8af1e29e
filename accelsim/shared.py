"""Finding the files that ship with accelsim: machines, workloads, analysis scripts; by name or by path.

In a wheel they lie in `accelsim/_shared/<folder>`, in a checkout at its top level.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from accelsim.errors import AccelsimError, did_you_mean

_PACKAGED = Path(__file__).resolve().parent / "_shared"
_CHECKOUT = Path(__file__).resolve().parent.parent
_NOUN = {"hw_configs": "hardware", "workloads": "workload", "analysis": "analysis script"}


def shared(folder: str) -> Path:
    """The folder of shipped files called `folder` (`hw_configs`, `workloads`, `analysis`)."""
    packaged = _PACKAGED / folder
    return packaged if packaged.is_dir() else _CHECKOUT / folder


def list_shared(folder: str, suffixes: Sequence[str] = (".yaml",)) -> dict[str, Path]:
    """Shipped names (file name without suffix) and their files, in alphabetical order."""
    files = ((place, name) for place, _, names in os.walk(shared(folder)) for name in names)
    found = (Path(place, name) for place, name in files if name.endswith(tuple(suffixes)))
    return {path.stem: path for path in sorted(found, key=lambda path: (path.stem, path)) if path.is_file()}


def find_shared(folder: str, name: str, suffixes: Sequence[str] = (".yaml",)) -> Path:
    """The file that a person means by `name`: an existing path wins, else the shipped file of that name.

    Raises AccelsimError that names the nearest shipped name and, as the hint, lists all of them.
    """
    if _is_file(name):
        return Path(name)
    shipped = list_shared(folder, suffixes)
    if name in shipped:
        return shipped[name]
    near = did_you_mean(Path(name).stem, shipped)
    hint = f"shipped: {', '.join(shipped)}; or give a path" if shipped else "give a path"
    raise AccelsimError(f"no {_NOUN.get(folder, folder)} {name!r}{near}", hint)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # a name too long for the file system is not a file
        return False
