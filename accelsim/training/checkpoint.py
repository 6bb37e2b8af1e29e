"""Checkpoints that survive a kill: written beside the old one, then moved over it."""

from pathlib import Path
from typing import Any

import torch

from accelsim.errors import AccelsimError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` in one step; a kill at any time leaves the old or the new file, whole."""
    fresh = path.with_suffix(".part")
    torch.save(state, fresh)
    fresh.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read tensors and plain values only (`weights_only`: nothing in the file is executed).

    Raises:
        AccelsimError: the file is truncated or is not such a checkpoint.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises many kinds for one meaning
        raise AccelsimError(
            f"{path}: not a readable checkpoint ({type(error).__name__})", hint="remove it to start afresh"
        ) from error
    return state
