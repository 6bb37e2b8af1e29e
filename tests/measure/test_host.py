"""measure-host: constants are found again, the file is a machine, and the command writes and judges one."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim import cli
from accelsim.engine.run import run_float
from accelsim.errors import AccelsimError
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.host_report import yaml_text
from accelsim.mapping.operators import layer_problem
from accelsim.measure import host as measuring
from accelsim.measure.fitting import Fitted, Timed, fit
from accelsim.measure.host import measure_host, predicted_s
from accelsim.measure.layers import FITTED, JUDGED, LAYERS
from accelsim.measure.machine_data import Facts, Rate, machine_data
from accelsim.measure.memory import Cache, caches, copy_gb_per_s
from accelsim.measure.running import FORMATS, ready
from accelsim.measure.timing import best_seconds

RATE = st.floats(1e-12, 1e-9)
FACTS = Facts(
    2, 2000.0, "a processor", (Cache(1, 32 << 10, 64, True), Cache(2, 1 << 20, 64, False)), 40.0, 10.0, "today"
)


def macs(layer) -> int:
    problem = layer_problem(layer.op, (layer.sample,), layer.batch, "phase")
    assert problem is not None
    return problem.macs


def taking(layer, fitted: Fitted) -> Timed:
    result = fitted.depthwise_result_s if layer.depthwise else fitted.dense_result_s
    return Timed(layer, macs(layer), macs(layer) * fitted.mac_s + layer.results * result)


@given(RATE, st.floats(0, 1e-7), st.floats(0, 1e-7))
def test_the_constants_that_made_the_times_are_found(mac: float, dense: float, depthwise: float) -> None:
    made = fit([taking(layer, Fitted(mac, dense, depthwise)) for layer in FITTED])
    assert made.mac_s == pytest.approx(mac, rel=1e-3)
    assert made.dense_result_s == pytest.approx(dense, rel=1e-3, abs=30 * mac)
    assert made.depthwise_result_s == pytest.approx(depthwise, rel=1e-3, abs=mac)


@given(st.lists(st.floats(1e-5, 1e-1), min_size=len(FITTED), max_size=len(FITTED)))
def test_no_constant_is_negative(seconds: list[float]) -> None:
    made = fit([Timed(layer, macs(layer), taken) for layer, taken in zip(FITTED, seconds, strict=True)])
    assert made.mac_s > 0 and made.dense_result_s >= 0 and made.depthwise_result_s >= 0


def test_every_kind_of_layer_is_in_both_halves() -> None:
    assert set(FITTED) | set(JUDGED) == set(LAYERS) and not set(FITTED) & set(JUDGED)
    assert len({layer.name for layer in LAYERS}) == len(LAYERS)
    for half in (FITTED, JUDGED):
        assert {type(layer.op).__name__ for layer in half} == {"Dense", "Conv2d", "ConvTranspose2d"}
        assert any(layer.depthwise for layer in half)


@pytest.mark.parametrize("layer", [min(LAYERS, key=macs), LAYERS[4], LAYERS[-1]], ids=lambda layer: layer.name)
def test_torch_and_our_own_floats_run_the_layer_that_the_model_counts(layer) -> None:
    for format in FORMATS:
        assert np.prod(np.shape(ready(layer, format, 1)())) == layer.results
    weights = {key: np.zeros(shape, np.float32) for key, shape in layer.graph.parameter_shapes.items()}
    inputs = {"x": np.zeros((layer.batch, *layer.sample), np.float32)}
    assert run_float(layer.graph, weights, inputs)["y"].size == layer.results


@settings(max_examples=20)
@given(st.floats(1e6, 1e12), st.floats(1, 50), st.floats(0, 1e-7))
def test_what_is_written_is_a_machine(peak: float, times: float, result: float) -> None:
    rate = Rate(peak, "a test", Fitted(times / peak, result, result))
    data = machine_data("mine", FACTS, dict.fromkeys(FORMATS, rate))
    made = parse_architecture(data, "mine")
    assert isinstance(made, CpuArchitecture) and made.validated == "no" and made.array.pes == 2
    for format in FORMATS:
        rate_of_file = int(made.formats[format].macs_per_cycle_per_pe) * made.cpu.issue_efficiency[format].value
        assert rate_of_file * made.clock_hz == pytest.approx(peak / times, rel=2e-3)
        assert int(made.formats[format].macs_per_cycle_per_pe) * made.clock_hz >= peak * (1 - 1e-6)


def test_the_file_says_the_same(tmp_path: Path) -> None:
    rate = Rate(1e10, "a test", Fitted(2e-10, 1e-9, 2e-9))
    data = machine_data("mine", FACTS, dict.fromkeys(FORMATS, rate))
    (tmp_path / "mine.yaml").write_text(yaml_text(data))
    assert load_architecture(str(tmp_path / "mine.yaml")) == parse_architecture(data, "mine")
    assert 0 < predicted_s(LAYERS[0], "int8", parse_architecture(data, "mine")) < 1


def test_caches_are_read_or_usual(tmp_path: Path) -> None:
    assert [(cache.size_bytes, cache.named) for cache in caches(tmp_path)] == [(32 << 10, False), (1 << 20, False)]
    for index, (kind, level, size) in enumerate((("Data", 1, "48K"), ("Instruction", 1, "32K"), ("Unified", 3, "8M"))):
        (tmp_path / f"index{index}").mkdir()
        for name, text in (("type", kind), ("level", level), ("size", size), ("coherency_line_size", 128)):
            (tmp_path / f"index{index}" / name).write_text(f"{text}\n")
    found = caches(tmp_path)
    assert [(cache.level, cache.size_bytes, cache.line_bytes) for cache in found] == [
        (1, 48 << 10, 128),
        (2, 1 << 20, 64),
        (3, 8 << 20, 128),
    ]


def test_times_and_bandwidths_are_more_than_nothing() -> None:
    calls: list[int] = []
    assert best_seconds(lambda: calls.append(1), 0.0, 2) >= 0 and len(calls) == 4
    assert copy_gb_per_s(1 << 16, 1, 0.0) > 0


@pytest.mark.parametrize(("threads", "seconds", "what"), [(10**6, 1.0, "--threads"), (1, 0.0, "--seconds")])
def test_settings_out_of_range_are_refused(threads: int, seconds: float, what: str) -> None:
    with pytest.raises(AccelsimError, match=what):
        measure_host(threads, seconds)


@pytest.mark.slow
def test_the_command_writes_a_machine_and_judges_it(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measuring, "FITTED", tuple(layer for layer in FITTED if macs(layer) < 6e7))
    monkeypatch.setattr(measuring, "JUDGED", JUDGED[-1:])
    monkeypatch.setattr("sys.argv", ["accelsim", "measure-host", "--out", str(tmp_path / "h.yaml"), "--seconds", "0.1"])
    cli.main()
    captured = capsys.readouterr()
    assert "int16: error" in captured.out and "judgements" in captured.out and not captured.err
    machine = load_architecture(str(tmp_path / "h.yaml"))
    assert machine.judged == "not validated" and "accelsim measure-host" in machine.sources[0]
    monkeypatch.setattr("sys.argv", ["accelsim", "estimate", "dcgan32", "--on", str(tmp_path / "h.yaml"), "--json"])
    cli.main()
    assert json.loads(capsys.readouterr().out)["totals"]["latency_s"] > 0


def test_a_file_that_cannot_be_written_is_said_first(capsys, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("sys.argv", ["accelsim", "measure-host", "--out", str(tmp_path / "file" / "h.yaml")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "cannot be written" in capsys.readouterr().err
