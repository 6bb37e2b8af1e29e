"""What an exact run saw: how many accumulators overflowed, and how the codes of every stored value were."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from accelsim.engine.linear_kernel import Array, Overflows
from accelsim.engine.zero_runs import ZeroRuns, zero_runs
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.binary import Binary
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.number_format import IntegerFormat
from accelsim.ir.crossbar_target import CellActivity

Patterns = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class LayerActivity:
    """Accumulators of one multiplying layer: outputs of the run, and how many overflowed as `Overflows` counts them.

    adc_clipped: conversions of its crossbars that clipped. cells: what was driven into them.
    """

    outputs: int
    overflowed: int
    adc_clipped: int = 0
    cells: CellActivity = field(default_factory=CellActivity)


@dataclass(frozen=True)
class ValueActivity:
    """Codes of one stored value, as two's complement of `bits` bits; counts over all samples of the run.

    zeros: codes that stand for 0. clamped: codes at an end of the format that is not its zero, which is where clamped
    results lie (and those that just reach it); None where the format does not clamp. ones: bits that are 1. toggles:
    bits that differ between one code and the next of its sample, the last axis fastest. steps: pairs of such codes.
    """

    bits: int
    codes: int
    zeros: int
    clamped: int | None
    ones: int
    toggles: int
    steps: int
    runs: ZeroRuns | None = None
    """Of zeros, where the run was asked to count them."""

    @property
    def zero_fraction(self) -> float:
        """Part of the codes that stand for 0; 0 where nothing ran."""
        return self.zeros / max(self.codes, 1)

    @property
    def clamped_fraction(self) -> float | None:
        """Part of the codes at an end of the format: at most so many results were clamped. None as for `clamped`."""
        return None if self.clamped is None else self.clamped / max(self.codes, 1)

    @property
    def bit_density(self) -> float:
        """Part of the stored bits that are 1."""
        return self.ones / max(self.codes * self.bits, 1)

    @property
    def toggle_rate(self) -> float:
        """Part of the bits that change from one code to the next."""
        return self.toggles / max(self.steps * self.bits, 1)


@dataclass(frozen=True)
class Activity:
    """`layers` by the names of multiplying layers, `values` by those of stored values, inputs included, views not."""

    layers: Mapping[str, LayerActivity]
    values: Mapping[str, ValueActivity]


@dataclass
class ActivityCounter:
    """Gathers the activity of a run, batch by batch; results do not depend on the batches.

    counts_runs: of zeros, too.
    """

    counts_runs: bool = False
    _outputs: dict[str, int] = field(default_factory=dict)
    _overflows: dict[str, Overflows] = field(default_factory=dict)
    _values: dict[str, ValueActivity] = field(default_factory=dict)

    def overflows(self, layer: str) -> Overflows:
        """Where the kernel counts the overflows of a layer."""
        return self._overflows.setdefault(layer, Overflows())

    def made(self, layer: str, outputs: Array) -> None:
        """A layer made these outputs."""
        self._outputs[layer] = self._outputs.get(layer, 0) + outputs.size

    def stored(self, value: str, codes: Array, format: IntegerFormat, scaling: Scaling) -> None:
        """These codes `[N, ...]` of a value were stored."""
        seen = value_activity(codes, format, scaling)
        if self.counts_runs and not isinstance(format, Binary):
            seen = replace(seen, runs=zero_runs(codes, scaling.zero_point))
        self._also(value, seen)

    def _also(self, value: str, seen: ValueActivity) -> None:
        before = self._values.get(value)
        self._values[value] = seen if before is None else _together(before, seen)

    def emptied(self) -> "ActivityCounter":
        """A counter of the same things that has seen nothing: for a thread of its own, and then to `add`."""
        return ActivityCounter(self.counts_runs)

    def add(self, other: "ActivityCounter") -> None:
        """Count what another counter saw, too."""
        for layer, outputs in other._outputs.items():
            self._outputs[layer] = self._outputs.get(layer, 0) + outputs
        for layer, more in other._overflows.items():
            overflows = self.overflows(layer)
            overflows.outputs += more.outputs
            overflows.adc_clipped += more.adc_clipped
            overflows.cells += more.cells
        for value, seen in other._values.items():
            self._also(value, seen)

    def activity(self) -> Activity:
        """What was gathered so far."""
        return Activity({name: self._layer(name) for name in self._outputs}, dict(self._values))

    def _layer(self, name: str) -> LayerActivity:
        seen = self.overflows(name)
        return LayerActivity(self._outputs[name], seen.outputs, seen.adc_clipped, seen.cells)


def value_activity(codes: Array, format: IntegerFormat, scaling: Scaling) -> ValueActivity:
    """Counts of one batch of codes `[N, ...]`, held in int8 or int16."""
    patterns = _patterns(codes, format)
    changes = patterns[:, 1:] ^ patterns[:, :-1]
    zero = scaling.zero_point
    ends = [code for code in (format.low, format.high) if code != zero]
    return ValueActivity(
        bits=format.bits,
        codes=codes.size,
        zeros=0 if isinstance(format, Binary) else int(np.count_nonzero(codes == zero)),
        clamped=sum(int(np.count_nonzero(codes == code)) for code in ends) if _clamps(format) else None,
        ones=count_ones(patterns),
        toggles=count_ones(changes),
        steps=changes.size,
    )


def _clamps(format: IntegerFormat) -> bool:
    if isinstance(format, FixedPoint):
        return format.overflow in ("sat", "sat_sym")
    return isinstance(format, AffineInt)


def _patterns(codes: Array, format: IntegerFormat) -> Patterns:
    """The bits of the codes `[N, codes of a sample]`; of binary codes 1 for +1, 0 for -1."""
    flat = np.ascontiguousarray(codes.reshape(len(codes), codes.size // max(len(codes), 1)))
    if isinstance(format, Binary):
        return (flat > 0).astype(np.uint8)
    mask = (1 << format.bits) - 1
    if codes.dtype.itemsize == 1:
        return flat.view(np.uint8) & np.uint8(mask)
    return flat.view(np.uint16) & np.uint16(mask)


def count_ones(patterns: Patterns) -> int:
    """Bits that are 1."""
    if not hasattr(np, "bitwise_count"):  # numpy 1: one plane of bits after the other
        planes = range(8 * patterns.dtype.itemsize)
        return sum(int(np.count_nonzero(patterns & patterns.dtype.type(1 << plane))) for plane in planes)
    octets = np.ascontiguousarray(patterns).reshape(-1).view(np.uint8)
    whole = len(octets) // 8 * 8  # eight at a time are quicker to sum
    words, rest = octets[:whole].view(np.uint64), octets[whole:]
    return int(np.bitwise_count(words).sum(dtype=np.int64) + np.bitwise_count(rest).sum(dtype=np.int64))


def _together(one: ValueActivity, other: ValueActivity) -> ValueActivity:
    return ValueActivity(
        one.bits,
        one.codes + other.codes,
        one.zeros + other.zeros,
        None if one.clamped is None or other.clamped is None else one.clamped + other.clamped,
        one.ones + other.ones,
        one.toggles + other.toggles,
        one.steps + other.steps,
        None if one.runs is None or other.runs is None else one.runs + other.runs,
    )
