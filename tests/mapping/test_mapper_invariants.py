"""What must hold of the best mapping when one thing about a random machine changes, all energies fixed."""

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from problems import hierarchies, layer_problems

from accelsim.errors import DoesNotFit
from accelsim.mapping.hierarchy import Hierarchy
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.mapper import Mapping, best_mapping
from accelsim.mapping.score import GOALS

LENIENT = [HealthCheck.filter_too_much, HealthCheck.too_slow]
ROUNDING = 1 + 1e-9


def objective(goal: str, mapping: Mapping) -> float:
    moved = sum(row.read_bits + row.write_bits for row in mapping.traffic if row.level == 0)
    by_goal = {"energy": mapping.energy_pj, "latency": mapping.latency_cycles, "offchip": moved}
    return by_goal.get(goal, mapping.energy_pj * mapping.latency_cycles)


def chosen(problem: LayerProblem, hierarchy: Hierarchy, goal: str) -> Mapping:
    try:
        return best_mapping(problem, hierarchy, goal)
    except DoesNotFit:
        assume(False)
        raise


def changed(hierarchy: Hierarchy, level: int, **fields: float) -> Hierarchy:
    memories = list(hierarchy.memories)
    memories[level] = replace(memories[level], **fields)
    return replace(hierarchy, memories=tuple(memories))


@settings(max_examples=60, suppress_health_check=LENIENT)
@given(layer_problems(), hierarchies(), st.sampled_from(GOALS), st.data())
def test_more_room_never_raises_the_objective(problem, hierarchy, goal, data):
    """Exact spaces grow with room; with two memories of sums below a fan-out the mapper promises none."""
    assume(hierarchy.sums_below_fan_out < 2)
    small = chosen(problem, hierarchy, goal)
    level = data.draw(st.integers(1, hierarchy.levels - 1))
    more = hierarchy.memories[level].size_bits * data.draw(st.sampled_from([2, 3, 16]))
    large = best_mapping(problem, changed(hierarchy, level, size_bits=more), goal)
    assert objective(goal, large) <= objective(goal, small) * ROUNDING


@settings(max_examples=60, suppress_health_check=LENIENT)
@given(layer_problems(), hierarchies(), st.data())
def test_a_wider_port_never_makes_a_layer_slower(problem, hierarchy, data):
    assume(hierarchy.sums_below_fan_out < 2)
    narrow = chosen(problem, hierarchy, "latency")
    level = data.draw(st.integers(0, hierarchy.levels - 1))
    memory = hierarchy.memories[level]
    wider = {"read_bandwidth": 2 * memory.read_bandwidth, "write_bandwidth": 2 * memory.write_bandwidth}
    wide = best_mapping(problem, changed(hierarchy, level, **wider), "latency")
    assert wide.latency_cycles <= narrow.latency_cycles * ROUNDING


@settings(max_examples=60, suppress_health_check=LENIENT)
@given(layer_problems(), hierarchies(), st.sampled_from(GOALS))
def test_every_goal_is_best_at_its_own(problem, hierarchy, goal):
    assume(hierarchy.sums_below_fan_out < 2)
    best = objective(goal, chosen(problem, hierarchy, goal))
    for other in GOALS:
        assert best <= objective(goal, chosen(problem, hierarchy, other)) * ROUNDING


@settings(max_examples=60, suppress_health_check=LENIENT)
@given(layer_problems(), hierarchies(), st.sampled_from(GOALS))
def test_nothing_below_its_floor(problem, hierarchy, goal):
    """What starts or ends off chip crosses once; all multiplies are done; no port moves faster than it can."""
    mapping = chosen(problem, hierarchy, goal)
    for operand, kind in (("W", "weights"), ("I", "inputs"), ("O", "outputs")):
        if operand in hierarchy.memories[0].holds:
            moved = sum(r.read_bits + r.write_bits for r in mapping.traffic if r.level == 0 and r.kind == kind)
            assert moved >= problem.words[operand] * hierarchy.word_bits(operand)
    assert mapping.cycles * hierarchy.lanes_total >= problem.macs
    for level, memory in enumerate(hierarchy.memories):
        rows = [row for row in mapping.traffic if row.level == level]
        read, written = sum(row.read_bits for row in rows), sum(row.write_bits for row in rows)
        for bits, bandwidth in (
            [(read + written, memory.read_bandwidth)]
            if memory.shared_port
            else [(read, memory.read_bandwidth), (written, memory.write_bandwidth)]
        ):
            assert bandwidth == 0 or mapping.latency_cycles * ROUNDING >= bits / bandwidth
