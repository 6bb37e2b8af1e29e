"""Tracing a module runs its `forward`, which may leave traces of its own: hooks keep computed weights as attributes."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """The module in eval mode; afterwards its modes and its tensors that are plain attributes are what they were."""
    before = {part: dict(vars(part)) for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, attributes in before.items():
            part.training = attributes["training"]
            for name in [name for name, value in vars(part).items() if isinstance(value, Tensor)]:
                if name in attributes:
                    vars(part)[name] = attributes[name]
                else:
                    del vars(part)[name]
