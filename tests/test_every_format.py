"""Shipped generators in every number format: compiled kernels equal the plain interpreter on every tensor."""

from functools import cache

import numpy as np
import pytest

from accelsim.engine.run import run_program
from accelsim.flow import program_for
from accelsim.formats.format_text import FAMILIES
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import Workload, load_workload
from accelsim.hardware.load import load_architecture
from accelsim.ir.graph import Weights
from accelsim.passes.calibrate import calibrate
from accelsim.passes.normalise import normalise
from accelsim.passes.quantize import quantize_weights

PRECISIONS = [
    "fp16",
    "bf16",
    "fp8e4m3",
    "fp8e5m2",
    "mxint8",
    "mxfp8e4m3",
    "mxfp6e3m2",
    "mxfp6e2m3",
    "mxfp4",
    "int2",
    "int3:asym",
    "int4:em",
    "int8",
    "int8:double",
    "int8:float",
    "int12",
    "int16",
    "weights=int4:asym:tensor,activations=int8:sym",
    "weights=int2,activations=int16",
    "weights=int16,activations=int2",
    "fixed8.6",
    "fixed6",
    "fixed16.10:trn:wrap",
    "ap_fixed<12,4,AP_RND_ZERO,AP_SAT_SYM>",
    "flex16+5",
    "codebook16",
    "codebook200",
    "log5",
    "log3",
    "tanh4",
    "ternary",
    "ternary:ttq",
    "ternary:tgan:tensor",
    "binary",
    "binary:bnn",
    "binary:apgan",
    "weights=ternary,activations=ternary",
    "weights=binary,activations=binary",
    "weights=binary,activations=ternary",
    "int8,accumulator=acc20:sat",
    "int8,accumulator=acc16:sat:tree16",
    "int4,accumulator=acc12:sat_sym:tree4",
    "int8,accumulator=acc18:sat_zero:tree3",
    "int8,accumulator=acc14:wrap",
    "int16,accumulator=acc40:sat:tree8",
    "ternary,accumulator=acc12:sat:tree64",
]


@cache
def loaded(name: str) -> tuple[Workload, Weights]:
    source = load_workload(name)
    weights = normalise(source.graph, source.load())[1]
    assert weights is not None
    return source, weights


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["dcgan32", "mlp32"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_compiled_kernels_equal_the_interpreter_on_every_tensor(precision: str, workload: str) -> None:
    source, weights = loaded(workload)
    program = program_for(source, load_architecture("zcu104"), parse_precision(precision))
    program = quantize_weights(calibrate(program, weights, source.draw_inputs(16, 1)), weights)
    inputs, every = source.draw_inputs(3, 0), [node.name for node in program.graph.nodes]
    plain = run_program(program, inputs, kernels="reference", keep=every)
    for kernels, threads in (("native", 1), ("portable", 2)):
        made = run_program(program, inputs, kernels=kernels, threads=threads, keep=every)  # type: ignore[arg-type]
        for name in every:
            np.testing.assert_array_equal(made[name], plain[name], err_msg=f"{name}, {kernels}")
    assert np.isfinite(plain[program.graph.outputs[0]].astype(np.float64)).all()


def test_every_family_of_formats_is_among_them() -> None:
    for family in FAMILIES:
        if "float32" not in family.examples:
            spelled = [part.partition("=")[2] or part for text in PRECISIONS for part in text.split(",")]
            assert any(family.pattern.fullmatch(text) for text in (*spelled, *PRECISIONS)), family.meanings
