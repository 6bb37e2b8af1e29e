"""The stored steps of a program on a machine: what each reads, writes and holds, before anything is scheduled.

A view (reshape, slice, pad) is an address computation on its source: it is no step, and its tensor is its source's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from math import prod
from typing import get_args

from accelsim.formats.accumulator import default_accumulator
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.number_format import NumberFormat
from accelsim.formats.requantize import CONSTANT_BYTES
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.number_formats import FormatMatch, NoFormat, factor
from accelsim.ir.constant_bytes import operator_constant_bytes
from accelsim.ir.graph import Node
from accelsim.ir.ops import Constant, Conv2d, ConvTranspose2d, Dense, Embedding, Linear, MatMul, Op, Product, Shape
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.program import Program, is_view, storage_roots
from accelsim.mapping.addressed import addressed
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.machine import machine_hierarchy, transposed_form
from accelsim.mapping.operators import layer_problem, passes, row_elements
from accelsim.mapping.pace import Pace, pace
from accelsim.mapping.scale_bytes import ASSUMPTION, tensor_scale_bytes, weight_scale_bytes

FLOAT_SUM_BITS = 32
"""Of the sums of floating formats."""
WORD_BYTES = 4
"""Of a parameter that arithmetic in floats between codes takes."""
PRODUCTS: tuple[type, ...] = get_args(Product)
MULTIPLIES: tuple[type, ...] = (*get_args(Linear), *PRODUCTS)


@dataclass(frozen=True)
class Task:
    """One step for one batch. `problem` and `hierarchy` only where it multiplies; bits are widths per word."""

    node: Node
    reads: tuple[str, ...]
    writes: str
    weight_bytes: int
    """Weight codes alone."""
    constant_bytes: int
    """Bias, requantization multipliers and shifts; all that an operator without multiplies stores."""
    read_elements: tuple[int, ...]
    """Per sample, of each input: of a view what it takes of its source, each element once."""
    write_elements: int
    read_bits: tuple[int, ...]
    write_bits: int
    problem: LayerProblem | None
    hierarchy: Hierarchy | None
    pace: Pace | None = None
    mac: FormatMatch | None = None
    """What multiplies, and at what energy."""
    passes: int = 1
    """Times that the inputs are read on the chip."""
    row_bits: int = 0
    """Of the values that every pass runs over: what has to stay near for the passes after the first."""
    stored_by: str | None = None
    """The earlier step whose weight codes these are, where layers share them."""

    @property
    def is_product(self) -> bool:
        """Whether it multiplies two values: what a layer has as weights is its second input."""
        return isinstance(self.node.op, PRODUCTS)


@dataclass(frozen=True)
class Tasks:
    """All steps in order, the bytes of each stored tensor for one sample, and the tensors that leave the network."""

    steps: tuple[Task, ...]
    sizes: Mapping[str, int]
    outputs: frozenset[str]
    assumptions: tuple[str, ...]


def tasks(program: Program, machine: Architecture, batch: int) -> Tasks | NoFormat:
    """The steps of a program, or why the machine has no cost for its formats."""
    graph, tensors, owners = program.graph, storage_roots(program.graph), weight_owners(program)
    steps: list[Task] = []
    assumptions: list[str] = []
    multiplying = cache(partial(_multiplying, machine, batch))  # layers repeat
    for node in graph.nodes:
        if is_view(node):
            continue
        if not isinstance(node.op, MULTIPLIES):
            steps.append(task_of(program, node, tensors))
            continue
        source, output = (program.encodings[name].format for name in (node.inputs[0], node.name))
        reads = tuple(graph.shapes[name] for name in node.inputs)
        how = multiplying(node.op, reads, source, *second_operand(program, node), output.bits)
        if isinstance(how, NoFormat):
            return how
        if how.match.assumption and how.match.assumption not in assumptions:
            assumptions.append(how.match.assumption)
        rows = isinstance(node.op, Dense | MatMul)
        problem = how.problem if rows else addressed(how.problem, graph, node.inputs[0])
        made = task_of(program, node, tensors, problem, how.hierarchy, how.rate)
        steps.append(replace(made, mac=how.match, stored_by=owners.get(node.name)))
    stored = {name: (graph.shapes[name], program.encodings[name].format) for name in set(tensors.values())}
    scales = {name: tensor_scale_bytes(shape, format) for name, (shape, format) in stored.items()}
    sizes = {name: tensor_bytes(prod(shape), format) + scales[name] for name, (shape, format) in stored.items()}
    assumptions += [ASSUMPTION] * any(scales.values())
    outputs = frozenset(tensors[name] for name in graph.outputs)
    assumptions += [*whole_batches(batch), *_too_large(steps, sizes, batch, machine)]
    return Tasks(tuple(steps), sizes, outputs, tuple(assumptions))


def whole_batches(batch: int) -> list[str]:
    """What is said of a batch of several images."""
    return [
        "all images of a batch pass a layer before the next one starts; where their values do not stay on chip, "
        "smaller batches may take less an image"
    ] * (batch > 1)


def _too_large(steps: list[Task], sizes: Mapping[str, int], batch: int, machine: Architecture) -> list[str]:
    """What is said of a network that the outermost memory cannot hold: its weights, and the values of one step."""
    weights = sum(step.constant_bytes + (0 if step.stored_by else step.weight_bytes) for step in steps)
    values = max((sum(sizes[name] for name in {*step.reads, step.writes}) for step in steps), default=0)
    need, outer = weights + batch * values, machine.memories[0]
    there = outer.size_bits // 8
    if need <= there:
        return []
    return [f"{machine.name}: {outer.name} has {there:,} bytes, weights and the values of one layer take {need:,}"]


@dataclass(frozen=True)
class _Multiplying:
    """How a machine multiplies in a step."""

    match: FormatMatch
    problem: LayerProblem
    rate: Pace
    hierarchy: Hierarchy


def _multiplying(
    machine: Architecture,
    batch: int,
    op: Op,
    reads: tuple[Shape, ...],
    inputs: NumberFormat,
    weights: NumberFormat,
    sum_bits: int,
    output_bits: int,
) -> _Multiplying | NoFormat:
    match = machine.format_for(factor(weights), factor(inputs))
    if isinstance(match, NoFormat):
        return match
    problem = layer_problem(op, reads, batch, transposed_form(machine))
    assert problem is not None
    rate = pace(machine, match, problem, weights=weights.bits, inputs=inputs.bits, outputs=output_bits)
    hierarchy = machine_hierarchy(
        machine, match, weights.bits, inputs.bits, sum_bits, output_bits, problem, rate.cycles_per_step
    )
    return _Multiplying(match, problem, rate, hierarchy)


def second_operand(program: Program, node: Node) -> tuple[NumberFormat, int]:
    """The format of the weights of a layer, or of the second value of a product, and the bits of a sum."""
    layer = program.linear.get(node.name)
    if layer is not None:
        return layer.weights, layer.accumulator.bits if layer.accumulator else FLOAT_SUM_BITS
    first, second = (program.encodings[name].format for name in node.inputs)
    if program.precision.is_float:
        return second, FLOAT_SUM_BITS
    return second, default_accumulator(second.bits, first.bits).bits


def tensor_bytes(elements: int, format: NumberFormat) -> int:
    """Bytes of a tensor packed at its own width."""
    return -(-elements * format.bits // 8)


def task_of(
    program: Program,
    node: Node,
    tensors: Mapping[str, str],
    problem: LayerProblem | None = None,
    hierarchy: Hierarchy | None = None,
    rate: Pace | None = None,
) -> Task:
    """One step as the program has it; how it multiplies on an array where it does so on one."""
    shapes, encodings = program.graph.shapes, program.encodings
    inputs = () if isinstance(node.op, Constant) else node.inputs  # a constant only takes its batch from there
    return Task(
        node=node,
        reads=tuple(tensors[name] for name in inputs),
        writes=node.name,
        weight_bytes=weight_bytes(program, node),
        constant_bytes=constant_bytes(program, node),
        read_elements=tuple(min(prod(shapes[name]), prod(shapes[tensors[name]])) for name in inputs),
        write_elements=prod(shapes[node.name]),
        read_bits=tuple(encodings[name].format.bits for name in inputs),
        write_bits=encodings[node.name].format.bits,
        problem=problem,
        hierarchy=hierarchy,
        pace=rate,
        passes=passes(node.op),
        row_bits=row_elements(node.op, shapes[inputs[0]]) * encodings[inputs[0]].format.bits if inputs else 0,
    )


def weight_bytes(program: Program, node: Node) -> int:
    """Bytes of the weight codes of one layer, packed at their width; 0 where it has none."""
    layer = program.linear.get(node.name)
    return 0 if layer is None else tensor_bytes(prod(parameter_shapes(node.op)["weight"]), layer.weights)


def weight_owners(program: Program) -> dict[str, str]:
    """Layer -> the earlier layer whose weight codes it shares: the same tensor, in one format and layout.

    Biases and requantization belong to the scales of a layer's own input and output.
    """
    first: dict[tuple[object, ...], str] = {}
    found = {}
    for node in program.graph.nodes:
        if node.name in program.linear:
            groups = node.op.groups if isinstance(node.op, Conv2d | ConvTranspose2d) else 1
            key = (node.parameter("weight"), program.linear[node.name].weights, type(node.op), groups)
            if first.setdefault(key, node.name) != node.name:
                found[node.name] = first[key]
    return found


def constant_bytes(program: Program, node: Node) -> int:
    """Bytes per layer that are not weights: per channel a bias as wide as the accumulator and the requantization.

    Between fixed-point formats requantization is one wired shift and takes no bytes. Lookup tables, slopes and what
    other operators multiply with and add (`ir.constant_bytes`) count too; in floating formats those are 32-bit words.
    """
    layer = program.linear.get(node.name)
    if layer is None and not program.precision.is_float:
        return operator_constant_bytes(program, node)
    if layer is None:
        stored = sum(prod(shape) for shape in parameter_shapes(node.op).values())
        if isinstance(node.op, Embedding | Constant):
            return tensor_bytes(stored, program.encodings[node.name].format)
        return WORD_BYTES * stored
    assert isinstance(node.op, Linear)
    channels = node.op.out_features if isinstance(node.op, Dense) else node.op.out_channels
    if layer.accumulator is None:
        bias = 4 * channels if "bias" in parameter_shapes(node.op) else 0
        return bias + weight_scale_bytes(node.op, layer.weights)
    formats = (layer.weights, *(program.encodings[name].format for name in (node.inputs[0], node.name)))
    shifts = all(isinstance(format, FixedPoint) for format in formats)  # wired, not stored
    requantization = channels * (-(-layer.accumulator.bits // 8) + (0 if shifts else CONSTANT_BYTES))
    return requantization + operator_constant_bytes(program, node)
