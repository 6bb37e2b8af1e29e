"""The mapper's optimum is the optimum of its space; floors; the room it takes; what it prints."""

import pickle
from dataclasses import replace
from itertools import islice, permutations, product

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from interpret import Run
from problems import hierarchies, layer_problems, spaces

from accelsim.errors import AccelsimError, DoesNotFit
from accelsim.mapping.hierarchy import Hierarchy, Memory
from accelsim.mapping.layer_problem import DIMS, LayerProblem
from accelsim.mapping.mapper import best_mapping, least_bytes
from accelsim.mapping.nest import Loop, Nest
from accelsim.mapping.spaces import conv_space, transposed_space
from accelsim.mapping.traffic import costs

GOALS = ("energy", "latency", "edp", "offchip")
MOST_NESTS = 150


def zcu_like(buffer_bytes=1_200_000, bandwidth=0.0, **widths):
    return Hierarchy(
        memories=(
            Memory("ddr", "WIO", 8 * 2**31, 15, 15, read_bandwidth=bandwidth, shared_port=True),
            Memory("bram", "WIO", 8 * buffer_bytes, 0.5, 0.5, buffers=2),
            Memory("regs", "O", 8 * 2048, 0.05, 0.05),
        ),
        fan_level=1,
        lanes=(("K", 32), ("C", 32)),
        latch="W",
        **widths,
    )


def dcgan32(batch=1):
    def up(size):
        return transposed_space(size, 5, 2, crop=(2, 1))

    return (
        LayerProblem(N=batch, K=4096, C=100),
        LayerProblem(N=batch, K=128, C=256, h=up(4), w=up(4)),
        LayerProblem(N=batch, K=64, C=128, h=up(8), w=up(8)),
        LayerProblem(N=batch, K=3, C=64, h=up(16), w=up(16)),
    )


# --- against every tiling and every loop order -----------------------------------------------------------------------


def chains(size, lanes, levels, fan_level):
    """The stated space of one dim, written down once more: tiles outermost first, the last one 1."""
    if levels == 1:
        return [(1,)]
    found = []
    for inner in chains(size, lanes, levels - 1, fan_level - 1):
        unit = inner[0] * (lanes if fan_level == 1 else 1)
        share = unit * (lanes if fan_level < 1 else 1)
        count = -(-size // share)
        found += [(min(size, unit * times), *inner) for times in range(1, count + 1) if count % times == 0]
    return sorted(set(found))


def every_nest(problem, hierarchy):
    levels, fan = hierarchy.levels, hierarchy.fan_level
    per_dim = [chains(problem.size[d], hierarchy.fan_out(d), levels, fan) for d in DIMS]
    for combination in product(*per_dim):
        tiles, left, blocks = dict(zip(DIMS, combination, strict=True)), dict(problem.size), []
        for level in range(levels):
            loops, lanes = [], []
            for dim in DIMS:
                step = tiles[dim][level] * (hierarchy.fan_out(dim) if level == fan else 1)
                if step < left[dim]:
                    loops.append(Loop(dim, step, level))
                    left[dim] = step
            for dim, _ in hierarchy.lanes if level == fan else ():
                if tiles[dim][level] < left[dim]:
                    lanes.append(Loop(dim, tiles[dim][level], level, spatial=True))
                    left[dim] = tiles[dim][level]
            blocks.append((loops, lanes))
        for orders in product(*(permutations(loops) for loops, _ in blocks)):
            loops = [loop for order, (_, lanes) in zip(orders, blocks, strict=True) for loop in (*order, *lanes)]
            yield Nest(problem, hierarchy.wiring, tuple(loops))


def goal_value(goal, cost):
    offchip = sum(row.read_bits + row.write_bits for row in cost.traffic if row.level == 0)
    energy, latency = cost.energy_pj, cost.latency_cycles
    return {"energy": energy, "latency": latency, "edp": energy * latency, "offchip": offchip}[goal]


def compare(problem, hierarchy):
    nests = list(islice(every_nest(problem, hierarchy), MOST_NESTS + 1))
    assume(len(nests) <= MOST_NESTS)
    every = [costs(nest, hierarchy) for nest in nests]
    fitting = [
        cost
        for cost in every
        if all(used <= m.size_bits for used, m in zip(cost.used_bits[1:], hierarchy.memories[1:], strict=True))
    ]
    if not fitting:
        with pytest.raises(DoesNotFit):
            best_mapping(problem, hierarchy, "energy")
        return
    for goal in GOALS:
        best = min(goal_value(goal, cost) for cost in fitting)
        tied = [cost for cost in fitting if goal_value(goal, cost) <= best * (1 + 1e-9)]
        found = best_mapping(problem, hierarchy, goal)
        if hierarchy.sums_below_fan_out > 1:
            assert goal_value(goal, found.costs) >= best * (1 - 1e-9)
            continue
        assert goal_value(goal, found.costs) == pytest.approx(best, rel=1e-9)
        assert found.energy_pj == pytest.approx(min(cost.energy_pj for cost in tied), rel=1e-9)
        assert all(
            used <= m.size_bits for used, m in zip(found.costs.used_bits[1:], hierarchy.memories[1:], strict=True)
        )
    Run(found.nest)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(layer_problems(most_macs=400), hierarchies())
def test_equals_every_tiling_in_every_order(problem, hierarchy):
    compare(problem, hierarchy)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_equals_every_tiling_with_lanes_over_positions_and_taps(data):
    """Copies whose inputs or outputs overlap, with memories inside each copy."""
    space = data.draw(spaces(data.draw(st.sampled_from(["conv", "scatter", "phase"]))))
    assume(space.positions > 2 and space.taps > 1 and space.outputs_reached)
    inner = data.draw(st.sampled_from(["WIO", "IO", "WI"]))
    memories = (
        Memory("dram", "WIO", 2**20, 20, 20),
        Memory("pads", inner, data.draw(st.sampled_from([64, 128, 512])), 1, 1, read_bandwidth=16.0, shared_port=True),
    )
    lanes = data.draw(st.sampled_from([(("P", 2),), (("P", 3), ("R", 2)), (("R", 2),)]))
    compare(LayerProblem(K=2, h=space), Hierarchy(memories, 0, lanes, "WIO", partial_sum_bits=16))


# --- figures ---------------------------------------------------------------------------------------------------------


def test_dcgan32_reaches_the_compulsory_floor():
    mappings = [best_mapping(problem, zcu_like(), "offchip") for problem in dcgan32()]
    assert sum(sum(m.offchip_bytes.values()) for m in mappings) == 1_498_916
    assert [m.offchip_bytes["weights"] for m in mappings] == [409_600, 819_200, 204_800, 4_800]
    assert [m.offchip_bytes["partial_sums"] for m in mappings] == [0] * 4
    assert [m.cycles for m in mappings] == [512, 12_800, 12_800, 12_800]
    assert mappings[1].utilisation == 1.0
    assert mappings[3].utilisation == 3 / 32


@pytest.mark.parametrize("batch", [1, 64])
def test_dcgan32_never_goes_below_its_floors(batch):
    for goal in GOALS:
        for problem in dcgan32(batch):
            found = best_mapping(problem, zcu_like(bandwidth=64.0), goal)
            offchip = found.offchip_bytes
            assert offchip["weights"] >= problem.words["W"]
            assert offchip["inputs"] >= problem.words["I"]
            assert offchip["outputs"] == problem.words["O"]
            assert found.latency_cycles >= max(found.cycles, 8 * sum(offchip.values()) / 64)
            assert found.cycles * 32 * 32 >= problem.macs


def test_more_buffer_never_raises_the_objective():
    problem = dcgan32()[1]
    for goal in GOALS:
        values = [
            goal_value(goal, best_mapping(problem, zcu_like(size, 64.0), goal).costs)
            for size in (8_000, 20_000, 60_000, 200_000, 1_200_000)
        ]
        assert values == sorted(values, reverse=True)


def test_a_resident_operand_moves_nothing_off_chip():
    problem, machine = dcgan32()[1], zcu_like()
    inputs = best_mapping(problem, machine.resident("I", "bram").reserve("bram", 4096), "offchip")
    assert inputs.offchip_bytes == {"weights": 819_200, "inputs": 0, "outputs": 8192, "partial_sums": 0}
    both = best_mapping(problem, machine.resident("WIO", "bram").reserve("bram", 1_000_000), "energy")
    assert sum(both.offchip_bytes.values()) == 0
    kinds = {(row.memory, row.kind) for row in both.traffic}
    assert ("bram", "weights") in kinds
    assert ("bram", "outputs") in kinds


def test_what_lives_through_leaves_less_room():
    problem, machine = dcgan32()[1], zcu_like(40_000, 64.0)
    free = best_mapping(problem, machine, "offchip")
    tight = best_mapping(problem, machine.reserve("bram", 30_000), "offchip")
    assert sum(tight.offchip_bytes.values()) > sum(free.offchip_bytes.values())
    assert tight.costs.used_bits[1] <= 8 * 40_000
    assert 2 * sum(b for (memory, _), b in tight.tile_bytes.items() if memory == "bram") <= 10_000


def test_too_small_a_memory_is_named_with_need_and_size():
    problem, machine = dcgan32()[1], zcu_like(2_000)
    with pytest.raises(DoesNotFit, match=r"memory 'bram': the smallest tiles need 2176 bytes, the memory has 2000"):
        best_mapping(problem, machine, "energy")
    enough = least_bytes(problem, machine)[1]
    assert best_mapping(problem, zcu_like(enough), "energy").cycles == 12_800
    with pytest.raises(DoesNotFit, match="beside the 1198000 bytes that live through"):
        best_mapping(problem, zcu_like().reserve("bram", 1_198_000), "energy")


def test_outputs_beyond_every_tap_are_written():
    space = transposed_space(4, 2, 2, crop=(0, -3), how="scatter")
    found = best_mapping(LayerProblem(K=32, C=32, h=space), zcu_like(), "offchip")
    assert found.offchip_bytes["outputs"] == 32 * 11


def test_an_access_moves_at_least_its_width():
    ddr, bram = Memory("ddr", "WIO", 2**20, 1, 1), Memory("bram", "WIO", 2**20, 1, 1, access_bits=64)
    machine = Hierarchy((ddr, bram), 1, (("K", 3),), partial_sum_bits=16)
    found = best_mapping(LayerProblem(K=3, C=10), machine, "energy")
    reads = {row.kind: row.read_bits for row in found.traffic if row.memory == "bram"}
    assert reads["weights"] == 10 * 64
    assert reads["inputs"] == 10 * 64


def test_the_same_question_has_one_answer_and_prints_as_loops():
    problem, machine = dcgan32()[2], zcu_like(bandwidth=64.0)
    found = best_mapping(problem, machine, "edp")
    assert best_mapping(problem, machine, "edp") is found
    best_mapping.cache_clear()
    assert best_mapping(problem, machine, "edp") == found
    text = str(found)
    assert all(name in text for name in ("ddr [WIO]", "bram [WIO]", "regs [O]", "lanes K in 32 x", "multiply"))
    assert len([line for line in text.splitlines() if "fetch" in line or "before" in line]) >= 1


def searched(ask):
    """How many searches a question takes."""
    before = best_mapping.cache_info().misses
    ask()
    return best_mapping.cache_info().misses - before


def test_repeated_layers_come_from_the_memo():
    best_mapping.cache_clear()
    network = [problem for _ in range(9) for problem in dcgan32()]  # made anew each time, as a network's layers are
    assert searched(lambda: [best_mapping(problem, zcu_like(), "energy") for problem in network]) == 4
    assert searched(lambda: best_mapping(dcgan32()[1], zcu_like(), "energy")) == 0


@pytest.mark.parametrize(
    "change",
    [{"read_pj_per_bit": 14.9}, {"size_bits": 2**34 + 8}, {"read_bandwidth": 1e9}, {"access_bits": 8}, {"buffers": 2}],
)
def test_machines_that_differ_in_a_number_share_nothing(change):
    problem, machine = dcgan32()[1], zcu_like()
    outer, *inner = machine.memories
    other = replace(machine, memories=(replace(outer, **change), *inner))
    best_mapping(problem, machine, "energy")
    assert searched(lambda: best_mapping(problem, other, "energy")) == 1


@pytest.mark.parametrize(
    "width", ["weight_bits", "input_bits", "partial_sum_bits", "output_bits", "mac_pj", "static_pj"]
)
def test_formats_that_differ_share_nothing(width):
    problem, machine = dcgan32()[1], zcu_like()
    best_mapping(problem, machine, "energy")
    assert searched(lambda: best_mapping(problem, replace(machine, **{width: 9}), "energy")) == 1


def test_a_layer_on_its_side_is_the_same_where_the_machine_sees_no_difference():
    tall = LayerProblem(K=8, C=4, h=conv_space(12, 3), w=conv_space(9, 5, 2))
    wide = replace(tall, h=tall.w, w=tall.h)
    machine = zcu_like(2_200)
    best_mapping.cache_clear()
    found = best_mapping(tall, machine, "edp")
    assert searched(lambda: best_mapping(wide, machine, "edp")) == 1  # the question itself; the search is remembered
    turned = best_mapping(wide, machine, "edp")
    assert turned.costs == found.costs == costs(turned.nest, machine) == costs(found.nest, machine)
    assert turned.nest.problem == wide
    rows = replace(machine, lanes=(("P", 8), ("C", 32)))
    own = best_mapping(wide, rows, "edp")
    assert own.cycles != best_mapping(tall, rows, "edp").cycles
    assert own.costs == costs(own.nest, rows)


def test_impossible_hierarchies_say_why():
    ddr, regs = Memory("ddr", "WI", 8, 1, 1), Memory("regs", "O", 8, 1, 1)
    with pytest.raises(AccelsimError, match="no memory holds operand O"):
        Hierarchy((ddr,), 0, ())
    with pytest.raises(AccelsimError, match="below the fan-out"):
        Hierarchy((ddr, regs), 0, (("K", 2),))
    with pytest.raises(AccelsimError, match="memory 'pe' below the fan-out waits"):
        Hierarchy((Memory("m", "WIO", 8, 1, 1), Memory("pe", "WIO", 8, 1, 1, waits=True)), 0, (("K", 2),))
    with pytest.raises(AccelsimError, match="no memory 'sram', expected one of ddr, bram, regs"):
        zcu_like().reserve("sram", 1)


def test_a_hierarchy_leaves_its_hash_behind():
    """Names hash differently in another process, so a hash that went along would hide what is remembered there."""
    machine = zcu_like()
    assert hash(machine) == hash(zcu_like())
    sent = pickle.dumps(machine)
    assert b"_hash" not in sent
    assert pickle.loads(sent) == machine
