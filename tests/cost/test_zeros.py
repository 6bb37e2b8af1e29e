"""Zero gating and run-length coded activations: by hand on small layers, none at fraction 0, and never dearer."""

from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import one_layer, program_of

from accelsim.cost.costing import cost, with_zeros
from accelsim.cost.records import Cost
from accelsim.cost.run_length import stored_share
from accelsim.cost.zeros import KnownZeros, TensorZeros
from accelsim.errors import AccelsimError
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.ir import ops
from accelsim.ir.program import Program
from accelsim.mapping.scheduled import ScheduleOptions

CODED = {"run_bits": 5, "word_bits": 64, "flag_bits": 1}
GATED = {"multiplier": True, "reads": ["filters"]}
PICO = 1e-12


def per_pe(name, size, holds, energy):
    found = {"name": name, "kind": "register_file", "per_pe": True, "size_bytes": size, "energy_pj_per_bit": energy}
    return found | {"holds": [holds]}


def machine(gating=None, coding=None, form="zero_insert", glb_kib=4, cols=2, **changes) -> Architecture:
    """PEs with three register files each behind a buffer; 64 bits a cycle off chip."""
    dram = {"name": "dram", "kind": "ddr3", "size_mib": 1, "bandwidth_gb_per_s": 0.8, "energy_pj_per_bit": 10}
    glb = {"name": "glb", "kind": "sram", "size_kib": glb_kib, "bandwidth_bits_per_cycle": 512, "energy_pj_per_bit": 1}
    files = [("filters", 64, "weights", 0.25), ("inputs", 16, "inputs", 0.5), ("sums", 16, "partial_sums", 0.125)]
    data = {
        "schema": "accelsim/hardware/1",
        "name": "small",
        "kind": "spatial",
        "sources": ["made up for a test"],
        "clock_mhz": 100,
        "technology": {"node_nm": 28, "vdd_v": 1.0},
        "static_power_w": 0.001,
        "memories": [dram | ({"run_length": coding} if coding else {}), glb, *(per_pe(*file) for file in files)],
        "array": {"rows": 1, "cols": cols, "unroll": {"rows": "in_channels", "cols": "out_channels"}},
        "transposed_conv": form,
        "formats": {"int8": {"macs_per_cycle_per_pe": 1, "energy_pj": 2}},
        "spatial": {"network_energy_pj_per_bit": 0.75} | ({"zero_gating": gating} if gating else {}),
    }
    made = parse_architecture(data | changes, "small")
    assert isinstance(made, Architecture)
    return made


def costed(program: Program, on: Architecture, fractions=None, multiplied=None, batch=1, residency=True) -> Cost:
    known = KnownZeros("workload", {n: TensorZeros(z) for n, z in (fractions or {}).items()}, multiplied or {})
    made = cost(program, on, batch, ScheduleOptions(residency=residency), known)
    assert isinstance(made, Cost)
    return made


def figures(made: Cost) -> tuple[object, ...]:
    energy = {name: quantity.value for name, quantity in made.energy.items()}
    return energy, made.latency_s, made.offchip_read_bits, made.offchip_write_bits, dict(made.offchip_bits_by_operand)


def network(width=8) -> Program:
    """Convolutions, a step that only streams, a sum of two tensors, and a dense layer."""
    nodes = [
        ("up", ops.ConvTranspose2d(4, width, (4, 4), (2, 2), (1, 1), (1, 1, 1, 1), 1, False), ("x",)),
        ("r", ops.LeakyReLU(0.2), ("up",)),
        ("c", ops.Conv2d(width, width, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False), ("r",)),
        ("s", ops.Add(), ("c", "up")),
        ("p", ops.GlobalAveragePool(), ("s",)),
        ("y", ops.Dense(width, 5, False), ("p",)),
    ]
    return program_of({"x": (4, 4, 4)}, nodes, ("y",))


def test_a_dense_layer_by_hand():
    """Twelve multiplies at 2 pJ, each reading 8 bits of weight at 0.25 pJ; a third of the inputs is zero."""
    program = one_layer(ops.Dense(3, 4, False), (3,))
    plain, gated = (costed(program, machine(gating), {"x": 1 / 3}) for gating in (None, GATED))
    assert plain.energy["mac"].value == pytest.approx(24 * PICO)
    assert gated.energy["mac"].value == pytest.approx(16 * PICO)
    spared = plain.energy["filters"].value - gated.energy["filters"].value
    assert spared == pytest.approx(12 * 8 * 0.25 / 3 * PICO)
    for other in set(plain.energy) - {"mac", "filters"}:
        assert gated.energy[other] == plain.energy[other]
    assert plain.steps[0].accesses == gated.steps[0].accesses
    alone = costed(program, machine({"multiplier": False, "reads": ["filters"]}), {"x": 1 / 3})
    assert alone.energy["mac"] == plain.energy["mac"] and alone.energy["filters"] == gated.energy["filters"]


def test_a_read_that_serves_several_multiplies_is_not_gated():
    """A PE that keeps its weight for all four positions reads it once, unless all four inputs are zero."""
    array = {"rows": 1, "cols": 2, "unroll": {"rows": "in_channels", "cols": "out_channels"}, "latches": ["weights"]}
    program = one_layer(ops.Conv2d(1, 2, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1, False), (1, 1, 4))
    plain, gated = (costed(program, machine(gating, array=array), {"x": 0.5}) for gating in (None, GATED))
    reads = [t for t in plain.steps[0].scheduled.mapping.transfers if t.operand == "W"][-1].parent_reads
    assert (reads, plain.steps[0].scheduled.macs) == (2, 8)
    assert gated.energy["filters"] == plain.energy["filters"]
    assert gated.energy["mac"].value == pytest.approx(plain.energy["mac"].value / 2)


def test_inserted_zeros_are_gated_without_a_run():
    """Of 6 x 6 outputs of 4 x 4 taps at stride 2 over 3 x 3, cropped by 1, most taps meet an inserted zero."""
    program = one_layer(ops.ConvTranspose2d(2, 3, (4, 4), (2, 2), (1, 1), (1, 1, 1, 1), 1, False), (2, 3, 3))
    plain, gated = (costed(program, machine(gating)) for gating in (None, GATED))
    problem = gated.steps[0].scheduled.mapping.problem
    assert gated.energy["mac"].value == pytest.approx(2 * problem.macs_effectual * PICO)
    assert plain.energy["mac"].value == pytest.approx(2 * problem.macs * PICO) and problem.macs == 36 * 16 * 6
    assert 3.5 < problem.macs / problem.macs_effectual < 6
    half = costed(program, machine(GATED), {"x": 0.5})
    assert half.energy["mac"].value == pytest.approx(problem.macs_effectual * PICO)
    assert "padded and inserted" in " ".join(cost(program, machine(GATED), 1, ScheduleOptions()).assumptions)


def test_multiplies_that_the_workload_states_are_taken_as_they_are():
    program = one_layer(ops.Conv2d(2, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False), (2, 4, 4))
    made = costed(program, machine(GATED), {"x": 0.9}, {"y": 0.25})
    assert made.energy["mac"].value == pytest.approx(0.75 * 2 * made.steps[0].scheduled.macs * PICO)
    assert made.steps[0].figures["zero_multiplies"] == 0.25


def test_activations_off_chip_by_hand():
    """Four pairs of 5 + 8 bits in 64: half zeros are 2 values a pair, as long as plain; three quarters half of that."""
    program = one_layer(ops.Dense(64, 32, False), (64,))
    on = machine(coding=CODED)
    assert stored_share(TensorZeros(0.5), 8, on.memories[0].run_length) == 1
    plain, coded = costed(program, on), costed(program, on, {"x": 0.75, "y": 0.875})
    span = sum(0.75**n for n in range(32)), sum(0.875**n for n in range(32))
    kept = [ceil(words * 8 * 64 / (4 * 8 * each)) for words, each in zip((64, 32), span, strict=True)]
    assert kept == [257, 65]  # of 512 and 256 bits; in whole bytes 264 and 72
    assert coded.offchip_bits_by_operand["inputs"] == 264 and plain.offchip_bits_by_operand["inputs"] == 512
    assert coded.offchip_bits_by_operand["outputs"] == 72 and plain.offchip_bits_by_operand["outputs"] == 256
    assert coded.offchip_bits_by_operand["weights"] == plain.offchip_bits_by_operand["weights"] == 64 * 32 * 8 + 32 * 72
    saved = plain.energy["dram"].value - coded.energy["dram"].value
    assert saved == pytest.approx(10 * (512 + 256 - 257 - 65) * PICO)
    assert plain.steps[0].accesses == coded.steps[0].accesses
    assert coded.latency_s < plain.latency_s


@settings(max_examples=25)
@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=5).map(sorted),
    st.sampled_from([1, 2, 4]),
    st.booleans(),
    st.sampled_from(["zero_insert", "phase", "scatter"]),
)
def test_more_zeros_never_cost_more_and_none_cost_as_before(fractions, glb_kib, residency, form):
    program = network()
    names = ("x", *(node.name for node in program.graph.nodes))
    both = machine(GATED, CODED, form, glb_kib)
    series = [costed(program, both, dict.fromkeys(names, z), residency=residency) for z in fractions]
    for fewer, more in pairwise(series):
        assert more.energy_total.value <= fewer.energy_total.value * (1 + 1e-12)
        assert more.latency_s <= fewer.latency_s * (1 + 1e-12)
        assert more.offchip_read_bits <= fewer.offchip_read_bits
        assert more.offchip_write_bits <= fewer.offchip_write_bits
    plain = costed(program, machine(None, None, form, glb_kib), residency=residency)
    assert figures(costed(program, machine(None, CODED, form, glb_kib), residency=residency)) == figures(plain)
    none = costed(
        program, machine(GATED, None, form, glb_kib), multiplied=dict.fromkeys(names, 0.0), residency=residency
    )
    assert figures(none) == figures(plain)
    assert all(a.accesses == b.accesses for a, b in zip(series[0].steps, plain.steps, strict=True))


@pytest.mark.parametrize("residency", [True, False])
@pytest.mark.parametrize("glb_kib", [1, 2, 4])
def test_each_tensor_is_coded_by_its_own_zeros(residency, glb_kib):
    """What crosses off chip of every step, tensor by tensor, from which tensors the plan keeps."""
    program, on = network(12), machine(None, CODED, glb_kib=glb_kib)
    names = ("x", *(node.name for node in program.graph.nodes))
    fractions = {name: 0.6 + 0.05 * n for n, name in enumerate(names)}
    plain, coded = costed(program, on, residency=residency), costed(program, on, fractions, residency=residency)
    resident = set(plain.schedule.plan.resident)
    seen: set[str] = set()
    for before, after in zip(plain.steps, coded.steps, strict=True):
        task, layout = before.scheduled.task, on.memories[0].run_length
        share = {name: stored_share(TensorZeros(z), 8, layout) for name, z in fractions.items()}
        off = [n for n in task.reads if not (n in resident and (n in names[1:] or n in seen))]
        seen.update(task.reads)
        outer = {r.kind: r.read_bits + r.write_bits for r in before.scheduled.offchip}
        now = {r.kind: r.read_bits + r.write_bits for r in after.scheduled.offchip}
        if before.scheduled.mapping is None:
            expected = sum(n_bits * share[name] for name, n_bits in zip(off, _bits(program, off), strict=True))
        else:
            expected = outer.get("inputs", 0) * share[task.reads[0]]
        assert abs(now.get("inputs", 0) - expected) < 16 + len(off)
        assert abs(now.get("outputs", 0) - outer.get("outputs", 0) * share[task.writes]) < 16
        assert now.get("weights") == outer.get("weights")


def _bits(program: Program, names: list[str]) -> list[int]:
    sizes = []
    for name in names:
        count = 8
        for length in program.graph.shapes[name]:
            count *= length
        sizes.append(count)
    return sizes


@pytest.mark.parametrize("name", ["eyeriss", "zcu104", "eyeriss_isca16", "pynq_z2"])
def test_latency_of_plain_words_is_that_of_the_mapping(name):
    made = costed(network(), load_architecture(name), residency=False)
    mapped = [step.scheduled.mapping for step in made.steps if step.scheduled.mapping]
    assert [m.latency_with({}) for m in mapped] == [m.latency_cycles for m in mapped]


def test_other_zeros_on_the_same_schedule():
    """A machine that makes no use of zeros keeps its cost, another gets that of the zeros."""
    program, zeros = network(), KnownZeros("run", {"x": TensorZeros(0.5), "r": TensorZeros(0.7)})
    indifferent, both = machine(), machine(GATED, CODED)
    first = costed(program, indifferent)
    assert with_zeros(first, indifferent, zeros) is first
    again = with_zeros(costed(program, both), both, zeros)
    assert figures(again) == figures(cost(program, both, 1, ScheduleOptions(), zeros))
    assert any("that the run saw" in said for said in again.assumptions)
    rows = {step.scheduled.task.node.name: step.figures for step in again.steps}
    assert (rows["up"]["input_zero_fraction"], rows["up"]["zeros_from"]) == (0.5, "run")
    assert (rows["s"]["input_zero_fraction"], rows["s"]["zeros_from"]) == (0.0, "assumed")


@pytest.mark.parametrize("reads", [["sums"], ["glb"], ["nowhere"]])
def test_what_cannot_be_gated_is_refused(reads):
    with pytest.raises(AccelsimError, match=f"'{reads[0]}' is no memory of a PE for weights or inputs"):
        machine({"multiplier": True, "reads": reads})


def test_only_off_chip_memories_are_coded():
    glb = {"name": "glb", "kind": "sram", "size_kib": 4, "bandwidth_bits_per_cycle": 512, "energy_pj_per_bit": 1}
    memories = [machine().memories[0].model_dump(mode="json"), glb | {"run_length": CODED}]
    with pytest.raises(AccelsimError, match="only a memory off the chip"):
        machine(memories=memories)
