import sqlite3

import pytest

from accelsim.errors import AccelsimError
from accelsim.formats.text import parse_precision
from accelsim.study.evaluate import Result
from accelsim.study.space import Point
from accelsim.study.store import open_store, settings_text
from accelsim.study.work import Job


def job(precision: str, key: str) -> Job:
    return Job(key, Point("w", "m", precision), "w", {}, parse_precision(precision), None)


def result(key: str, status="done", **figures) -> Result:
    return Result(key, status, None, 1.0, figures)


def test_rows_come_in_the_order_asked_whatever_is_done_first(tmp_path):
    path = tmp_path / "r.sqlite"
    with open_store(path) as store:
        store.plan([job("int8", "a"), job("int4", "b"), job("weights=int8,activations=int8", "a")])
        store.add([result("b", energy_j=2**70)])
        assert store.status() == {"b": "done"}
        assert [row["status"] for row in store.rows().values()] == ["pending", "done", "pending"]
    with open_store(path, must_exist=True) as store:
        store.add([result("a", energy_j=0.1)])
        rows = list(store.rows().values())
    assert [row["energy_j"] for row in rows] == [0.1, 2**70, 0.1]
    assert [row["precision"] for row in rows] == ["int8", "int4", "weights=int8,activations=int8"]


def test_a_result_is_kept_once_and_only_a_failed_one_is_replaced(tmp_path):
    with open_store(tmp_path / "r.sqlite") as store:
        store.plan([job("int8", "a")])
        store.add([result("a", "failed")])
        store.add([result("a", energy_j=1.0)])
        store.add([result("a", energy_j=2.0), result("a", "failed")])
        assert [row["energy_j"] for row in store.rows().values()] == [1.0]
        assert store.connection.execute("SELECT count(*) FROM results").fetchone() == (1,)


def test_a_point_whose_content_changed_points_to_its_new_result(tmp_path):
    with open_store(tmp_path / "r.sqlite") as store:
        store.plan([job("int8", "old"), job("int4", "b")])
        store.add([result("old", energy_j=1.0), result("b", energy_j=2.0)])
        store.plan([job("int8", "new")])
        rows = store.rows()
        assert [row["status"] for row in rows.values()] == ["pending", "done"]
        assert list(rows) == [settings_text(job("int8", "")), settings_text(job("int4", ""))]


def test_files_that_are_not_results_are_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be read as one" * 40)
    before = text.read_bytes()
    with pytest.raises(AccelsimError, match=r"notes.txt: not a result file of accelsim"), open_store(text):
        pass
    assert text.read_bytes() == before

    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(AccelsimError, match="an SQLite file, but not a result file"), open_store(other):
        pass
    with pytest.raises(AccelsimError, match="no such result file"), open_store(tmp_path / "none", must_exist=True):
        pass
    with pytest.raises(AccelsimError, match="unable to open"), open_store(tmp_path / "no" / "folder"):
        pass
