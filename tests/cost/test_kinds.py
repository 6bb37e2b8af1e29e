"""Arrays with memories per PE and processors, counted by hand on one small dense layer; then the shipped machines."""

import pytest
from tiny import one_layer

from accelsim.cost.costing import cost
from accelsim.cost.kinds import network_bits
from accelsim.errors import AccelsimError
from accelsim.flow import estimate
from accelsim.hardware.architecture import Architecture
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.ir.ops import Conv2d, Dense
from accelsim.mapping.scheduled import ScheduleOptions
from accelsim.shared import list_shared

COMMON = {
    "schema": "accelsim/hardware/1",
    "name": "small",
    "sources": ["made up for a test"],
    "clock_mhz": 100,
    "technology": {"node_nm": 28, "vdd_v": 1.0},
    "static_power_w": 0.0,
}
DRAM = {
    "name": "dram",
    "kind": "ddr3",
    "size_mib": 1,
    "bandwidth_gb_per_s": 0.8,
    "energy_pj_per_bit": 10,
}  # 64 bit/cycle
COSTS = {
    "int8": {"macs_per_cycle_per_pe": 4, "energy_pj": 2},
    "float32": {"macs_per_cycle_per_pe": 2, "energy_pj": 8},
}
DENSE = Dense(in_features=3, out_features=4, bias=False)


def per_pe(name, size, holds, energy):
    found = {"name": name, "kind": "register_file", "per_pe": True, "size_bytes": size, "energy_pj_per_bit": energy}
    return found | ({"holds": [holds]} if holds else {})


def spatial(**changes):
    data = COMMON | {
        "kind": "spatial",
        "memories": [
            DRAM,
            {"name": "glb", "kind": "sram", "size_kib": 4, "bandwidth_bits_per_cycle": 512, "energy_pj_per_bit": 1},
            per_pe("filters", 64, "weights", 0.25),
            per_pe("inputs", 16, "inputs", 0.5),
            per_pe("sums", 16, "partial_sums", 0.125),
        ],
        "array": {"rows": 1, "cols": 2, "unroll": {"rows": "in_channels", "cols": "out_channels"}},
        "transposed_conv": "zero_insert",
        "formats": {"int8": {"macs_per_cycle_per_pe": 1, "energy_pj": 2}},
        "spatial": {"network_energy_pj_per_bit": 0.75},
    }
    return parse_architecture(data | changes, "small")


def cpu(results=None, shares=None, **changes):
    data = COMMON | {
        "kind": "cpu",
        "memories": [
            DRAM,
            {"name": "l2", "kind": "cache", "size_kib": 4, "bandwidth_bits_per_cycle": 512, "energy_pj_per_bit": 1},
            {"name": "l1", "kind": "cache", "size_kib": 1, "bandwidth_bits_per_cycle": 64, "energy_pj_per_bit": 0.5}
            | {"per_pe": True},
            per_pe("registers", 64, None, 0),
        ],
        "array": {"rows": 1, "cols": 2, "unroll": {"rows": "batch", "cols": "out_channels"}},
        "transposed_conv": "phase",
        "formats": COSTS,
        "cpu": {
            "cores": 2,
            "simd_bits": 32,
            "line_bytes": 4,
            "kernel": {"out_channels": 4},
            "issue_efficiency": {"int8": 0.5, "float32": 0.5} | (shares or {}),
            "unpack": {
                "within_byte": {"cycles_per_vector": 2, "energy_pj_per_vector": 5},
                "across_bytes": {"cycles_per_vector": 4, "energy_pj_per_vector": 10},
            },
            "results": results or {},
        },
    }
    return parse_architecture(data | changes, "small")


def only_step(machine, op=DENSE, precision="int8", shape=None):
    made = cost(one_layer(op, shape or (op.in_features,), precision), machine, 1, ScheduleOptions())
    (step,) = made.steps
    return made, step


def picojoules(step):
    return {name: energy.value * 1e12 for name, energy in step.energy.items()}


# --- an array with register files ------------------------------------------------------------------------------------


def test_register_files_by_hand():
    """4 results on 2 PEs: each PE keeps 6 weights, all 3 inputs and 2 sums; 12 MACs in 6 cycles."""
    made, step = only_step(spatial())
    assert step.scheduled.cycles == 6
    accesses = {memory: step.accesses[memory] for memory in ("filters", "inputs", "sums")}
    assert accesses == {
        "filters": {"weights": (12 * 8, 12 * 8)},  # read at each MAC, written once
        "inputs": {"inputs": (12 * 8, 2 * 3 * 8)},  # written into both PEs
        # written at each MAC, read back but for the first of each result, and read once more to leave
        "sums": {"partial_sums": ((12 - 4 + 4) * 32, 12 * 32)},
    }
    # 12 weights, 3 inputs to 2 PEs, 4 sums at the accumulator's width
    assert network_bits(step.scheduled.mapping) == 12 * 8 + 2 * 3 * 8 + 4 * 32
    energy = picojoules(step)
    assert energy["network"] == pytest.approx(0.75 * 272)
    assert energy["mac"] == pytest.approx(2 * 12)
    assert energy["filters"] == pytest.approx(0.25 * 192)
    assert energy["inputs"] == pytest.approx(0.5 * 144)
    assert energy["sums"] == pytest.approx(0.125 * 24 * 32)
    assert sum(energy.values()) == pytest.approx(made.energy_total.value * 1e12)
    assert (made.resources.used, made.resources.available) == ({"pes": 2}, {"pes": 2})


def test_the_wires_add_sums_of_pes_that_share_a_result():
    """3 inputs on 3 PEs: each result is 3 products added on the way out."""
    array = {"rows": 3, "cols": 1, "unroll": {"rows": "in_channels", "cols": "out_channels"}}
    _, step = only_step(spatial(array=array))
    assert step.scheduled.cycles == 4
    written = step.accesses["glb"]["outputs"][1]
    assert written == 4 * 8  # once a result
    # each PE sends its own 4 sums; of the weights every PE gets 4, of the inputs 1
    inward = network_bits(step.scheduled.mapping) - 12 * 8 - 3 * 8
    assert inward == 3 * 4 * 32


def test_codes_of_their_own_width_move_at_it_and_multiply_at_the_listed_cost():
    made, step = only_step(spatial(), precision="weights=int4,activations=int8")
    assert step.accesses["filters"]["weights"] == (12 * 4, 12 * 4)
    assert picojoules(step)["mac"] == pytest.approx(2 * 12)
    assert any("computed at the cost of int8" in sentence for sentence in made.assumptions)


def test_what_the_array_model_leaves_out_is_said():
    made, _ = only_step(spatial())
    assert any("activations move uncompressed" in sentence for sentence in made.assumptions)


def test_a_dimension_that_runs_across_some_rows_leaves_the_rest_idle():
    array = {"rows": 5, "cols": 1, "unroll": {"rows": [["in_channels", 2], "out_channels"], "cols": "batch"}}
    made, step = only_step(spatial(array=array))
    assert dict(step.scheduled.mapping.hierarchy.lanes) == {"C": 2, "K": 2}
    assert step.scheduled.cycles == 4  # 4 results on 2 PEs, 3 inputs on 2
    assert made.resources.used == {"pes": 4}
    assert step.utilisation == pytest.approx(12 / (5 * step.latency_s * 100e6))


# --- a processor -----------------------------------------------------------------------------------------------------


def test_a_core_multiplies_whole_vectors():
    """8 results on 2 cores are 4 lanes each: 12 MACs a core at 4 x 0.5 a cycle. 6 results fill 3 lanes of 4. 12 results
    are 3 blocks of 4: one core does two."""
    assert only_step(cpu(), Dense(3, 8, False))[1].scheduled.cycles == 6
    assert only_step(cpu(), Dense(3, 6, False))[1].scheduled.cycles == 6
    assert only_step(cpu(), Dense(3, 12, False))[1].scheduled.cycles == 12


def test_unpacking_by_hand():
    """24 4-bit weights enter registers once: 6 vectors of 4 bytes, 2 cycles and 5 pJ each, shared by 2 cores."""
    made, step = only_step(cpu(), Dense(3, 8, False), "weights=int4,activations=int8")
    assert step.scheduled.cycles == 6 + 6
    plain = only_step(cpu(), Dense(3, 8, False))[1]
    assert picojoules(step)["packing"] == pytest.approx(6 * 5)
    assert picojoules(plain)["packing"] == 0
    assert picojoules(step)["mac"] == picojoules(plain)["mac"] == pytest.approx(2 * 24)
    assert step.accesses["dram"]["weights"][0] - 8 * step.scheduled.task.constant_bytes == 24 * 4
    assert any("codes of 4 bits are unpacked" in sentence for sentence in made.assumptions)
    assert not any("unpacked" in sentence for sentence in only_step(cpu())[0].assumptions)


def test_codes_that_an_instruction_takes_as_they_are_are_not_unpacked():
    """4-bit weights on a core that lists them: 24 MACs on 2 cores at 8 x 0.5 a cycle."""
    machine = cpu(
        formats=COSTS | {"int4xint8": {"macs_per_cycle_per_pe": 8, "energy_pj": 1}}, shares={"int4xint8": 0.5}
    )
    _, step = only_step(machine, Dense(3, 8, False), "weights=int4,activations=int8")
    assert (step.scheduled.cycles, picojoules(step)["packing"]) == (3, 0)


def test_widths_across_bytes_cost_more():
    """24 5-bit weights: 6 vectors of 4 cycles and 10 pJ on 2 cores."""
    _, step = only_step(cpu(), Dense(3, 8, False), "weights=int5,activations=int8")
    assert (step.scheduled.cycles, picojoules(step)["packing"]) == (6 + 12, pytest.approx(60))


def test_finishing_results_by_hand():
    """8 results of 3 inputs on 2 cores, 3 cycles and 7 pJ each; a depthwise layer has its own figures."""
    dense, depthwise = {"cycles": 3, "energy_pj": 7}, {"cycles": 5, "energy_pj": 11}
    core = cpu(results={"int8": {"dense": dense, "depthwise": depthwise}})
    _, step = only_step(core, Dense(3, 8, False))
    assert (step.scheduled.cycles, picojoules(step)["results"]) == (6 + 12, pytest.approx(56))
    assert picojoules(step)["mac"] == picojoules(only_step(cpu(), Dense(3, 8, False))[1])["mac"]
    assert picojoules(only_step(core, Dense(3, 8, False), "float32")[1])["results"] == 0
    each = Conv2d(8, 8, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 8, bias=False)
    assert picojoules(only_step(core, each, shape=(8, 1, 1))[1])["results"] == pytest.approx(88)


def test_results_of_a_format_that_is_not_listed_are_refused():
    with pytest.raises(AccelsimError, match="formats does not list int4"):
        cpu(results={"int4": {k: {"cycles": 1, "energy_pj": 1} for k in ("dense", "depthwise")}})


def test_caches_take_in_whole_lines():
    _, step = only_step(cpu(), Dense(3, 8, False))
    assert step.accesses["dram"]["inputs"][0] == 32  # 3 bytes of a line of 4
    assert step.accesses["l2"]["inputs"][0] == 32  # both cores from one read
    assert step.accesses["l1"]["inputs"][1] == 2 * 3 * 8


def test_float32_runs_at_its_own_widths():
    _, step = only_step(cpu(), Dense(3, 8, False), "float32")
    assert step.scheduled.cycles == 12  # 2 x 0.5 MACs a cycle and core
    assert picojoules(step)["mac"] == pytest.approx(8 * 24)
    assert step.accesses["dram"]["weights"][0] == 24 * 32
    assert step.accesses["dram"]["outputs"][1] == 8 * 32


def test_the_cores_in_use_are_told():
    assert only_step(cpu())[0].resources.used == {"cores": 2}
    assert only_step(cpu(), Dense(3, 1, False))[0].resources.used == {"cores": 1}


# --- shipped machines ------------------------------------------------------------------------------------------------

ARRAYS = [name for name in list_shared("hw_configs") if isinstance(load_architecture(name), Architecture)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ARRAYS)
def test_dcgan32_costs_something_in_every_format(name):
    machine, bytes_before, energies = load_architecture(name), None, {}
    for bits in range(2, 17):
        report = estimate("dcgan32", on=machine, precision=f"int{bits}")
        totals = report.totals
        boundary = max(8, bits) * (100 + 3 * 32 * 32) / 8
        assert totals["offchip_bytes"] >= totals["weight_bytes"] + boundary
        assert bytes_before is None or totals["offchip_bytes"] > bytes_before
        assert sum(report.energy_by_component_j.values()) == pytest.approx(totals["energy_j"])
        assert sum(row["energy_j"] for row in report.layer_rows) == pytest.approx(totals["energy_j"])
        assert sum(report.offchip_bytes_by_operand.values()) == totals["offchip_bytes"]
        assert min(report.energy_by_component_j.values()) >= 0
        assert totals["energy_j_low"] <= totals["energy_j"] <= totals["energy_j_high"]
        assert all(0 < row["utilisation"] <= 1 for row in report.layer_rows if row["macs"])
        assert report.resources["fits"]
        bytes_before, energies[f"int{bits}"] = totals["offchip_bytes"], totals["energy_j"]
    listed = [energies[key] for key in energies if key in machine.formats]
    assert listed == sorted(listed)


@pytest.mark.parametrize("name", ["eyeriss", "rpi4"])
def test_a_replayed_mapping_moves_real_words_as_counted(name):
    """The winners of the search on the real hierarchies, in the interpreter that moves every word."""
    from interpret import Run

    from accelsim.mapping.mapper import best_mapping
    from accelsim.mapping.operators import layer_problem
    from accelsim.mapping.tasks import tasks

    machine = load_architecture(name)
    op = Dense(in_features=12, out_features=20, bias=False)
    (task,) = tasks(one_layer(op, (12,)), machine, 2).steps
    assert task.problem == layer_problem(op, ((12,),), 2, machine.transposed_conv)
    Run(best_mapping(task.problem, task.hierarchy).nest)
