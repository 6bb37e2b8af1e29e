"""What a design on an FPGA takes of the fabric beside its DSP slices, for the program of a schedule: an estimate.

Parts are counted by `lut_cost`, or are units measured alone. An interval is the range of measured over counted LUTs of
the part's kind (`lut_rows`), and of the choices that a machine file leaves open.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from accelsim.cost.lut_cost import accumulator, adder, binary_dot, multiply_accumulate
from accelsim.cost.lut_packing import LANE_BITS, packed_cascade, packed_slices
from accelsim.cost.lut_rows import residual, single
from accelsim.hardware.architecture import FpgaArchitecture, Memory
from accelsim.hardware.number_formats import factors
from accelsim.ir.ops import Tanh
from accelsim.mapping.mapper import Mapping
from accelsim.mapping.scheduled import Schedule, ScheduledStep

FLOAT_REASON = "no measured LUT cost of floating-point operators"
IDLE_REASON = "no step of the program multiplies on the array"
CONTROL_LUTS = 300
"""Of one matrix-vector unit whatever its size: constant term of FINN's estimate (Xilinx/finn@39f0c9a6,
matrixvectoractivation.py, lut_estimation)."""
REDUCED = frozenset({"C", "R", "S"})
"""Dimensions of a layer whose products are added up."""
FEW_LEVELS_BITS = 2
"""Weights of two or three levels."""
MUX_INPUTS = 4
"""One LUT6 chooses one of 4; MUXF7 and MUXF8 join them to 8 and 16 at no LUT (UG474, recalled)."""


@dataclass(frozen=True)
class Part:
    """`count` units of one kind: LUTs with their interval, and registers, of all of them."""

    name: str
    count: int
    luts: int
    low: int
    high: int
    registers: int = 0


@dataclass(frozen=True)
class Fabric:
    """Parts in the fabric, or the reason why they cannot be counted; dsps: slices of the requantizers, not the PEs.

    few_levels: whether slices multiply weights of 1 or 2 bits.
    """

    parts: tuple[Part, ...] = ()
    reason: str | None = None
    dsps: int = 0
    few_levels: bool = False

    @property
    def luts(self) -> int:
        """LUTs of all parts."""
        return sum(part.luts for part in self.parts)

    @property
    def low(self) -> int:
        """Least LUTs that the parts can take by the ranges of their kinds."""
        return sum(part.low for part in self.parts)

    @property
    def high(self) -> int:
        """Most LUTs that the parts can take by the ranges of their kinds; what is not a part is not in it."""
        return sum(part.high for part in self.parts)

    @property
    def registers(self) -> int:
        """Flip-flops of the registers that the machine file or a part names."""
        return sum(part.registers for part in self.parts)


SLICES = (
    "{machine}: PEs are DSP slices, to which weights of two or three levels are as dear as wider ones: they save "
    "memory and traffic, no multiplier; machines of kind stream build theirs of LUTs, zcu104_stream for one"
)


def fabric(machine: FpgaArchitecture, made: Schedule) -> Fabric:
    """The parts that the machine needs for every step of the schedule, one design for all of them."""
    if any(one.floating for key in machine.formats for one in factors(key)):
        return Fabric(reason=FLOAT_REASON)
    steps = [step for step in made.steps if step.mapping is not None]
    mappings = [step.mapping for step in steps if step.mapping is not None]
    if not mappings:
        return Fabric(reason=IDLE_REASON)
    units = max(_results_per_cycle(step) for step in steps)
    found = [Part("control", 1, CONTROL_LUTS, CONTROL_LUTS, CONTROL_LUTS)]
    found += _processing_elements(machine, mappings)
    found += _packing(machine, mappings)
    sums, bits = max(((_sums(m), m.hierarchy.partial_sum_bits) for m in mappings), key=prod)
    if machine.array.dataflow != "output_stationary":
        found.append(_accumulators(sums, bits))
    found += [_registers(memory, machine) for memory in _flip_flops(machine)]
    found += _selectors(machine, sums, bits)
    found.append(_requantizers(units))
    if any(isinstance(op, Tanh) for step in made.steps for op in (step.task.node.op, *step.task.node.epilogue)):
        found.append(_tables(units))
    few = bool(machine.fpga.dsp_per_pe) and min(m.hierarchy.weight_bits for m in mappings) <= FEW_LEVELS_BITS
    return Fabric(parts=tuple(found), dsps=units * single("pe_rqmul", "fix", -1).dsps, few_levels=few)


def element_luts(weight_bits: int, activation_bits: int, sum_bits: int, macs: int) -> int:
    """LUTs of a PE without DSP slice that does `macs` multiply-accumulates a cycle into one sum or several."""
    if weight_bits == activation_bits == 1:
        return binary_dot(macs, sum_bits)
    return macs * multiply_accumulate(weight_bits, max(2, activation_bits), sum_bits)


def sentences(machine: FpgaArchitecture, built: Fabric) -> tuple[str, ...]:
    """What the estimate takes for granted, for the assumptions of a report."""
    if built.reason is not None:
        return ()
    listed = ", ".join(f"{p.count} x {p.name} {p.luts:,}" for p in built.parts if p.luts)
    return (
        f"{machine.name}: {built.luts:,} LUTs ({built.low:,} to {built.high:,}) is an estimate, the sum of {listed}; "
        "counted from the structure of each unit, the interval is how far Yosys is from such counts and what the "
        "machine file leaves open; Vivado may differ by more",
        f"{machine.name}: {built.registers:,} flip-flops is what the named registers hold, a lower bound: pipeline "
        "stages and control are not counted",
        f"{machine.name}: LUTs leave out address generators, the link to the host, and width converters of memories",
        f"{machine.name}: as many requantizers as the fastest layer finishes results in a cycle, each of 8 bits; their "
        f"{built.dsps} DSP slices are not in `dsp`, which counts those of the array",
        *([SLICES.format(machine=machine.name)] if built.few_levels else []),
    )


def _processing_elements(machine: FpgaArchitecture, mappings: Iterable[Mapping]) -> list[Part]:
    """With DSP slices a PE multiplies and adds in them, in every format that the machine lists. Without, it has a
    register of its sum, and of its weights where the array latches them."""
    if machine.fpga.dsp_per_pe:
        return []
    pes = machine.array.pes
    found = []
    for mapping in mappings:
        words = mapping.hierarchy
        macs = -(-prod(copies for _, copies in words.lanes) // pes)
        luts = element_luts(words.weight_bits, words.input_bits, words.partial_sum_bits, macs)
        binary = words.weight_bits == words.input_bits == 1
        held = words.partial_sum_bits * (1 if binary else macs)
        held += macs * words.weight_bits if "weights" in machine.array.latches else 0
        kind = "binary dot" if binary else "multiply-accumulate"
        found.append(_part(f"PE of {words.weight_bits} x {words.input_bits} bits", kind, pes, luts, held))
    return [max(found, key=lambda part: part.luts)]


def _packing(machine: FpgaArchitecture, mappings: Iterable[Mapping]) -> list[Part]:
    """What takes the sums of slices with several products apart. Of two lanes: the segments of a cascade; least none
    (WP486 spends a slice on it), most as FINN does it. Of four: as FINN does it, which has no cascade."""
    found = []
    for mapping in mappings:
        words, results = mapping.hierarchy, _sums(mapping)
        copies = prod(n for _, n in words.lanes)
        lanes = -(-copies // machine.array.pes)
        if not machine.fpga.dsp_per_pe or lanes not in LANE_BITS:
            continue
        columns, products = -(-results // lanes), copies // results
        bits = LANE_BITS[lanes]
        whole = 2 * bits + (products - 1).bit_length()
        finn = columns * packed_slices(lanes, products, (bits, bits), whole, 2 * bits)
        cascade = columns * packed_cascade(products)
        luts, low = (cascade, 0) if lanes == 2 else (finn, finn)
        found.append(Part(f"sums of {lanes} lanes of slices", columns, luts, low, max(luts, finn)))
    return [max(found, key=lambda part: part.luts)] if found else []


def _accumulators(sums: int, bits: int) -> Part:
    """Below the columns, one for each sum that leaves the array in a cycle; they wrap, at most they saturate."""
    least, most = sums * adder(bits), sums * accumulator(bits, saturating=True)
    return Part(f"accumulator of {bits} bits", sums, least, least, most)


def _selectors(machine: FpgaArchitecture, sums: int, bits: int) -> list[Part]:
    """Which of several sums in flip-flops goes on: none if they rotate, else a multiplexer a bit."""
    shared = [m for m in _flip_flops(machine) if "partial_sums" in m.holds and not m.per_pe]
    positions = sum(_bits(memory, machine) for memory in shared) // (sums * bits)
    luts = sums * bits * -(-positions // MUX_INPUTS)
    return [Part(f"choice of 1 of {positions} x {sums} sums", 1, luts, 0, luts)] if positions > 1 else []


def _requantizers(count: int) -> Part:
    """8-bit results of 32-bit sums, by a multiplier; least a constant shift, most the rows of UltraScale+."""
    unit, shift, most = (
        single("pe_rqmul", "fix", -1),
        single("pe_rqshift", "fix", 8),
        single("pe_rqmul", "fix", -1, "xcup"),
    )
    return Part("requantizer", count, count * unit.luts, count * shift.luts, count * most.luts, count * unit.ffs)


def _tables(count: int) -> Part:
    unit, most = single("pe_tanh", "impl", 0), single("pe_tanh", "impl", 0, "xcup")
    return Part(
        "tanh table of 8 bits", count, count * unit.luts, count * unit.luts, count * most.luts, count * unit.ffs
    )


def _registers(memory: Memory, machine: FpgaArchitecture) -> Part:
    return Part(f"registers of {memory.name}", 1, 0, 0, 0, _bits(memory, machine))


def _part(name: str, kind: str, count: int, luts: int, registers: int) -> Part:
    off = residual(kind, behavioural=False, later=True)
    total = count * luts
    low, high = int(total * min(1.0, off.low)), -int(-total * max(1.0, off.high) // 1)
    return Part(name, count, total, low, high, count * registers)


def _flip_flops(machine: FpgaArchitecture) -> list[Memory]:
    return [memory for memory in machine.memories if memory.kind == "flip_flop"]


def _bits(memory: Memory, machine: FpgaArchitecture) -> int:
    return memory.size_bits * (machine.array.pes if memory.per_pe else 1)


def _sums(mapping: Mapping) -> int:
    """Results that the array works on at once: copies over dimensions that are not added up."""
    return prod(copies for dim, copies in mapping.hierarchy.lanes if dim not in REDUCED)


def _results_per_cycle(step: ScheduledStep) -> int:
    """Finished words of a layer over the cycles in which it multiplies, rounded up."""
    return 0 if step.mapping is None else -(-step.mapping.problem.words["O"] // max(1, step.cycles))
