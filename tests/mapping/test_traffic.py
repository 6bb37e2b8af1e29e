"""Bits of a nest where memories move in accesses, by hand and against the interpreter."""

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from interpret import Run
from problems import layer_problems, nests

from accelsim.mapping.counts import transfers
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import LayerProblem
from accelsim.mapping.nest import Loop, Nest
from accelsim.mapping.spaces import conv_space
from accelsim.mapping.traffic import Costs, costs


def two_memories(access_bits: int, inner: str = "WIO", latch: str = "") -> Hierarchy:
    memories = (Memory("m0", "WIO", 0, 1, 1, access_bits=access_bits), Memory("m1", inner, 10**6, 1, 1))
    return Hierarchy(memories, 1, (), latch, 8, 8, 16, 8)


def moved(made: Costs, memory: str) -> dict[str, tuple[int, int]]:
    return {row.kind: (row.read_bits, row.write_bits) for row in made.traffic if row.memory == memory}


def test_nothing_is_moved_for_padding():
    """3 taps over 2 padded inputs: of 6 steps 4 have an input, which has no register; a weight comes in each step."""
    problem = LayerProblem(h=conv_space(2, 3, pad=(1, 1)))
    hierarchy = two_memories(32, inner="O")
    nest = Nest(problem, hierarchy.wiring, (Loop("P", 1, 1), Loop("R", 1, 1)))
    fetches = {t.operand: t.fetches for t in transfers(nest) if t.parent == 0}
    assert fetches == {"W": 6, "I": 4, "O": 1}
    assert moved(costs(nest, hierarchy), "m0") == {"weights": (6 * 32, 0), "inputs": (4 * 32, 0), "outputs": (0, 32)}


def test_sums_that_come_back_take_whole_accesses():
    """2 samples, 2 outputs one by one in each of 2 halves of the inputs: 4 times 2 sums leave, twice they come back."""
    problem = LayerProblem(N=2, K=2, C=4)
    hierarchy = two_memories(64)
    nest = Nest(problem, hierarchy.wiring, (Loop("C", 2, 0), Loop("K", 1, 0), Loop("N", 1, 1), Loop("C", 1, 1)))
    assert Run(nest).refills[0, 1] == 2
    found = moved(costs(nest, hierarchy), "m0")
    assert found["partial_sums"][0] == 2 * 64
    assert found["outputs"][1] + found["partial_sums"][1] == 4 * 64
    assert found["weights"] == (4 * 64, 0) and found["inputs"] == (2 * 64, 0)
    assert moved(costs(nest, two_memories(0)), "m0")["partial_sums"] == (4 * 16, 4 * 16)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(nests(), st.sampled_from([8, 24, 64, 512]))
def test_accesses_of_every_fetch_that_has_words(nest, access_bits):
    """By the interpreter: no fewer accesses than bits fill, and one for each fetch of W and I that has any word."""
    nest = replace(nest, wiring=replace(nest.wiring, slide=(), multicast=()))
    run = Run(nest)
    memories = (
        Memory(f"m{level}", holds, 10**9, 1, 1, access_bits=access_bits)
        for level, holds in enumerate(nest.wiring.holds)
    )
    fan = max((loop.level for loop in nest.loops if loop.spatial), default=0)
    assume(all(nest.wiring.path(operand)[0] <= fan for operand in "WIO"))
    made = costs(nest, Hierarchy(tuple(memories), fan, (), nest.wiring.latch, 8, 8, 16, 8))
    rows = {(row.level, row.kind): row.read_bits for row in made.traffic}
    for operand, kind in (("W", "weights"), ("I", "inputs")):
        for parent, child in nest.wiring.boundaries(operand):
            words, fetches = (run.count[operand, parent, child, what] for what in ("parent_reads", "fetches"))
            assert rows.get((parent, kind), 0) == max(8 * words, access_bits * fetches)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(layer_problems(512), st.permutations("NGKCPQRS"), st.data())
def test_tiles_that_come_back_whole_take_as_many_accesses(problem, dims, data):
    """Where sums of different tiles are different, what comes back is counted as by the interpreter, tile for tile."""
    assume(not problem.h.moved_by("O")[1] and not problem.w.moved_by("O")[1])
    steps = {dim: data.draw(st.integers(1, problem.size[dim])) for dim in dims}
    outside = tuple(Loop(dim, steps[dim], 0) for dim in dims)
    nest = Nest(problem, two_memories(0).wiring, (*outside, *(Loop(dim, 1, 1) for dim in dims)))
    wide = 8 * 16 * max(problem.words.values())
    found = moved(costs(nest, two_memories(wide)), "m0")
    assert found.get("partial_sums", (0, 0))[0] == wide * Run(nest).refills[0, 1]
