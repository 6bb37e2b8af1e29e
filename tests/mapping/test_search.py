"""What the search leaves out is never better: pruned, unpruned and every row agree, and bounds are bounds."""

from functools import reduce
from itertools import product

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from problems import hierarchies, layer_problems

from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.kernels.rules import Rules, costs, fits
from accelsim.mapping.layer_problem import OPERANDS, LayerProblem
from accelsim.mapping.mapper import best_mapping
from accelsim.mapping.prune import without_dominated
from accelsim.mapping.refine import tree_of
from accelsim.mapping.score import GOALS, boundary_rules, layer_rules, memory_rules, orders_of, stationary_choices
from accelsim.mapping.search import search
from accelsim.mapping.spaces import conv_space
from accelsim.mapping.tables import axis_tables, skeleton

MOST_ROWS = 20_000


def trees_of(problem, hierarchy, pruned=False):
    tables = axis_tables(problem, hierarchy, "divisors")
    if pruned:
        tables = [without_dominated(table, skeleton(hierarchy)) for table in tables]
    return [tree_of(table) for table in tables]


def leaves_below(tree, node):
    first = last = node
    while first < tree.leaves:
        first, last = tree.nodes[first, 3], tree.nodes[last, 3] + tree.nodes[last, 4] - 1
    return np.arange(first, last + 1)


def rows_of(trees, nodes):
    """Values [n, columns] and loops [n] of every combination of one of the given nodes of each axis."""
    assume(np.prod([len(some) for some in nodes]) <= MOST_ROWS)
    grids = [grid.ravel() for grid in np.meshgrid(*nodes, indexing="ij")]
    values = reduce(np.multiply, (tree.least[grid] for tree, grid in zip(trees, grids, strict=True)))
    return values, reduce(np.bitwise_or, (tree.nodes[grid, 0] for tree, grid in zip(trees, grids, strict=True)))


@numba.njit
def scored(values, moves, kept, rules, bound):
    """Per row whether it fits, and its (goal, energy, latency)."""
    levels = len(rules.memories)
    fitting, keys = np.zeros(len(values), np.bool_), np.empty((len(values), 3))
    room, flow, ones = np.empty((2, levels)), np.empty((5, levels)), np.ones(values.shape[1])
    for i in range(len(values)):
        fitting[i] = fits(values[i], ones, moves[i], kept, rules, room)
        costs(values[i], ones, moves[i], kept, rules, flow, bound, np.inf, keys[i])
    return fitting, keys


def scores(problem, hierarchy, goal, rows, order, bound=False):
    """Of rows under an order: per level the operands kept in place."""
    kept = np.array([sum(1 << OPERANDS.index(operand) for operand in operands) for operands in order])
    rules = Rules(boundary_rules(hierarchy), memory_rules(hierarchy), layer_rules(problem, hierarchy, goal))
    return scored(*rows, kept, rules, bound)


def best_key(problem, hierarchy, goal, trees):
    """The least (goal, energy, latency) of all rows that fit, in every order; None where none does."""
    rows = rows_of(trees, [np.arange(tree.leaves, len(tree.nodes)) for tree in trees])
    assume(len(rows[0]) * len(orders_of(hierarchy)) <= MOST_ROWS)
    every = [scores(problem, hierarchy, goal, rows, order) for order in orders_of(hierarchy)]
    keys = np.concatenate([key[fitting] for fitting, key in every])
    if not len(keys):
        return None
    for column in range(3):
        keys = keys[keys[:, column] <= keys[:, column].min() * (1 + 1e-9)]
    return tuple(keys.min(axis=0))


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(layer_problems(most_macs=4000), hierarchies(), st.sampled_from(GOALS))
def test_pruned_and_unpruned_find_the_best_of_every_row(problem, hierarchy, goal):
    want = best_key(problem, hierarchy, goal, trees_of(problem, hierarchy))
    for pruned in (False, True):
        found = search(problem, hierarchy, goal, trees_of(problem, hierarchy, pruned))
        assert (found is None) == (want is None)
        if found is not None:
            assert found.key == pytest.approx(want, rel=1e-9)


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(layer_problems(most_macs=4000), hierarchies(), st.sampled_from(GOALS), st.data())
def test_a_bound_is_below_all_that_it_stands_for(problem, hierarchy, goal, data):
    """Of tiles that are chosen for some axes to some depth, and of orders that are chosen at some levels."""
    trees = trees_of(problem, hierarchy)
    nodes = [data.draw(st.integers(0, len(tree.nodes) - 1)) for tree in trees]
    order = data.draw(st.sampled_from(orders_of(hierarchy)))
    choices = stationary_choices(hierarchy)
    partial = [data.draw(st.sampled_from([(one,), every])) for one, every in zip(order, choices, strict=True)]
    below = rows_of(trees, [leaves_below(tree, node) for tree, node in zip(trees, nodes, strict=True)])
    fitting, real = scores(problem, hierarchy, goal, below, order)
    if not fitting.any():
        return
    above = rows_of(trees, [np.array([node]) for node in nodes])
    fitting_above, bound = scores(problem, hierarchy, goal, above, partial, bound=True)
    assert fitting_above.all()
    assert (bound[0] <= real[fitting].min(axis=0) * (1 + 1e-9)).all()


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
    trees = trees_of(problem, machine, pruned=True)
    mappings = np.prod([float(len(tree.table.chains)) for tree in trees]) * len(orders_of(machine))
    found = search(problem, machine, "energy", trees)
    assert found is not None
    assert mappings > 1e6
    assert found.rows < 30_000


def test_the_same_search_twice_takes_the_same_steps():
    trees, machine = trees_of(square(16, 8), two_levels(), pruned=True), two_levels()
    assert search(square(16, 8), machine, "edp", trees) == search(square(16, 8), machine, "edp", trees)


def test_every_order_has_its_turn():
    """Every operand that a memory further in can profit of, at each level."""
    machine = two_levels()
    assert orders_of(machine) == tuple(product("IOW", "IOW", ("W",)))
