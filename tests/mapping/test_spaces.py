"""Index maps against the definition of (transposed) convolution."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.mapping.layer_problem import LayerProblem, phase_layers
from accelsim.mapping.spaces import POINT, Space, conv_space, phase_spaces, transposed_space

SIZES = {
    "size": st.integers(1, 7),
    "taps": st.integers(1, 5),
    "stride": st.integers(1, 4),
    "dilation": st.integers(1, 3),
}
CROP = st.tuples(st.integers(-3, 4), st.integers(-3, 4))


def pairs(space: Space) -> Counter:
    rows = zip(space.in_index, space.out_index, strict=True)
    return Counter((i, o) for row in rows for i, o in zip(*row, strict=True) if i >= 0 and o >= 0)


@given(**SIZES, pad=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_conv_touches_what_its_definition_says(size, taps, stride, dilation, pad):
    assume(size + sum(pad) > dilation * (taps - 1))
    space = conv_space(size, taps, stride, dilation, pad)
    outputs = (size + sum(pad) - dilation * (taps - 1) - 1) // stride + 1
    expected = Counter(
        (o * stride + dilation * b - pad[0], o)
        for o in range(outputs)
        for b in range(taps)
        if 0 <= o * stride + dilation * b - pad[0] < size
    )
    assert space.out_size == outputs
    assert pairs(space) == expected


@given(**SIZES, crop=CROP, how=st.sampled_from(["phase", "scatter", "zero_insert"]))
def test_every_transposed_form_touches_what_the_definition_says(size, taps, stride, dilation, crop, how):
    length = (size - 1) * stride + dilation * (taps - 1) + 1 - sum(crop)
    assume(length > 0)
    space = transposed_space(size, taps, stride, dilation, crop, how)
    expected = Counter(
        (i, i * stride + dilation * b - crop[0])
        for i in range(size)
        for b in range(taps)
        if 0 <= i * stride + dilation * b - crop[0] < length
    )
    assert space.out_size == length
    assert pairs(space) == expected
    assert {o for _, o in expected} <= {o for row in space.out_index for o in row}


def test_crops_in_front_and_behind_differ():
    front, behind = transposed_space(4, 5, 2, crop=(2, 1)), transposed_space(4, 5, 2, crop=(1, 2))
    assert front.out_size == behind.out_size == 8
    assert (0, 0) in pairs(front)
    assert pairs(front) != pairs(behind)
    assert pairs(front) == Counter((i, o - 1) for i, o in pairs(transposed_space(4, 5, 2, crop=(1, 1))) if o >= 1)


def test_outputs_beyond_every_tap_are_bias_only():
    scatter = transposed_space(3, 2, 2, crop=(0, -3), how="scatter")
    assert (scatter.out_size, scatter.outputs_reached) == (9, 6)
    assert LayerProblem(N=2, K=5, h=scatter).bias_only_words == 2 * 5 * 3
    gaps = transposed_space(3, 1, 3, how="phase")
    assert (gaps.out_size, gaps.outputs_reached) == (7, 3)


@given(**SIZES, crop=CROP)
def test_phases_together_are_the_layer(size, taps, stride, dilation, crop):
    assume((size - 1) * stride + dilation * (taps - 1) + 1 > sum(crop))
    whole = transposed_space(size, taps, stride, dilation, crop)
    phases = phase_spaces(whole, stride)
    assert sum(phase.taps for phase in phases) <= taps
    assert sum(phase.effectual_pairs for phase in phases) == whole.effectual_pairs
    assert sum(phase.outputs_reached for phase in phases) == whole.outputs_reached
    assert all(phase.out_size == phase.outputs_reached for phase in phases)


def test_phase_layers_are_the_four_convolutions_of_a_five_by_five_stride_two_layer():
    space = transposed_space(8, 5, 2, crop=(2, 1))
    phases = phase_layers(LayerProblem(K=64, C=128, h=space, w=space), (2, 2))
    assert sorted((p.h.taps, p.w.taps) for p in phases) == [(2, 2), (2, 3), (3, 2), (3, 3)]
    assert sum(p.words["W"] for p in phases) == 64 * 128 * 25
    assert sum(p.words["O"] for p in phases) == 64 * 16 * 16


def test_impossible_spaces_say_why():
    with pytest.raises(AccelsimError, match="no output"):
        conv_space(2, 5)
    with pytest.raises(AccelsimError, match="no output"):
        transposed_space(2, 3, 1, crop=(2, 2))
    with pytest.raises(AccelsimError, match="K is 0"):
        LayerProblem(K=0)


def test_counts_of_a_layer():
    layer = LayerProblem(N=2, K=4, C=3, h=conv_space(6, 3, 2, 1, (1, 1)), w=POINT)
    assert layer.macs == 2 * 4 * 3 * 3 * 3
    assert layer.macs_effectual == 2 * 4 * 3 * 8
    assert layer.words == {"W": 36, "I": 36, "O": 24}
