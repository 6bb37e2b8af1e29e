"""Words touched along an axis of space, against sets of indices turn by turn."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problems import nests

from accelsim.mapping.counts import _box_turns, _loops
from accelsim.mapping.footprints import Footprints, footprints


def by_sets(nest, operand, child, axis, fetch, above):
    """Every turn's tiles as sets, one copy after the other."""
    space, size = nest.problem.space(axis), nest.problem.size
    union = total = largest_fetch = largest_tile = fetches = 0
    whole = {(): ((0, size[axis[0]]), (0, size[axis[1]]))}
    for _, boxes in _box_turns(_loops(nest, axis, child), whole, axis, fetch, 0):
        parents = {}
        for copy, ((a, a_end), (b, b_end)) in boxes.items():
            index = {"W": lambda _, tap: tap, "I": lambda i, j: space.in_index[i][j]}.get(
                operand, lambda i, j: space.out_index[i][j]
            )
            tile = {index(i, j) for i in range(a, a_end) for j in range(b, b_end)} - {-1}
            parents.setdefault(tuple(part for part in copy if part[0] < above), set()).update(tile)
            total, largest_tile = total + len(tile), max(largest_tile, len(tile))
        together = sum(len(words) for words in parents.values())
        union, largest_fetch = union + together, max(largest_fetch, together)
        fetches += sum(len(words) > 0 for words in parents.values())
    return Footprints(union, total, largest_fetch, largest_tile, fetches)


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(nests(), st.sampled_from(["PR", "QS"]), st.data())
def test_equal_to_sets_of_indices(nest, axis, data):
    operand = data.draw(st.sampled_from("WIO"))
    parent, child = data.draw(st.sampled_from(nest.wiring.boundaries(operand)))
    fetch = data.draw(st.sampled_from([nest.fetch_at(operand, child), len(nest.running)]))
    above = nest.depth(parent)
    positions, taps = (_loops(nest, dim, child) for dim in axis)
    found = footprints(nest.problem.space(axis), operand, positions, taps, fetch, above)
    assert found == by_sets(nest, operand, child, axis, fetch, above)
