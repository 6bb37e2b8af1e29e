"""The shipped targets: what ours is, what is within its allowance, and the command that prints it."""

import json
import tomllib
from functools import cache
from pathlib import Path

import pytest

from accelsim import cli
from accelsim.shared import shared
from accelsim.validation.comparison import Row, compare
from accelsim.validation.targets_file import Targets, read_targets, shipped_targets

KEYS = ["id", "quantity", "ours", "published", "error", "allowed", "within", "gated", "source", "fitted_on"]

OUTSIDE = {
    ("R3", "conversion, pJ"),
    ("A1", "chip energy, mJ"),
    ("A2", "conv1 DRAM, 1e9"),
    ("A2", "conv2 DRAM, 1e9"),
}
"""What docs/validation.md explains: a model that gets better takes its line away here and there."""


@cache
def targets() -> Targets:
    return read_targets(shipped_targets())


@cache
def rows() -> tuple[Row, ...]:
    return compare(targets())


def test_what_is_gated_and_modelled_is_within_but_for_the_known() -> None:
    assert {(row.id, row.quantity) for row in rows() if row.misses} == OUTSIDE
    assert sum(row.within is True for row in rows()) >= 55


def test_the_page_explains_each_that_is_outside() -> None:
    page = Path(cli.__file__).parent.parent / "docs" / "validation.md"
    sections = page.read_text().split("## What is outside, and why")[1]
    for id in {id for id, _ in OUTSIDE}:
        assert f"**{id}" in sections


def test_the_wheel_takes_the_targets_in() -> None:
    root = Path(cli.__file__).parent.parent
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["force-include"]["validation"] == "accelsim/_shared/validation"
    assert "validation" in build["sdist"]["include"] and shipped_targets() == root / "validation" / "targets.yaml"


def test_counts_of_inserted_zeros_are_exact() -> None:
    counts = {row.quantity: row for row in rows() if row.id == "G1"}
    assert len(counts) == 8 and all(row.error == 0 and row.allowed == 0 for row in counts.values())
    assert counts["5x5 taps, effectual MACs"].ours == 151_519_232 + 179_437_568 + 194_281_472 + 9_465_216


def test_the_roll_up_of_isaac_by_hand() -> None:
    ours = {row.quantity: row.ours for row in rows() if row.id == "R1"}
    ima = 16 + 4 + 0.01 + 2.4 + 0.2 + 1.24 + 0.23
    tile = 12 * ima + 20.7 + 7 + 10.5 + 0.52 + 0.05 + 0.4 + 1.68
    area = 12 * 0.01312 + 0.083 + 0.09 + 0.0378 + 0.0006 + 0.00006 + 0.00024 + 0.0032
    peak = 168 * 12 * 8 * 128 * 16 * 2 / 1.6e-6
    assert ours == pytest.approx(
        {
            "IMA, mW": ima,
            "tile, mW": tile,
            "tile, mm2": area,
            "chip, W": 0.168 * tile + 10.4,
            "chip, mm2": 168 * area + 22.88,
            "GOPS a mm2": peak / 1e9 / (168 * area + 22.88),
        },
        rel=1e-3,
    )


def test_no_constant_is_fitted_on_the_target_that_it_is_judged_by() -> None:
    for target in targets().targets:
        recipe = target.mac_rates
        if recipe is not None:
            published = {quantity.published for quantity in target.quantities}
            assert not published & {m.inferences_per_s for m in recipe.fitted_on.values()}
            assert not published & {m.energy_uj for m in recipe.fitted_on.values()}
    board = (shared("hw_configs") / "cpu" / "rpi4.yaml").read_text()
    assert "Fitted on MobileNetV2 by XNNPACK alone" in board


def test_ours_follows_what_it_is_made_of(tmp_path: Path) -> None:
    """Twice as dear a word of DRAM: where nothing is left to save, its figures double, and the arithmetic stays."""
    dear = (shared("hw_configs") / "spatial" / "eyeriss_isca16.yaml").read_text()
    assert "12.5, source" in dear
    (tmp_path / "dear.yaml").write_text(dear.replace("12.5, source", "25, source"))
    text = shipped_targets().read_text().replace("on: eyeriss_isca16\n", "on: dear.yaml\n")
    (tmp_path / "targets.yaml").write_text(text)
    before = {row.quantity: row for row in rows() if row.id == "A2"}
    for row in compare(read_targets(tmp_path / "targets.yaml"), ("A2",)):
        ours = before[row.quantity].ours
        assert row.ours is not None and ours is not None
        if "DRAM" in row.quantity and row.quantity.startswith("fc"):
            assert row.ours == pytest.approx(2 * ours, rel=0.05)
        if "ALU" in row.quantity:
            assert row.ours == ours


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["accelsim", *words])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_prints_a_table(capsys, monkeypatch) -> None:
    code, out, err = run(capsys, monkeypatch, "validate", "--target", "R1", "--target", "F1", "--target", "F5")
    assert code == 0 and not err
    assert "chip, W" in out and "65.8" in out and "fitted on: nothing" in out and "Table I" in out
    assert (
        "Not modelled" in out and "10 of 10 gated quantities within their allowance, 0 outside, 0 not modelled" in out
    )


def test_a_miss_is_exit_1_and_printed_by_how_much(capsys, monkeypatch) -> None:
    code, out, _ = run(capsys, monkeypatch, "validate", "--target", "R3")
    assert code == 1 and "+10.7%" in out and "outside by 0.74 points" in out


def test_json_has_the_keys_of_the_contract(capsys, monkeypatch) -> None:
    code, out, err = run(capsys, monkeypatch, "validate", "--target", "R1", "--target", "G2", "--json")
    made = json.loads(out)
    assert code == 0 and not err and [row["id"] for row in made] == ["G2"] * 2 + ["R1"] * 6
    for row in made:
        assert list(row)[: len(KEYS)] == KEYS and list(row)[len(KEYS) :] == ["reason"]
    assert made[-1]["within"] is True and made[-1]["allowed"] == 0.02 and made[0]["ours"] is None


def test_bad_input_is_exit_2(capsys, monkeypatch, tmp_path: Path) -> None:
    code, _, err = run(capsys, monkeypatch, "validate", "--target", "R9")
    assert code == 2 and "no target 'R9'\n" in err and "hint: " in err
    mine = tmp_path / "mine.yaml"
    mine.write_text("schema: accelsim/targets/1\ntargets: []\n")
    code, _, err = run(capsys, monkeypatch, "validate", "--targets", str(mine))
    assert code == 2 and err == f"{mine}:2: targets: must not be empty (at least 1)\n"
    code, _, err = run(capsys, monkeypatch, "validate", "--targets", str(tmp_path / "none.yaml"))
    assert code == 2 and "cannot be read" in err
