"""LUTs, flip-flops and blocks of the units of a streaming pipeline, counted from the sources of finn-hlslib.

Nothing here is fitted: each part is a circuit that the sources describe (mvau.hpp, mac.hpp, slidingwindow.h, maxpool.h,
streamtools.h, activations.hpp), counted by `lut_cost`. Not counted: the link to the host and its interconnect, and what
synthesis adds for timing. `docs/streaming.md` has the table of parts, and how far the sums are from Vivado's reports.
"""

from math import ceil, log2

from accelsim.cost.fpga_resources import bram18_blocks, uram_blocks
from accelsim.cost.lut_cost import adder, adder_tree, binary_dot, multiplier, population_count, ternary_dot
from accelsim.cost.lut_machine import CONTROL_LUTS, MUX_INPUTS, Part
from accelsim.cost.lut_packing import LANE_BITS, packed_cascade, packed_slices
from accelsim.cost.lut_rows import residual, single
from accelsim.hardware.number_formats import factors
from accelsim.mapping.stream_layer import LUT_DEPTH, StreamLayer, StreamMemory

COUNTER_BITS = 32
"""Of a counter in the sources: `unsigned int`. Least, those that the counts need."""
LEAST_COUNTER_BITS = 10
SLIDING_COUNTERS, CONVERTER_COUNTERS, POOL_COUNTERS = 13, 2, 5
"""`unsigned` variables that count in ConvolutionInputGenerator, StreamingDataWidthConverter_Batch, StreamingMaxPool."""
RAM64_DEPTH = 64
"""Words of a LUT as RAM64X1 (UG474): FINN counts a LUT a bit, and as shift register half a LUT a bit of 32 words."""


def layer_parts(layer: StreamLayer) -> tuple[Part, ...]:
    """All parts of one unit with its FIFOs."""
    parts = [_memory_part(memory) for memory in layer.memories if memory.place == "lut_ram" or memory.kind == "fifo"]
    if layer.unit.matrix is not None:
        parts += _matrix_parts(layer)
        parts += _window_parts(layer)
        parts += _loading_parts(layer)
    elif layer.unit.lines is not None:
        parts += _pool_parts(layer)
    elif layer.unit.pixels:
        luts = layer.channels * adder(layer.output_bits)
        parts.append(Part("operator", 1, luts, luts, luts, layer.channels * layer.output_bits))
    return tuple(part for part in parts if part.luts or part.registers)


def layer_dsps(layer: StreamLayer) -> int:
    """Slices of the multipliers and of the requantizers."""
    return layer.dsps + _requantizers(layer) * single("pe_rqmul", "fix", -1).dsps


def memory_blocks(memory: StreamMemory, uram: int, bram36: int) -> tuple[int, int]:
    """(RAMB18, URAM) blocks; URAM where the device has it and this takes the smaller share of what it has."""
    if memory.place == "lut_ram":
        return 0, 0
    halves = memory.copies * bram18_blocks(memory.width, memory.depth)
    wide = memory.copies * uram_blocks(memory.width, memory.depth)
    if uram and memory.kind == "weights" and wide * 2 * bram36 < halves * uram:
        return 0, wide
    return halves, 0


def _matrix_parts(layer: StreamLayer) -> list[Part]:
    pe, simd = layer.pe, layer.simd
    found = [Part("control", 1, CONTROL_LUTS, CONTROL_LUTS, CONTROL_LUTS), _products(layer)]
    if layer.macs_per_dsp not in LANE_BITS:
        sums = pe * adder(layer.sum_bits)
        found.append(Part("accumulators", pe, sums, sums, sums, pe * layer.sum_bits))
    if layer.thresholds:
        compare = -(-layer.sum_bits // 2) * layer.thresholds
        compare += population_count(layer.thresholds, inputs_per_bit=1) if layer.thresholds > 1 else 0
        found.append(Part("thresholds", pe, pe * compare, pe * compare, pe * compare))
    if count := _requantizers(layer):
        unit, least = single("pe_rqmul", "fix", -1), single("pe_rqshift", "fix", 8)
        most = single("pe_rqmul", "fix", -1, "xcup")
        found.append(
            Part("requantizers", count, count * unit.luts, count * least.luts, count * most.luts, count * unit.ffs)
        )
    if layer.neuron_folds > 1:
        word = simd * layer.input_bits
        mux = word * -(-layer.column_folds // MUX_INPUTS)
        found.append(Part("input vector", 1, mux, mux, mux, word * layer.column_folds))
    return found


def _products(layer: StreamLayer) -> Part:
    """What adds up the products of one cycle in each PE. Bits: XNORs and a tree of operators, as mac.hpp writes it."""
    pe, simd, w, a = layer.pe, layer.simd, layer.weight_bits, layer.input_bits
    if w == a == 1:
        luts = pe * (simd + adder_tree(simd, 1, signed=False))
        return Part("xnor and count", pe, luts, pe * binary_dot(simd), luts)
    if layer.macs_per_dsp in LANE_BITS:
        return _packed(layer)
    if layer.macs_per_dsp:
        luts = pe * adder_tree(simd, w + a)
        return Part("sums of DSP slices", pe, luts, 0, luts)
    if layer.mac is not None and factors(layer.mac.key)[0].kind in ("ternary", "binary"):
        luts = pe * ternary_dot(simd, a)
        off = residual("ternary dot", later=True)
        return Part("ternary sums", pe, luts, int(luts * min(1.0, off.low)), ceil(luts * max(1.0, off.high)))
    luts = pe * (simd * multiplier(w, max(2, a), "operator" if w > 1 else "rows") + adder_tree(simd, w + a))
    off = residual("multiply-accumulate", behavioural=True, later=True)
    return Part("products and sums", pe, luts, int(luts * min(1.0, off.low)), ceil(luts * max(1.0, off.high)))


def _packed(layer: StreamLayer) -> Part:
    """Slices of several products accumulate; as FINN takes them apart, least as segments of a cascade (two lanes)."""
    lanes, bits = layer.macs_per_dsp, LANE_BITS[layer.macs_per_dsp]
    groups = -(-layer.pe // lanes)
    luts = groups * packed_slices(lanes, layer.simd, (bits, bits), layer.sum_bits, layer.sum_bits)
    least = groups * packed_cascade(layer.simd) + layer.pe * adder(layer.sum_bits) if lanes == 2 else luts
    return Part("sums of packed DSP slices", layer.pe, luts, min(luts, least), luts, layer.pe * layer.sum_bits)


def _requantizers(layer: StreamLayer) -> int:
    """Results that the unit finishes in a cycle, rounded up, where no thresholds make them."""
    if layer.unit.matrix is None or layer.thresholds:
        return 0
    return -(-layer.pe // layer.column_folds)


def _window_parts(layer: StreamLayer) -> list[Part]:
    """The sliding window with its choice of rows, and converters where a pixel is not the word of a unit."""
    lines, found = layer.unit.lines, []
    assert layer.unit.matrix is not None
    pixel, word = layer.unit.matrix.channels * layer.input_bits, layer.simd * layer.input_bits
    if lines is not None:
        found.append(_counters("sliding window", SLIDING_COUNTERS, word * -(-lines.blocks // MUX_INPUTS)))
        if pixel != word:
            found.append(_counters("width of input", CONVERTER_COUNTERS, pixel, pixel))
        made, whole = layer.pe * layer.output_bits, layer.channels * layer.output_bits
        if made != whole:
            found.append(_counters("width of output", CONVERTER_COUNTERS, whole, whole))
    return found


def _pool_parts(layer: StreamLayer) -> list[Part]:
    """A row of results in registers: one is chosen, compared with the pixel that comes, and the larger kept."""
    lines, bits = layer.unit.lines, layer.output_bits
    assert lines is not None
    pixel = layer.channels * bits
    compare = pixel if bits == 1 else pixel + layer.channels * -(-bits // 2)
    return [_counters("pool", POOL_COUNTERS, compare + pixel * -(-lines.width // MUX_INPUTS), pixel * lines.width)]


def _loading_parts(layer: StreamLayer) -> list[Part]:
    """Where the host writes weights and thresholds: each memory chooses one of two addresses and decodes its write."""
    if not layer.loaded:
        return []
    luts = sum(m.copies * (_address_bits(m) + 1) for m in layer.memories if m.kind in ("weights", "thresholds"))
    return [Part("loading of memories", 1, luts, luts, luts)]


def _counters(name: str, count: int, luts: int, registers: int = 0) -> Part:
    """So many counters (an adder, and a comparison of 6 bits a LUT) beside `luts`."""
    each, least = (bits + ceil(bits / 6) + 2 for bits in (COUNTER_BITS, LEAST_COUNTER_BITS))
    whole = luts + count * each
    return Part(name, 1, whole, luts + count * least, whole, registers + count * LEAST_COUNTER_BITS)


def _memory_part(memory: StreamMemory) -> Part:
    """A memory in LUTs; a FIFO in LUTs or blocks with its two addresses (FINN, fifo of rtl)."""
    ram = memory.place == "lut_ram"
    if memory.kind == "fifo":
        luts = -(-memory.depth // LUT_DEPTH) * -(-memory.width // 2) if ram else 0
        luts += 2 * _address_bits(memory)
    else:
        luts = memory.copies * memory.width * -(-memory.depth // RAM64_DEPTH)
    return Part(f"{memory.kind} in LUTs" if ram else f"{memory.kind} addresses", memory.copies, luts, luts, luts)


def _address_bits(memory: StreamMemory) -> int:
    return max(1, ceil(log2(memory.depth)))
