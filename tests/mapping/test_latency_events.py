"""The latency formula of `mapping.traffic` against discrete events (`events.py`), on mappings that the mapper chooses.

Asserted of every case:  floor <= events <= serial  and  floor <= formula <= serial, with

    floor   the busiest of the array and of every port, on its own
    serial  the array and all ports one after the other

Equal where everything is fetched before all loops. In between it is measured: docs/latency.md.
"""

from dataclasses import replace

import numpy as np
import pytest
from events import Program, event_cycles
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from problems import hierarchies, layer_problems

from accelsim.errors import DoesNotFit
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.mapper import Mapping, best_mapping
from accelsim.mapping.nest import Loop, Nest
from accelsim.mapping.traffic import costs

CLOSE = 1e-9


def plain_words(hierarchy: Hierarchy, waits: bool, room: int = 1) -> Hierarchy:
    """Without rounding to accesses and with sums as wide as results: what moves is words times one width. All inner
    memories above the fan-out wait, or none.
    """
    memories = [
        replace(memory, access_bits=0, waits=waits and 0 < i <= hierarchy.fan_level, size_bits=memory.size_bits * room)
        for i, memory in enumerate(hierarchy.memories)
    ]
    return replace(hierarchy, memories=tuple(memories), partial_sum_bits=hierarchy.output_bits)


def port_cycles(mapping: Mapping) -> list[float]:
    """Cycles that each port with a bandwidth is busy, from the counted traffic."""
    found = []
    for level, memory in enumerate(mapping.hierarchy.memories):
        rows = [row for row in mapping.traffic if row.level == level]
        read, written = sum(row.read_bits for row in rows), sum(row.write_bits for row in rows)
        shared = [(read + written, memory.read_bandwidth)]
        ports = shared if memory.shared_port else [(read, memory.read_bandwidth), (written, memory.write_bandwidth)]
        found += [bits / bandwidth for bits, bandwidth in ports if bandwidth]
    return found


def chosen(problem: LayerProblem, hierarchy: Hierarchy, goal: str) -> Mapping:
    try:
        return best_mapping(problem, hierarchy, goal)
    except DoesNotFit:
        assume(False)
        raise


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(layer_problems(384), hierarchies(), st.booleans(), st.sampled_from(["energy", "latency"]))
def test_between_the_busiest_part_and_all_in_turn(problem, hierarchy, waits, goal):
    mapping = chosen(problem, plain_words(hierarchy, waits), goal)
    events, ports = event_cycles(mapping.nest, mapping.hierarchy), port_cycles(mapping)
    floor, serial = max([mapping.cycles, *ports]), mapping.cycles + sum(ports)
    assert floor - CLOSE <= events <= serial + CLOSE
    assert floor - CLOSE <= mapping.latency_cycles <= serial + CLOSE


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(layer_problems(384), hierarchies())
def test_events_move_the_counted_bits(problem, hierarchy):
    mapping = chosen(problem, plain_words(hierarchy, False), "energy")
    program = Program(mapping.nest, mapping.hierarchy)
    busy: dict[str, float] = {}
    for task in program.tasks:
        for port, cycles in task.ports.items():
            busy[port] = busy.get(port, 0.0) + cycles
    assert busy.pop("array") == mapping.cycles
    moved = [cycles for cycles in port_cycles(mapping) if cycles]
    assert sorted(busy.values()) == pytest.approx(sorted(moved))


@settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    layer_problems(64),
    st.sampled_from([8.0, 24.0]),
    st.sampled_from([8.0, 48.0]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), (("K", 2),), (("C", 3), ("P", 2))]),
)
def test_equal_where_everything_is_fetched_before_all_loops(problem, read, write, shared, waits, lanes):
    """Load, multiply, store: one after the other."""
    assume(problem.bias_only_words == 0)
    memories = (
        Memory("m0", "WIO", 0, 10.0, 10.0, read, write, shared),
        Memory("m1", "WIO", 10**6, 1.0, 1.0, waits=waits),
    )
    mapping = chosen(problem, Hierarchy(memories, 1, lanes, "", 8, 8, 8, 8, 0.1), "energy")
    assume(all(mapping.nest.fetch_at(operand, 1) == -1 for operand in "WIO"))
    events = event_cycles(mapping.nest, mapping.hierarchy)
    words = problem.words
    by_hand = 8 * (words["W"] + words["I"]) / read + mapping.cycles + 8 * words["O"] / (read if shared else write)
    assert events == pytest.approx(by_hand) == pytest.approx(mapping.latency_cycles)


@pytest.mark.parametrize(
    ("waits", "cycles", "formula"),
    [(True, 8 + 4 + 6 + 4 + 2 + 8 + 2, 8 + 4 + 16 + (4 - 1) + 2 + 2), (False, 8 + 4 + 8 + 8 + 2, 8 + 4 + 16 + 2)],
)
def test_two_tiles_by_hand(waits, cycles, formula):
    """Two samples of 4 words in and 2 out by 8 weights, one word a cycle off chip: 8 cycles load the weights, 4 the
    first sample. Beside it, the second comes in during the 8 multiplies of the first, whose results leave during
    those of the second. Else it comes in once the last operands of the first are read, two steps before its end (the
    formula says one), and its sums have room once the results of the first have left.
    """
    problem = LayerProblem(N=2, K=2, C=4)
    memories = (Memory("m0", "WIO", 0, 10, 10, 8.0, 0.0, True), Memory("m1", "WIO", 1000, 1, 1, waits=waits))
    hierarchy = Hierarchy(memories, 1, (), "", 8, 8, 8, 8, 0.1)
    nest = Nest(problem, hierarchy.wiring, (Loop("N", 1, 0), Loop("K", 1, 1), Loop("C", 1, 1)))
    assert [nest.fetch_at(operand, 1) for operand in "WIO"] == [-1, 0, 0]
    assert event_cycles(nest, hierarchy) == cycles
    assert costs(nest, hierarchy).latency_cycles == formula


@pytest.mark.parametrize(("only_off_chip", "median"), [(True, 0.97), (False, 0.85)])
def test_how_close_on_random_machines(only_off_chip, median):
    """As in docs/latency.md, on fewer cases, with ports off chip alone or everywhere."""
    ratios: list[float] = []

    @seed(7)
    @settings(max_examples=90, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(layer_problems(512), hierarchies(), st.booleans(), st.sampled_from(["energy", "latency"]))
    def collect(problem, hierarchy, waits, goal):
        assume(problem.macs >= 64)
        made = plain_words(hierarchy, waits, room=4)
        if only_off_chip:
            inner = (replace(memory, read_bandwidth=0.0, write_bandwidth=0.0) for memory in made.memories[1:])
            made = replace(made, memories=(made.memories[0], *inner))
        mapping = chosen(problem, made, goal)
        ratios.append(mapping.latency_cycles / event_cycles(mapping.nest, mapping.hierarchy))

    collect()
    assert len(ratios) > 20
    assert median <= np.median(ratios) <= 1 + CLOSE
    assert min(ratios) > 0.4 and max(ratios) < 1.25
