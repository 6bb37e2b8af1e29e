"""ZigZag's stored mappings (benchmarks/zigzag) costed by our counter, and our best mappings beside them.

The files are results of another tool, which is not needed here.
"""

import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from accelsim.hardware.load import load_architecture
from accelsim.ir.ops import ConvTranspose2d
from accelsim.ir.store import load_graph
from accelsim.mapping.layer_problem import LayerProblem, phase_layers
from accelsim.mapping.operators import layer_problem

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "zigzag"))

from zigzag_layers import LAYERS  # noqa: E402
from zigzag_machines import MEMORIES, TPU_LIKE  # noqa: E402
from zigzag_recount import Booking, booked_pj, our_cost, problem_of, split  # noqa: E402
from zigzag_rows import Row, best_of, rows_of  # noqa: E402

MACHINES = tuple(MEMORIES)
rows_of = cache(rows_of)


def rows(machine: str) -> list[Row]:
    found = rows_of(machine)
    assert list(found) == [layer.label for layer in LAYERS]
    return list(found.values())


def work(problem: LayerProblem) -> tuple[object, ...]:
    return (*problem.size.values(), *problem.words.values(), problem.macs_effectual)


@pytest.mark.parametrize(
    ("network", "graph"), [("dcgan32", "dcgan32"), ("cyclegan", "cyclegan_resnet9_256")], ids=["dcgan32", "cyclegan"]
)
def test_the_layers_are_those_of_the_networks(network, graph):
    loaded, found = load_graph(ROOT / "workloads" / "graphs" / f"{graph}.json"), Counter()
    for node in loaded.nodes:
        problem = layer_problem(node.op, (loaded.shapes[node.inputs[0]],), 1, "phase")
        if problem is not None:
            strides = node.op.stride if isinstance(node.op, ConvTranspose2d) else (1, 1)
            phases = phase_layers(problem, strides) if isinstance(node.op, ConvTranspose2d) else (problem,)
            found.update(work(phase) for phase in phases)
    stored = Counter()
    for layer in LAYERS:
        if layer.network == network:
            stored[work(problem_of(layer))] += layer.times
    assert stored == found


@pytest.mark.parametrize("machine", MACHINES)
def test_its_energy_is_reproduced_from_our_counts(machine):
    for row in rows(machine):
        assert row.booked == pytest.approx(1, abs=0.01), row.label


def test_tpu_like_is_reproduced_to_the_last_digits():
    """But for one figure that ZigZag truncates: fractions of an access of 2048 bits."""
    for row in rows("tpu_like"):
        assert row.booked == pytest.approx(1, abs=1e-5), row.label
        assert set(row.apart) <= {("sram_2MB", "I", "from_above")}


def test_every_boundary_booked_otherwise_has_its_cause():
    """The array's rows share inputs, or a fraction of the array is used, or an access is cut off."""
    for machine in MACHINES:
        for row in rows(machine):
            assert {row.cause(key) for key in row.apart} <= {"rows", "fractions", "truncated"}, (row.label, row.apart)


@pytest.mark.parametrize("machine", MACHINES)
def test_our_best_is_never_worse_than_a_mapping_that_one_nest_can_say(machine):
    better = [row.label for row in rows(machine) if max(row.worse.values()) > 1 + 1e-9]
    uneven = [row.label for row in rows(machine) if not row.even]
    assert set(better) <= set(uneven)
    assert len(better) < len(rows(machine)) / 4


@pytest.mark.parametrize("machine", MACHINES)
def test_networks_cost_less_than_by_its_mappings(machine):
    for network in ("dcgan32", "cyclegan"):
        own = [row for row in rows(machine) if row.stored["layer"]["network"] == network]
        times = [row.stored["layer"]["times"] for row in own]
        ours, theirs = (
            sum(n * cost.energy_pj for n, cost in zip(times, costs, strict=True))
            for costs in ([row.energy for row in own], [row.theirs for row in own])
        )
        assert ours <= theirs


@pytest.mark.parametrize("machine", MACHINES)
def test_a_nest_cut_by_operand_costs_what_the_nest_costs(machine):
    for layer in LAYERS[:4]:
        best = best_of(machine, layer, "edp")
        cut = our_cost(machine, split(machine, best.nest, layer), layer)
        assert cut.energy_pj == pytest.approx(best.energy_pj, rel=1e-12)
        assert cut.cycles == pytest.approx(best.latency_cycles, rel=1e-12)
        assert cut.offchip_bytes == pytest.approx(sum(best.offchip_bytes.values()), rel=1e-6)


def test_each_rule_of_its_bookkeeping_is_needed():
    """Without one of them some layer's energy is not what ZigZag reports."""
    for rule in ("padding", "first_visits", "ports"):
        rules = Booking(**{rule: False})
        assert any(
            abs(booked_pj("tpu_like", row.stored, rules) / row.stored["energy"] - 1) > 1e-3 for row in rows("tpu_like")
        )
    fractions = Booking(units=False)
    ratios = [booked_pj("eyeriss_like", row.stored, fractions) / row.stored["energy"] for row in rows("eyeriss_like")]
    assert max(abs(ratio - 1) for ratio in ratios) > 1e-3


def test_the_machine_file_has_the_same_figures():
    for ours, theirs in zip(load_architecture("edge_tpu_like").memories, TPU_LIKE, strict=True):
        assert ours.read_energy_j_per_bit.value * 1e12 == pytest.approx(theirs.read_pj / theirs.widest)
        assert ours.write_energy_j_per_bit.value * 1e12 == pytest.approx(theirs.write_pj / theirs.widest)
        if ours.name != "sum_registers":  # of six bytes, for wider sums
            assert ours.size_bits == theirs.size_bits
        if not theirs.per_unit:
            assert ours.transfer_bits == theirs.narrowest
            assert ours.bits_per_cycle(load_architecture("edge_tpu_like").clock_hz) == theirs.widest
