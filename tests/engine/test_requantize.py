"""The compiled requantization of one sum against Python integers of any size."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from accelsim.engine.kernels.skeleton import requantized

BEYOND = 1 << 30


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
