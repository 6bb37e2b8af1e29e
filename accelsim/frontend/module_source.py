"""`package.module:callable` or `file.py:Class` -> a torch module."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, did_you_mean


def is_module_source(source: str) -> bool:
    """Whether a command-line argument names a Python callable rather than a workload."""
    return ":" in source and not source.endswith((".yaml", ".json"))


def load_module(source: str) -> Any:
    """Import and call what `source` names. This runs the user's own code.

    Raises:
        AccelsimError: no such file, module or name, or calling it fails or makes no `nn.Module`.
    """
    from torch import nn

    place, _, attribute = source.rpartition(":")
    namespace = _import_file(Path(place)) if place.endswith(".py") else _import_name(place)
    if not hasattr(namespace, attribute):
        names = [name for name in vars(namespace) if not name.startswith("_")]
        raise AccelsimError(f"{source}: {place} has no {attribute!r}{did_you_mean(attribute, names)}")
    made = getattr(namespace, attribute)
    if not isinstance(made, nn.Module):
        try:
            made = made()
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            raise AccelsimError(
                f"{source}: calling it without arguments failed: {type(error).__name__}: {error}",
                hint="name a function of no arguments that returns the module",
            ) from error
    if not isinstance(made, nn.Module):
        raise AccelsimError(f"{source}: expected a torch.nn.Module, got {type(made).__name__}")
    return made


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise AccelsimError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"_accelsim_user_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    namespace = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = namespace
    try:
        spec.loader.exec_module(namespace)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise AccelsimError(f"{path}: importing it failed: {type(error).__name__}: {error}") from error
    return namespace


def _import_name(place: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise AccelsimError(f"{place}: importing it failed: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
