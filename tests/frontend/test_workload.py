"""Workload files, inputs drawn from seeds, weights read with care, stored graphs."""

import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from accelsim.errors import AccelsimError, LocatedErrors
from accelsim.frontend.workload import load_workload, read_workload
from accelsim.shared import shared


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The shipped workload in a folder of its own."""
    folder = tmp_path / "mine"
    for part in ("dcgan32.yaml", "graphs/dcgan32.json", "weights/dcgan32.safetensors"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared("workloads") / part, folder / part)
    return folder / "dcgan32.yaml"


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_the_shipped_one():
    workload = load_workload("dcgan32")
    assert workload.name == "dcgan32" and workload.output_range == (-1.0, 1.0)
    assert workload.graph.trainable_parameters == 1_438_784
    assert set(workload.load()) >= {"fc.weight", "up1.weight", "bn1.mean"}
    assert workload.metrics == ("fid_resnet20_cifar10",)


def test_a_copy_anywhere_is_the_same(copied):
    assert load_workload(str(copied)).graph == load_workload("dcgan32").graph


def test_inputs_follow_from_seed_and_name_alone():
    z = load_workload("dcgan32").draw_inputs(5, 3)["z"]
    generator = np.random.Generator(np.random.PCG64([3, zlib.crc32(b"z")]))
    assert np.array_equal(z, generator.standard_normal((5, 100), np.float32)) and z.dtype == np.float32


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_a_longer_draw_begins_with_the_shorter(seed):
    workload = load_workload("dcgan32")
    long = workload.draw_inputs(64, seed)["z"]
    for count in (0, 1, 7):
        assert np.array_equal(workload.draw_inputs(count, seed)["z"], long[:count])


def test_seeds_and_names_differ():
    workload = load_workload("dcgan32")
    assert not np.array_equal(workload.draw_inputs(4, 0)["z"], workload.draw_inputs(4, 1)["z"])


def test_draws_have_the_stated_distribution(copied):
    normal = read_workload(copied).draw_inputs(300, 0)["z"]
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02
    uniform = read_workload(edited(copied, "draw: normal", "draw: uniform")).draw_inputs(300, 0)["z"]
    assert uniform.min() >= -1 and uniform.max() < 1 and abs(uniform.std() - 3**-0.5) < 0.02


def test_reading_a_workload_opens_no_weights(copied):
    (copied.parent / "weights" / "dcgan32.safetensors").unlink()
    workload = read_workload(copied)
    with pytest.raises(AccelsimError, match=r"dcgan32\.safetensors: no such file"):
        workload.load()


def test_truncated_weights(copied):
    weights = copied.parent / "weights" / "dcgan32.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(AccelsimError, match=r"dcgan32\.safetensors: not a readable safetensors file"):
        read_workload(copied).load()


def test_weights_that_are_no_safetensors(copied):
    (copied.parent / "weights" / "dcgan32.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(AccelsimError, match=r"dcgan32\.safetensors: not a readable safetensors file"):
        read_workload(copied).load()


CHANGED = [
    (lambda t: t.pop("up2.weight"), "tensor 'up2.weight' [128, 64, 5, 5] is missing"),
    (lambda t: t.__setitem__("bn1.bias", np.zeros(127, np.float32)), "'bn1.bias' has shape [127], expected [128]"),
    (lambda t: t["fc.weight"].__setitem__((7, 3), np.nan), "'fc.weight' holds nan at [7, 3]; expected finite values"),
    (lambda t: t["up3.weight"].__setitem__((0, 1, 2, 3), -np.inf), "'up3.weight' holds -inf at [0, 1, 2, 3]"),
]


@pytest.mark.parametrize(("change", "message"), CHANGED, ids=["missing", "shape", "nan", "inf"])
def test_weights_that_do_not_suit_the_graph(copied, change, message):
    weights = copied.parent / "weights" / "dcgan32.safetensors"
    tensors = {name: tensor.copy() for name, tensor in load_file(weights).items()}
    change(tensors)
    save_file(tensors, weights)
    with pytest.raises(AccelsimError, match=re.escape(message)) as refused:
        read_workload(copied).load()
    assert str(weights) in str(refused.value) and "\n" not in str(refused.value)


MISTAKES = [
    ("draw: normal", "draw: norml", "4_inputs", r"dcgan32\.yaml:9: inputs\.z\.draw: 'norml' .*did you mean 'normal'"),
    ("weights: weights", "wights: weights", "typo", r"dcgan32\.yaml:7: wights: unknown key \(did you mean 'weights'"),
    ("shape: [100]", "shape: [99]", "shape", r"dcgan32\.yaml:9: inputs\.z\.shape: \[99\], but the graph takes \[100\]"),
    ("  z: {", "  zz: {", "input", r"dcgan32\.yaml:9: inputs\.zz: the graph has no such input \(did you mean 'z'\?\)"),
    ("shape: [100]", "shape: [0]", "zero", r"dcgan32\.yaml:9: inputs\.z\.shape\.0: must be at least 1"),
    ("accelsim/workload/1", "accelsim/workload/2", "schema", r"dcgan32\.yaml:3: schema: 'accelsim/workload/2'"),
    ("graphs/dcgan32.json", "graphs/none.json", "graph", r"dcgan32\.yaml:6: graph: .*none\.json: no such file"),
    ("[-1, 1]", "[a, 1]", "range", r"dcgan32\.yaml:10: output\.range: should be two finite numbers, \[black, white\]"),
    ("[-1, 1]", "[0, 1, 2]", "three", r"dcgan32\.yaml:10: output\.range: should be two finite numbers"),
    ("[-1, 1]", "[0, .inf]", "infinite", r"dcgan32\.yaml:10: output\.range: should be two finite numbers"),
    ("[-1, 1]", "[1, -1]", "reversed", r"dcgan32\.yaml:10: output\.range: black must be less than white, not 1 and -1"),
    ("[-1, 1]", "[1, 1]", "flat", r"dcgan32\.yaml:10: output\.range: black must be less than white, not 1 and 1"),
    (
        "shape: [100]",
        "shape: [true]",
        "flag",
        r"dcgan32\.yaml:9: inputs\.z\.shape\.0: should be a whole number, not true",
    ),
    ("shape: [100]", "shape: [1e9]", "float", r"dcgan32\.yaml:9: inputs\.z\.shape\.0: should be a whole number"),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), [(o, n, m) for o, n, _, m in MISTAKES], ids=[i for *_, i, _ in MISTAKES]
)
def test_mistakes_are_located(copied, old, new, message):
    with pytest.raises(AccelsimError, match=message):
        read_workload(edited(copied, old, new))


def test_several_mistakes_at_once(copied):
    edited(edited(copied, "draw: normal", "draw: norml"), "name: dcgan32", "name: ''")
    with pytest.raises(LocatedErrors) as refused:
        read_workload(copied)
    assert len(refused.value.problems) == 2


def test_a_stored_graph_takes_the_weights_beside_it(copied):
    graph = copied.parent / "graphs" / "dcgan32.json"
    shutil.copy(copied.parent / "weights" / "dcgan32.safetensors", graph.with_suffix(".safetensors"))
    workload = load_workload(str(graph))
    assert workload.graph == load_workload("dcgan32").graph
    assert all(np.array_equal(t, load_workload("dcgan32").load()[n]) for n, t in workload.load().items())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dcgan23", r"no workload 'dcgan23' \(did you mean 'dcgan32'\?\)"),
        ("nowhere/graph.json", "no workload 'nowhere/graph.json'"),
        ("x" * 5000, "no workload"),
        ("", "no workload ''"),
        (".", "no workload '.'"),
    ],
    ids=["typo", "path", "long", "empty", "folder"],
)
def test_unknown_workloads(name, message):
    with pytest.raises(AccelsimError, match=message):
        load_workload(name)
