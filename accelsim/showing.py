"""A machine, a workload or a graph as text for people: what accelsim made of the file."""

from collections.abc import Iterator
from math import inf, prod
from pathlib import Path

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.frontend.workload import Workload, load_workload
from accelsim.hardware.architecture import EVERYTHING, Architecture, Array, Machine, Memory
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.load import load_architecture
from accelsim.hardware.quantity import Frozen, Quantity
from accelsim.hardware.stream import StreamArchitecture
from accelsim.ir.graph import Graph
from accelsim.ir.parameters import parameter_shapes
from accelsim.ir.text import graph_text
from accelsim.mapping.operators import mac_counts
from accelsim.shared import list_shared
from accelsim.yaml_file import read_yaml

Row = tuple[str, ...]


def show_text(name: str) -> str:
    """The text of a shipped name or a file: machine, workload or stored graph.

    Raises:
        LocatedErrors: the file has mistakes.
        AccelsimError: nothing has that name.
    """
    path = Path(name)
    machines, workloads = list_shared("hw_configs"), list_shared("workloads")
    if path.is_file():
        schema = "" if path.suffix == ".json" else read_yaml(path).data.get("schema")
        if schema == "accelsim/hardware/1":
            return machine_text(load_architecture(name))
        return workload_text(load_workload(name))
    if name in machines:
        return machine_text(load_architecture(name))
    if name in workloads:
        return workload_text(load_workload(name))
    known = [*machines, *workloads]
    raise AccelsimError(
        f"no machine, workload or graph {name!r}{did_you_mean(name, known)}",
        hint=f"shipped: {', '.join(known)}; or give a path",
    )


# --- graphs and workloads --------------------------------------------------------------------------------------------


def workload_text(workload: Workload) -> str:
    """Where it comes from, its graph, and its layers."""
    low, high = workload.output_range
    lines = [f"workload {workload.name}"]
    lines += [f"  generator {workload.source}"] if workload.source else []
    lines += [f"  input {name}: drawn {draw}" for name, draw in workload.draws.items()]
    lines.append(f"  output: black {low:g}, white {high:g}")
    return "\n".join([*lines, "", graph_text(workload.graph), "", layers_text(workload.graph)])


def layers_text(graph: Graph) -> str:
    """Trained parameters and MACs of one sample by the three counts, per layer that has any, and their totals.

    Nodes that share their parameters each show them; the total counts them once.
    """
    rows: list[Row] = []
    total = [0, 0, 0]
    for node in graph.nodes:
        counts = mac_counts(node.op, tuple(graph.shapes[name] for name in node.inputs)) if node.inputs else None
        macs = [counts.zero_inserted, counts.scatter, counts.effectual] if counts else [0, 0, 0]
        shapes = parameter_shapes(node.op).items()
        parameters = sum(prod(shape) for role, shape in shapes if graph.trains(node.parameter(role)))
        total = [sum(pair) for pair in zip(total, macs, strict=True)]
        if parameters or any(macs):
            shape = "x".join(map(str, graph.shapes[node.name]))
            rows.append((node.name, type(node.op).__name__, shape, *(f"{n:,}" for n in (parameters, *macs))))
    rows.append(("total", "", "", f"{graph.trainable_parameters:,}", *(f"{n:,}" for n in total)))
    heads = ("layer", "operator", "output", "parameters", "MACs zero-inserted", "scatter", "effectual")
    return "\n".join(aligned([heads, *rows], "lllrrrr"))


def aligned(rows: list[Row], sides: str) -> Iterator[str]:
    """Columns of equal width, two spaces apart; sides: l or r for each."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(sides))]
    for row in rows:
        cells = [c.ljust(w) if side == "l" else c.rjust(w) for c, w, side in zip(row, widths, sides, strict=True)]
        yield "  ".join(cells).rstrip()


# --- machines --------------------------------------------------------------------------------------------------------


def machine_text(machine: Machine) -> str:
    """Memories from the outside in, the fan-out, the PEs and what they multiply; then the section of the kind."""
    node = machine.technology
    lines = [
        f"{machine.name}: {machine.kind}, {machine.clock_mhz} MHz, {node.node_nm} nm, {node.vdd_v} V",
        f"transposed convolution: {machine.transposed_conv}; static power: {machine.static_power_w} W"
        + (f"; {machine.judged}" if machine.judged else ""),
        "",
    ]
    if isinstance(machine, Architecture):
        lines += [*_diagram(machine), "", *_formats(machine), ""]
    if isinstance(machine, StreamArchitecture):
        lines += [*_pipeline(machine), "", *_stream_formats(machine), ""]
    section = getattr(machine, machine.kind)
    return "\n".join(
        [*lines, f"{machine.kind}:", *_fields(section, "  ", leave_out=("formats",)), "", *_sources(machine)]
    )


def _diagram(machine: Architecture) -> Iterator[str]:
    """Boxes of text, one a memory; what each PE has is drawn inside the box of the PEs."""
    rows = [_memory_row(memory, machine.clock_hz) for memory in machine.memories]
    shared = len(machine.shared_memories)
    table = list(aligned(rows, "lllrrl"))
    array = machine.array
    head = f"{array.rows} x {array.cols} = {array.pes} {'cores' if isinstance(machine, CpuArchitecture) else 'PEs'}"
    inside = [head, *(f"{line}  (in each)" for line in table[shared:]), f"multiply-accumulate{_latched(array)}"]
    width = max(len(line) for line in (*table, *inside)) + 4
    for line in table[:shared]:
        yield from _box([line], width)
        yield "  |"
    yield f"  | {_side('rows', array)}; {_side('cols', array)}"
    yield "  v"
    yield from _box(inside, width)


def _pipeline(machine: StreamArchitecture) -> Iterator[str]:
    """The link, and on the device a unit a layer, one behind the other."""
    device, section = machine.fpga, machine.stream
    room = [f"{int(getattr(device, name)):,} {name}" for name in ("lut", "ff", "dsp", "bram36", "uram")]
    weights = "one memory for each PE" if section.weight_memories == "per_pe" else "one wide memory a layer"
    link = f"host memory: {section.link.bandwidth_gb_per_s} GB/s, {section.link.energy_pj_per_bit} pJ/bit"
    unit = "FIFO -> rows of a window -> pe x simd multipliers -> thresholds or requantizer"
    inside = [
        f"{device.device}: {', '.join(room)}",
        f"layer 1:  {unit}",
        f"layer 2:  {unit}",
        "  ...     each layer a unit of its own, all at work at once",
        f"weights: {weights}, all on the chip",
    ]
    width = max(len(link), *map(len, inside)) + 4
    yield from _box([link], width)
    port = f"{machine.port_bits_per_cycle:,.5g} bit/cycle"
    yield f"  | inputs, {port}          ^ outputs, {port}"
    yield "  v"
    yield from _box(inside, width)


def _box(lines: list[str], width: int) -> Iterator[str]:
    yield f"+{'-' * (width - 2)}+"
    for line in lines:
        yield f"| {line.ljust(width - 4)} |"
    yield f"+{'-' * (width - 2)}+"


def _memory_row(memory: Memory, clock_hz: float) -> Row:
    bandwidth = memory.bits_per_cycle(clock_hz)
    reads, writes = memory.read_energy_j_per_bit * 1e12, memory.write_energy_j_per_bit * 1e12
    energy = f"{reads} pJ/bit" if reads == writes else f"read {reads}, write {writes} pJ/bit"
    buffered = ", double buffered" if memory.double_buffered else ""
    return (
        memory.name,
        memory.kind,
        f"{'all' if set(memory.holds) >= set(EVERYTHING) else ', '.join(memory.holds)}{buffered}",
        _size(memory.size_bits / 8),
        "" if bandwidth == inf else f"{bandwidth:,.5g} bit/cycle",
        energy,
    )


def _size(size: float) -> str:
    for unit, scale in (("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:,.5g} {unit}"
    return f"{size:,.5g} B"


def _side(name: str, array: Array) -> str:
    across = array.unroll.rows if name == "rows" else array.unroll.cols
    parts = [f"{a.dimension} x {a.lanes}" if a.lanes else a.dimension for a in across]
    return f"{name} run over {', then '.join(parts)}"


def _latched(array: Array) -> str:
    return f", {', '.join(array.latches)} held while they do not change" if array.latches else ""


def _formats(machine: Architecture) -> Iterator[str]:
    rows: list[Row] = [("format", "MACs/cycle/PE", "GMAC/s", "pJ/MAC", "lanes")]
    for key, cost in machine.formats.items():
        rate = int(cost.macs_per_cycle_per_pe)
        peak = rate * machine.array.pes * machine.clock_hz / 1e9
        lanes = ", ".join(f"{dimension} {count}" for dimension, count in machine.lanes(key).items() if count > 1)
        rows.append((key, str(rate), f"{peak:,.5g}", str(cost.energy_pj), lanes))
    return aligned(rows, "lrrll")


def _stream_formats(machine: StreamArchitecture) -> Iterator[str]:
    rows: list[Row] = [("format", "multipliers", "pJ/MAC")]
    for key, cost in machine.stream.formats.items():
        rows.append((key, f"{cost.macs_per_dsp} a DSP slice" if cost.macs_per_dsp else "in LUTs", str(cost.energy_pj)))
    return aligned(rows, "lll")


def _fields(part: object, indent: str, leave_out: tuple[str, ...] = ()) -> Iterator[str]:
    """A typed section as indented lines of `key: value`, without what the file leaves out or a table has shown."""
    items = part.items() if isinstance(part, dict) else [(name, getattr(part, name)) for name in _names(part)]
    for name, value in items:
        if name in leave_out or value == {}:
            continue
        if isinstance(value, dict) or _names(value):
            yield f"{indent}{name}:"
            yield from _fields(value, indent + "  ")
        elif value is not None:
            yield f"{indent}{name}: {value}"


def _names(part: object) -> list[str]:
    """Fields of a section; a number with its source is one value."""
    return list(type(part).model_fields) if isinstance(part, Frozen) and not isinstance(part, Quantity) else []


def _sources(machine: Machine) -> Iterator[str]:
    yield "sources:"
    for source in machine.sources:
        yield f"  - {source}"
