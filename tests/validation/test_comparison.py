"""Rows of a comparison: sums of figures, rounding, what is gated, and figures that do not exist."""

from pathlib import Path

import pytest

from accelsim.errors import AccelsimError, LocatedErrors
from accelsim.validation.comparison import Row, compare
from accelsim.validation.targets_file import read_targets

HEAD = "schema: accelsim/targets/1\ntargets:\n"
ESTIMATE = "estimate: {workload: dcgan32, on: zcu104}"


def target(how: str, quantity: str, id: str = "T", gated: str = "true") -> str:
    return (
        f"  - {{id: {id}, title: t, source: s, status: verified, gated: {gated}, fitted_on: nothing, {how},\n"
        f"     quantities: [{{name: q, {quantity}}}]}}\n"
    )


def rows(folder: Path, *targets: str, only: tuple[str, ...] = ()) -> tuple[Row, ...]:
    path = folder / "mine.yaml"
    path.write_text(HEAD + "".join(targets))
    return compare(read_targets(path), only)


def test_sums_factors_wildcards_and_quotients(tmp_path: Path) -> None:
    def ours(read: str) -> float | None:
        (row,) = rows(tmp_path, target(ESTIMATE, f"published: 1, allowed_percent: 5, {read}"))
        return row.ours

    # dcgan32 by hand: dense 100 x 4096, then 5x5 taps at 8, 16 and 32 pixels; 109,772,800 with inserted zeros
    convolutions = 25 * (8 * 8 * 256 * 128 + 16 * 16 * 128 * 64 + 32 * 32 * 64 * 3)
    assert ours("read: layers.up*.macs_zero_inserted") == convolutions
    assert ours("read: layers.fc.macs_zero_inserted") == 409_600
    assert ours("read: [layers.fc.macs_zero_inserted, layers.up*.macs_zero_inserted]") == convolutions + 409_600
    assert ours("read: {totals.macs_zero_inserted: 1, layers.fc.macs_zero_inserted: -1}") == convolutions
    assert ours("read: totals.macs_zero_inserted, over: layers.fc.macs_zero_inserted") == pytest.approx(
        (convolutions + 409_600) / 409_600
    )
    assert ours("decimals: 1, read: {layers.fc.macs_zero_inserted: 1.0e-6}") == 0.4


@pytest.mark.parametrize(
    ("published", "allowed", "error", "within"),
    [
        (409_600, 0, 0.0, True),
        (409_601, 0, -1 / 409_601, False),
        (400_000, 2.4, 0.024, True),
        (400_000, 2, 0.024, False),
    ],
)
def test_error_is_relative_to_what_was_published(tmp_path, published, allowed, error, within) -> None:
    spec = f"published: {published}, allowed_percent: {allowed}, read: layers.fc.macs_zero_inserted"
    (row,) = rows(tmp_path, target(ESTIMATE, spec))
    assert row.error == pytest.approx(error) and row.within is within and row.misses is not within
    assert (row.id, row.quantity, row.gated, row.source, row.fitted_on) == ("T", "q", True, "s", "nothing")
    (free,) = rows(tmp_path, target(ESTIMATE, spec, gated="false"))
    assert free.within is within and not free.misses


def test_what_is_not_modelled_says_why_and_is_no_miss(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, target('not_modelled: "no such machine"', "published: 3, allowed_percent: 1"))
    assert (row.ours, row.error, row.within, row.misses, row.reason) == (None, None, None, False, "no such machine")


@pytest.mark.parametrize(
    ("how", "read", "what"),
    [
        (ESTIMATE, "read: totals.latency", "no figure 'totals.latency' (did you mean 'totals.latency_s'?)"),
        (ESTIMATE, "read: nothing*", "no figure 'nothing*'; there are"),
        (ESTIMATE, "read: totals.macs, over: {totals.macs: 0}", "is 0"),
        (
            "estimate: {workload: dcgan32, on: isaac, precision: float32}",
            "read: totals.latency_s",
            "T: no cost: isaac multiplies integers",
        ),
        ("crossbar_peak: {on: zcu104}", "read: chip_power_w", "zcu104 is of kind fpga; expected reram"),
    ],
)
def test_what_cannot_be_read_is_located(tmp_path: Path, how: str, read: str, what: str) -> None:
    with pytest.raises(LocatedErrors) as caught:
        rows(tmp_path, target(how, f"published: 1, allowed_percent: 1, {read}"))
    assert what in str(caught.value) and f"{tmp_path / 'mine.yaml'}:" in str(caught.value)


def test_only_the_targets_asked_for_are_computed(tmp_path: Path) -> None:
    good = target("adc_survey: {bits: 8, rate_gs_per_s: 1, node_nm: 32}", "published: 1, allowed_percent: 1, read: '*'")
    bad = target(ESTIMATE, "published: 1, allowed_percent: 1, read: wrong", id="U")
    assert [row.id for row in rows(tmp_path, good, bad, only=("T",))] == ["T"]
    with pytest.raises(AccelsimError, match="no target 'V'"):
        rows(tmp_path, good, only=("V",))


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    from accelsim.shared import find_shared

    (tmp_path / "board.yaml").write_text(find_shared("hw_configs", "zcu104").read_text())
    how = "estimate: {workload: dcgan32, on: board.yaml}"
    (row,) = rows(tmp_path, target(how, "published: 1, allowed_percent: 1, read: totals.latency_s"))
    assert row.ours is not None and row.ours > 0
