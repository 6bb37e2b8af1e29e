import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from accelsim.errors import LocatedErrors
from accelsim.yaml_file import Document, Mistake, Plain, load_yaml, read_yaml, validate


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Part(Strict):
    name: str
    size_kib: int = Field(gt=0)
    speed: float = Field(default=1.0, ge=0, le=10)


class Thing(Strict):
    title: str
    colour: Literal["red", "green"] = "red"
    fast: bool = False
    parts: Annotated[tuple[Part, ...], Field(strict=False, min_length=1)]
    table: dict[str, Part] = {}
    extra: Part | None = None


GOOD = """\
title: a
parts:
  - name: left
    size_kib: 4
  - {name: right, size_kib: 8}
"""


def lines(tmp_path: Path, text: str | bytes, model: type[BaseModel] = Thing) -> list[str]:
    """What is wrong with the file, without the folder it lies in."""
    file = tmp_path / "thing.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(LocatedErrors) as caught:
        load_yaml(file, model)
    message = str(caught.value)
    assert len(caught.value.problems) == len(message.split("\n"))
    return [line.removeprefix(f"{tmp_path}/") for line in message.split("\n")]


def test_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "thing.yaml"
    file.write_text(GOOD)
    assert [part.size_kib for part in load_yaml(file, Thing).parts] == [4, 8]


def test_four_mistakes_give_exactly_four_lines_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
title: 7
colour: gren
parts:
  - name: left
    size_kb: 4
  - name: right
    size_kib: -3
"""
    assert lines(tmp_path, text) == [
        "thing.yaml:1: title: should be text, not 7",
        "thing.yaml:2: colour: 'gren' is not one of: red, green (did you mean 'green'?)",
        "thing.yaml:5: parts.left.size_kb: unknown key (did you mean 'size_kib'?)",
        "thing.yaml:7: parts.right.size_kib: must be greater than 0, not -3",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("size_kib: 4", "size_kib: 4.5"), "thing.yaml:4: parts.left.size_kib: should be a whole number, not 4.5"),
        (
            ("size_kib: 4", "size_kib: '4'"),
            "thing.yaml:4: parts.left.size_kib: should be a whole number, not '4' (write",
        ),
        (("size_kib: 4", "size_kib:"), "thing.yaml:4: parts.left.size_kib: should be a whole number, but is empty"),
        (("size_kib: 4", "size_kib: true"), "thing.yaml:4: parts.left.size_kib: should be a whole number, not true"),
        (("size_kib: 4", "size_kib: [4]"), "thing.yaml:4: parts.left.size_kib: should be a whole number, not a list"),
        (("    size_kib: 4\n", ""), "thing.yaml:3: parts.left.size_kib: missing"),
        (("title: a", "title: a\nfast: 1"), "thing.yaml:2: fast: should be true or false, not 1"),
        (
            ("title: a", "title: a\nzzz: 1"),
            "thing.yaml:2: zzz: unknown key; allowed: title, colour, fast, parts, table",
        ),
        (("title: a", "title: a\nextra: 5"), "thing.yaml:2: extra: should be a mapping of keys to values, not 5"),
        (("title: a", "title: a\nextra: {name: x}"), "thing.yaml:2: extra.size_kib: missing"),
        (("title: a", "title: a\nextra: {name: x, size_kob: 1}"), "thing.yaml:2: extra.size_kob: unknown key (did you"),
        (
            ("title: a", "title: a\ntable: {x: {name: x, size_kib: 1, sped: 2}}"),
            "thing.yaml:2: table.x.sped: unknown key",
        ),
        (("size_kib: 4", "size_kib: 4\n    speed: 11"), "thing.yaml:5: parts.left.speed: must be at most 10, not 11"),
        (("size_kib: 4", "size_kib: 4\n    speed: .nan"), "thing.yaml:5: parts.left.speed: should be a finite number"),
        (("title: a\n", ""), "thing.yaml:1: title: missing"),
    ],
)
def test_each_mistake_is_one_line(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    (only,) = lines(tmp_path, GOOD.replace(*change))
    assert only.startswith(expected)


def test_an_empty_list_where_entries_are_needed(tmp_path: Path) -> None:
    assert lines(tmp_path, "title: a\nparts: []\n") == ["thing.yaml:2: parts: must not be empty (at least 1)"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "thing.yaml:1: the file is empty"),
        (b"# nothing\n", "thing.yaml:1: the file is empty"),
        (b"- a\n- b\n", "thing.yaml:1: expected a mapping"),
        (b"\n\njust text\n", "thing.yaml:3: expected a mapping"),
        (b"title: a\ntitle: b\n", "thing.yaml:2: title: given twice (first on line 1)"),
        (b"parts:\n  - name: x\n    name: y\n", "thing.yaml:3: parts.x.name: given twice (first on line 2)"),
        (b"title: [a\nparts: 3\n", "thing.yaml:2: not valid YAML: "),
        (b"title: a\n\tparts: 3\n", "thing.yaml:2: not valid YAML: found "),
        (b"title: a: b\n", "thing.yaml:1: not valid YAML: mapping values are not allowed"),
        (b"title: a\n---\ntitle: b\n", "thing.yaml:2: not valid YAML: "),
        (b"title: 'a\n", "not valid YAML: "),
        (b"title: a\nparts: \xff\n", "thing.yaml:2: not UTF-8 text (byte 0xff)"),
        (b"title: a\nparts: \x01\n", "thing.yaml:2: not valid YAML: "),
        (b"title: !!python/name:os.system x\n", "thing.yaml:1: title: tag 'tag:yaml.org,2002:python/name:os.system'"),
        (b"title: !mine x\n", "thing.yaml:1: title: tag '!mine' is not supported"),
        (b"title: !!int x\n", "thing.yaml:1: title: 'x' does not have the type of its tag"),
        (b"a: &x [1]\nb: *x\n", "thing.yaml:1: b: anchors and aliases"),
        (b"a: &x [*x]\n", "anchors and aliases"),
        (b"a: " + b"[" * 50_000, "nested too deeply"),
        (b"? [a, b]\n: 1\n", "thing.yaml:1: a key must be plain text"),
    ],
)
def test_what_is_not_plain_yaml_is_one_located_line(tmp_path: Path, text: bytes, expected: str) -> None:
    (only,) = lines(tmp_path, text)
    assert expected in only


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(LocatedErrors, match="cannot be read: ") as caught:
            read_yaml(path)
        assert len(caught.value.problems) == 1


def test_the_dialect_has_no_surprises(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "{on: yes, off: no, day: 2024-01-01, time: 1:30, ten: 010, hex: 0x10, big: 1e9, neg: -2.5e-3, dot: .5,"
        " quoted: '1', none: ~, empty: , flag: true, point: 1., under: 36_864}"
    )
    assert read_yaml(file).data == {
        "on": "yes", "off": "no", "day": "2024-01-01", "time": "1:30", "ten": 10, "hex": 16, "big": 1e9, "neg": -2.5e-3,
        "dot": 0.5, "quoted": "1", "none": None, "empty": None, "flag": True, "point": 1.0, "under": 36864,
    }  # fmt: skip


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes("title: ä\n".encode("utf-8-sig"))
    assert read_yaml(file).data == {"title": "ä"}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet="abc 01.:-en#'", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abcno", min_size=1, max_size=3), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=3), plain, min_size=1))
def test_what_a_json_like_document_says_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Plain]
) -> None:
    file = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    file.write_text(json.dumps(data))
    assert read_yaml(file).data == data


def first_part_is_the_largest(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    parts = data.get("parts")
    sizes = [p["size_kib"] for p in parts if isinstance(p, dict) and "size_kib" in p] if isinstance(parts, list) else []
    if sizes and sizes[0] != max(sizes):  # type: ignore[type-var]
        yield Mistake(("parts", 0, "size_kib"), "must be the largest")


def test_checks_between_fields_run_beside_the_mistakes_of_single_fields(tmp_path: Path) -> None:
    file = tmp_path / "thing.yaml"
    file.write_text(GOOD.replace("title: a", "title: 1"))
    with pytest.raises(LocatedErrors) as caught:
        load_yaml(file, Thing, [first_part_is_the_largest])
    assert [(p.line, p.field, p.what) for p in caught.value.problems] == [
        (1, "title", "should be text, not 1"),
        (4, "parts.left.size_kib", "must be the largest"),
    ]


def test_data_that_never_were_text_have_no_lines() -> None:
    with pytest.raises(LocatedErrors, match=r"^sweep point 3: title: missing$"):
        validate(Document("sweep point 3", {"parts": [{"name": "a", "size_kib": 1}]}), Thing)
