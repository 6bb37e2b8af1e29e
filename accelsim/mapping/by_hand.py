"""Loop nests that a person wrote, schema `accelsim/mapping/1`: costed as they are, instead of searched for.

    schema: accelsim/mapping/1
    layers:
      up1:
        ddr:  [{in_channels: 64}, {out_channels: 32}]
        bram: [{out_height: 1}, {in_channels: 32}, ...]

Per layer and memory the loops inside it, outermost first, each with the length of its chunks: it cuts what is left of
its dimension into chunks of that length, the last one shorter where that does not divide. The machine's lanes share
what is then left, between the loops of the memory above the array and those of the next one; after the last memory
every dimension is 1. Layers that are not named are searched as ever.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from accelsim.errors import did_you_mean
from accelsim.hardware.vocabulary import Dimension
from accelsim.mapping.given_loops import loops_by_hand
from accelsim.mapping.machine import DIMS
from accelsim.mapping.tasks import Task, Tasks
from accelsim.yaml_file import Document, Loc, Mistake, read_yaml, validate

Chunk = Annotated[int, Field(ge=1)]


def _one_dimension(loop: object) -> object:
    if isinstance(loop, dict) and len(loop) != 1:
        raise PydanticCustomError("loop", "names {n} dimensions; one dimension a loop", {"n": len(loop)})
    return loop


Loops = list[Annotated[dict[Dimension, Chunk], BeforeValidator(_one_dimension)]]


class MappingFile(BaseModel):
    """layers: layer -> memory -> the loops inside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_: Literal["accelsim/mapping/1"] = Field(alias="schema")
    layers: Annotated[dict[str, dict[str, Loops]], Field(min_length=1)]


@dataclass(frozen=True)
class GivenMappings:
    """A file that has been read, and where its parts stand."""

    document: Document
    file: MappingFile


def read_mappings(path: Path | str) -> GivenMappings:
    """The file; raises LocatedErrors with all that is wrong whatever the network and the machine are."""
    document = read_yaml(path)
    return GivenMappings(document, validate(document, MappingFile))


def with_mappings(work: Tasks, given: GivenMappings) -> Tasks:
    """The steps, those that the file names with the loops of the file.

    Raises:
        LocatedErrors: a layer or a memory that is not there, or loops that leave something undone.
    """
    layers = {task.node.name: task for task in work.steps if task.hierarchy is not None}
    mistakes = list(_mistakes(given.file, layers))
    if mistakes:
        raise given.document.errors(mistakes)
    steps = tuple(_with_loops(task, given.file.layers.get(task.node.name)) for task in work.steps)
    named = ", ".join(given.file.layers)
    return replace(work, steps=steps, assumptions=(*work.assumptions, f"loops given by hand, not searched: {named}"))


def _with_loops(task: Task, memories: Mapping[str, Loops] | None) -> Task:
    if memories is None or task.hierarchy is None:
        return task
    by_hand = tuple(
        tuple((DIMS[dimension], chunk) for loop in memories.get(memory.name, ()) for dimension, chunk in loop.items())
        for memory in task.hierarchy.memories
    )
    return replace(task, hierarchy=replace(task.hierarchy, by_hand=by_hand))


def _mistakes(file: MappingFile, layers: Mapping[str, Task]) -> Iterator[Mistake]:
    for layer, memories in file.layers.items():
        if layer not in layers:
            known = f"expected one of: {', '.join(layers)}{did_you_mean(layer, layers)}"
            yield Mistake(("layers", layer), f"no layer of that name multiplies; {known}")
            continue
        hierarchy = layers[layer].hierarchy
        assert hierarchy is not None
        names = [memory.name for memory in hierarchy.memories]
        for memory in memories:
            if memory not in names:
                known = f"expected one of: {', '.join(names)}{did_you_mean(memory, names)}"
                yield Mistake(("layers", layer, memory), f"the machine has no memory of that name; {known}")
        if set(memories) <= set(names):
            yield from _undoable(("layers", layer), _with_loops(layers[layer], memories))


def _undoable(where: Loc, task: Task) -> Iterator[Mistake]:
    problem, hierarchy = task.problem, task.hierarchy
    assert problem is not None and hierarchy is not None and hierarchy.by_hand is not None
    spelled = {dim: name for name, dim in DIMS.items()}
    left = dict(problem.size)
    for loop in loops_by_hand(problem, hierarchy):
        memory = hierarchy.memories[loop.level]
        turns, most = -(-left[loop.dim] // loop.step), memory.turns(loop.dim)
        left[loop.dim] = loop.step
        if not loop.spatial and most is not None and turns > most:
            what = f"{spelled[loop.dim]} runs {turns} times; the machine runs it at most {most} times there"
            yield Mistake((*where, memory.name), what)
    rest = ", ".join(f"{spelled[dim]} at {size}" for dim, size in left.items() if size > 1)
    if rest:
        yield Mistake(where, f"after the loops of the last memory {rest}; expected 1, one multiply")
