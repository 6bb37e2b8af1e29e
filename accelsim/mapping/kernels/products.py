"""Rows of a search: products over the axes of one node each, made decision by decision.

A node is a row of `Trees`, which hold the trees of all axes one after the other; a place int64 [6] is a node for each
axis.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelsim.machine_code import part

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

AXES = 6
MOVES, STAYS, ALIVE, FIRST_CHILD, CHILDREN = range(5)
ROOT, LEAF = range(2)


class Trees(NamedTuple):
    """least float64 [nodes, columns]; nodes int64 [nodes, 5]: loops that surely run and move, or not move, an operand
    (bit operand * levels + level), whether anything below is of use, first child, number of children; axes int64
    [7, 2]: first node and first leaf of each axis, and the end.
    """

    least: Floats
    nodes: Ints
    axes: Ints


class Scratch(NamedTuple):
    """outer, inner float64 [7, columns]: products of what is decided before each decision and of what is not yet; open:
    what a child is multiplied with to be a row; bits int64 [4, 7]: moves and stays of outer, then of inner; cursor
    int64 [2, 6]: next child and end of each decision.
    """

    outer: Floats
    inner: Floats
    open: Floats
    bits: Ints
    cursor: Ints


@part
def begin(place: Ints, axes: Ints, refined: int, trees: Trees, s: Scratch) -> None:
    """Products of what is not decided yet, before each of the `refined` decisions over these axes and after them."""
    least, nodes, inner, bits = trees.least, trees.nodes, s.inner, s.bits
    columns = least.shape[1]
    for column in range(columns):
        inner[refined, column] = 1.0
        s.outer[0, column] = 1.0
    bits[:, 0] = 0
    bits[:, refined] = 0
    for axis in range(AXES):
        outside = True
        for i in range(refined):
            outside = outside and axes[i] != axis
        if outside:
            node = place[axis]
            for column in range(columns):
                inner[refined, column] *= least[node, column]
            bits[2, refined] |= nodes[node, MOVES]
            bits[3, refined] |= nodes[node, STAYS]
    for i in range(refined - 1, -1, -1):
        node = place[axes[i]]
        for column in range(columns):
            inner[i, column] = inner[i + 1, column] * least[node, column]
        bits[2, i] = bits[2, i + 1] | nodes[node, MOVES]
        bits[3, i] = bits[3, i + 1] | nodes[node, STAYS]


@part
def enter(k: int, node: int, trees: Trees, s: Scratch) -> None:
    """Get ready for the children of a node, which decision k chooses from; those before it stand at their cursors."""
    outer, inner, bits, cursor = s.outer, s.inner, s.bits, s.cursor
    if k > 0:
        before = cursor[0, k - 1] - 1
        for column in range(outer.shape[1]):
            outer[k, column] = outer[k - 1, column] * trees.least[before, column]
        bits[0, k] = bits[0, k - 1] | trees.nodes[before, MOVES]
        bits[1, k] = bits[1, k - 1] | trees.nodes[before, STAYS]
    for column in range(outer.shape[1]):
        s.open[k, column] = outer[k, column] * inner[k + 1, column]
    cursor[0, k] = trees.nodes[node, FIRST_CHILD]
    cursor[1, k] = cursor[0, k] + trees.nodes[node, CHILDREN]


@part
def renew(axis: int, trees: Trees) -> None:
    """The numbers of an axis's nodes from its leaves that are alive."""
    least, nodes = trees.least, trees.nodes
    for node in range(trees.axes[axis, LEAF] - 1, trees.axes[axis, ROOT] - 1, -1):
        first = nodes[node, FIRST_CHILD]
        nodes[node, ALIVE] = 0
        for child in range(first, first + nodes[node, CHILDREN]):
            if not nodes[child, ALIVE]:
                continue
            if not nodes[node, ALIVE]:
                nodes[node, :ALIVE] = -1
                nodes[node, ALIVE] = 1
                least[node, :] = np.inf
            for column in range(least.shape[1]):
                other = least[child, column]
                least[node, column] = other if other < least[node, column] else least[node, column]
            nodes[node, MOVES] &= nodes[child, MOVES]
            nodes[node, STAYS] &= nodes[child, STAYS]


@part
def chosen(into: Ints, place: Ints, axes: Ints, refined: int, s: Scratch) -> None:
    """The place that the cursors have come to."""
    for axis in range(AXES):
        into[axis] = place[axis]
    for i in range(refined):
        into[axes[i]] = s.cursor[0, i] - 1
