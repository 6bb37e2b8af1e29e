"""docs/arithmetic.md read aloud in Python integers, one element at a time, against whole programs. Nothing is shared
with the engine but the scales and the codes that were stored."""

import math
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.engine.reference import ReferenceKernel
from accelsim.engine.run import run_program
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
PRECISIONS = st.one_of(
    st.builds("int{}".format, st.integers(8, 16)),
    st.builds("fixed{}:{}:{}".format, st.integers(8, 16), st.sampled_from(["trn", "rnd_conv", "trn_zero", "rnd_inf"]),
              st.sampled_from(["sat", "wrap", "sat_zero"])),
)  # fmt: skip
SEEDS = st.integers(0, 2**32 - 1)


# --- the page --------------------------------------------------------------------------------------------------------


def even(x: Fraction) -> int:
    """Nearest, ties to even."""
    return round(x)


def factor(r: Fraction) -> tuple[int, int]:
    if r == 0:
        return 0, 31
    top = math.floor(math.log2(abs(r)))
    top += (abs(r) >= Fraction(2) ** (top + 1)) - (abs(r) < Fraction(2) ** top)
    if abs(r) == Fraction(2) ** top:
        return (1 if r > 0 else -1), min(max(-top, -24), 62)
    k = 30 - top
    m = even(r * Fraction(2) ** k)
    if abs(m) == 2**31:
        m, k = m // 2, k - 1
    return (m, k) if k <= 62 else (0, 31)


def long_factor(r: Fraction) -> tuple[int, int]:
    m, k = factor(r)
    return (m << 30, k + 30) if abs(m) == 1 else (m, k)


def land(n: int, k: int, format: Any, zero: int, low: int | None = None) -> int:
    """round(n * 2**-k), then what the format does; `low` where a ReLU follows."""
    if isinstance(format, FixedPoint):
        code = overflow(rounded(n, k, format.rounding), format)
        return code if low is None else max(code, 0)
    half = 1 << (k - 1) if k > 0 else 0
    code = (n << -k if k < 0 else (n + half) >> k) + zero
    return int(min(max(code, format.low if low is None else max(low, format.low)), format.high))


def rounded(n: int, k: int, mode: str) -> int:
    x = Fraction(n) / Fraction(2) ** k
    if mode == "trn":
        return math.floor(x)
    if mode == "trn_zero":
        return math.trunc(x)
    if mode == "rnd_inf":
        return math.floor(abs(x) + Fraction(1, 2)) * (1 if x >= 0 else -1)
    return even(x)


def overflow(code: int, format: FixedPoint) -> int:
    low, high = -(2 ** (format.bits - 1)), 2 ** (format.bits - 1) - 1
    if format.overflow == "wrap":
        return int((code - low) % 2**format.bits + low)
    inside = low <= code <= high
    return int(code if inside else 0 if format.overflow == "sat_zero" else min(max(code, low), high))


# --- networks --------------------------------------------------------------------------------------------------------


class Run:
    """A graph of one operator, quantized and run."""

    def __init__(
        self, op: ops.Op, shapes: tuple[ops.Shape, ...], precision: str, seed: int, epilogue: tuple[Any, ...] = ()
    ) -> None:
        names = tuple(f"x{i}" for i in range(len(shapes)))
        inputs = tuple(Input(name, shape) for name, shape in zip(names, shapes, strict=True))
        graph = Graph("g", inputs, (Node("y", op, names, epilogue),), ("y",))
        rng = np.random.default_rng(seed)
        weights = {name: rng.standard_normal(s, np.float32) for name, s in graph.parameter_shapes.items()}
        spread, shift = 10 ** rng.uniform(-2, 2), rng.uniform(-1, 1)
        x = {v.name: (spread * (rng.standard_normal((2, *v.shape)) + shift)).astype(np.float32) for v in inputs}
        calibrated = calibrate(assign_formats(graph, parse_precision(precision)), weights, x)
        self.program: Program = quantize_weights(calibrated, weights)
        self.weights = weights
        x = {name: value * np.float32(1.3) for name, value in x.items()}  # some codes at the ends
        self.codes = run_program(self.program, x, kernels="reference", keep=(*names, "y"))
        self.y = self.codes["y"]

    def centred(self, name: str) -> list[Any]:
        centred: list[Any] = (self.codes[name].astype(np.int64) - self.encoding(name)[1].zero_point).tolist()
        return centred

    def encoding(self, name: str) -> Any:
        return affine_of(self.program.encodings[name])

    def scale(self, name: str) -> Fraction:
        return Fraction(float(self.encoding(name)[1].scale[0]))

    def land(self, n: int, k: int, low: int | None = None) -> int:
        format, scaling = self.encoding("y")
        return land(n, k, format, scaling.zero_point, low)


def near(got: Fraction | float, want: Fraction) -> Fraction:
    """The engine forms real factors in float64: its constant may be the next one. Equal, or off by 2**-50."""
    assert abs(Fraction(got) - want) <= abs(want) * Fraction(1, 2**50)
    return Fraction(got)


@settings(max_examples=40, deadline=None)
@given(precision=PRECISIONS, subtract=st.booleans(), relu=st.booleans(), seed=SEEDS)
def test_sums_of_inputs(precision: str, subtract: bool, relu: bool, seed: int) -> None:
    run = Run(ops.Sub() if subtract else ops.Add(), ((7,), (7,)), precision, seed, (ops.ReLU(),) if relu else ())
    ratios = [float(run.scale(x)) / float(run.scale("y")) for x in ("x0", "x1")]
    near(ratios[0], run.scale("x0") / run.scale("y"))
    k = min(max(29 - math.floor(math.log2(max(ratios))), 1), 62)
    m = [even(Fraction(r) * 2**k) for r in ratios]
    zero = run.encoding("y")[1].zero_point if relu else None
    for n, i in product(range(2), range(7)):
        a, b = run.centred("x0")[n][i] * m[0], run.centred("x1")[n][i] * m[1]
        assert run.y[n, i] == run.land(a - b if subtract else a + b, k, zero)


@settings(max_examples=40, deadline=None)
@given(precision=PRECISIONS, op=st.sampled_from(["instance", "layer", "rms"]), seed=SEEDS)
def test_norms(precision: str, op: str, seed: int) -> None:
    kinds: dict[str, ops.Op] = {
        "instance": ops.InstanceNorm(3, 1e-5, True), "layer": ops.LayerNorm((11,), 1e-5, True),
        "rms": ops.RMSNorm((1,), 1e-8),
    }  # fmt: skip
    run = Run(kinds[op], ((3, 11),), precision, seed)
    step, x, n = float(run.scale("y")), run.centred("x0"), 11
    for sample, row, i in product(range(2), range(3), range(n)):
        c = x[sample][row]
        at = {"instance": row, "layer": i, "rms": 0}[op]
        gamma, beta = (
            (1.0, 0.0) if op == "rms" else (float(run.weights[f"y.{role}"][at]) for role in ("weight", "bias"))
        )
        s1, s2 = sum(c), sum(v * v for v in c)
        eps = even(Fraction(kinds[op].eps) * n * n / run.scale("x0") ** 2)  # type: ignore[union-attr]
        v = max((n * s2 if op == "rms" else n * s2 - s1 * s1) + eps, 1)
        mean = 0 if op == "rms" else (2 * (s1 << 12) + n) // (2 * n)
        e = (v.bit_length() - 31) >> 1
        q = math.isqrt(2**92 // (v >> 2 * e if e >= 0 else v << -2 * e))
        g, kg = long_factor(Fraction(gamma * n / step))
        a, k = (g * q + 2**30) >> 31, kg + 15 + e
        if k > 28:
            a, k = a >> min(k - 28, 63), 28
        k = max(k, 0)
        b = even(Fraction(min(max(beta / step, -(2.0**21)), 2.0**21) * 2.0**20))
        b = b << (k - 8) if k >= 8 else b >> (8 - k)
        assert run.y[sample, row, i] == run.land(((c[i] << 12) - mean) * a + b, k + 12)


@settings(max_examples=40, deadline=None)
@given(precision=PRECISIONS, seed=SEEDS)
def test_leaky_relu_on_accumulators(precision: str, seed: int) -> None:
    run = Run(ops.Dense(6, 4, True), ((6,),), precision, seed, (ops.LeakyReLU(0.2),))
    layer = run.program.linear["y"]
    sums = ReferenceKernel().sums(ops.Dense(6, 4, True), run.codes["x0"], run.program.encodings["x0"], layer)
    scales = integers_of(layer).scaling.scale * np.ones(4)
    for n, channel in product(range(2), range(4)):
        r = float(run.scale("x0")) * float(scales[channel]) / float(run.scale("y"))
        m, k = factor(Fraction(r) if sums[n, channel] >= 0 else Fraction(r * 0.2))
        assert run.y[n, channel] == run.land(int(sums[n, channel]) * m, k)


@settings(max_examples=40, deadline=None)
@given(bits=st.integers(8, 16), activation=st.sampled_from([ops.Tanh(), ops.Sigmoid()]), seed=SEEDS)
def test_tables_behind_a_layer(bits: int, activation: Any, seed: int) -> None:
    run = Run(ops.Dense(6, 4, True), ((6,),), f"int{bits}", seed, (activation,))
    layer, before = run.program.linear["y"], affine_of(run.program.before["y"])
    sums = ReferenceKernel().sums(ops.Dense(6, 4, True), run.codes["x0"], run.program.encodings["x0"], layer)
    p_step, step, zero = float(before[1].scale[0]), float(run.scale("y")), run.encoding("y")[1].zero_point
    width = bits + 4
    assert before[0].bits == width
    function = math.tanh if isinstance(activation, ops.Tanh) else lambda x: 1 / (1 + math.exp(-x))
    low, high = run.encoding("y")[0].low, run.encoding("y")[0].high
    for n, channel in product(range(2), range(4)):
        scales = integers_of(layer).scaling.scale * np.ones(4)
        m, k = factor(Fraction(float(run.scale("x0")) * float(scales[channel]) / p_step))
        most = 2 ** (width - 1) - 1
        p = min(max(land_plain(int(sums[n, channel]) * m, k), -most), most)
        if width == 12:
            real = function(p * p_step) / step
            if abs(real % 1 - 0.5) < 1e-9:  # a tie but for the last place of somebody's tanh
                continue
            want = even(Fraction(real)) + zero
        else:
            d = width - 12
            i, t = (p >> d) << d, p & (2**d - 1)
            ends = [even(Fraction(function(x * p_step) / step * 256.0)) for x in (i, i + 2**d)]
            want = land_plain((ends[0] << d) + (ends[1] - ends[0]) * t, d + 8) + zero
        assert run.y[n, channel] == min(max(want, low), high)


def land_plain(n: int, k: int) -> int:
    return n << -k if k < 0 else (n + (1 << k >> 1)) >> k


@settings(max_examples=30, deadline=None)
@given(precision=PRECISIONS, seed=SEEDS)
def test_products_pools_and_softmax(precision: str, seed: int) -> None:
    run = Run(ops.Mul(), ((5,), (5,)), precision, seed)
    m, k = factor(Fraction(float(run.scale("x0")) / float(run.scale("y")) * float(run.scale("x1"))))
    for n, i in product(range(2), range(5)):
        assert run.y[n, i] == run.land(run.centred("x0")[n][i] * run.centred("x1")[n][i] * m, k)
    run = Run(ops.GlobalAveragePool(), ((2, 3, 3),), precision, seed)
    m, k = factor(Fraction(float(run.scale("x0")) / float(run.scale("y")) / 9))
    for n, i in product(range(2), range(2)):
        assert run.y[n, i] == run.land(sum(map(sum, run.centred("x0")[n][i])) * m, k)
    run = Run(ops.Softmax(0), ((5,),), precision, seed)
    g, kg = long_factor(Fraction(1 / float(run.scale("y"))))
    for n in range(2):
        c = run.codes["x0"][n].tolist()
        powers = [even(Fraction(math.exp(-(max(c) - v) * float(run.scale("x0"))) * 2.0**24)) for v in c]
        f = 31 - sum(powers).bit_length()
        q = 2**61 // (sum(powers) << f if f >= 0 else sum(powers) >> -f)
        a, k = (g * q + 2**30) >> 31, kg + 30 - f
        a, k = (a >> min(k - 46, 63), 46) if k > 46 else (a, max(k, 0))
        assert run.y[n].tolist() == [run.land(p * a, k) for p in powers]


@pytest.mark.parametrize("precision", ["int8", "int11", "fixed12:trn:wrap"])
def test_bilinear_by_two_is_sixteenths(precision: str) -> None:
    run = Run(ops.Interpolate("linear", (6, 4), (0.5, 0.5), False), ((1, 3, 2),), precision, 3)
    x = run.centred("x0")
    m, k = factor(Fraction(float(run.scale("x0")) / float(run.scale("y")) * 2.0**-28))
    for n, i, j in product(range(2), range(6), range(4)):
        rows, columns = taps(i, 3), taps(j, 2)
        total = sum(a * b * x[n][0][p][q] for p, a in rows for q, b in columns)
        assert run.y[n, 0, i, j] == run.land(total * (2**14 // 4) ** 2 * m, k)


def taps(i: int, size: int) -> list[tuple[int, int]]:
    """Neighbours and weights in quarters."""
    if i == 0:
        return [(0, 4)]
    first, odd = divmod(i - 1, 2)
    return [(first, 1 if odd else 3), (min(first + 1, size - 1), 3 if odd else 1)]
