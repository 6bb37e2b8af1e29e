"""What a run saw, against counts in Python loops; and every requantization mode through whole networks."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.activity import Activity, ActivityCounter, ValueActivity, count_ones, value_activity
from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.engine.run import run_program
from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.binary import Binary
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
RELU = ops.ReLU()
NET = Graph(
    "net",
    (Input("z", (6,)),),
    (
        Node("fc", ops.Dense(6, 16, True), ("z",)),
        Node("view", ops.Reshape((4, 2, 2)), ("fc",)),
        Node("relu", RELU, ("view",)),
        Node("up", ops.ConvTranspose2d(4, 5, (3, 3), (2, 2), (1, 1), (1, 0, 0, 1), 1, True), ("relu",), (RELU,)),
        Node("rgb", ops.Conv2d(5, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, True), ("up",), (ops.Tanh(),)),
    ),
    ("rgb",),
)
FORMATS = [
    AffineInt(8, "tensor", symmetric=False),
    AffineInt(4, "tensor", symmetric=True),
    AffineInt(12, "tensor", symmetric=False),
    FixedPoint(6, 3, "rnd", "sat_sym"),
    FixedPoint(8, 3, "trn", "wrap"),
    Binary(),
]


def built(precision: str) -> tuple[Program, dict[str, Array]]:
    rng = np.random.default_rng(3)
    weights = {name: rng.standard_normal(shape, np.float32) for name, shape in NET.parameter_shapes.items()}
    inputs = {"z": rng.standard_normal((23, 6), np.float32)}
    return quantize_weights(
        calibrate(assign_formats(NET, parse_precision(precision)), weights, inputs), weights
    ), inputs


def pattern(code: int, format: Any) -> str:
    return "01"[code > 0] if isinstance(format, Binary) else format_bits(code % 2**format.bits, format.bits)


def format_bits(number: int, bits: int) -> str:
    return f"{number:0{bits}b}"


@settings(max_examples=60, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    shape=st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 5)),
    zero=st.sampled_from([-1, 0, 1]),
    seed=st.integers(0, 999),
)
def test_counts_of_codes_one_by_one(format: Any, shape: tuple[int, ...], zero: int, seed: int) -> None:
    choices = [-1, 1] if isinstance(format, Binary) else [format.low, -1, 0, 1, 5, format.high]
    zero_point = (format.low, 0, format.high)[zero] if isinstance(format, AffineInt) and not format.symmetric else 0
    codes = np.random.default_rng(seed).choice(np.array(choices), shape).astype(format.dtype)
    got = value_activity(codes, format, Scaling(np.ones(1), zero_point))
    samples = [[int(code) for code in sample.reshape(-1)] for sample in codes]
    everything = [code for sample in samples for code in sample]
    bits = [[pattern(code, format) for code in sample] for sample in samples]
    steps = [(a, b) for sample in bits for a, b in pairwise(sample)]
    assert got.codes == len(everything) and got.bits == format.bits and got.steps == len(steps)
    assert got.zeros == sum(code == zero_point for code in everything)
    assert got.ones == sum(text.count("1") for sample in bits for text in sample)
    assert got.toggles == sum(x != y for a, b in steps for x, y in zip(a, b, strict=True))
    ends = {format.low, format.high} - {zero_point}
    clamps = not isinstance(format, Binary) and getattr(format, "overflow", "sat") != "wrap"
    assert got.clamped == (sum(code in ends for code in everything) if clamps else None)
    assert 0 <= got.zero_fraction <= 1 and 0 <= got.bit_density <= 1 and 0 <= got.toggle_rate <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ones_without_an_instruction_for_them(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (3, 13), dtype, endpoint=True)
    expected = sum(bin(int(p)).count("1") for p in patterns.reshape(-1))
    assert count_ones(patterns) == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert count_ones(patterns) == expected


@pytest.mark.parametrize("precision", ["int8", "int4,accumulator=acc9:sat", "fixed8,accumulator=acc12:wrap"])
def test_a_run_is_seen_whole_whatever_the_batch(precision: str) -> None:
    program, inputs = built(precision)
    counters = [ActivityCounter() for _ in range(2)]
    results = [
        run_program(program, inputs, batch=batch, kernels="reference", keep=tuple(NET.shapes), activity=counter)
        for batch, counter in zip((100, 4), counters, strict=True)
    ]
    one, other = (counter.activity() for counter in counters)
    assert one == other
    assert list(one.values) == ["z", "fc", "relu", "up", "rgb"] and list(one.layers) == ["fc", "up", "rgb"]
    for name, seen in one.values.items():
        format, scaling = affine_of(program.encodings[name])
        assert seen == value_activity(results[0][name], format, scaling)
    for name, layer in one.layers.items():
        assert layer.outputs == results[0][name].size
    assert any(layer.overflowed for layer in one.layers.values()) == ("accumulator" in precision)
    assert one.values["relu"].zero_fraction > 0.2


def test_nothing_seen_is_nothing() -> None:
    assert ActivityCounter().activity() == Activity({}, {})
    program, inputs = built("int8")
    counter = ActivityCounter()
    run_program(program, {"z": inputs["z"][:0]}, kernels="reference", activity=counter)
    assert counter.activity().values["rgb"] == ValueActivity(8, 0, 0, 0, 0, 0, 0)
    assert counter.activity().values["rgb"].zero_fraction == 0.0


@pytest.mark.parametrize("mode", ["double", "float"])
def test_every_requantization_mode_in_fast_and_plain_kernels(mode: str) -> None:
    program, inputs = built(f"int8:{mode}")
    constants = integers_of(program.linear["up"]).requantization
    assert constants is not None and constants.mode == mode
    plain, fast = (run_program(program, inputs, kernels=kernels, keep=["up"]) for kernels in ("reference", "fast"))
    np.testing.assert_array_equal(plain["up"], fast["up"])
    once = run_program(*built("int8"), kernels="reference", keep=["up"])["up"].astype(int)
    assert np.abs(once - plain["up"]).max() <= 1
