"""One layer of a streaming pipeline with its formats, its folding and the memories that it needs, by their geometry.

weights       folds x (simd * bits), one for each PE, or one of pe * simd * bits for all
thresholds    an activation of up to 4 bits is the number of thresholds that a sum reaches: 2 ** bits - 1 of them for
              each result, in a memory of its own for each PE (finn-hlslib, activations.hpp)
constants     wider activations: bias and requantization of each result, as the weights
tables        functions and other constants of an operator, for each result that is finished in a cycle
lines         rows of the input that windows reach over (slidingwindow.h)
fifo          pixels that wait in front
frame         the whole input, of an operator that needs all of it
Words of the input that the folds of the neurons read again are registers (mvau.hpp: partitioned completely).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, log2, prod
from typing import Literal

from accelsim.hardware.number_formats import FormatMatch, NoFormat, factor
from accelsim.hardware.stream import Fold, StreamArchitecture
from accelsim.ir.constant_bytes import operator_constant_bytes
from accelsim.ir.graph import Node
from accelsim.ir.program import Program
from accelsim.mapping.stream_unit import StreamUnit, stream_unit
from accelsim.mapping.tasks import constant_bytes

THRESHOLD_BITS = 4
"""Widest activation that is made by thresholds; FINN's networks have up to 4 bits."""
LUT_DEPTH = 32
"""Words of a LUT as a shift register (UG474)."""
Place = Literal["block_ram", "lut_ram"]
Kind = Literal["weights", "thresholds", "constants", "tables", "lines", "fifo", "frame"]


@dataclass(frozen=True)
class StreamMemory:
    """`copies` memories of `depth` words of `width` bits each."""

    kind: Kind
    width: int
    depth: int
    copies: int
    place: Place

    @property
    def bits(self) -> int:
        """Bits of all copies."""
        return self.width * self.depth * self.copies


@dataclass(frozen=True)
class StreamLayer:
    """A unit as it is built. pe and simd are 0 where nothing is multiplied; bits are of a word."""

    unit: StreamUnit
    pe: int
    simd: int
    weight_bits: int
    input_bits: int
    output_bits: int
    sum_bits: int
    channels: int
    """Of the result."""
    memories: tuple[StreamMemory, ...]
    mac: FormatMatch | None = None
    macs_per_dsp: int = 0
    loaded: bool = False

    @property
    def thresholds(self) -> int:
        """Of one result; 0 where it is requantized by a multiplier, or not at all."""
        matrix = self.unit.matrix
        return (1 << self.output_bits) - 1 if matrix and self.output_bits <= THRESHOLD_BITS else 0

    @property
    def neuron_folds(self) -> int:
        """Times that the same input is used."""
        return self.unit.matrix.neuron_folds if self.unit.matrix else 1

    @property
    def column_folds(self) -> int:
        """Words of input of the largest window."""
        return -(-max(self.unit.matrix.columns) // self.simd) if self.unit.matrix else 1

    @property
    def dsps(self) -> int:
        """Slices of its multipliers: those of one factor in common share a slice (FINN: ceil(pe / packed) * simd)."""
        return -(-self.pe // self.macs_per_dsp) * self.simd if self.macs_per_dsp else 0


Folds = Mapping[str, Fold]


def stream_layer(
    program: Program, node: Node, machine: StreamArchitecture, fold: Fold | None, fifo_depths: tuple[int, ...] = ()
) -> StreamLayer | NoFormat:
    """The layer of one node, or why the machine has no cost for its formats.

    fifo_depths: pixels that wait in front of each input where that is more than the unit needs by itself.

    Raises:
        DoesNotFit: an operator that no stream can run.
    """
    graph = program.graph
    shapes = tuple(graph.shapes[name] for name in node.inputs)
    pe, simd = (int(fold.pe), int(fold.simd)) if fold else (0, 0)
    unit = stream_unit(node, shapes, graph.shapes[node.name], (max(1, pe), max(1, simd)), machine.transposed_conv)
    source = program.encodings[node.inputs[0]].format
    linear = program.linear.get(node.name)
    shape = graph.shapes[node.name]
    layer = StreamLayer(
        unit=unit,
        pe=pe if linear else 0,
        simd=simd if linear else 0,
        weight_bits=linear.weights.bits if linear else 0,
        input_bits=source.bits,
        output_bits=program.encodings[node.name].format.bits,
        sum_bits=_sum_bits(program, node, unit, source.bits),
        channels=shape[0] if len(shape) == 3 else shape[-1],
        memories=(),
        loaded=machine.stream.loaded,
    )
    fifos = _fifos(program, unit, machine, fold, fifo_depths)
    if linear is None:
        return replace(layer, memories=(*_buffers(layer, machine), *fifos))
    match = machine.format_for(factor(linear.weights), factor(source))
    if isinstance(match, NoFormat):
        return match
    memories = (
        *_weights(layer, machine, fold),
        *_constants(program, layer, machine),
        *_buffers(layer, machine),
        *fifos,
    )
    return replace(layer, memories=memories, mac=match, macs_per_dsp=machine.macs_per_dsp(match))


def place(width: int, depth: int, machine: StreamArchitecture) -> Place:
    """Where a memory goes that nothing is said of: what is small, or no deeper than one LUT, is built of LUTs."""
    return "block_ram" if depth > LUT_DEPTH and width * depth > int(machine.stream.block_ram_from_bits) else "lut_ram"


def _sum_bits(program: Program, node: Node, unit: StreamUnit, input_bits: int) -> int:
    """As wide as the precision says, else as any sum needs (FINN, minimize_accumulator_width: alpha + 1 and carry)."""
    linear = program.linear.get(node.name)
    if linear is None or unit.matrix is None or linear.accumulator is None:
        return 0
    if program.precision.accumulator is not None:
        return linear.accumulator.bits
    alpha = log2(max(1, *unit.matrix.columns)) + linear.weights.bits + input_bits - 1
    return min(linear.accumulator.bits, ceil(alpha + log2(1 + 2**-alpha) + 1))


def _weights(layer: StreamLayer, machine: StreamArchitecture, fold: Fold | None) -> tuple[StreamMemory, ...]:
    assert layer.unit.matrix is not None
    merged = machine.stream.weight_memories == "merged"
    width, copies = layer.simd * layer.weight_bits, layer.pe
    if merged:
        width, copies = width * copies, 1
    depth = layer.unit.matrix.folds(layer.pe, layer.simd)
    said = fold.weights if fold else "auto"
    where = place(width, depth, machine) if said == "auto" else "lut_ram" if said == "lutram" else "block_ram"
    return (StreamMemory("weights", width, depth, copies, where),)


def _constants(program: Program, layer: StreamLayer, machine: StreamArchitecture) -> tuple[StreamMemory, ...]:
    folds = layer.neuron_folds
    if layer.thresholds:
        return (
            StreamMemory(
                "thresholds", layer.sum_bits, folds, layer.pe * layer.thresholds, place(layer.sum_bits, folds, machine)
            ),
        )
    assert layer.unit.matrix is not None
    tables = 8 * operator_constant_bytes(program, layer.unit.node)
    stored = 8 * constant_bytes(program, layer.unit.node) - tables
    width, copies, found = -(-stored // layer.unit.matrix.neurons), layer.pe, []
    if machine.stream.weight_memories == "merged":
        width, copies = width * copies, 1
    if width:
        found.append(StreamMemory("constants", width, folds, copies, place(width, folds, machine)))
    if tables:
        width, depth = layer.output_bits, -(-tables // layer.output_bits)
        at_once = -(-layer.pe // layer.column_folds)
        found.append(StreamMemory("tables", width, depth, at_once, place(width, depth, machine)))
    return tuple(found)


def _buffers(layer: StreamLayer, machine: StreamArchitecture) -> tuple[StreamMemory, ...]:
    """Line buffer of a window, frame of what needs all; a pooling unit holds its row in registers (maxpool.h)."""
    unit, lines = layer.unit, layer.unit.lines
    if unit.holds_all:
        shape = prod(unit.pixels[:1])
        width = layer.channels * layer.input_bits
        return (StreamMemory("frame", width, shape, 1, place(width, shape, machine)),)
    if lines is None or unit.matrix is None:
        return ()
    lanes = min(layer.simd, lines.channels)
    width, depth = lanes * layer.input_bits, lines.rows_per_block * lines.width * -(-lines.channels // lanes)
    return (StreamMemory("lines", width, depth, lines.blocks, place(width, depth, machine)),)


def _fifos(
    program: Program, unit: StreamUnit, machine: StreamArchitecture, fold: Fold | None, depths: tuple[int, ...]
) -> tuple[StreamMemory, ...]:
    if fold and fold.fifo:
        depth, width = int(fold.fifo[0]), int(fold.fifo[1])
        return (StreamMemory("fifo", width, depth, 1, place(width, depth, machine)),)
    found = []
    for index, name in enumerate(unit.node.inputs if unit.pixels else ()):
        depth = max(unit.fifo_pixels, *depths[index : index + 1], 1)
        shape = program.graph.shapes[name]
        width = (shape[0] if len(shape) == 3 else shape[-1]) * program.encodings[name].format.bits
        found.append(StreamMemory("fifo", width, depth, 1, place(width, depth, machine)))
    return tuple(found)
