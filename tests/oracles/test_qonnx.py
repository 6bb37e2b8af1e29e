"""What becomes of a real number, against QONNX's Quant and BipolarQuant."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from accelsim.formats.affine import AffineInt, Scaling
from accelsim.formats.binary import Binary
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.quantize import dequantize, quantize

MODES = {
    "rnd_conv": "ROUND",
    "trn": "FLOOR",
    "trn_zero": "DOWN",
    "rnd_inf": "HALF_UP",
    "rnd_zero": "HALF_DOWN",
}
VALUES = st.lists(st.integers(-4000, 4000).map(lambda n: n / 16), min_size=1, max_size=50)


def run(operator: str, x: Any, constants: dict[str, float], **attributes: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx

        domain = "qonnx.custom_op.general"
        node = helper.make_node(operator, ["x", *constants], ["y"], domain=domain, **attributes)
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in ("x", "y")]
        tensors = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in constants.items()]
        graph = helper.make_graph([node], "one", values[:1], values[1:], tensors)
        imports = [helper.make_opsetid("", 13), helper.make_opsetid(domain, 1)]
        return execute_onnx(ModelWrapper(helper.make_model(graph, opset_imports=imports)), {"x": x})["y"]


@pytest.mark.parametrize("rounding", MODES)
@settings(deadline=None, max_examples=25)
@given(values=VALUES, bits=st.integers(2, 10), fraction=st.integers(-2, 4))
def test_fixed_point(rounding: Any, values: list[float], bits: int, fraction: int) -> None:
    x = np.array(values, np.float32)
    for overflow, narrow in (("sat", 0), ("sat_sym", 1)):
        format = FixedPoint(bits, fraction, rounding, overflow)  # type: ignore[arg-type]
        scaling = Scaling(np.array([format.unit]), 0)
        theirs = run(
            "Quant",
            x,
            {"s": format.unit, "z": 0.0, "b": float(bits)},
            signed=1,
            narrow=narrow,
            rounding_mode=MODES[rounding],
        )
        np.testing.assert_array_equal(dequantize(quantize(x, format, scaling), scaling), theirs)


@settings(deadline=None, max_examples=40)
@given(values=VALUES, bits=st.integers(2, 8), zero_point=st.integers(-3, 3), scale=st.sampled_from([0.5, 1.25, 3.0]))
def test_affine_integers(values: list[float], bits: int, zero_point: int, scale: float) -> None:
    """QONNX adds the zero point before it rounds, which is the same for whole ones but at ties of odd zero points."""
    x = np.array(values, np.float32)
    ties = np.abs(np.abs(x.astype(np.float64) / scale) % 1 - 0.5) < 1e-9
    x = x[~ties] if zero_point % 2 else x
    if not len(x) or not -(1 << (bits - 1)) <= zero_point < 1 << (bits - 1):
        return
    format, scaling = AffineInt(bits, "tensor", symmetric=False), Scaling(np.array([scale]), zero_point)
    theirs = run(
        "Quant",
        x,
        {"s": scale, "z": float(zero_point), "b": float(bits)},
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )
    np.testing.assert_array_equal(dequantize(quantize(x, format, scaling), scaling), theirs)


@settings(deadline=None, max_examples=20)
@given(values=VALUES)
def test_binary(values: list[float]) -> None:
    x = np.array([*values, 0.0], np.float32)
    scaling = Scaling(np.array([0.75]), 0)
    theirs = run("BipolarQuant", x, {"s": 0.75})
    np.testing.assert_array_equal(dequantize(quantize(x, Binary(), scaling), scaling), theirs)
