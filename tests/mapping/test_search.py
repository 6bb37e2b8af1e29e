"""What the search leaves out is never better: pruned, unpruned and every row agree, and bounds are bounds."""

from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from problems import hierarchies, layer_problems

import accelsim.mapping.search as searching
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.mapper import best_mapping
from accelsim.mapping.prune import without_dominated
from accelsim.mapping.refine import tree_of
from accelsim.mapping.rows import Batch, unchanged, undecided
from accelsim.mapping.score import fitting, orders_of, score
from accelsim.mapping.search import search
from accelsim.mapping.spaces import conv_space
from accelsim.mapping.tables import axis_tables, skeleton

GOALS = st.sampled_from(["energy", "latency", "edp", "offchip"])
MOST_ROWS = 20_000


def trees_of(problem, hierarchy, pruned=False):
    tables = axis_tables(problem, hierarchy, "divisors")
    if pruned:
        tables = [without_dominated(table, skeleton(hierarchy)) for table in tables]
    return [tree_of(table) for table in tables]


def completed(batch, trees, reached):
    """Every complete row below a batch whose axes have reached these depths."""
    rows = unchanged(batch)
    for axis, tree in enumerate(trees):
        for depth in tree.depths[reached[axis] + 1 :]:
            rows = rows.with_tiles(axis, depth)
            assume(len(rows) <= MOST_ROWS)
    return rows.products()


def nothing_decided(trees, hierarchy):
    return undecided(tuple(tree.depths[0] for tree in trees), len(orders_of(hierarchy)))


def best_key(problem, hierarchy, goal, rows):
    """The least (goal, energy, latency) of all rows that fit; None where none does."""
    rows = rows.take(np.flatnonzero(fitting(problem, hierarchy, rows)))
    if not len(rows):
        return None
    scores = score(problem, hierarchy, goal, rows, bound=False)
    good = scores.goal <= scores.goal.min() * (1 + 1e-9)
    good &= scores.energy_pj <= scores.energy_pj[good].min() * (1 + 1e-9)
    return scores.goal.min(), scores.energy_pj[good].min(), scores.latency_cycles[good].min()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(layer_problems(most_macs=4000), hierarchies(), GOALS, st.sampled_from([1, 16, 200]), st.sampled_from([1, 4]))
def test_pruned_and_unpruned_find_the_best_of_every_row(problem, hierarchy, goal, rows_at_once, first_rows):
    """With few rows at once even a small problem goes through partial mappings and their bounds."""
    trees = trees_of(problem, hierarchy)
    batch = nothing_decided(trees, hierarchy)
    want = best_key(problem, hierarchy, goal, completed(batch, trees, [0] * len(trees)))
    with patch.object(searching, "ROWS_AT_ONCE", rows_at_once), patch.object(searching, "FIRST_ROWS", first_rows):
        for pruned in (False, True):
            found = search(problem, hierarchy, goal, trees_of(problem, hierarchy, pruned))
            assert (found is None) == (want is None)
            if found is not None:
                assert found.key == pytest.approx(want, rel=1e-9)


@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(layer_problems(most_macs=4000), hierarchies(), GOALS, st.data())
def test_a_bound_is_below_all_that_it_stands_for(problem, hierarchy, goal, data):
    trees = trees_of(problem, hierarchy)
    reached = [data.draw(st.integers(0, hierarchy.levels)) for _ in trees]
    depths = tuple(tree.depths[depth] for tree, depth in zip(trees, reached, strict=True))
    nodes = tuple(np.array([data.draw(st.integers(0, depth.nodes - 1))]) for depth in depths)
    order = np.array([data.draw(st.integers(0, len(orders_of(hierarchy)) - 1))])
    partial = Batch(depths, nodes, order)
    below = completed(partial, trees, reached)
    below = below.take(np.flatnonzero(fitting(problem, hierarchy, below)))
    if not len(below):
        return
    above = unchanged(partial).products()
    assert fitting(problem, hierarchy, above).all()
    bound, real = score(problem, hierarchy, goal, above, True), score(problem, hierarchy, goal, below, False)
    for name in ("goal", "energy_pj", "latency_cycles"):
        assert getattr(bound, name)[0] <= getattr(real, name).min() * (1 + 1e-9)


def two_levels(**inner):
    """A memory off chip, one on chip, and registers for a block of results, without lanes."""
    memories = (
        Memory("dram", "WIO", 2**33, 8, 8, access_bits=512),
        Memory("cache", "WIO", 2**16, 1, 1, access_bits=128),
        Memory("registers", "WIO", 4096, 0, 0, **inner),
    )
    return Hierarchy(memories, 1, ())


def square(size, channels):
    space = conv_space(size, 3, 1, 1, (1, 1))
    return LayerProblem(K=channels, C=channels, h=space, w=space)


def test_height_and_width_keep_their_own_turns_on_square_layers():
    """The kernel block runs over columns alone, though rows and columns of the layer are alike."""
    found = best_mapping(square(8, 4), two_levels(inside=(("Q", 4), ("K", 4))), "energy")
    inside = {loop.dim for loop in found.nest.running if loop.level == 2}
    assert inside == {"Q", "K"}


def test_layers_and_rooms_that_are_alike_share_tables():
    machine = two_levels(inside=(("K", 4),))
    one, other = square(16, 8), square(16, 16)
    tables = axis_tables(one, machine, "divisors")
    assert tables[4] is tables[5]
    assert axis_tables(other, machine.reserve("cache", 1000), "divisors")[4] is tables[4]
    assert axis_tables(other, machine, "divisors")[2] is not tables[2]


@pytest.mark.parametrize(("size", "channels"), [(64, 256), (256, 64)])
def test_large_layers_need_few_rows(size, channels):
    """Of five million mappings that chains alone leave, few are looked at."""
    memories = (
        Memory("ddr", "WIO", 2**32, 28.75, 28.75, 168.0, shared_port=True, access_bits=128),
        Memory("bram", "WIO", 4_128_768, 0.417, 0.417, 8064.0, 8064.0, buffers=2, access_bits=72),
        Memory("sums", "O", 8192, 0.02, 0.02, access_bits=1),
    )
    machine, problem = Hierarchy(memories, 2, (("C", 3), ("K", 16)), "W"), square(size, channels)
    looked_at = Counter()

    def counted(problem, hierarchy, goal, rows, bound):
        looked_at[bound] += len(rows)
        return score(problem, hierarchy, goal, rows, bound)

    trees = trees_of(problem, machine, pruned=True)
    mappings = np.prod([float(len(tree.table.chains)) for tree in trees]) * len(orders_of(machine))
    with patch.object(searching, "score", counted):
        assert search(problem, machine, "energy", trees) is not None
    assert mappings > 1e6
    assert sum(looked_at.values()) < 30_000
