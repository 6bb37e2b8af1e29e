"""Files of targets: every mistake at its line, before anything is computed."""

from pathlib import Path

import pytest

from accelsim.errors import LocatedErrors
from accelsim.validation.targets_file import read_targets

GOOD = """\
schema: accelsim/targets/1
targets:
  - id: X1
    title: "One conversion"
    source: "somebody"
    status: verified
    gated: true
    fitted_on: "nothing"
    adc_survey: {bits: 8, rate_gs_per_s: 1, node_nm: 32}
    quantities:
      - {name: "pJ", published: 1.7, allowed_percent: 5, read: conversion_pj}
"""
SURVEY = "    adc_survey: {bits: 8, rate_gs_per_s: 1, node_nm: 32}\n"
NOT = "    not_modelled: later\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(LocatedErrors) as caught:
        read_targets(write(folder, text))
    return [str(problem).removeprefix(f"{folder / 'mine.yaml'}:") for problem in caught.value.problems]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    (target,) = read_targets(write(tmp_path, GOOD)).targets
    assert target.id == "X1" and target.quantities[0].read == {"conversion_pj": 1.0} and target.recipe is not None


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("published: 1.7", "published: 0", 11, "greater than 0"),
        ("published: 1.7", "published: '1.7'", 11, "should be a number"),
        ("allowed_percent: 5", "alowed_percent: 5", 11, "did you mean 'allowed_percent'"),
        ("allowed_percent: 5", "allowed_percent: -5", 11, "at least 0"),
        ("gated: true", "gated: maybe", 7, "true or false"),
        ("status: verified", "status: sure", 6, "is not one of"),
        ("bits: 8", "bits: 21", 9, "at most 20"),
        ("read: conversion_pj", "read: 3", 11, "the path of a figure"),
        (", read: conversion_pj", "", 3, "needs `read`"),
        (
            SURVEY,
            "",
            3,
            "needs exactly one of estimate, crossbar_peak, adc_survey, mac_rates, not_modelled, but has none",
        ),
        (SURVEY, SURVEY + NOT, 3, "but has adc_survey and not_modelled"),
        (SURVEY, NOT, 3, "must not have `read`"),
        ("schema: accelsim/targets/1", "schema: accelsim/targets/2", 1, "accelsim/targets/1"),
        (
            SURVEY,
            "    estimate: {workload: dcgan33, on: zcu104}\n",
            9,
            "no workload 'dcgan33' (did you mean 'dcgan32'?)",
        ),
        (SURVEY, "    estimate: {workload: dcgan32, on: zcu105}\n", 9, "no hardware 'zcu105'"),
        (SURVEY, "    estimate: {workload: dcgan32, on: zcu104, precision: int99}\n", 9, "int99"),
        (SURVEY, "    crossbar_peak: {on: isaak}\n", 9, "no hardware 'isaak' (did you mean 'isaac'?)"),
    ],
)
def test_mistakes_are_located(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in GOOD
    (found,) = mistakes(tmp_path, GOOD.replace(old, new))
    assert found.startswith(f"{line}: ") and what in found


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("gated: true", "gated: 3").replace("published: 1.7", "published: x")
    assert [found.split(":")[0] for found in mistakes(tmp_path, text)] == ["7", "11"]


def test_an_id_names_a_quantity_once(tmp_path: Path) -> None:
    again = GOOD + GOOD.split("targets:\n")[1]
    (found,) = mistakes(tmp_path, again)
    assert found.startswith("20: ") and "'pJ' is given twice for target 'X1'" in found
    parts = read_targets(write(tmp_path, GOOD + GOOD.split("targets:\n")[1].replace('"pJ"', '"other"')))
    assert [target.id for target in parts.targets] == ["X1", "X1"]
