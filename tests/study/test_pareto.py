import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.study.pareto import front, nondominated, objective

numbers = st.integers(0, 6).map(float)
clouds = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=25)
UP, DOWN = ("psnr_db", "ssim", "images_per_s", "is_resnet20", "compression_ratio"), ("energy_j", "latency_s",
    "offchip_bytes", "per_image_steady.energy_j", "fid_resnet20_cifar10", "max_abs_error", "macs")  # fmt: skip


def beats(q, p) -> bool:
    return q != p and all(a <= b for a, b in zip(q, p, strict=True))


@given(clouds)
def test_the_front_is_what_no_point_beats(points):
    expected = [not any(beats(q, p) for q in points) for p in points]
    assert nondominated(np.array(points)).tolist() == expected


def results(points, **more):
    x, y = zip(*points, strict=True)
    return pandas.DataFrame({"on": "m", "energy_j": x, "psnr_db": y, "status": "done"} | more)


@given(clouds, st.booleans(), st.booleans())
def test_directions(points, up_x, up_y):
    directions = [key for key, up in (("energy_j", up_x), ("psnr_db", up_y)) if up]
    others = [key for key in ("energy_j", "psnr_db") if key not in directions]
    x, y = (objective(key, directions, others) for key in ("energy_j", "psnr_db"))
    turned = [(-a if up_x else a, -b if up_y else b) for a, b in points]
    expected = sorted(p for p, t in zip(points, turned, strict=True) if not any(beats(other, t) for other in turned))
    table = front(results(points), x, y).table
    best = table[table["standing"] == "front"]
    assert sorted(zip(best["energy_j"], best["psnr_db"], strict=True)) == expected
    assert table["energy_j"].is_monotonic_increasing and len(table) == len(points)


spans = st.tuples(numbers, st.integers(0, 3), st.integers(0, 3), numbers, st.sampled_from("ab"))


@given(st.lists(spans, min_size=1, max_size=15))
def test_open_points_are_those_that_some_constants_could_put_on_the_front(cloud):
    rows = [(x, x - low, x + high, y, on) for x, low, high, y, on in cloud]

    def surely(q, p) -> bool:
        """Whether q beats p in energy at every end where both share constants, else beyond both intervals."""
        better = q[3] >= p[3]
        if q[4] == p[4]:
            return better and all(q[i] <= p[i] for i in range(3)) and (q[0] < p[0] or q[3] > p[3])
        return better and q[2] <= p[1] and (q[2] < p[1] or q[3] > p[3])

    data = {"energy_j_low": [r[1] for r in rows], "energy_j_high": [r[2] for r in rows], "on": [r[4] for r in rows]}
    table = front(results([(r[0], r[3]) for r in rows], **data), objective("energy_j"), objective("psnr_db")).table
    for row in table.itertuples():
        me = (row.energy_j, row.energy_j_low, row.energy_j_high, row.psnr_db, row.on)
        on_front = not any(q[0] <= me[0] and q[3] >= me[3] and (q[0] < me[0] or q[3] > me[3]) for q in rows)
        beaten = any(surely(q, me) for q in rows)
        assert row.standing == ("front" if on_front else "dominated" if beaten else "open")


@pytest.mark.parametrize(("key", "up"), [(k, True) for k in UP] + [(k, False) for k in DOWN])
def test_directions_are_guessed(key, up):
    assert objective(key).maximise is up
    assert objective(key, [key], []).maximise and not objective(key, [], [key]).maximise


def test_what_cannot_be_guessed_or_compared_is_one_sentence():
    with pytest.raises(AccelsimError, match="exclude each other"):
        objective("energy_j", ["energy_j"], ["energy_j"])
    table = results([(1.0, 2.0)])
    with pytest.raises(AccelsimError, match=r"no column 'energy' \(did you mean 'energy_j'\?\)"):
        front(table, objective("energy"), objective("psnr_db"))
    with pytest.raises(AccelsimError, match="no column 'nope'"):
        front(table, objective("nope"), objective("psnr_db"))
    with pytest.raises(AccelsimError, match="say --maximise batch or --minimise batch"):
        front(table.assign(batch=1), objective("batch"), objective("psnr_db"))
    with pytest.raises(AccelsimError, match="no point has both energy_j and psnr_db: 1 failed"):
        front(table.assign(status="failed"), objective("energy_j"), objective("psnr_db"))


def test_rows_left_out_are_counted_by_reason():
    points = [(1.0, 9.0), (2.0, None), (3.0, 3.0), (0.0, 10.0), (9.0, 9.0)]
    fits = [True, True, True, False, None]
    table = results(
        points, status=["done"] * 4 + ["not_applicable"], precision=list("abcde"), **{"resources.fits": fits}
    )
    made = front(table, objective("energy_j"), objective("psnr_db"))
    assert made.left_out == {"not applicable": 1, "no psnr_db": 1, "too big for the device": 1}
    assert made.table["precision"].tolist() == ["a", "c"] and made.labels == ("precision",)
    assert made.table["standing"].tolist() == ["front", "dominated"]
