"""What must hold of every cost, over random machines, networks, formats and known zeros."""

from math import isclose, prod

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tiny import program_of

from accelsim.cost.costing import cost
from accelsim.cost.records import Cost
from accelsim.cost.run_length import stored_share
from accelsim.cost.zeros import KnownZeros, TensorZeros
from accelsim.errors import DoesNotFit
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import parse_architecture
from accelsim.ir import ops
from accelsim.ir.program import Program
from accelsim.mapping.scheduled import ScheduleOptions

NAMES = ("x", "up", "r", "c", "s", "p", "y")
PRECISIONS = ["int8", "int5", "weights=int3,activations=int7"]
CODED = {"run_bits": 5, "word_bits": 64, "flag_bits": 1}


def memory(name, size, energy, **more):
    low, high = sorted(energy)
    return {"name": name, "size_bytes": size, "energy_pj_per_bit": {"value": high, "low": low}} | more


@st.composite
def machines(draw) -> Architecture:
    """Arrays with one shared buffer, with or without register files in their PEs, with or without use for zeros."""
    energy = st.tuples(st.sampled_from([0.125, 1.0, 2.0]), st.sampled_from([0.25, 1.0, 8.0]))
    port = st.sampled_from([16, 64, 512])
    dram = memory("dram", 2**20, draw(energy), kind="ddr3", bandwidth_gb_per_s=draw(st.sampled_from([0.1, 0.8, 6.4])))
    dram |= draw(st.sampled_from([{}, {"burst_bytes": 8}]))
    dram |= draw(st.sampled_from([{}, {"run_length": CODED}]))
    glb = memory("glb", draw(st.integers(150, 6000)), draw(energy), kind="sram", bandwidth_bits_per_cycle=draw(port))
    memories = [dram, glb | {"double_buffered": draw(st.booleans())}]
    gating = {"multiplier": draw(st.booleans()), "reads": []}
    if draw(st.booleans()):
        for name, operand in (("filters", "weights"), ("inputs", "inputs"), ("sums", "partial_sums")):
            size = draw(st.sampled_from([8, 32, 128]))
            memories.append(memory(name, size, draw(energy), kind="register_file", per_pe=True, holds=[operand]))
        gating["reads"] = draw(st.sampled_from([[], ["filters"], ["filters", "inputs"]]))
    gated = draw(st.sampled_from([{}, {"zero_gating": gating}]))
    rows, cols = (
        draw(st.sampled_from(["in_channels", "kernel_height"])),
        draw(st.sampled_from(["out_channels", "out_width"])),
    )
    data = {
        "schema": "accelsim/hardware/1",
        "name": "random",
        "kind": "spatial",
        "sources": ["made up for a test"],
        "clock_mhz": 100,
        "technology": {"node_nm": 28, "vdd_v": 1.0},
        "static_power_w": {"value": 0.002, "low": 0.001, "high": 0.004},
        "memories": memories,
        "array": {
            "rows": draw(st.integers(1, 4)),
            "cols": draw(st.integers(1, 4)),
            "unroll": {"rows": rows, "cols": cols},
        },
        "transposed_conv": draw(st.sampled_from(["zero_insert", "scatter", "phase"])),
        "formats": {"int8": {"macs_per_cycle_per_pe": 1, "energy_pj": {"value": 2, "low": 1, "high": 3}}},
        "spatial": {"network_energy_pj_per_bit": 0.75} | gated,
    }
    made = parse_architecture(data, "random")
    assert isinstance(made, Architecture)
    return made


def network(width: int, precision: str) -> Program:
    nodes = [
        ("up", ops.ConvTranspose2d(2, width, (4, 4), (2, 2), (1, 1), (1, 1, 1, 1), 1, True), ("x",)),
        ("r", ops.LeakyReLU(0.2), ("up",)),
        ("c", ops.Conv2d(width, width, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), ("r",)),
        ("s", ops.Add(), ("c", "r")),
        ("p", ops.GlobalAveragePool(), ("s",)),
        ("y", ops.Dense(width, 3, False), ("p",)),
    ]
    return program_of({"x": (2, 3, 3)}, nodes, ("y",), precision)


def made_of(program: Program, machine: Architecture, batch: int, residency: bool, zeros: KnownZeros) -> Cost:
    try:
        made = cost(program, machine, batch, ScheduleOptions(residency=residency), zeros)
    except DoesNotFit:
        assume(False)
        raise
    assert isinstance(made, Cost)
    return made


CASES = (
    st.builds(network, st.integers(1, 5), st.sampled_from(PRECISIONS)),
    machines(),
    st.integers(1, 3),
    st.booleans(),
    st.builds(
        lambda fractions: KnownZeros("run", {name: TensorZeros(z) for name, z in fractions.items()}),
        st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1)),
    ),
)
LENIENT = [HealthCheck.filter_too_much, HealthCheck.too_slow]


@settings(max_examples=30, suppress_health_check=LENIENT)
@given(*CASES)
def test_parts_add_up_and_none_is_negative(program, machine, batch, residency, zeros):
    made = made_of(program, machine, batch, residency, zeros)
    whole = made.energy_total
    for part in ("value", "low", "high"):
        layers = sum(getattr(e, part) for step in made.steps for e in step.energy.values())
        assert isclose(layers, getattr(whole, part), rel_tol=1e-9)
        assert isclose(sum(getattr(e, part) for e in made.energy.values()), getattr(whole, part), rel_tol=1e-9)
    assert isclose(sum(step.latency_s for step in made.steps), made.latency_s, rel_tol=1e-9)
    moved = made.offchip_read_bits + made.offchip_write_bits
    assert moved == sum(made.offchip_bits_by_operand.values())
    assert moved == sum(r.read_bits + r.write_bits for step in made.steps for r in step.scheduled.offchip)
    for quantity in (whole, *made.energy.values(), *(e for step in made.steps for e in step.energy.values())):
        assert 0 <= quantity.low <= quantity.value <= quantity.high
    for step in made.steps:
        assert all(min(bits) >= 0 for kinds in step.accesses.values() for bits in kinds.values())
        assert step.utilisation is None or 0 < step.utilisation <= 1
        problem = step.scheduled.mapping.problem if step.scheduled.mapping else None
        assert problem is None or problem.macs_effectual <= step.scheduled.macs == problem.macs


@settings(max_examples=30, suppress_health_check=LENIENT)
@given(*CASES)
def test_never_below_what_must_cross_or_be_done(program, machine, batch, residency, zeros):
    """Weights and constants once, what goes in and comes out as stored; no layer faster than its steps or DRAM."""
    made = made_of(program, machine, batch, residency, zeros)
    held = sum(step.scheduled.task.weight_bytes + step.scheduled.task.constant_bytes for step in made.steps)
    assert made.offchip_bits_by_operand["weights"] >= 8 * held
    layout, ends = machine.memories[0].run_length, 0.0
    for name in ("x", "y"):
        bits = program.encodings[name].format.bits
        share = 1 if layout is None else stored_share(zeros.of(name), bits, layout)
        ends += float(batch * prod(program.graph.shapes[name]) * bits * share)
    assert made.offchip_read_bits + made.offchip_write_bits >= 8 * held + ends - 1e-6
    bandwidth = machine.memories[0].bits_per_cycle(machine.clock_hz)
    for step in made.steps:
        cycles = step.latency_s * machine.clock_hz
        assert cycles >= step.scheduled.cycles * (1 - 1e-9)
        bits = sum(r.read_bits + r.write_bits for r in step.scheduled.traffic if r.level == 0)
        assert cycles * bandwidth >= (bits - 8) * (1 - 1e-9)  # codes end in whole bits


@settings(max_examples=30, suppress_health_check=LENIENT)
@given(*CASES)
def test_what_stays_fits_and_later_batches_cost_no_more(program, machine, batch, residency, zeros):
    made = made_of(program, machine, batch, residency, zeros)
    plan = made.schedule.plan
    assert 0 <= plan.peak_bytes <= plan.capacity_bytes
    assert 0 <= made.saved_bits <= made.offchip_bits_by_operand["weights"]
    steady = made.steady_energy
    assert 0 <= steady.low <= steady.value <= steady.high and steady.value <= made.energy_total.value
    for step in made.schedule.steps:
        if step.mapping is not None:
            for used, held in zip(step.mapping.costs.used_bits[1:], step.mapping.hierarchy.memories[1:], strict=True):
                assert used <= held.size_bits
