"""What was measured, as the data of a machine file: `kind: cpu`, every constant with how it was found."""

from dataclasses import dataclass
from math import ceil, log2

from accelsim.measure.fitting import Fitted
from accelsim.measure.memory import Cache
from accelsim.yaml_file import Plain

UNKNOWN_MHZ = 1000.0
"""Clock where the system names none: cycles are then nanoseconds."""
FIRST_LEVEL_BITS = 4096
"""Of the first cache, bits a cycle: more than kernels take."""
REGISTER_BYTES = 32 * 512 // 8
"""32 vector registers of AVX-512; the processor is not asked."""
CORE_W = 5.0
"""What a busy core draws, a judgement: this program measures no power."""
DEPTH = {"int8": 4, "int16": 2, "float32": 1}
"""Neighbours along the sum that one lane of a vector instruction multiplies."""


@dataclass(frozen=True)
class Facts:
    """cache_gb_per_s, dram_gb_per_s: read and written together by copies of all threads, in the outermost cache and
    in memory."""

    threads: int
    clock_mhz: float | None
    processor: str
    caches: tuple[Cache, ...]
    cache_gb_per_s: float
    dram_gb_per_s: float
    day: str


@dataclass(frozen=True)
class Rate:
    """Of one core: MACs a second at the peak and where that is from; what layers take, s."""

    peak_per_s: float
    peak_from: str
    fitted: Fitted


def machine_data(name: str, facts: Facts, rates: dict[str, Rate]) -> dict[str, Plain]:
    """The machine file. Its energies are judgements: nothing here measures power."""
    clock_hz = 1e6 * (facts.clock_mhz or UNKNOWN_MHZ)
    measured = f"measured on {facts.processor} by accelsim measure-host, {facts.day}"
    pj_per_cycle = CORE_W / clock_hz * 1e12
    formats: dict[str, Plain] = {}
    shares: dict[str, Plain] = {}
    results: dict[str, Plain] = {}
    for format, rate in rates.items():
        lanes = _lanes(format, rate.peak_per_s / clock_hz)
        share = min(1.0, 1 / rate.fitted.mac_s / clock_hz / _product(lanes))
        source = f"{measured}: {rate.peak_from}, {rate.peak_per_s / 1e9:.4g} GMAC/s a core, up to whole vectors"
        energy: dict[str, Plain] = {
            "value": _short(pj_per_cycle / (_product(lanes) * share)),
            "source": f"{CORE_W:g} W a busy core; not measured",
            "status": "estimate",
        }
        formats[format] = {
            "macs_per_cycle_per_pe": {"value": _product(lanes), "source": source, "status": "derived"},
            "lanes": dict(lanes),
            "energy_pj": energy,
        }
        shares[format] = _quantity(share, f"{measured}, on half of the layers")
        results[format] = {
            kind: {"cycles": _quantity(seconds * clock_hz, measured), "energy_pj": _judged(seconds * CORE_W * 1e12)}
            for kind, seconds in (
                ("dense", rate.fitted.dense_result_s),
                ("depthwise", rate.fitted.depthwise_result_s),
            )
        }
    return {
        "schema": "accelsim/hardware/1",
        "name": name,
        "kind": "cpu",
        "validated": "no",
        "sources": [f"{measured}, {facts.threads} threads; energies are judgements"],
        "clock_mhz": _clock(facts),
        "technology": {"node_nm": _judged(7.0), "vdd_v": _judged(0.8)},
        "memories": _memories(facts, clock_hz, measured),
        "array": {
            "rows": 1,
            "cols": facts.threads,
            "unroll": {"rows": "batch", "cols": ["out_height", "out_channels"]},
        },
        "transposed_conv": "phase",
        "formats": formats,
        "cpu": {
            "cores": facts.threads,
            "simd_bits": {
                "value": 512,
                "source": "vectors of AVX-512; the processor is not asked",
                "status": "estimate",
            },
            "line_bytes": facts.caches[0].line_bytes,
            "kernel": {"out_width": 4, "out_channels": 16},
            "issue_efficiency": shares,
            "results": results,
            "unpack": {
                "within_byte": {"cycles_per_vector": _judged(4.0), "energy_pj_per_vector": _judged(4 * pj_per_cycle)},
                "across_bytes": {
                    "cycles_per_vector": _judged(12.0),
                    "energy_pj_per_vector": _judged(12 * pj_per_cycle),
                },
            },
        },
        "static_power_w": _judged(0.0),
    }


def _clock(facts: Facts) -> Plain:
    if facts.clock_mhz is None:
        return {"value": UNKNOWN_MHZ, "source": "the system names none: cycles are nanoseconds", "status": "choice"}
    return {"value": _short(facts.clock_mhz), "source": "cpu MHz of /proc/cpuinfo", "status": "verified"}


def _memories(facts: Facts, clock_hz: float, measured: str) -> list[Plain]:
    """Memory, the outermost cache as the shared one, the first level of each core, registers.

    Levels between are left out: they change little and every mapping would be searched through them.
    """
    first, shared = facts.caches[0], facts.caches[-1]
    inner = _cache(f"l{first.level}", first, 0.16)
    inner["bandwidth_bits_per_cycle"] = {
        "value": FIRST_LEVEL_BITS,
        "source": "more than kernels take: what they lose there is in issue_efficiency",
        "status": "choice",
    }
    outer = _cache(f"l{shared.level}", shared, 1.56)
    moved = round(facts.cache_gb_per_s / clock_hz * 8e9)
    outer["bandwidth_bits_per_cycle"] = {"value": max(8, moved), "source": f"{measured}: a copy", "status": "derived"}
    return [
        {
            "name": "dram",
            "kind": "ddr4",
            "size_mib": {"value": 4096, "source": "enough for any layer; not asked", "status": "choice"},
            "bandwidth_gb_per_s": _quantity(facts.dram_gb_per_s, f"{measured}: a copy, read and written"),
            "energy_pj_per_bit": _judged(15.0),
        },
        outer,
        {**inner, "per_pe": True},
        {
            "name": "registers",
            "kind": "register_file",
            "per_pe": True,
            "size_bytes": REGISTER_BYTES,
            "energy_pj_per_bit": 0.0,
        },
    ]


def _cache(name: str, cache: Cache, pj_per_bit: float) -> dict[str, Plain]:
    size: dict[str, Plain] = {"value": cache.size_bytes // 1024, "status": "verified" if cache.named else "estimate"}
    size["source"] = "/sys/devices/system/cpu" if cache.named else "a usual size; the system names none"
    return {"name": name, "kind": "cache", "size_kib": size, "energy_pj_per_bit": _judged(pj_per_bit)}


def _lanes(format: str, macs_per_cycle: float) -> dict[str, int]:
    """Whole vectors that do at least so many MACs a cycle, a power of two: along the sum, then across channels."""
    whole = 1 << max(0, ceil(log2(macs_per_cycle) - 1e-9))
    depth = min(DEPTH[format], whole)
    return {"in_channels": depth, "out_channels": whole // depth}


def _product(lanes: dict[str, int]) -> int:
    return lanes["in_channels"] * lanes["out_channels"]


def _quantity(value: float, source: str) -> Plain:
    return {"value": _short(value), "source": source, "status": "derived"}


def _judged(value: float) -> Plain:
    return {"value": _short(value), "source": "a judgement; not measured", "status": "estimate"}


def _short(value: float) -> float:
    return float(f"{value:.4g}")
