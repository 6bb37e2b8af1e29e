"""Restricted mappings: the best of those that keep to the dataflow, refusals, and what machine files may say."""

from dataclasses import replace
from functools import cache
from itertools import islice
from math import ceil
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from problems import hierarchies, layer_problems, restricted
from test_mapper import GOALS, dcgan32, every_nest, goal_value, zcu_like

from accelsim import estimate
from accelsim.errors import AccelsimError, DoesNotFit
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.hardware.number_formats import integer
from accelsim.mapping.dataflow import Dataflow
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.machine import machine_hierarchy
from accelsim.mapping.mapper import best_mapping
from accelsim.mapping.spaces import conv_space
from accelsim.mapping.traffic import costs
from accelsim.shared import find_shared
from accelsim.yaml_file import read_yaml

MOST_NESTS = 1500


def keeps(nest, hierarchy):
    """Whether a nest keeps to every dataflow, said once more in terms of its loops."""
    loops, left = [loop for loop in nest.running if not loop.spatial], dict(nest.problem.size)
    for level, flow in enumerate([*(memory.dataflow for memory in hierarchy.memories), hierarchy.at_pe]):
        if flow.stationary:
            moves = [loop.dim in nest.problem.moved_by[flow.stationary] for loop in loops if loop.level < level]
            if moves != sorted(moves, reverse=True):
                return False
        for dim, least, most in flow.tile:
            there = (
                nest.problem.size[dim]
                if level <= hierarchy.fan_level
                else ceil(nest.problem.size[dim] / hierarchy.fan_out(dim))
            )
            if not min(least, there) <= left[dim] <= (most or left[dim]):
                return False
        dims = "".join(loop.dim for loop in loops if loop.level == level)
        if flow.loops is not None and not set(dims) <= set(flow.loops):
            return False
        if flow.ordered and dims != "".join(dim for dim in flow.loops if dim in dims):
            return False
        for loop in nest.running:
            if loop.level == level:
                left[loop.dim] = loop.step
    return True


def fits(cost, hierarchy):
    return all(used <= m.size_bits for used, m in zip(cost.used_bits[1:], hierarchy.memories[1:], strict=True))


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(layer_problems(most_macs=400), hierarchies(), st.data())
def test_equals_every_nest_that_keeps_to_the_dataflow(problem, free, data):
    hierarchy = data.draw(restricted(free))
    assume(hierarchy.restricted and hierarchy.sums_below_fan_out <= 1)
    nests = list(islice(every_nest(problem, hierarchy), MOST_NESTS + 1))
    assume(len(nests) <= MOST_NESTS)
    fitting = [cost for nest in nests if keeps(nest, hierarchy) and fits(cost := costs(nest, hierarchy), hierarchy)]
    if not fitting:
        with pytest.raises(DoesNotFit):
            best_mapping(problem, hierarchy, "energy")
        return
    for goal in GOALS:
        best = min(goal_value(goal, cost) for cost in fitting)
        tied = [cost for cost in fitting if goal_value(goal, cost) <= best * (1 + 1e-9)]
        found = best_mapping(problem, hierarchy, goal)
        assert keeps(found.nest, hierarchy)
        assert fits(found.costs, hierarchy)
        assert goal_value(goal, found.costs) == pytest.approx(best, rel=1e-9)
        assert found.energy_pj == pytest.approx(min(cost.energy_pj for cost in tied), rel=1e-9)
        unrestricted = best_mapping(problem, free, goal)
        assert goal_value(goal, unrestricted.costs) <= goal_value(goal, found.costs) * (1 + 1e-9)


# --- by hand ---------------------------------------------------------------------------------------------------------


def bound(hierarchy, at_pe=None, **flows):
    memories = (replace(m, dataflow=flows.get(m.name, m.dataflow)) for m in hierarchy.memories)
    return replace(hierarchy, memories=tuple(memories), at_pe=at_pe or hierarchy.at_pe)


def two_memories(size_bits=2**20):
    """DRAM at 100 pJ, a buffer at 1 pJ a bit, one multiplier."""
    return Hierarchy((Memory("dram", "WIO", 2**30, 100, 100), Memory("buffer", "WIO", size_bits, 1, 1)), 1, ())


def test_what_stays_is_fetched_once():
    """8 x 8 channels of 16 pixels in a buffer of 24 words: whatever stays is read once, and the others more often."""
    problem, machine = LayerProblem(N=16, K=8, C=8), two_memories(24 * 8)
    narrow = replace(machine, partial_sum_bits=8)
    for operand, kind, words in (("W", "weights", 64), ("I", "inputs", 128), ("O", "outputs", 128)):
        found = best_mapping(problem, bound(narrow, buffer=Dataflow(operand)), "energy").offchip_bytes
        assert found[kind] == words
        assert found["partial_sums"] == 0 or operand != "O"
        assert sum(found.values()) > 64 + 128 + 128


def test_an_order_that_is_fixed_is_the_order_of_the_nest():
    problem = LayerProblem(K=8, C=8, h=conv_space(8, 3, 1, 1, (1, 1)), w=conv_space(8, 3, 1, 1, (1, 1)))
    machine = replace(two_memories(1200), partial_sum_bits=16)
    free = best_mapping(problem, machine, "energy")
    for order in ("QKPC", "CPQKRS", "RSPQCK"):
        found = best_mapping(problem, bound(machine, dram=Dataflow(loops=order, ordered=True)), "energy")
        dims = [loop.dim for loop in found.nest.running if loop.level == 0]
        assert dims == [dim for dim in order if dim in dims]
        assert found.energy_pj >= free.energy_pj


def test_restrictions_are_part_of_what_is_remembered():
    problem, machine = dcgan32()[1], zcu_like()
    for at_most in (64, 32):
        restricted = bound(machine, bram=Dataflow(tile=(("K", 1, at_most),)))
        found = best_mapping(problem, restricted, "energy")
        assert found is not best_mapping(problem, machine, "energy")
        assert min(loop.step for loop in found.nest.running if loop.dim == "K" and loop.level == 0) <= at_most
    renamed = bound(machine, bram=Dataflow(tile=(("K", 1, 32),), said="elsewhere"))
    assert best_mapping(problem, renamed, "energy") is found


def test_rows_and_columns_that_are_restricted_apart_are_not_alike():
    tall = LayerProblem(K=8, C=4, h=conv_space(12, 3), w=conv_space(9, 5, 2))
    wide = replace(tall, h=tall.w, w=tall.h)
    machine = bound(zcu_like(2_600), bram=Dataflow(tile=(("P", 1, 2),)))
    for problem in (tall, wide):
        found = best_mapping(problem, machine, "energy")
        assert keeps(found.nest, machine)
        assert found.costs == costs(found.nest, machine)


# --- refusals --------------------------------------------------------------------------------------------------------


def machine_with(name, at_pe=None, **flows):
    """A shipped machine with these dataflows."""
    data = shipped(name)
    memories = [m | ({"dataflow": flows[m["name"]]} if m["name"] in flows else {}) for m in data["memories"]]
    array = data["array"] | ({"stationary": at_pe} if at_pe else {})
    return parse_architecture(data | {"memories": memories, "array": array}, name)


@cache
def shipped(name):
    return read_yaml(find_shared("hw_configs", name)).data


@pytest.mark.parametrize(
    ("flows", "sentence"),
    [
        (
            {"bram": {"tile": {"in_channels": 24}}},
            "layer fc: zcu104: memories.bram.dataflow: no tile of in_channels (100 in this layer) is 24 long; "
            "lengths that it can have there: 32, 64, 100",
        ),
        (
            {"bram": {"tile": {"out_channels": {"max": 48}}}},
            "layer fc: zcu104: memories.bram.dataflow: no tile of out_channels (4096 in this layer) is at most 48; "
            "lengths that it can have there: 64, 128, 256, 512, 1024, 2048, 4096",
        ),
        (
            {"ddr": {"loops": ["in_channels"]}, "bram": {"tile": {"out_channels": {"max": 64}}}},
            "layer fc: zcu104: memories.ddr.dataflow: no loop may run over out_channels (4096 in this layer) here, and "
            "tiles of the next memory have 64 of it at most",
        ),
        (
            {"bram": {"loops": []}, "sums": {"loops": [], "tile": {"in_channels": {"min": 40}}}},
            "layer fc: zcu104: memories.sums.dataflow: no tile of in_channels (100 in this layer) is at least 40; "
            "lengths that it can have there: 32",
        ),
        (
            {"ddr": {"loops": []}},
            "layer up1: memory 'bram': the smallest tiles need 1662976 bytes, the memory has 1142784, as zcu104: "
            "memories.ddr.dataflow restricts them",
        ),
    ],
)
def test_no_mapping_is_one_sentence_with_layer_machine_and_place(flows, sentence):
    with pytest.raises(DoesNotFit) as refused:
        estimate("dcgan32", on=machine_with("zcu104", **flows))
    assert str(refused.value) == sentence


def test_an_order_outside_of_what_stays_is_refused_from_python_too():
    machine = bound(zcu_like(), ddr=Dataflow(loops="KC", ordered=True, said="here"), bram=Dataflow("W"))
    with pytest.raises(AccelsimError, match="here: an order, but further in an operand stays"):
        best_mapping(dcgan32()[1], machine, "energy")


# --- machine files ---------------------------------------------------------------------------------------------------


def test_a_file_in_the_words_of_the_search():
    flows = {
        "ddr": {"loops": ["out_channels", "in_channels"]},
        "bram": {"tile": {"out_width": "all", "in_channels": {"min": 4, "max": 16}, "kernel_height": 3}},
        "sums": {"stationary": "outputs"},
    }
    machine = machine_with("zcu104", "weights", **flows)
    made = machine_hierarchy(machine, machine.format_for(integer(8), integer(8)), 8, 8, 32, 8)
    ddr, bram, sums = (memory.dataflow for memory in made.memories)
    assert ddr == Dataflow(loops="KC")
    assert bram.tile == (("Q", 2**40, None), ("C", 4, 16), ("R", 3, 3))
    assert sums == Dataflow("O")
    assert made.at_pe == Dataflow("W")
    assert made.restrictions == (
        "zcu104: memories.ddr.dataflow, zcu104: memories.bram.dataflow, zcu104: memories.sums.dataflow, "
        "zcu104: array.stationary"
    )
    ordered = machine_with("zcu104", bram={"loop_order": ["out_width", "in_channels"]})
    made = machine_hierarchy(ordered, ordered.format_for(integer(8), integer(8)), 8, 8, 32, 8)
    assert made.memories[1].dataflow == Dataflow(loops="QC", ordered=True)


def test_shipped_machines_restrict_nothing():
    for name in ("zcu104", "eyeriss", "rpi4"):
        machine = load_architecture(name)
        assert not machine_hierarchy(machine, machine.format_for(integer(8), integer(8)), 8, 8, 32, 8).restricted


def test_weights_that_stay_in_the_pes_are_read_once_from_the_buffer():
    """zcu104 with its slices held strictly weight-stationary: sums go to and fro instead."""
    free, strict = (estimate("dcgan32", on=machine_with("zcu104", at_pe)) for at_pe in (None, "weights"))
    for held, row in zip(strict.layer_rows, free.layer_rows, strict=True):
        read = held["accesses_bits"]["bram"]["weights"]["read"]
        assert read == 8 * held["weight_bytes"] <= row["accesses_bits"]["bram"]["weights"]["read"]
    assert strict.totals["energy_j"] > free.totals["energy_j"]
    assert any("array.stationary restricts what the mapper finds" in said for said in strict.assumptions)


def test_the_dataflow_in_the_docs_is_taken():
    text = (Path(__file__).parents[2] / "docs" / "machine_yaml.md").read_text(encoding="utf-8")
    listed = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["memories"]
    machine = machine_with("eyeriss_isca16", **{memory["name"]: memory["dataflow"] for memory in listed})
    strict, free = (estimate("dcgan32", on=on).totals["energy_j"] for on in (machine, "eyeriss_isca16"))
    assert strict > free
