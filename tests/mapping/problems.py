"""Hypothesis strategies for small layer problems, nests and hierarchies."""

from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st

from accelsim.mapping.dataflow import Dataflow
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import DIMS, LayerProblem
from accelsim.mapping.nest import Loop, Nest, Wiring
from accelsim.mapping.spaces import POINT, conv_space, transposed_space

KINDS = ("dense", "conv", "conv", "depthwise", "phase", "scatter", "zero_insert")


@st.composite
def spaces(draw, kind):
    if kind == "dense":
        return POINT
    size, taps, stride = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2))
    if kind in ("conv", "depthwise"):
        pad = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
        assume(size + sum(pad) >= dilation * (taps - 1) + 1)
        return conv_space(size, taps, stride, dilation, pad)
    crop = (draw(st.integers(0, 2)), draw(st.integers(-2, 2)))
    assume((size - 1) * stride + dilation * (taps - 1) + 1 > sum(crop))
    return transposed_space(size, taps, stride, dilation, crop, kind)


@st.composite
def layer_problems(draw, most_macs=4096):
    kind = draw(st.sampled_from(KINDS))
    batch = draw(st.integers(1, 2))
    groups = draw(st.integers(1, 4)) if kind == "depthwise" else draw(st.sampled_from([1, 1, 2]))
    k, c = (1, 1) if kind == "depthwise" else (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    h = draw(spaces(kind))
    w = draw(st.sampled_from([POINT, POINT, h])) if draw(st.booleans()) else draw(spaces(kind))
    assume(h.outputs_reached and w.outputs_reached)
    problem = LayerProblem(batch, groups, k, c, h, w)
    assume(problem.macs <= most_macs)
    return problem


@st.composite
def wirings(draw, levels):
    def some(operands="WIO"):
        return "".join(o for o in operands if draw(st.booleans()))

    starts_inside = some() if levels > 2 and draw(st.booleans()) else ""
    outer = "".join(o for o in "WIO" if o not in starts_inside)
    inner = tuple(some() for _ in range(levels - 1))
    if starts_inside:
        inner = ("".join(o for o in "WIO" if o in inner[0] or o in starts_inside), *inner[1:])
    multicast, slide = tuple(some() for _ in range(levels)), tuple(some() for _ in range(levels + 1))
    return Wiring((outer, *inner), multicast, some(), slide), 1 if starts_inside else 0


@st.composite
def nests(draw, dividing=False):
    """Any chunk sizes in any order, fan-outs anywhere below an operand's outermost memory."""
    problem, levels = draw(layer_problems()), draw(st.integers(2, 4))
    wiring, first_fan = draw(wirings(levels))
    left, loops, copies = dict(problem.size), [], 1
    for level in range(levels - 1):
        for spatial in (False, True) if level >= first_fan else (False,):
            for dim in [d for d in draw(st.permutations(DIMS)) if left[d] > 1]:
                steps = [s for s in range(1, left[dim] + 1) if not dividing or left[dim] % s == 0]
                step = draw(st.sampled_from([left[dim]] * (6 if spatial else 2) + steps))
                chunks = -(-left[dim] // step)
                if chunks == 1 or (spatial and copies * chunks > 12):
                    continue
                copies *= chunks if spatial else 1
                loops.append(Loop(dim, step, level, spatial))
                left[dim] = step
    return Nest(problem, wiring, (*loops, *draw(innermost_loops(left, levels - 1, 12 // copies, dividing))))


@st.composite
def innermost_loops(draw, left, level, most_lanes, dividing):
    """The last memory's loops: every dim down to 1, some of them by lanes."""
    temporal, spatial = [], []
    for dim in [d for d in draw(st.permutations(DIMS)) if left[d] > 1]:
        fits = [n for n in range(2, min(left[dim], most_lanes) + 1) if not dividing or left[dim] % n == 0]
        lanes = draw(st.sampled_from([1, 1, 1, *fits]))
        most_lanes //= lanes
        temporal.append(Loop(dim, lanes, level))
        if lanes > 1:
            spatial.append(Loop(dim, 1, level, spatial=True))
    return (*temporal, *spatial)


@st.composite
def restricted(draw, hierarchy):
    """The hierarchy with random dataflows at some memories and at the PEs."""

    def dataflow(level):
        memory, chosen = (
            hierarchy.memories[level],
            draw(st.sampled_from(["free", "free", "stay", "loops", "tile", "all"])),
        )
        given = Dataflow()
        if chosen in ("loops", "all"):
            loops = "".join(draw(st.lists(st.sampled_from("KCPQRS"), min_size=2, unique=True))) + "NG"
            given = replace(given, loops=loops, ordered=draw(st.booleans()))
        if chosen in ("stay", "all") and level and memory.holds and not given.ordered:
            given = replace(given, stationary=draw(st.sampled_from(memory.holds)))
        if chosen in ("tile", "all") and level:
            least, more = draw(st.sampled_from([1, 2, 2**40])), draw(st.sampled_from([None, 0, 1, 3]))
            dim = draw(st.sampled_from("KKCCPQRS"))
            given = replace(given, tile=((dim, least, None if more is None else least + more),))
        return given

    flows = [dataflow(level) for level in range(hierarchy.levels)]
    at_pe = Dataflow(draw(st.sampled_from(hierarchy.latch)) if hierarchy.latch and draw(st.booleans()) else "")
    innermost = max([level for level, flow in enumerate((*flows, at_pe)) if flow.stationary], default=0)
    for level in range(innermost):  # what stays further in orders these loops
        flows[level] = replace(flows[level], ordered=False)
    memories = [replace(m, dataflow=flow) for m, flow in zip(hierarchy.memories, flows, strict=True)]
    return replace(hierarchy, memories=tuple(memories), at_pe=at_pe)


@st.composite
def hierarchies(draw):
    levels = draw(st.sampled_from([2, 2, 3, 3, 4]))
    fan_level = draw(st.integers(0, levels - 1))
    bandwidth = st.sampled_from([0.0, 8.0, 48.0])

    def memory(level):
        holds = "".join(o for o in "WIO" if level == 0 or draw(st.integers(0, 3)))
        size = draw(st.sampled_from([48, 96, 256, 1024])) * (3 if level == 1 else 1)
        return Memory(
            f"m{level}",
            holds,
            size,
            draw(st.sampled_from([0.5, 1.0])) * 10 ** (level == 0),
            draw(st.sampled_from([0.5, 1.25])) * 10 ** (level == 0),
            draw(bandwidth),
            draw(bandwidth),
            shared_port=draw(st.booleans()),
            buffers=draw(st.sampled_from([1, 2])),
            access_bits=draw(st.sampled_from([0, 0, 24])),
            waits=0 < level <= fan_level and draw(st.booleans()),
        )

    dims = draw(st.lists(st.sampled_from("KCKCGNPRQS"), max_size=2, unique=True))
    lanes = tuple((dim, draw(st.sampled_from([2, 3]))) for dim in dims)
    latch = draw(st.sampled_from(["", "W", "O", "WIO"]))
    found = Hierarchy(tuple(memory(level) for level in range(levels)), fan_level, lanes, latch, 8, 8, 16, 8, 0.1)
    found = replace(found, static_pj=draw(st.sampled_from([0.0, 0.0, 3.0, 40.0])))
    inside = "".join(o for o in found.memories[1].holds if draw(st.integers(0, 3)) == 0) if fan_level else ""
    return found.resident(inside, "m1").reserve("m1", draw(st.sampled_from([0, 5])))
