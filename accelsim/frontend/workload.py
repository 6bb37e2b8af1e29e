"""A workload: a graph, where its weights come from, how its inputs are drawn, and what its outputs mean."""

import logging
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.frontend.random_weights import random_weights
from accelsim.ir.graph import Graph, Weights, check_weights
from accelsim.ir.store import load_graph, load_weights
from accelsim.shared import find_shared
from accelsim.yaml_file import Mistake, read_yaml, validate

Array = NDArray[Any]
CALIBRATION_IMAGES = 512
RANDOM = "random"
"""In the place of a weight file: drawn by seed, never stored."""
RANDOM_SEED = 0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Frozen):
    """One network input: sample shape and how its values are drawn."""

    shape: tuple[Annotated[int, Field(ge=1, strict=True)], ...]
    draw: Literal["normal", "uniform"] = "normal"


def _black_and_white(given: object) -> object:
    pair = given if isinstance(given, list | tuple) and len(given) == 2 else ()
    if not pair or not all(type(value) in (int, float) and math.isfinite(value) for value in pair):
        what = "should be two finite numbers, [black, white], not {given}"
        raise PydanticCustomError("pair", what, {"given": f"{given!r:.40}"})
    if pair[0] >= pair[1]:
        what = "black must be less than white, not {black} and {white}"
        raise PydanticCustomError("order", what, {"black": f"{pair[0]:g}", "white": f"{pair[1]:g}"})
    return given


class OutputSpec(_Frozen):
    """What the output means: the real values of black and white, and the layout of images."""

    range: Annotated[tuple[float, float], BeforeValidator(_black_and_white)] = (-1.0, 1.0)
    layout: Literal["NCHW"] = "NCHW"


Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class ActivitySpec(_Frozen):
    """What is known of a stored value without a run.

    zero_fraction: part of it that is 0. zero_multiplies: of the multiplies of the layer that makes it, the part whose
    input is 0, padded zeros included; without it, it follows from the zeros of the input.
    """

    zero_fraction: Share = 0.0
    zero_multiplies: Share | None = None


class WorkloadFile(_Frozen):
    """The YAML of a workload, schema `accelsim/workload/1`. Paths are relative to the file."""

    schema_: Annotated[Literal["accelsim/workload/1"], Field(alias="schema")]
    name: Annotated[str, Field(min_length=1)]
    generator: Annotated[str, Field(min_length=1)]
    graph: Annotated[str, Field(min_length=1)]
    weights: Annotated[str, Field(min_length=1)]
    inputs: dict[str, InputSpec]
    output: Annotated[OutputSpec, Field(default_factory=OutputSpec)]
    metrics: tuple[Literal["fid_resnet20_cifar10"], ...] = ()
    activity: dict[str, ActivitySpec] = {}
    sources: Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Workload:
    """A generator ready to run or to cost. `load` reads its weights; an estimate never calls it."""

    name: str
    graph: Graph
    load: Callable[[], Weights]
    draws: Mapping[str, str]
    output_range: tuple[float, float] = (-1.0, 1.0)
    metrics: tuple[str, ...] = ()
    source: str = ""
    repeated: Mapping[str, Array] = field(default_factory=dict)
    """Inputs `[*shape]` that are the same for every sample: integers that index no table."""
    random_seed: int | None = None
    """Of weights that are drawn instead of stored."""
    activity: Mapping[str, ActivitySpec] = field(default_factory=dict)
    """Of inputs and layers, for a cost without a run."""

    def draw_inputs(self, count: int, seed: int) -> dict[str, NDArray[np.float32]]:
        """`count` float32 samples of every input, `[count, ...]`, from the seed and the input's name alone.

        Integer inputs are uniform over the rows of the tables that they index.
        A longer draw begins with the shorter one, so more images never change the first ones.
        """
        inputs = {}
        for value in self.graph.inputs:
            generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(value.name.encode())]))
            shape = (count, *value.shape)
            if value.name in self.repeated:
                inputs[value.name] = np.broadcast_to(self.repeated[value.name], shape).astype(np.float32)
            elif value.classes:
                inputs[value.name] = generator.integers(0, value.classes, shape).astype(np.float32)
            elif self.draws.get(value.name, "normal") == "uniform":
                inputs[value.name] = generator.random(shape, np.float32) * 2 - 1
            else:
                inputs[value.name] = generator.standard_normal(shape, np.float32)
        return inputs


def load_workload(name: str) -> Workload:
    """A shipped workload by name, or a workload YAML or stored graph by path.

    Raises:
        AccelsimError: no such workload, or mistakes in its files.
    """
    if name.endswith(".json") and Path(name).is_file():
        return _stored(Path(name))
    return read_workload(find_shared("workloads", name))


def read_workload(path: Path) -> Workload:
    """The workload of a YAML file.

    Raises:
        LocatedErrors: mistakes in the YAML, or inputs that are not those of the graph.
        AccelsimError: its graph cannot be read.
    """
    document = read_yaml(path)
    described = validate(document, WorkloadFile)
    place = path.parent / described.graph
    if not place.is_file():
        raise document.errors([Mistake(("graph",), f"{place}: {'not a' if place.exists() else 'no such'} file")])
    graph = load_graph(place)
    if mistakes := [*_input_mistakes(described.inputs, graph), *_activity_mistakes(described.activity, graph)]:
        raise document.errors(mistakes)
    draws = {name: spec.draw for name, spec in described.inputs.items()}
    weights, random = path.parent / described.weights, described.weights == RANDOM
    return Workload(
        described.name,
        graph,
        lambda: random_weights(graph, RANDOM_SEED) if random else checked_weights(graph, weights),
        draws,
        described.output.range,
        described.metrics,
        described.generator,
        random_seed=RANDOM_SEED if random else None,
        activity=described.activity,
    )


def _input_mistakes(given: Mapping[str, InputSpec], graph: Graph) -> Iterator[Mistake]:
    """What the file says of inputs that the graph does not have, or has in another shape."""
    known = {value.name: value.shape for value in graph.inputs}
    for name, spec in given.items():
        if name not in known:
            near = did_you_mean(name, known) or f"; it has {', '.join(known) or 'none'}"
            yield Mistake(("inputs", name), f"the graph has no such input{near}")
        elif spec.shape != known[name]:
            yield Mistake(("inputs", name, "shape"), f"{list(spec.shape)}, but the graph takes {list(known[name])}")
    for name in known.keys() - given.keys():
        yield Mistake(("inputs",), f"{name!r} {list(known[name])} of the graph is missing")


def _activity_mistakes(given: Mapping[str, ActivitySpec], graph: Graph) -> Iterator[Mistake]:
    """What the file says of values that the graph does not have."""
    known = [value.name for value in graph.inputs] + [node.name for node in graph.nodes]
    for name in given:
        if name not in known:
            yield Mistake(("activity", name), f"the graph has no such input or layer{did_you_mean(name, known)}")


def _stored(path: Path) -> Workload:
    graph = load_graph(path)
    weights = path.with_suffix(".safetensors")
    return Workload(path.stem, graph, lambda: checked_weights(graph, weights), {}, source=str(path))


def checked_weights(graph: Graph, path: Path) -> Weights:
    """The weights of a file, complete, of the right shapes and finite.

    Raises:
        AccelsimError: unreadable, or the first tensor that is not as it should be.
    """
    weights = load_weights(path)
    check_weights(graph, weights, str(path))
    return weights


def workload_of_module(module: Any, example_inputs: Any, output_range: tuple[float, float] = (-1.0, 1.0)) -> Workload:
    """A user's own torch module, in eval mode, without registration.

    Args:
        module: an `nn.Module`.
        example_inputs: one tensor or array `[N, ...]` or a sequence of them; only shapes and dtypes matter.
        output_range: the real values of black and white.

    Raises:
        AccelsimError: it cannot be lowered, or a weight is not finite.
    """
    from torch import nn

    from accelsim.frontend.torch_export import lower_module

    name = type(module).__name__
    if not isinstance(module, nn.Module):
        what = f"the class {module.__name__}" if isinstance(module, type) else f"{name} {module!r:.40}"
        raise AccelsimError(f"workload: got {what}; expected a name, a path or an instance of torch.nn.Module")
    if example_inputs is None:
        raise AccelsimError(
            f"{name}: a module needs example_inputs, which give the input shapes",
            hint="for instance example_inputs=torch.zeros(1, 100), or --input 1x100 on the command line",
        )
    if not output_range[0] < output_range[1]:
        raise AccelsimError(f"output_range: {tuple(output_range)}; expected black less than white")
    examples = example_inputs if isinstance(example_inputs, list | tuple) else [example_inputs]
    tensors = [_tensor(name, i, x) for i, x in enumerate(examples)]
    with _quiet_torch():
        graph, weights = lower_module(module, tensors, name)
    check_weights(graph, weights, name)
    given = dict(zip(graph.inputs, tensors, strict=False))  # noise drawn inside comes after the given ones
    repeated = {
        value.name: tensor[0].numpy()
        for value, tensor in given.items()
        if not value.classes and not tensor.dtype.is_floating_point and len(tensor)
    }
    return Workload(name, graph, lambda: weights, {}, output_range, source=name, repeated=repeated)


def _tensor(name: str, index: int, example: Any) -> Any:
    """The example as a torch tensor, without a copy where it is an array."""
    import torch

    try:
        return example if isinstance(example, torch.Tensor) else torch.as_tensor(np.asarray(example))
    except (TypeError, ValueError, RuntimeError):
        raise AccelsimError(
            f"{name}: example_inputs[{index}] is {example!r:.40}; expected a tensor or an array of numbers [N, ...]"
        ) from None


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """torch.export logs a traceback of what it also raises, and what it raises becomes one sentence of ours."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
