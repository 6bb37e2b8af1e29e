"""The compiled requantization of one sum against Python integers of any size, and of whole layers in every mode."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accelsim.engine.kernels.fast import FastKernel
from accelsim.engine.kernels.skeleton import requantized, requantized_twice
from accelsim.engine.reference import ReferenceKernel
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt, RequantizationMode, Scaling
from accelsim.formats.requantize import requantization
from accelsim.ir.ops import Conv2d
from accelsim.ir.program import Encoding, IntegerWeights, LinearLayer

BEYOND = 1 << 30
OFF = st.integers(-1, 1)


@settings(max_examples=1000, deadline=None)
@given(
    total=st.one_of(
        st.integers(-(1 << 47), (1 << 47) - 1),
        st.integers(-(1 << 18), 1 << 18),
        st.builds(
            lambda sign, bit, off: sign * (1 << bit) + off,
            st.sampled_from([-1, 1]),
            st.integers(0, 46),
            st.integers(-1, 1),
        ),
    ),
    multiplier=st.one_of(st.integers(0, (1 << 31) - 1), st.sampled_from([0, 1, 1 << 30, (1 << 31) - 1])),
    shift=st.integers(1, 62),
)
@example(total=-(1 << 47), multiplier=(1 << 31) - 1, shift=1)
@example(total=(1 << 47) - 1, multiplier=(1 << 31) - 1, shift=1)
@example(total=-(1 << 47), multiplier=(1 << 31) - 1, shift=23)
@example(total=(1 << 47) - 1, multiplier=(1 << 31) - 1, shift=62)
@example(total=-(1 << 47), multiplier=1, shift=1)
@example(total=-(1 << 47), multiplier=0, shift=1)
def test_requantized_is_exact_where_codes_live_and_beyond_where_they_saturate(
    total: int, multiplier: int, shift: int
) -> None:
    exact = (total * multiplier + (1 << (shift - 1))) >> shift
    result = int(requantized(total, multiplier, shift))
    if abs(exact) <= BEYOND:
        assert result == exact
    else:
        assert (result > BEYOND) if exact > 0 else (result < -BEYOND)


@settings(max_examples=1000, deadline=None)
@given(
    total=st.one_of(
        st.integers(-(1 << 47), (1 << 47) - 1),
        st.integers(-(1 << 18), 1 << 18),
        st.builds(lambda sign, bit, off: sign * (1 << bit) + off, st.sampled_from([-1, 1]), st.integers(0, 46), OFF),
    ),
    multiplier=st.one_of(st.integers(1 << 30, (1 << 31) - 1), st.sampled_from([0, 1 << 30, (1 << 31) - 1])),
    shift=st.integers(1, 62),
)
@example(total=-(1 << 47), multiplier=(1 << 31) - 1, shift=1)
@example(total=(1 << 47) - 1, multiplier=1 << 30, shift=1)
@example(total=-3, multiplier=1 << 30, shift=1)
@example(total=-1, multiplier=1 << 30, shift=31)
@example(total=-(3 << 20), multiplier=1 << 30, shift=52)
def test_rounded_twice_as_gemmlowp_does(total: int, multiplier: int, shift: int) -> None:
    """Here with as many bits as it takes, and roundings as fractions of whole numbers."""
    once = math.floor(Fraction((total << max(31 - shift, 0)) * multiplier, 1 << 31) + Fraction(1, 2))
    rest = Fraction(once, 1 << max(shift - 31, 0))
    exact = math.floor(rest + Fraction(1, 2)) if rest >= 0 else math.ceil(rest - Fraction(1, 2))
    result = int(requantized_twice(total, multiplier, shift))
    if abs(exact) < BEYOND:
        assert result == exact
    else:
        assert (result >= BEYOND) if exact > 0 else (result <= -BEYOND)


REGISTERS = {8: [Accumulator(32), Accumulator(18, "sat")], 16: [Accumulator(48)]}


@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(["double", "float"]),
    native=st.booleans(),
    bits=st.sampled_from([8, 16]),
    relu=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@example(mode="double", native=True, bits=8, relu=False, seed=3)
def test_layers_round_twice_and_in_float32_as_the_plain_interpreter(
    mode: RequantizationMode, native: bool, bits: int, relu: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    op, format = Conv2d(12, 33, (3, 2), (1, 1), (1, 1), (1, 0, 1, 0), 1, True), AffineInt(bits, "tensor", False)
    source = Encoding(format, Scaling(np.ones(1), int(rng.integers(-9, 9))))
    x = rng.choice(np.array([format.low, 0, 1, format.high]), (2, 12, 5, 4)).astype(format.dtype)
    codes = rng.integers(format.low + 1, format.high + 1, (33, 12, 3, 2)).astype(format.dtype)
    for register in REGISTERS[bits]:
        reach = 2.0 ** rng.integers(10, register.bits)
        real = np.exp(rng.uniform(-12, 1, 33)) * 2.0**15 / reach if seed % 3 else np.full(33, 2.0**-7)
        bias = rng.integers(-int(reach), int(reach), 33)
        integers = IntegerWeights(codes, Scaling(np.ones(1), 0), bias, requantization(real, mode))
        layer, out = LinearLayer(format, register, integers), AffineInt(16, "tensor", False)
        into = Encoding(out, Scaling(np.ones(1), -5))
        plain = ReferenceKernel().codes(op, x, source, layer, into, relu)
        np.testing.assert_array_equal(FastKernel(1, native).codes(op, x, source, layer, into, relu), plain)
