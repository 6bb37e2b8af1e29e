"""Measure this computer on half of the layers, write it down as a machine, and predict the other half with that."""

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from math import exp, isfinite, log
from pathlib import Path

from accelsim.engine.kernels import native
from accelsim.errors import AccelsimError
from accelsim.flow import estimate
from accelsim.frontend.workload import Workload
from accelsim.hardware.architecture import Machine
from accelsim.hardware.load import parse_architecture
from accelsim.mapping.operators import layer_problem
from accelsim.measure.fitting import Timed, fit
from accelsim.measure.layers import FITTED, JUDGED, Layer
from accelsim.measure.machine_data import Facts, Rate, machine_data
from accelsim.measure.memory import DRAM_COPY, caches, copy_gb_per_s
from accelsim.measure.running import FORMATS, float_library, ready
from accelsim.measure.timing import best_seconds
from accelsim.yaml_file import Plain

Progress = Callable[[str, int, int], None]
MEMORY_SHARE = 0.1
"""Of the seconds: for the bandwidths."""
PEAK_PRODUCT = {"int8": "bytes", "int16": "shorts"}


@dataclass(frozen=True)
class Row:
    """One layer of the other half: milliseconds as measured and as the machine predicts them."""

    layer: str
    format: str
    measured_ms: float
    predicted_ms: float

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return self.predicted_ms / self.measured_ms - 1


@dataclass(frozen=True)
class Host:
    """The machine as data and as what is loaded from it, and how it does on the layers that it was not made from."""

    data: dict[str, Plain]
    machine: Machine
    rows: tuple[Row, ...]


def measure_host(
    threads: int, seconds: float, name: str = "host", progress: Progress = lambda stage, done, total: None
) -> Host:
    """Measure for about so many seconds by the clock, on so many threads.

    Raises:
        AccelsimError: fewer than one thread or more than there are processors; no time.
    """
    available = os.cpu_count() or 1
    if not 1 <= threads <= available:
        raise AccelsimError(f"--threads: {threads}; this computer has {available} processors")
    if not seconds > 0:
        raise AccelsimError(f"--seconds: {seconds:g}; expected more than 0")
    facts = _facts(threads, seconds * MEMORY_SHARE, progress)
    each = seconds * (1 - MEMORY_SHARE) / (len(FITTED + JUDGED) * len(FORMATS))
    timed = dict(_timed(threads, each, progress))
    rates = {format: _rate(format, [timed[layer.name, format] for layer in FITTED], threads) for format in FORMATS}
    data = machine_data(name, facts, rates)
    machine = parse_architecture(data, name)
    rates = {
        format: _corrected(rates[format], format, [timed[layer.name, format] for layer in FITTED], machine)
        for format in FORMATS
    }
    data = machine_data(name, facts, rates)
    machine = parse_architecture(data, name)
    total = len(JUDGED) * len(FORMATS)
    rows = []
    for format in FORMATS:
        for layer in JUDGED:
            measured = timed[layer.name, format].seconds
            rows.append(Row(layer.name, format, 1e3 * measured, 1e3 * predicted_s(layer, format, machine)))
            progress("predicting the other half", len(rows), total)
    return Host(data, machine, tuple(rows))


def predicted_s(layer: Layer, format: str, machine: Machine) -> float:
    """What `accelsim estimate` says of the layer alone."""
    workload = Workload(layer.name, layer.graph, dict, {})
    latency = estimate(workload, on=machine, precision=format, batch=layer.batch, residency=False).totals["latency_s"]
    assert latency is not None  # the machine lists all formats
    return float(latency)


def _timed(threads: int, budget_s: float, progress: Progress) -> Iterator[tuple[tuple[str, str], Timed]]:
    layers = FITTED + JUDGED
    for number, (format, layer) in enumerate((f, layer) for f in FORMATS for layer in layers):
        progress("timing layers", number, len(layers) * len(FORMATS))
        problem = layer_problem(layer.op, (layer.sample,), layer.batch, "phase")
        assert problem is not None
        yield (
            (layer.name, format),
            Timed(layer, problem.macs, best_seconds(ready(layer, format, threads), budget_s, threads)),
        )


def _rate(format: str, timed: list[Timed], threads: int) -> Rate:
    """Of one core; no layer is faster than the peak."""
    fastest = max(t.macs / t.seconds for t in timed) / threads
    fitted = fit(timed)
    per_core = fitted.times(threads)
    by = float_library() if format == "float32" else "the kernels of accelsim"
    found = [
        (fastest, f"the fastest of {len(timed)} layers, by {by}"),
        (1 / per_core.mac_s, f"{len(timed)} layers, by {by}"),
    ]
    if format in PEAK_PRODUCT and native.available():
        from accelsim.engine.kernels.peaks import instruction_peak

        found.append((1e9 * instruction_peak(PEAK_PRODUCT[format]), "a loop of the multiply instruction"))
    return Rate(*max(found), per_core)


def _corrected(rate: Rate, format: str, timed: list[Timed], machine: Machine) -> Rate:
    """So that what `estimate` says of the same layers, with stalls and idle lanes, is right in the geometric mean."""
    logs = [log(predicted_s(t.layer, format, machine) / t.seconds) for t in timed]
    return replace(rate, fitted=rate.fitted.times(exp(-sum(logs) / len(logs))))


def _facts(threads: int, seconds: float, progress: Progress) -> Facts:
    levels = caches()
    outermost = levels[-1].size_bytes
    progress("copying through caches and memory", 0, 2)
    cache = copy_gb_per_s(outermost // 4 // threads, threads, seconds / 2)
    progress("copying through caches and memory", 1, 2)
    dram = copy_gb_per_s(max(DRAM_COPY, 4 * outermost) // threads, threads, seconds / 2)
    return Facts(threads, _clock_mhz(), _processor(), levels, max(cache, dram), dram, date.today().isoformat())


def _cpuinfo(key: str, path: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == key), "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine() or "processor of unknown name"


def _clock_mhz() -> float | None:
    """As the system says, or None."""
    try:
        found = float(_cpuinfo("cpu MHz"))
    except ValueError:
        return None
    return found if isfinite(found) and found > 0 else None
