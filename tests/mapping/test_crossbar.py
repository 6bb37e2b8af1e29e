"""Counts on crossbars: dcgan32 by hand, and any small layer against crossbars built weight by weight."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, cast

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelsim.hardware.architecture import TransposedConv
from accelsim.hardware.load import load_architecture, parse_architecture
from accelsim.hardware.reram import Reram, ReramArchitecture
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense
from accelsim.ir.shapes import result_shape
from accelsim.mapping.crossbar import CrossbarLayer, crossbar_layer
from accelsim.shared import find_shared
from accelsim.yaml_file import Plain, read_yaml

SHIPPED = read_yaml(find_shared("hw_configs", "isaac")).data


def chip(**changes: Plain) -> Reram:
    section = {**cast(dict[str, Plain], SHIPPED["reram"]), **changes}
    return cast(ReramArchitecture, parse_architecture({**SHIPPED, "reram": section}, "variant")).reram


ISAAC = cast(ReramArchitecture, load_architecture("isaac")).reram

# --- dcgan32 by hand --------------------------------------------------------------------------------------------------
# A transposed convolution k5 s2 with crop (2, 1): output row y takes taps b with b = y (mod 2), that is b = 0, 2, 4 for
# even y and b = 1, 3 for odd y. Four phases with 9, 6, 6 and 4 taps, each over n x n positions for an input of n x n.
# int8: 4 slices of 2 bits, 8 cycles of 1 bit. Crossbars of 128 x 128.
#
# fc   100 -> 4096, 1 position. Row groups 1, columns 4096 x 4 = 16384, column groups 128: 128 crossbars.
#      DAC events 100 x 128 x 8 = 102,400. ADC conversions 16384 x 1 x 8 = 131,072.
# up1  256 -> 128 on 4 x 4. Rows 2304, 1536, 1536, 1024 (6400 in all): row groups 18 + 12 + 12 + 8 = 50. Columns 512:
#      4 column groups, 200 crossbars. 16 positions each.
#      DAC 16 x 8 x 6400 x 4 = 3,276,800. ADC 16 x 8 x 512 x 50 = 3,276,800.
# up2  128 -> 64 on 8 x 8. Rows 1152, 768, 768, 512 (3200): 9 + 6 + 6 + 4 = 25. Columns 256: 2, 50 crossbars. 64
#      positions. DAC 64 x 8 x 3200 x 2 = 3,276,800. ADC 64 x 8 x 256 x 25 = 3,276,800.
# up3  64 -> 3 on 16 x 16. Rows 576, 384, 384, 256 (1600): 5 + 3 + 3 + 2 = 13. Columns 12: 1, 13 crossbars. 256
#      positions. DAC 256 x 8 x 1600 x 1 = 3,276,800. ADC 256 x 8 x 12 x 13 = 319,488.


def up(channels_in: int, channels_out: int) -> ConvTranspose2d:
    return ConvTranspose2d(channels_in, channels_out, (5, 5), (2, 2), (1, 1), (2, 1, 2, 1), 1, False)


FC, UP1, UP2, UP3 = Dense(100, 4096, False), up(256, 128), up(128, 64), up(64, 3)
SHAPES = {FC: (100,), UP1: (256, 4, 4), UP2: (128, 8, 8), UP3: (64, 16, 16)}


class Hand(NamedTuple):
    crossbars: int
    dac_events: int
    adc_conversions: int
    cycles: int


def counted(layer: CrossbarLayer) -> Hand:
    return Hand(layer.crossbars, layer.dac_events, layer.adc_conversions, layer.cycles)


@pytest.mark.parametrize(
    ("op", "by_hand"),
    [
        (FC, Hand(128, 102_400, 131_072, 1 * 8)),
        (UP1, Hand(200, 3_276_800, 3_276_800, 16 * 8)),
        (UP2, Hand(50, 3_276_800, 3_276_800, 64 * 8)),
        (UP3, Hand(13, 3_276_800, 319_488, 256 * 8)),
    ],
)
def test_dcgan32_by_hand_in_phases(op: Dense | ConvTranspose2d, by_hand: Hand) -> None:
    assert counted(crossbar_layer(op, (SHAPES[op],), 1, 8, 8, ISAAC, "phase")) == by_hand


# The other forms of up1. zero_insert: 256 x 25 = 6400 rows, 50 row groups, 4 column groups, 64 positions.
#   DAC 64 x 8 x 6400 x 4 = 13,107,200. ADC 64 x 8 x 512 x 50 = 13,107,200.
# scatter: 256 rows, 2 row groups; 128 x 25 outputs x 4 = 12,800 columns, 100 column groups; 16 positions.
#   DAC 16 x 8 x 256 x 100 = 3,276,800. ADC 16 x 8 x 12,800 x 2 = 3,276,800.
#   An axis has 4 x 5 = 20 results; crop (2, 1) of 11 rows drops those of outputs 0, 1 and 10: b = 0 and 1 of the first
#   input and b = 4 of the last, 3 of 20. 128 x 17 x 17 = 36,992 results for 128 x 8 x 8 outputs: 28,800 adds in the
#   buffer, and 16 x 128 x 25 = 51,200 over the two row groups.
@pytest.mark.parametrize(
    ("form", "by_hand", "adds"),
    [
        ("zero_insert", Hand(200, 13_107_200, 13_107_200, 64 * 8), 64 * 128 * 49),
        ("scatter", Hand(200, 3_276_800, 3_276_800, 16 * 8), 28_800 + 51_200),
        ("phase", Hand(200, 3_276_800, 3_276_800, 16 * 8), 16 * 128 * (17 + 11 + 11 + 7)),
        ("phase_layers", Hand(200, 3_276_800, 3_276_800, 16 * 8), 16 * 128 * (17 + 11 + 11 + 7)),
    ],
)
def test_the_three_forms_of_a_transposed_convolution_by_hand(form: TransposedConv, by_hand: Hand, adds: int) -> None:
    layer = crossbar_layer(UP1, (SHAPES[UP1],), 1, 8, 8, ISAAC, form)
    assert (counted(layer), layer.sum_adds) == (by_hand, adds)


# fc in two tiles of 96: 100 inputs read in each. up1 in 200 / 96 -> 3 tiles, its 4 column groups in one: a position and
# its neighbours, on each axis 2 + 3 + 3 + 2 = 10 real inputs in 4 positions: 256 x 100. up3: 16 x 3 - 2 = 46.
@pytest.mark.parametrize(("op", "words", "tiles"), [(FC, 200, 2), (UP1, 25_600, 3), (UP3, 64 * 46 * 46, 1)])
def test_inputs_are_read_once_a_position_not_once_a_phase(op: Dense | ConvTranspose2d, words: int, tiles: int) -> None:
    layer = crossbar_layer(op, (SHAPES[op],), 1, 8, 8, ISAAC, "phase")
    assert (layer.fetched_words, layer.tiles) == (words, tiles)


def test_groups_take_crossbars_of_their_own() -> None:
    depthwise = Conv2d(32, 32, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 32, False)
    layer = crossbar_layer(depthwise, ((32, 8, 8),), 1, 8, 8, ISAAC, "phase")
    assert counted(layer) == Hand(32, 32 * 64 * 8 * 9, 32 * 64 * 8 * 4, 64 * 8)


@pytest.mark.parametrize("form", ["phase", "scatter", "zero_insert"])
def test_differential_cells_double_columns_and_conversions(form: TransposedConv) -> None:
    both = chip(encoding="differential")
    one, two = (crossbar_layer(UP2, (SHAPES[UP2],), 1, 8, 8, c, form) for c in (ISAAC, both))
    assert (two.cells, two.adc_conversions) == (2 * one.cells, 2 * one.adc_conversions)
    assert two.macs == one.macs


def test_counts_fall_with_bits_and_are_proportional_to_the_batch() -> None:
    at = {bits: crossbar_layer(UP2, (SHAPES[UP2],), 1, *bits, ISAAC, "phase") for bits in product((4, 8, 16), repeat=2)}
    assert at[8, 8].adc_conversions == 4 * at[4, 4].adc_conversions
    assert at[8, 4].adc_conversions == at[4, 8].adc_conversions == 2 * at[4, 4].adc_conversions
    assert at[8, 4].dac_events * 2 == at[8, 8].dac_events
    batch = crossbar_layer(UP2, (SHAPES[UP2],), 7, 8, 8, ISAAC, "phase")
    for count in ("dac_events", "adc_conversions", "cycles", "macs", "cell_reads", "sum_adds", "fetched_words"):
        assert getattr(batch, count) == 7 * getattr(at[8, 8], count)
    assert (batch.crossbars, batch.cells) == (at[8, 8].crossbars, at[8, 8].cells)


# --- any layer against crossbars built weight by weight ---------------------------------------------------------------


class Built(NamedTuple):
    """What a matrix computes: (channel, input row, input column) per row, index -1 driven with 0; output per column."""

    weights: np.ndarray  # [rows, outputs]
    passes: list[tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]]


Layer = Conv2d | ConvTranspose2d


def index(position: int, size: int) -> int:
    return position if 0 <= position < size else -1


def built(op: Layer, shape: tuple[int, ...], form: str, kernel: np.ndarray) -> Iterator[Built]:
    """The matrices of one sample. kernel [group, in, out, kh, kw], channels counted within the group."""
    _, height, width = shape
    _, out_h, out_w = result_shape(op, shape)
    into, outs = op.in_channels // op.groups, op.out_channels // op.groups
    taps = list(product(range(op.kernel[0]), range(op.kernel[1])))
    grid = list(product(range(out_h), range(out_w)))
    for g in range(op.groups):
        if isinstance(op, Conv2d):
            rows = [(c, r, s) for c in range(into) for r, s in taps]
            weights = np.array([[kernel[g, c, k, r, s] for k in range(outs)] for c, r, s in rows])
            passes = []
            for y, x in grid:
                at = [(y * op.stride[0] + r * op.dilation[0] - op.padding[0],
                       x * op.stride[1] + s * op.dilation[1] - op.padding[2]) for _, r, s in rows]  # fmt: skip
                driven = [(g * into + c, index(i, height), index(j, width))
                          for (c, _, _), (i, j) in zip(rows, at, strict=True)]  # fmt: skip
                passes.append((driven, [(g * outs + k, y, x) for k in range(outs)]))
            yield Built(weights, passes)
            continue
        begin, stride, dilation = (op.crop[0], op.crop[2]), op.stride, op.dilation
        if form == "scatter":
            columns = [(k, r, s) for k in range(outs) for r, s in taps]
            weights = np.array([[kernel[g, c, k, r, s] for k, r, s in columns] for c in range(into)])
            passes = []
            for i, j in product(range(height), range(width)):
                lands = [(g * outs + k, index(i * stride[0] + r * dilation[0] - begin[0], out_h),
                          index(j * stride[1] + s * dilation[1] - begin[1], out_w)) for k, r, s in columns]  # fmt: skip
                passes.append(([(g * into + c, i, j) for c in range(into)], lands))
            yield Built(weights, passes)
            continue
        phases = [(0, 0)] if form == "zero_insert" else list(product(range(stride[0]), range(stride[1])))
        for phase in phases:
            used = [t for t in taps if form == "zero_insert"
                    or all((dilation[a] * t[a] - begin[a]) % stride[a] == phase[a] for a in (0, 1))]  # fmt: skip
            mine = [p for p in grid if form == "zero_insert" or (p[0] % stride[0], p[1] % stride[1]) == phase]
            if not used or not mine:
                continue
            rows = [(c, r, s) for c in range(into) for r, s in used]
            weights = np.array([[kernel[g, c, k, r, s] for k in range(outs)] for c, r, s in rows])
            passes = []
            for y, x in mine:
                driven = []
                for c, r, s in rows:
                    i, j = y + begin[0] - dilation[0] * r, x + begin[1] - dilation[1] * s
                    real = i % stride[0] == 0 and j % stride[1] == 0
                    i, j = index(i // stride[0], height), index(j // stride[1], width)
                    driven.append((g * into + c, i, j) if real and min(i, j) >= 0 else (g * into + c, -1, -1))
                passes.append((driven, [(g * outs + k, y, x) for k in range(outs)]))
            yield Built(weights, passes)


def direct(op: Layer, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The layer as defined, by scattering every input (transposed) or gathering every tap."""
    out = np.zeros(result_shape(op, x.shape), dtype=np.int64)
    into, outs = op.in_channels // op.groups, op.out_channels // op.groups
    for g, c, k in product(range(op.groups), range(into), range(outs)):
        for r, s in product(range(op.kernel[0]), range(op.kernel[1])):
            w = kernel[g, c, k, r, s]
            if isinstance(op, Conv2d):
                for y, z in product(range(out.shape[1]), range(out.shape[2])):
                    i = y * op.stride[0] + r * op.dilation[0] - op.padding[0]
                    j = z * op.stride[1] + s * op.dilation[1] - op.padding[2]
                    if 0 <= i < x.shape[1] and 0 <= j < x.shape[2]:
                        out[g * outs + k, y, z] += w * x[g * into + c, i, j]
            else:
                for i, j in product(range(x.shape[1]), range(x.shape[2])):
                    y = i * op.stride[0] + r * op.dilation[0] - op.crop[0]
                    z = j * op.stride[1] + s * op.dilation[1] - op.crop[2]
                    if 0 <= y < out.shape[1] and 0 <= z < out.shape[2]:
                        out[g * outs + k, y, z] += w * x[g * into + c, i, j]
    return out


def run(op: Layer, x: np.ndarray, kernel: np.ndarray, small: Reram, bits: tuple[int, int], form: str) -> dict[str, int]:
    """Events of one sample, one crossbar and cycle after the other; the values come out right."""
    w_bits, a_bits = bits
    polarities = 2 if small.encoding == "differential" else 1
    slices = polarities * len(range(0, w_bits, int(small.cell_bits)))
    cycles = range(0, a_bits, int(small.dac.bits))
    seen = dict.fromkeys(("crossbars", "dac_events", "adc_conversions", "cell_reads", "cells", "adds", "cycles"), 0)
    fetched: dict[tuple[int, ...], set[tuple[int, int, int]]] = {}
    apart = op.stride if form == "phase" and isinstance(op, ConvTranspose2d) else (1, 1)
    out = np.zeros(result_shape(op, x.shape), dtype=np.int64)
    written: set[tuple[int, int, int]] = set()
    for matrix in built(op, x.shape, form, kernel):
        rows, columns = matrix.weights.shape[0], matrix.weights.shape[1] * slices
        blocks = [(min(small.rows, rows - i), min(small.cols, columns - j))
                  for i in range(0, rows, small.rows) for j in range(0, columns, small.cols)]  # fmt: skip
        seen["crossbars"] += len(blocks)
        seen["cells"] += sum(height * width for height, width in blocks)
        seen["cycles"] = max(seen["cycles"], len(matrix.passes) * len(cycles))
        for number, (driven, lands) in enumerate(matrix.passes):
            if any(min(at) >= 0 for at in lands):
                _, y, z = lands[0]
                scattered = form == "scatter" and isinstance(op, ConvTranspose2d)
                window = (driven[0][0], number) if scattered else (driven[0][0], y // apart[0], z // apart[1])
                fetched.setdefault(window, set()).update(at for at in driven if min(at) >= 0)
            values = np.array([x[at] if min(at) >= 0 else 0 for at in driven])
            sums = [values[i : i + small.rows] @ matrix.weights[i : i + small.rows] for i in range(0, rows, small.rows)]
            seen["adds"] += (len(sums) - 1) * matrix.weights.shape[1]
            for total, at in zip(sum(sums), lands, strict=True):
                if min(at) >= 0:
                    seen["adds"] += form == "scatter" and isinstance(op, ConvTranspose2d) and at in written
                    written.add(at)
                    out[at] += total
            for height, width in blocks:
                seen["dac_events"] += len(cycles) * height
                seen["adc_conversions"] += len(cycles) * width
                seen["cell_reads"] += len(cycles) * height * width
    assert (out == direct(op, x, kernel)).all()
    return seen | {"fetched": sum(map(len, fetched.values()))}


@st.composite
def layers(draw: st.DrawFn) -> tuple[Layer, tuple[int, int, int]]:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    groups = draw(st.integers(1, 2))
    channels = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel, stride, dilation = pair(1, 4), pair(1, 3), pair(1, 2)
    sides = (*pair(0, 2), *pair(0, 2))
    shape = (channels[0], *pair(1, 4))
    kind = draw(st.sampled_from([Conv2d, ConvTranspose2d]))
    op = kind(*channels, kernel, stride, dilation, sides, groups, False)
    sizes = [
        (n - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1 - sum(sides[2 * a : 2 * a + 2])
        if kind is ConvTranspose2d
        else n + sum(sides[2 * a : 2 * a + 2]) - dilation[a] * (kernel[a] - 1)
        for a, n in enumerate(shape[1:])
    ]
    assume(min(sizes) >= 1)
    return op, shape


@settings(max_examples=120)
@given(
    layers(),
    st.tuples(st.integers(2, 7), st.integers(2, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(3, 8), st.integers(3, 8)),
    st.sampled_from(["offset", "differential"]),
    st.sampled_from(["phase", "scatter", "zero_insert"]),
)
def test_counts_equal_crossbars_built_weight_by_weight(
    layer: tuple[Layer, tuple[int, int, int]],
    size: tuple[int, int],
    resolution: tuple[int, int],
    bits: tuple[int, int],
    encoding: str,
    form: TransposedConv,
) -> None:
    op, shape = layer
    adc = {"bits": 8, "columns_per_adc": 1, "rate_gs_per_s": 1, "energy_pj": {"8": 1}}
    dac = {"bits": resolution[1], "energy_pj": 1}
    small = chip(crossbar=list(size), cell_bits=resolution[0], dac=dac, adc=adc, encoding=encoding)
    values = np.random.default_rng(0)
    kernel = values.integers(-7, 8, (op.groups, op.in_channels // op.groups, op.out_channels // op.groups, *op.kernel))
    seen = run(op, values.integers(0, 9, shape), kernel, small, bits, form)
    try:
        made = crossbar_layer(op, (shape,), 1, *bits, small, form)
    except Exception as error:
        assume("no multiply reaches an output" not in str(error))
        raise
    ours = {
        "crossbars": made.crossbars, "dac_events": made.dac_events, "adc_conversions": made.adc_conversions,
        "cell_reads": made.cell_reads, "cells": made.cells, "adds": made.sum_adds, "cycles": made.cycles,
        "fetched": made.fetched_words,
    }  # fmt: skip
    assert ours == seen
