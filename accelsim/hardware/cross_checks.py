"""Mistakes in a machine file that no single field can show: contradictions, and more than the device has.

The checks read the plain data and step over what is missing or of the wrong type, which the model reports itself.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import get_args

from accelsim.errors import did_you_mean
from accelsim.hardware.architecture import BLOCK_BITS, OFF_CHIP, MemoryKind
from accelsim.hardware.dataflow import dataflows
from accelsim.hardware.number_formats import INTEGER, factors
from accelsim.hardware.sram_fit import Bank
from accelsim.hardware.technology import refusal
from accelsim.yaml_file import Check, Loc, Mistake, Plain, show

_SIZES = ("size_mib", "size_kib", "size_bytes", "blocks")
_ENERGIES = ("energy_pj_per_bit", "read_energy_pj_per_bit", "write_energy_pj_per_bit")
_BANDWIDTHS = ("bandwidth_gb_per_s", "bandwidth_bits_per_cycle")
_KINDS = frozenset(get_args(MemoryKind))
_PORTED = OFF_CHIP | set(BLOCK_BITS) | {"sram", "cache"}
_OPERANDS = {"weights", "activations", "partial_sums"}


def memory_sizes(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Each memory has exactly one size, and `blocks` only where a block has a known size."""
    for i, memory in _memories(data):
        given = [key for key in _SIZES if key in memory]
        if not given and not _misspelt(memory, _SIZES):
            yield Mistake(("memories", i), f"needs one size: {', '.join(_SIZES)}")
        for key in given[1:]:
            yield Mistake(("memories", i, key), f"a second size; {given[0]} is given already")
        if "blocks" in given and _kind(memory) in _KINDS - set(BLOCK_BITS):
            kinds = " or ".join(BLOCK_BITS)
            yield Mistake(("memories", i, "blocks"), f"only kind {kinds} comes in blocks, not {memory.get('kind')!r}")


def memory_energies(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Each memory has one energy for both directions, or one for each."""
    for i, memory in _memories(data):
        split = [key for key in _ENERGIES[1:] if key in memory]
        if "energy_pj_per_bit" in memory:
            for key in split:
                yield Mistake(("memories", i, key), "contradicts energy_pj_per_bit; give one or the other")
        elif len(split) < 2 and "cacti" not in memory and not _misspelt(memory, _ENERGIES):
            yield Mistake(("memories", i), f"needs {_ENERGIES[0]}, or {_ENERGIES[1]} and {_ENERGIES[2]}")


def fitted_memories(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Only an SRAM is estimated by the fit to CACTI, and only where it has points."""
    for i, memory in _memories(data):
        if "cacti" not in memory:
            continue
        place = ("memories", i, "cacti")
        if _kind(memory) in _KINDS - {"sram"}:
            yield Mistake(place, f"only kind sram is estimated by the fit to CACTI, not {memory.get('kind')!r}")
            continue
        if "access_bits" not in memory:
            yield Mistake(place, "needs access_bits: the width of the memory")
        bank = _bank(memory, _number(_mapping(data.get("technology")).get("node_nm")))
        if bank is not None and bank.refusal is not None:
            yield Mistake(place, bank.refusal)


def _bank(memory: Mapping[str, Plain], node_nm: float | None) -> Bank | None:
    cacti = memory.get("cacti")
    banks = _number(cacti.get("banks", 1)) if isinstance(cacti, dict) else 1.0
    units = {"size_mib": 2**20, "size_kib": 2**10, "size_bytes": 1}
    sizes = [n * units[key] for key in units if (n := _number(memory.get(key))) is not None]
    bits = _number(memory.get("access_bits"))
    if node_nm is None or not sizes or not bits or not banks or bits % 1:
        return None
    return Bank("lstp", node_nm, sizes[0] / banks, int(bits))


def scaled_figures(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Figures of another process are scaled only where the table of nodes has points."""
    technology = _mapping(data.get("technology"))
    target = _number(technology.get("node_nm")), _number(technology.get("vdd_v"))
    for loc, entry in _entries(dict(data), ()):
        if "at_node_nm" not in entry:
            continue
        node, vdd = _number(entry["at_node_nm"]), _number(entry.get("at_vdd_v"))
        energy = "at_vdd_v" in entry
        if node is not None and (reason := refusal(node, vdd)):
            yield Mistake((*loc, "at_node_nm"), reason)
        elif target[0] is not None and (reason := refusal(target[0], target[1] if energy else None)):
            yield Mistake((*loc, "at_node_nm"), f"cannot be scaled to the machine: {reason}")


def _entries(data: Plain, loc: Loc) -> Iterator[tuple[Loc, dict[str, Plain]]]:
    """Every mapping of the file and where it stands."""
    if isinstance(data, dict):
        yield loc, data
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, child in children:
        yield from _entries(child, (*loc, key))


def format_energies(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """A format has an energy, or `arithmetic` makes one up of its widths, which only integers have."""
    for key, entry in _mapping(data.get("formats")).items():
        if not isinstance(entry, dict) or "energy_pj" in entry or _misspelt(entry, ("energy_pj",)):
            continue
        if "arithmetic" not in data:
            yield Mistake(("formats", key, "energy_pj"), "missing")
        elif not _integers(key):
            yield Mistake(("formats", key, "energy_pj"), "missing; arithmetic makes up energies of integers alone")


def _integers(key: str) -> bool:
    try:
        return all(factor.kind == INTEGER for factor in factors(key))
    except ValueError:  # the model says so
        return True


def static_power(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Static power is given, unless memories say what they leak."""
    leaking = [memory for _, memory in _memories(data) if "cacti" in memory or "leakage_mw" in memory]
    if "static_power_w" not in data and not leaking and not _misspelt(data, ("static_power_w",)):
        yield Mistake(("static_power_w",), "missing")


def memory_bandwidths(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """A bandwidth is given once; only registers may leave it out."""
    for i, memory in _memories(data):
        given = [key for key in _BANDWIDTHS if key in memory]
        if len(given) > 1:
            yield Mistake(("memories", i, given[1]), f"a second bandwidth; {given[0]} is given already")
        if not given and _kind(memory) in _PORTED and not _misspelt(memory, _BANDWIDTHS):
            yield Mistake(("memories", i), "needs bandwidth_gb_per_s or bandwidth_bits_per_cycle")


def memory_order(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Names differ; the first memory is off chip and holds everything, and no other is off chip."""
    first_with: dict[Plain, int] = {}
    for i, memory in _memories(data):
        name, kind, holds = memory.get("name"), _kind(memory), memory.get("holds")
        if isinstance(name, str) and first_with.setdefault(name, i) != i:
            yield Mistake(("memories", i, "name"), f"{name!r} is also the name of memory {first_with[name] + 1}")
        if kind in _KINDS and (kind in OFF_CHIP) != (i == 0):
            first = f"the first memory must be off chip ({', '.join(sorted(OFF_CHIP))}), not {kind!r}"
            later = f"only the first memory may be off chip, not this {kind!r}"
            yield Mistake(("memories", i, "kind"), first if i == 0 else later)
        if isinstance(holds, list):
            held = [operand for operand in holds if isinstance(operand, str)]
            if len(set(held)) < len(held):
                yield Mistake(("memories", i, "holds"), "names an operand twice")
            if i == 0 and not set(held) >= _OPERANDS:
                yield Mistake(("memories", i, "holds"), f"the first memory must hold {', '.join(sorted(_OPERANDS))}")


def copies(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """All memories after the first per-PE one are per PE; one on the chip is shared and holds weights and activations.

    That one is where tensors and weights stay between layers.
    """
    first, found = None, False
    for i, memory in _memories(data):
        mark, holds = memory.get("per_pe"), memory.get("holds")
        if mark is True and first is None:
            first = i
            if i == 0:
                yield Mistake(("memories", i, "per_pe"), "the first memory is shared by all PEs")
        if mark is False and first is not None:
            yield Mistake(("memories", i, "per_pe"), "a memory before it is per PE, so this one is too")
        held = {name for name in holds if isinstance(name, str)} if isinstance(holds, list) else _OPERANDS
        found = found or (i > 0 and first is None and held >= {"weights", "activations"})
    if first and not found:
        what = "needs a shared memory on the chip before it that holds weights and activations"
        yield Mistake(("memories", first, "per_pe"), what)


def unrolling(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Rows and columns run over different dimensions, and the lanes of a format multiply to its rate."""
    unroll = _mapping(_mapping(data.get("array")).get("unroll"))
    if "rows" in unroll and unroll["rows"] == unroll.get("cols"):
        yield Mistake(("array", "unroll", "cols"), f"{show(unroll['cols'])} is unrolled across the rows already")
    for side, entries in unroll.items():
        pes = _number(_mapping(data.get("array")).get(side))
        fixed = [e[1] for e in entries if isinstance(e, list) and len(e) == 2] if isinstance(entries, list) else []
        asked = prod(n for n in map(_number, fixed) if n is not None)
        if pes is not None and asked > pes:
            yield Mistake(("array", "unroll", side), f"lanes multiply to {asked:g}, but there are {pes:g} {side}")
    for key, entry in _mapping(data.get("formats")).items():
        lanes = _mapping(_mapping(entry).get("lanes"))
        rate, counts = _number(_mapping(entry).get("macs_per_cycle_per_pe")), [_number(n) for n in lanes.values()]
        numbers = [n for n in counts if n is not None]
        if lanes and rate is not None and len(numbers) == len(counts) and prod(numbers) != rate:
            what = f"lanes multiply to {prod(numbers):g}, but macs_per_cycle_per_pe is {rate:g}"
            yield Mistake(("formats", key, "lanes"), what)


def cores(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """A PE of the array is a core; each listed format says how well it is issued, by a share of 1 at most."""
    if not isinstance(data.get("cpu"), dict):
        return
    array, cpu = _mapping(data.get("array")), _mapping(data.get("cpu"))
    rows, cols, wanted = _number(array.get("rows")), _number(array.get("cols")), _number(cpu.get("cores"))
    if rows is not None and cols is not None and wanted is not None and rows * cols != wanted:
        yield Mistake(("cpu", "cores"), f"{wanted:g} cores, but the array has {rows:g} x {cols:g} PEs; a PE is a core")
    formats, shares = _mapping(data.get("formats")), cpu.get("issue_efficiency")
    for key in _mapping(cpu.get("results")):
        if key not in formats:
            yield Mistake(("cpu", "results", key), f"formats does not list {key}")
    if not isinstance(shares, dict):
        return
    for key, share in shares.items():
        if key not in formats:
            yield Mistake(("cpu", "issue_efficiency", key), f"formats does not list {key}")
        if (number := _number(share)) is not None and number > 1:
            yield Mistake(("cpu", "issue_efficiency", key), f"a share of the peak, so 1 at most, not {number:g}")
    for key in [key for key in formats if key not in shares]:
        yield Mistake(("cpu", "issue_efficiency"), f"lacks {key}, which formats lists")


def fits_the_device(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """The array's DSPs, the memories' blocks and the registers' flip-flops exist on the device."""
    array, device = _mapping(data.get("array")), _mapping(data.get("fpga"))
    rows, cols = _number(array.get("rows")), _number(array.get("cols"))
    each, dsp = _number(device.get("dsp_per_pe", 1)), _number(device.get("dsp"))
    if None not in (rows, cols, each, dsp) and (rows or 0) * (cols or 0) * (each or 0) > (dsp or 0):
        need = f"{rows:g} x {cols:g} PEs x {each:g} DSP = {(rows or 0) * (cols or 0) * (each or 0):g} DSP"
        yield Mistake(("array", "rows"), f"{need}, but {device.get('device', 'the device')} has {dsp:g}")
    for kind in BLOCK_BITS:
        yield from _blocks_fit(data, kind, _number(device.get(kind)), str(device.get("device", "the device")))


def _blocks_fit(data: Mapping[str, Plain], kind: str, available: float | None, device: str) -> Iterator[Mistake]:
    asked = 0.0
    for i, memory in _memories(data):
        blocks = _number(memory.get("blocks")) if memory.get("kind") == kind else None
        asked += blocks or 0
        if blocks is not None and available is not None and asked > available:
            so_far = f"{blocks:g} {kind}" if asked == blocks else f"{asked:g} {kind} with the memories before it"
            yield Mistake(("memories", i, "blocks"), f"{so_far}, but {device} has {available:g}")


def _memories(data: Mapping[str, Plain]) -> Iterator[tuple[int, dict[str, Plain]]]:
    memories = data.get("memories")
    if isinstance(memories, list):
        yield from ((i, memory) for i, memory in enumerate(memories) if isinstance(memory, dict))


def _kind(memory: Mapping[str, Plain]) -> str:
    kind = memory.get("kind")
    return kind if isinstance(kind, str) else ""


def _misspelt(memory: Mapping[str, Plain], wanted: tuple[str, ...]) -> bool:
    """Whether a key of the memory is a wanted one with a slip in it, which the model reports as such."""
    return any(key not in wanted and did_you_mean(key, wanted) for key in memory)


def _mapping(value: Plain) -> dict[str, Plain]:
    return value if isinstance(value, dict) else {}


def _number(value: Plain) -> float | None:
    """The number in `12` or `{value: 12, ...}`; None for anything else, and for what is out of range anyway."""
    if isinstance(value, dict):
        value = value.get("value")
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


STRUCTURE: tuple[Check, ...] = (
    memory_sizes,
    memory_energies,
    fitted_memories,
    scaled_figures,
    format_energies,
    static_power,
    memory_bandwidths,
    memory_order,
    copies,
    unrolling,
    dataflows,
    cores,
)
