"""The generator that a person names on the command line: shipped, in a file, or a torch module with its shapes."""

from math import prod
from typing import Any

from accelsim.errors import AccelsimError

LARGEST_INPUT = 2**28
"""Elements of one sample of an input: 1 GiB of float32."""


def given_workload(source: str, inputs: list[str] | None) -> Any:
    """The workload; `inputs` are the shapes of a module's inputs, as 1x100.

    Raises:
        AccelsimError: no such workload, or input shapes missing, misspelled or not wanted.
    """
    from accelsim.frontend.module_source import is_module_source, load_module
    from accelsim.frontend.workload import load_workload, workload_of_module

    if not is_module_source(source):
        if inputs:
            raise AccelsimError(
                f"--input: {source} states its own input shapes; --input is for modules (file.py:Class)"
            )
        return load_workload(source)
    import numpy as np

    if not inputs:
        raise AccelsimError(f"{source}: a module needs its input shapes", hint="for instance --input 1x100")
    shapes = [_shape(text) for text in inputs]
    return workload_of_module(load_module(source), [np.zeros(shape, np.float32) for shape in shapes])


def _shape(text: str) -> tuple[int, ...]:
    parts = text.lower().split("x")
    if not all(part.isascii() and part.isdigit() and len(part) <= 18 and int(part) > 0 for part in parts):
        raise AccelsimError(f"--input {text}: expected sizes joined by x, the batch first, for example 1x3x32x32")
    sample = tuple(map(int, parts[1:]))
    if prod(sample) > LARGEST_INPUT:
        raise AccelsimError(
            f"--input {text}: one sample has {prod(sample):,} elements, expected {LARGEST_INPUT:,} or less"
        )
    return (1, *sample)  # only the shape of a sample matters
