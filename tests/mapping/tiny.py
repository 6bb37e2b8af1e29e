"""A machine small enough to count by hand, and one-layer programs for it."""

from accelsim.formats.text import parse_precision
from accelsim.hardware.load import parse_architecture
from accelsim.ir.graph import Graph, Input, Node
from accelsim.passes.formats import assign_formats
from accelsim.passes.normalise import normalise

DDR_PJ, BRAM_READ_PJ, BRAM_WRITE_PJ, MAC_PJ, STATIC_W = 10.0, 1.0, 3.0, 2.0, 0.001
CLOCK_HZ, DDR_BITS_PER_CYCLE = 100e6, 64


def tiny_machine(bram_bytes=4096, rows=1, cols=1, form="phase", sums_bytes=0, **changes):
    """One or `rows` x `cols` multipliers at 100 MHz below one on-chip memory; no bursts, no double buffers."""
    memories = [
        # 0.8 GB/s at 100 MHz are 64 bits a cycle
        {"name": "ddr", "kind": "ddr4", "size_mib": 64, "bandwidth_gb_per_s": 0.8, "energy_pj_per_bit": DDR_PJ},
        {
            "name": "bram",
            "kind": "bram36",
            "size_bytes": bram_bytes,
            "bandwidth_bits_per_cycle": 10**9,
            "read_energy_pj_per_bit": BRAM_READ_PJ,
            "write_energy_pj_per_bit": BRAM_WRITE_PJ,
        },
    ]
    if sums_bytes:
        memories.append(
            {"name": "sums", "kind": "flip_flop", "size_bytes": sums_bytes, "holds": ["partial_sums"]}
            | {"energy_pj_per_bit": 0.125}
        )
    data = {
        "schema": "accelsim/hardware/1",
        "name": "tiny",
        "kind": "fpga",
        "sources": ["made up for a test"],
        "clock_mhz": CLOCK_HZ / 1e6,
        "technology": {"node_nm": 16, "vdd_v": 0.85},
        "memories": memories,
        "array": {"rows": rows, "cols": cols, "unroll": {"rows": "in_channels", "cols": "out_channels"}},
        "transposed_conv": form,
        "formats": {"int8": {"macs_per_cycle_per_pe": 1, "energy_pj": MAC_PJ}},
        "fpga": {"device": "none", "dsp": 4096, "lut": 1, "ff": 1, "bram36": 1, "uram": 0},
        "static_power_w": STATIC_W,
    }
    return parse_architecture(data | changes, "tiny")


def program_of(inputs, nodes, outputs, precision="int8"):
    """The program in formats alone of `(name, op, reads)` triples, normalised as a run would."""
    graph = Graph(
        "net",
        tuple(Input(name, shape) for name, shape in inputs.items()),
        tuple(Node(name, op, reads) for name, op, reads in nodes),
        outputs,
    )
    return assign_formats(normalise(graph, None)[0], parse_precision(precision))


def one_layer(op, shape, precision="int8"):
    """A program of one operator."""
    return program_of({"x": shape}, [("y", op, ("x",))], ("y",), precision)
