"""Precisions with parts: first, last and single layers, calibration, files; each prints in full and parses back."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError, LocatedErrors
from accelsim.formats import binary, ternary
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, Granularity, RequantizationMode
from accelsim.formats.binary import Binary
from accelsim.formats.block import BLOCKS
from accelsim.formats.calibration import MINMAX, Calibration
from accelsim.formats.codebook import Codebook
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.flexpoint import Flexpoint
from accelsim.formats.float32 import Float32
from accelsim.formats.logarithmic import Logarithmic
from accelsim.formats.minifloat import MINIFLOATS
from accelsim.formats.precision import LayerPrecision, Precision
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.tanh_levels import TanhLevels
from accelsim.formats.ternary import Ternary
from accelsim.formats.text import parse_precision


def one_of(choices: Any) -> Any:
    """Any of the values of a Literal."""
    return st.sampled_from(get_args(choices))


FIXED = st.builds(
    FixedPoint, st.integers(2, 16), st.none() | st.integers(-160, 160), one_of(Rounding), one_of(Overflow)
)
POSITIVE = st.floats(0, 1e12, exclude_min=True)
FLEX = st.builds(
    Flexpoint,
    st.integers(4, 16),
    st.none(),
    exponent_bits=st.integers(2, 6),
    alpha=POSITIVE,
    beta=st.just(0.0) | POSITIVE,
    gamma=st.just(0.0) | POSITIVE,
    history=st.integers(1, 1000),
)
BOTH = FIXED | FLEX
WEIGHTS = (
    BOTH
    | st.builds(AffineInt, st.integers(2, 15), one_of(Granularity), st.booleans(), st.booleans())
    | st.builds(Ternary, one_of(ternary.Rule), one_of(Granularity))
    | st.builds(Binary, one_of(binary.Rule), one_of(Granularity))
    | st.builds(Codebook, st.integers(2, 256))
    | st.builds(Logarithmic, st.integers(2, 5), one_of(Granularity))
    | st.builds(TanhLevels, st.integers(2, 8))
)
ACTIVATIONS = (
    BOTH
    | st.builds(
        AffineInt, st.integers(2, 16), st.just("tensor"), st.booleans(), st.booleans(), one_of(RequantizationMode)
    )
    | st.sampled_from([Ternary("twn", "tensor"), Binary("xnor", "tensor")])
)
FLOATS = st.sampled_from([Float32(), *MINIFLOATS, *BLOCKS])
ACCUMULATORS = st.builds(Accumulator, st.integers(8, 48), one_of(Overflow), st.integers(1, 1 << 16))
CALIBRATIONS = st.sampled_from([MINMAX, Calibration("mse")]) | st.integers(500_001, 1_000_000).map(
    lambda digits: Calibration("percentile", float(f"{digits / 10_000:.6g}"))
)
NAMES = st.from_regex(r"[a-z_]{1,5}(\.[a-z0-9]{1,4}){0,2}", fullmatch=True)


def precisions(weights: Any, activations: Any, accumulators: Any, calibrations: Any) -> Any:
    """Of a network, with parts that differ."""
    layers = st.builds(LayerPrecision, st.none() | weights, st.none() | activations, accumulators)
    some = layers.filter(lambda layer: bool(layer.parts()))
    named = st.dictionaries(NAMES, some, max_size=3).map(lambda made: tuple(sorted(made.items())))
    return st.builds(
        Precision, weights, activations, accumulators, calibrations, st.none() | some, st.none() | some, named
    )


PRECISIONS = precisions(WEIGHTS, ACTIVATIONS, st.none() | ACCUMULATORS, CALIBRATIONS) | precisions(
    FLOATS, FLOATS, st.none(), st.just(MINMAX)
)


@settings(max_examples=200, deadline=None)
@given(precision=PRECISIONS)
def test_every_format_in_every_role_round_trips(precision: Precision) -> None:
    text = str(precision)
    back = parse_precision(text)
    assert back == precision and str(back) == text and back.content_hash == precision.content_hash
    parts = text.split(",")
    assert parse_precision(" , ".join(reversed(parts))) == precision


def test_one_format_with_parts() -> None:
    got = parse_precision("int4,first=int8,last.weights=int8,calibration=percentile:99.9,layers.gen.up1=fixed8.6")
    assert str(got) == (
        "weights=int4:channel:sym,activations=int4:tensor:asym,calibration=percentile:99.9,"
        "first.weights=int8:channel:sym,first.activations=int8:tensor:asym,last.weights=int8:channel:sym,"
        "layers.gen.up1.weights=fixed8.6:rnd_conv:sat,layers.gen.up1.activations=fixed8.6:rnd_conv:sat"
    )
    assert parse_precision("int4,accumulator=acc24").accumulator == Accumulator(24)
    hls = parse_precision("ap_fixed<8,2,AP_RND>,last=ap_fixed<16, 6>,accumulator=acc40")
    assert str(hls.weights) == "fixed8.6:rnd:wrap" and hls.last is not None and hls.last.activations is not None
    assert str(hls.last.activations) == "fixed16.10:trn:wrap"
    assert got.content_hash != hls.content_hash and len(got.content_hash) == 64


def test_network_outputs_keep_the_range_of_narrow_fixed_point() -> None:
    assert str(parse_precision("fixed4.2").boundary) == "fixed8.6:rnd_conv:sat"
    assert str(parse_precision("fixed4").boundary) == "fixed8:rnd_conv:sat"
    assert str(parse_precision("fixed16.10:trn").boundary) == "fixed16.10:trn:sat"


@pytest.mark.parametrize(("text", "message"), [
    ("int8,calib=mse", "precision: unknown part 'calib' (did you mean 'calibration'?)"),
    ("int8,fist=int8", "unknown part 'fist' (did you mean 'first'?)"),
    ("int8,weights=int4", "precision: weights= is given twice"),
    ("int8,weights.x=int4", "unknown part 'weights.x'"),
    ("int8,layers=int4", "unknown part 'layers'"),
    ("int8,first.weigths=int4", "unknown part 'first.weigths' (did you mean 'weights'?); expected first= or"),
    ("int8,first=int4,first.weights=int4", "precision: first.weights= gives again what is given before"),
    ("int8,last=float32", "float32 cannot be mixed with integers (int8:channel:sym)"),
    ("weights=int8:double,activations=int8",
     "precision: weights=int8:double: requantization (:double) is of activations; "
     "expected it there, for example activations=int8:double"),
    ("int8,layers.up1.weights=int4:float", "precision: weights=int4:float: requantization (:float) is of activations"),
    ("float32,calibration=mse", "float32 takes no calibration"),
    ("float32,layers.x.accumulator=acc32", "float32 takes no accumulator"),
    ("int8,first.accumulator=acc99", "accumulator=acc99: expected a width of 8 to 48 bits"),
    ("int8,calibration=maxmin", "calibration=maxmin: expected one of minmax"),
    ("missing.yaml", "missing.yaml: cannot be read: No such file or directory"),
])  # fmt: skip
def test_mistakes_are_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(AccelsimError, match=re.escape(message)) as caught:
        parse_precision(text)
    assert "\n" not in caught.value.args[0]


def written(folder: Path, text: str) -> str:
    path = folder / "precision.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


FILE = """\
schema: accelsim/precision/1
weights: int4
activations: int8
accumulator: acc24
calibration: percentile:99.9
first: int8
last: {weights: int8}
layers:
  up1: fixed8.6
  gen.up2:
    activations: int6
    accumulator: acc32
"""


def test_a_file_is_the_same_as_its_spelling(tmp_path: Path) -> None:
    got = parse_precision(written(tmp_path, FILE))
    assert got == parse_precision(
        "weights=int4,activations=int8,accumulator=acc24,calibration=percentile:99.9,first=int8,last.weights=int8,"
        "layers.up1=fixed8.6,layers.gen.up2.activations=int6,layers.gen.up2.accumulator=acc32"
    )
    assert parse_precision(str(got)) == got
    assert [(name, layer.line) for name, layer in got.layers] == [("gen.up2", 10), ("up1", 9)]
    assert parse_precision(written(tmp_path, "weights: int4\nactivations: int8\n")) == parse_precision(
        "weights=int4,activations=int8"
    )


@pytest.mark.parametrize(("text", "expected"), [
    ("weights: int4\n", [":1: activations: missing"]),
    ("weights: int4\nactivations: 8\n", [":2: activations: should be text, for example int8, not 8"]),
    ("weights: in4\nactivations: fixed8.6:run\nfrist: int8\n",
     [":1: weights: no number format 'in4' (did you mean 'int4'?)",
      ":2: activations: 'fixed8.6:run': unknown option 'run' (did you mean 'trn'?)",
      ":3: frist: unknown key (did you mean 'first'?)"]),
    ("weights: int4\nactivations: int8\nlayers:\n  up1: {weight: int8}\n  up2: {}\n  up3: {weights: int44}\n",
     [":4: layers.up1.weight: unknown key (did you mean 'weights'?)", ":5: layers.up2: gives nothing",
      ":6: layers.up3.weights: int44 is not supported"]),
    ("weights: int4\nactivations: int8\nlayers: [up1]\n", [":3: layers: should be a mapping of layer names to"]),
    ("weights: int4\nactivations: int8\nlast: float32\n", [": weights=int4", "float32 cannot be mixed"]),
    ("schema: accelsim/workload/1\nweights: int4\nactivations: int8\n", [":1: schema: should be accelsim/precision/1"]),
    ("weights: int4\nweights: int8\nactivations: int8\n", [":2: weights: given twice (first on line 1)"]),
    ("", [":1: the file is empty"]),
])  # fmt: skip
def test_all_mistakes_of_a_file_with_their_lines(tmp_path: Path, text: str, expected: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(LocatedErrors) as caught:
        parse_precision(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(path) for line in lines)
    for wanted in expected:
        assert any(wanted in line for line in lines), lines
    assert len(lines) <= len(expected)


@given(text=st.text(st.sampled_from("wint48=,.:fixedaclysrmp<>-"), max_size=40))
def test_any_text_parses_or_is_refused(text: Any) -> None:
    try:
        precision = parse_precision(text)
    except AccelsimError:
        return
    assert parse_precision(str(precision)) == precision
