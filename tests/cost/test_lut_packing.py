"""LUTs that take packed products of DSP slices apart: by hand, and where a report has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.cost.lut_cost import adder_tree
from accelsim.cost.lut_packing import LANE_BITS, packed_cascade, packed_slices
from accelsim.errors import AccelsimError
from accelsim.flow import estimate

LANES = st.sampled_from(sorted(LANE_BITS))


def test_two_lanes_of_one_slice_by_hand() -> None:
    """The low product bits, their sum and the difference: 1 + 2 + 2; 2 bits of carries held; two sums of 16 bits."""
    assert packed_slices(2, 1, (8, 8), 16, 16) == 5 + 2 + 2 * 16


def test_two_lanes_of_two_slices_by_hand() -> None:
    """mvu_8sx8u_dsp48.sv with SIMD 2 and sums of 24 bits: trees of 24, 16 and 2 bits, 9 bits of carries."""
    assert packed_slices(2, 2, (8, 8), 24, 24) == 24 + 16 + (2 * 5 + 3) + 9 + 2 * 24


def test_four_lanes_of_one_slice_by_hand() -> None:
    """mvu_4sx4u.sv: three boundaries; lanes of 8, 7, 7 bits and the rest; the two in the middle are two sums each."""
    assert packed_slices(4, 1, (4, 4), 8, 8) == 3 * 5 + 3 * 2 + 6 * 8


def test_a_cascade_is_cut_after_seven_products() -> None:
    assert packed_cascade(7) == 0
    assert packed_cascade(8) == packed_cascade(14) == 2 * 20
    assert packed_cascade(32) == 2 * adder_tree(5, 19) == 166


@given(LANES, st.integers(1, 64), st.integers(16, 32))
def test_more_slices_and_wider_sums_take_more(lanes: int, slices: int, bits: int) -> None:
    factor = LANE_BITS[lanes]
    here = packed_slices(lanes, slices, (factor, factor), bits, bits)
    assert packed_slices(lanes, slices + 1, (factor, factor), bits, bits) > here
    assert packed_slices(lanes, slices, (factor, factor), bits + 1, bits + 1) > here
    assert packed_slices(lanes, slices, (factor, factor), bits, 2 * factor) <= here


def test_another_number_of_lanes_is_refused() -> None:
    with pytest.raises(AccelsimError, match="3 products share a slice, expected 2 or 4"):
        packed_slices(3, 1, (5, 5), 16, 16)


def parts(on: str, precision: str) -> dict[str, int]:
    found = estimate("dcgan32", on=on, precision=precision).resources
    assert found is not None
    made: dict[str, int] = found["estimates"]["lut"]["parts"]
    return made


def test_an_array_of_slices_pays_for_packing_by_its_format() -> None:
    """zcu104: 32 columns of 32 slices."""
    assert parts("zcu104", "int8")["32 x sums of 2 lanes of slices"] == 32 * 166
    wide = 2 * 4 + 5
    assert parts("zcu104", "int4")["32 x sums of 4 lanes of slices"] == 32 * packed_slices(4, 32, (4, 4), wide, 8)
    assert not any("lanes" in name for name in parts("zcu104", "int16"))
    assert not any("lanes" in name for name in parts("pynq_z2", "int8"))  # one product a DSP48E1


def test_a_pipeline_pays_for_packing_and_has_no_other_accumulators() -> None:
    found = parts("zcu104_stream", "int8")
    assert found["sums of packed DSP slices"] > 0 and "accumulators" not in found
    assert "accumulators" in parts("zcu104_stream", "ternary")
    low = estimate("dcgan32", on="zcu104_stream").resources
    assert low is not None and low["estimates"]["lut"]["low"] < low["used"]["lut"]


@pytest.mark.parametrize("precision", ["ternary", "binary"])
def test_few_levels_on_slices_are_told_to_gain_no_multiplier(precision: str) -> None:
    told = "PEs are DSP slices, to which weights of two or three levels are as dear as wider ones"
    assert any(told in said for said in estimate("dcgan32", on="zcu104", precision=precision).assumptions)
    assert not any(told in said for said in estimate("dcgan32", on="zcu104").assumptions)
    stream = estimate("dcgan32", on="zcu104_stream", precision=precision)
    assert not any(told in said or "does not list" in said for said in stream.assumptions)
    assert stream.resources is not None and stream.resources["used"]["dsp"] == 20  # requantizers alone
