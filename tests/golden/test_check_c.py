"""The C program recomputes every layer from its files, and notices a single bit."""

import shutil
import subprocess
from pathlib import Path

import pytest

from accelsim.golden.writing import checker

DCGAN32 = ["int8", "ternary", "fixed8", "weights=int4,activations=int8", "int8,accumulator=acc20:sat:tree4"]
SMALL = [
    *DCGAN32,
    "int8,accumulator=acc12:wrap",
    "int8,accumulator=acc12:sat",
    "int8,accumulator=acc12:sat_sym:tree3",
    "int8,accumulator=acc12:sat_zero",
    "weights=int8,activations=int8:double",
    "weights=int8,activations=int8:float",
    "weights=int6:asym,activations=int8",
    "int16",
    "int12,accumulator=acc24:sat",
    "weights=binary,activations=binary",
    "weights=ternary:ttq,activations=ternary",
    "weights=codebook16,activations=int8",
    "weights=log4,activations=int8",
    "weights=tanh4,activations=int8",
    "weights=int8,activations=fixed8.4:trn_zero:wrap",
    *(f"fixed8.5:{rounding}:sat" for rounding in ("trn", "rnd", "rnd_min_inf", "rnd_inf", "rnd_zero")),
    "ap_fixed<16,6>",
]


@pytest.fixture(scope="session")
def program(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("checker")
    (place / "check.c").write_text(checker())
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *strict, "-O2", "check.c", "-o", "check"], cwd=place, check=True)
    return place / "check"


def checked(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, folder], capture_output=True, text=True, check=False)


def expected(made) -> list[str]:
    return [f"{row['name']}: {row['outputs']} outputs, 0 differences" for row in made.written.layers]


def test_it_compiles_as_the_manual_says_where_it_was_written(make, compiler, tmp_path):
    made = make("dcgan32", "int8")
    assert (made.vectors / "check.c").read_text() == checker()
    subprocess.run([compiler, "-O2", made.vectors / "check.c", "-o", tmp_path / "check"], check=True)
    assert checked(tmp_path / "check", made.vectors).stdout.splitlines() == expected(made)


@pytest.mark.parametrize("precision", DCGAN32)
def test_no_difference_in_dcgan32(make, program, precision):
    made = make("dcgan32", precision)
    answer = checked(program, made.vectors)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines() == expected(made)
    assert [row["outputs"] for row in made.written.layers] == [4096, 8192, 16384, 3072]


@pytest.mark.parametrize("precision", SMALL)
def test_no_difference_in_any_kind_of_layer_and_format(make, program, precision):
    made = make("every_kind", precision)
    answer = checked(program, made.vectors)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines() == expected(made)


def test_narrow_accumulators_do_overflow(make):
    for precision in ("acc12:wrap", "acc12:sat", "acc12:sat_sym:tree3", "acc12:sat_zero"):
        made = make("every_kind", f"int8,accumulator={precision}")
        assert sum(row["overflowed"] for row in made.written.layers) > 100
    assert sum(row["overflowed"] for row in make("every_kind", "int8").written.layers) == 0


FLIPPED = {
    "inputs": ("accumulator", 0),
    "weights_packed": ("packed weight", 0),
    "weights": ("packed weight", 0),
    "bias": ("accumulator", 0),
    "accumulators": ("accumulator", 0),
    "multiplier": ("landed code", 29),
    "shift": ("landed code", 0),
    "landed": ("landed code", 0),
    "table": ("output", 0),
    "outputs": ("output", 0),
}
"""File -> what differs first where one bit of one word is another."""


@pytest.mark.parametrize("name", FLIPPED)
def test_one_flipped_bit_is_a_difference(make, program, tmp_path, name):
    shutil.copytree(make("every_kind", "int8").vectors, tmp_path / "v")
    file, (what, bit) = tmp_path / "v" / "last" / f"{name}.mem", FLIPPED[name]
    lines = file.read_text().split()
    at = len(lines) // 2
    if name == "table":  # the entry of the first code, for most are never read
        at = (int((file.parent / "landed.mem").read_text().split()[0], 16) + len(lines) // 2) % len(lines)
    lines[at] = f"{int(lines[at], 16) ^ (1 << bit):0{len(lines[at])}x}"
    file.write_text("\n".join(lines) + "\n")
    answer = checked(program, tmp_path / "v")
    assert answer.returncode == 1
    *_, first, last = answer.stdout.splitlines()
    assert first.startswith(f"last: {what} ") and " 0 differences" not in last
    assert answer.stdout.count(" 0 differences") == 4


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("outputs.mem", lambda text: text[:-3], "outputs.mem: too short"),
        ("outputs.mem", lambda text: text + text[:3], "outputs.mem: longer than expected"),
        ("shift.mem", lambda text: text.replace("\n", "0\n"), "shift.mem: a word of another width"),
        ("layer.txt", lambda text: text.replace("tree", "three"), "tree: a key is missing"),
    ],
)
def test_files_that_are_not_as_described(make, program, tmp_path, name, change, said):
    shutil.copytree(make("every_kind", "int8").vectors, tmp_path / "v")
    file = tmp_path / "v" / "last" / name
    file.write_text(change(file.read_text()))
    answer = checked(program, tmp_path / "v")
    assert answer.returncode == 2 and said in answer.stderr


def test_a_folder_without_vectors(program, tmp_path):
    answer = checked(program, tmp_path)
    assert answer.returncode == 2 and "layers.txt: cannot be read" in answer.stderr
    (tmp_path / "layers.txt").write_text("")
    answer = checked(program, tmp_path)
    assert answer.returncode == 2 and "layers.txt: names no layer" in answer.stderr
