import json
import subprocess
import sys

import numpy as np
import pytest

from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.ir.store import load_weights, save_weights
from accelsim.shared import list_shared
from accelsim.study.sweep_file import read_sweep
from accelsim.study.variant import changed, lacking, machine_data
from accelsim.study.work import jobs_of


def keys(path):
    return [job.key for job in jobs_of(read_sweep(path))]


@pytest.mark.parametrize("name", list_shared("hw_configs"))
def test_plain_data_of_a_machine_make_the_same_machine(name):
    assert parse_architecture(machine_data(name), name) == load_architecture(name)


def test_changes_leave_the_original_alone():
    data = machine_data("zcu104")
    before = json.dumps(data)
    made = changed(data, [("memories.bram.blocks", 10), ("formats.int8.energy_pj.value", 0.9)])
    assert json.dumps(data) == before
    machine = parse_architecture(made, "variant")
    assert machine.memory("bram").size_bits == 10 * 36_864
    assert machine.formats["int8"].energy_pj.value == 0.9
    assert machine.memory("ddr") == load_architecture("zcu104").memory("ddr")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("memories.bram.blocks", None),
        ("memories.bram.blocks.value", None),
        ("memories.bram.block", "memories.bram has no 'block' (did you mean 'blocks'?)"),
        ("memories.ddr.blocks", "memories.ddr has no 'blocks'"),
        ("memories.0.blocks", "memories has no '0'; it has ddr, bram, sums"),
        ("kind.more", "kind has no 'more'"),
    ],
)
def test_paths(path, said):
    why = lacking(machine_data("zcu104"), path)
    assert why is None if said is None else str(why).startswith(said)


BASE = "on: zcu104\nimages: 2\n"
DIFFERENT = ["images: 3\non: zcu104\n", BASE + "seed: 1\n", BASE + "batch: 2\n", BASE + "deadline_ms: 1\n",
             BASE + "residency: false\n", BASE + "precision: int7\n", BASE + "machine.clock_mhz: 201\n", "on: zcu104\n",
             BASE.replace("zcu104", "renamed.yaml")]  # fmt: skip


def test_a_key_sees_all_that_determines_the_result_and_nothing_else(write):
    found = keys(write(BASE)) + [key for text in DIFFERENT for key in keys(write(text))]
    assert len(set(found)) == len(found) == 10
    spelled = BASE + "precision: weights=int8,activations=int8\nseed: 0 # the default\n"
    assert keys(write(spelled)) == found[:1]
    one = keys(write("on: zcu104\nseed: 5\n"))
    assert one == keys(write("on: zcu104\n"))  # the seed only matters to a run


def test_a_key_follows_the_weights_of_a_simulated_point(write, folder):
    simulated, estimated = keys(write(BASE)), keys(write("on: zcu104\n"))
    weights = load_weights(folder / "tiny.safetensors")
    try:
        save_weights({**weights, "fc.bias": weights["fc.bias"] + np.float32(1)}, folder / "tiny.safetensors")
        assert keys(write(BASE)) != simulated
        assert keys(write("on: zcu104\n")) == estimated
    finally:
        save_weights(weights, folder / "tiny.safetensors")
    assert keys(write(BASE)) == simulated


def test_a_precision_may_be_a_file_beside_the_sweep(write, folder):
    (folder / "mixed.yaml").write_text("weights: int4\nactivations: int8\n")
    assert keys(write(BASE + "precision: mixed.yaml\n")) == keys(
        write(BASE + "precision: weights=int4,activations=int8\n")
    )


def test_keys_are_the_same_in_another_process(write):
    path = write(BASE)
    code = "import sys; from accelsim.study.work import jobs_of; from accelsim.study.sweep_file import read_sweep; "
    code += "print(jobs_of(read_sweep(sys.argv[1]))[0].key)"
    answer = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == keys(path)
