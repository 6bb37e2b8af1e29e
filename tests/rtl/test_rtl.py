"""A PE array in Verilog reproduces a layer of dcgan32 from its vectors alone, in Icarus Verilog."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
SOURCES = [HERE / f"{name}.v" for name in ("layer_tb", "pe_array", "pe", "requantize")]
INT8, TERNARY = "int8", "weights=ternary,activations=int8"
SATURATING, TREE = "int8,accumulator=acc17:sat", "int8,accumulator=acc17:sat_sym:tree4"

pytestmark = pytest.mark.slow


class Result(NamedTuple):
    """Counts of a simulation; `text` is all that it printed."""

    outputs: int
    differences: int
    overflowed: int
    cycles: int
    text: str


def simulated(tools: tuple[str, str], layer: Path, place: Path, **parameters: int) -> Result:
    """The array on a layer's folder; its only files are those of the vectors."""
    compile_, run = tools
    built, given = place / "layer.vvp", [f"-Player_tb.{name}={value}" for name, value in parameters.items()]
    words = [compile_, "-g2005", "-Wall", *given, "-I", layer, "-s", "layer_tb", "-o", built, *SOURCES]
    made = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert made.returncode == 0 and made.stderr == "", made.stderr
    done = subprocess.run([run, "-n", str(built)], cwd=layer, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 0 and "WARNING" not in text and "ERROR" not in text, text
    counts = re.search(r"^outputs (\d+) differences (\d+) overflowed (\d+) cycles (\d+)$", text, re.MULTILINE)
    assert counts is not None, text
    return Result(*map(int, counts.groups()), text)


@pytest.mark.parametrize("precision", [INT8, TERNARY, SATURATING, TREE])
def test_the_last_layer(make, icarus, tmp_path, precision):
    """All 3,072 outputs: accumulators, the 12-bit codes that they land on, and what tanh's table makes of these."""
    made, wraps = make(precision), precision in (INT8, TERNARY)
    lanes = {"LANES": 4} if wraps else {}  # sums that wrap are the same in any order; four at a time simulate sooner
    result = simulated(icarus, made.folder / "up3", tmp_path, COLS=3, **lanes)
    assert (result.outputs, result.differences) == (3072, 0), result.text
    assert result.overflowed == made.overflowed["up3"]
    assert (result.overflowed > 10) == (not wraps)


def test_a_dense_layer(make, icarus, tmp_path):
    """All 4,096 outputs of `fc`: one pixel, many channels, and no function."""
    result = simulated(icarus, make(INT8).folder / "fc", tmp_path, ROWS=1, COLS=64, LANES=4)
    assert (result.outputs, result.differences) == (4096, 0), result.text


def test_a_layer_with_two_slopes(make, icarus, tmp_path):
    """The first row of `up2`, whose LeakyReLU is a second multiplier for negative sums."""
    result = simulated(icarus, make(INT8).folder / "up2", tmp_path, COLS=8, LANES=4, ROWS_MADE=1)
    assert (result.outputs, result.differences) == (64 * 16, 0), result.text


@pytest.mark.parametrize(
    ("precision", "wrong"),
    [
        (INT8, {"PE_ACC": 16}),
        (INT8, {"LOST_SHIFT": 1}),
        (INT8, {"TERNARY": 1}),
        (INT8, {"INPUT_ZERO_POINT": 0}),
        (INT8, {"OFFSET_COLUMNS": 1}),
        (SATURATING, {"PE_ACC": 16}),
    ],
)
def test_a_wrong_array_is_caught(make, icarus, tmp_path, precision, wrong):
    layer, few = make(precision).folder / "up3", {"COLS": 3, "ROWS_MADE": 2}
    result = simulated(icarus, layer, tmp_path, **few, **wrong)
    assert result.outputs == 192 and result.differences > 10 and "first difference: output " in result.text
    assert simulated(icarus, layer, tmp_path, **few).differences == 0


def test_an_array_that_wraps_is_not_one_that_saturates(make, icarus, tmp_path):
    layer = make(SATURATING).folder / "up3"
    result = simulated(icarus, layer, tmp_path, COLS=3, ROWS_MADE=8, PE_OVERFLOW=0)
    assert 0 < result.differences < 50, result.text


def test_a_flipped_weight_bit_is_caught(make, icarus, tmp_path):
    layer = Path(shutil.copytree(make(INT8).folder / "up3", tmp_path / "up3"))
    lines = (layer / "weights_packed.mem").read_text().splitlines()
    tap = 2 * 5 + 2  # the middle one
    lines[tap] = f"{int(lines[tap], 16) ^ (1 << 6):0{len(lines[tap])}x}"
    (layer / "weights_packed.mem").write_text("\n".join(lines) + "\n")
    assert simulated(icarus, layer, tmp_path, COLS=3, ROWS_MADE=2).differences > 0
