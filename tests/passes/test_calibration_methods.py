"""Percentile and least-error calibration through the passes: real ranges, the same for any batch, better where due."""

from typing import Any

import numpy as np
import pytest

from accelsim.engine.linear_kernel import affine_of, integers_of
from accelsim.engine.run import decode, run_float, run_program
from accelsim.formats.text import parse_precision
from accelsim.ir import ops
from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.program import Program
from accelsim.passes.calibrate import calibrate
from accelsim.passes.formats import assign_formats
from accelsim.passes.quantize import quantize_weights

Array = np.ndarray[Any, Any]
NET = Graph(
    "net",
    (Input("z", (12,)),),
    (
        Node("fc", ops.Dense(12, 30, True), ("z",), (ops.ReLU(),)),
        Node("view", ops.Reshape((30, 1, 1)), ("fc",)),
        Node("up", ops.ConvTranspose2d(30, 8, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 1, True), ("view",)),
    ),
    ("up",),
)
RNG = np.random.default_rng(0)
WEIGHTS = {name: RNG.standard_t(4, shape).astype(np.float32) for name, shape in NET.parameter_shapes.items()}
Z = {"z": RNG.standard_normal((300, 12), np.float32)}


def calibrated(precision: str, z: dict[str, Array] = Z) -> Program:
    return calibrate(assign_formats(NET, parse_precision(precision)), WEIGHTS, z)


def test_a_percentile_is_that_of_the_values() -> None:
    seen: dict[str, Array] = {}
    run_float(NET, WEIGHTS, Z, batch=300, observe=lambda name, value: seen.update({name: value.copy()}))
    for text, tail in (
        ("int8,calibration=percentile:99", 0.5),
        ("weights=int8,activations=int8:sym,calibration=percentile:99", 1.0),
    ):
        program = calibrated(text)
        for name in ("z", "fc", "up"):
            format, scaling = affine_of(program.encodings[name])
            high = (format.high - scaling.zero_point) * scaling.scale[0]
            values = np.abs(seen[name]) if tail == 1.0 else seen[name]
            assert high == pytest.approx(np.percentile(values, 100 - tail), rel=0.02), (text, name)
        assert program.encodings["view"] == program.encodings["fc"]


@pytest.mark.parametrize("method", ["minmax", "percentile:99", "mse"])
def test_scales_do_not_depend_on_the_order_of_the_inputs(method: str) -> None:
    """The float run goes by batches of 32, so a permutation changes every batch; sums in float32 change slightly."""
    shuffled = {"z": np.random.default_rng(1).permutation(Z["z"])}
    for text in ("int6", "fixed6"):
        one, other = (calibrated(f"{text},calibration={method}", z) for z in (Z, shuffled))
        for name in one.encodings:
            a, b = affine_of(one.encodings[name]), affine_of(other.encodings[name])
            assert a[0] == b[0] and a[1].zero_point == b[1].zero_point
            np.testing.assert_allclose(a[1].scale, b[1].scale, rtol=1e-5)


@pytest.mark.parametrize("text", ["int3", "int4", "fixed4", "fixed6", "weights=int4:tensor:asym,activations=int4:sym"])
def test_least_error_is_nearer_to_float(text: str) -> None:
    want = run_float(NET, WEIGHTS, Z)["up"]

    def error(method: str) -> float:
        program = quantize_weights(calibrated(f"{text},calibration={method}"), WEIGHTS)
        return float(np.square(decode(program, "up", run_program(program, Z)["up"]) - want).mean())

    assert error("mse") < error("minmax")


def test_only_least_error_clips_weights() -> None:
    clipped = {}
    for method in ("minmax", "percentile:90", "mse"):
        program = quantize_weights(calibrated(f"int4,calibration={method}"), WEIGHTS)
        clipped[method] = integers_of(program.linear["fc"]).scaling.scale
    np.testing.assert_array_equal(clipped["minmax"], clipped["percentile:90"])
    assert (clipped["mse"] <= clipped["minmax"]).all() and (clipped["mse"] < clipped["minmax"]).any()


def test_fractions_that_calibration_chose_are_in_the_program() -> None:
    program = calibrated("fixed8")
    assert all(str(e.format).startswith("fixed8.") for e in program.encodings.values())
    made = quantize_weights(program, WEIGHTS)
    assert all(str(layer.weights).startswith("fixed8.") for layer in made.linear.values())
    assert all(str(layer.weights) == "fixed8:rnd_conv:sat" for layer in program.linear.values())
