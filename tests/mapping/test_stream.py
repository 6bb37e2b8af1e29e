"""Units and timing of a streaming pipeline: by hand, and against a simulation of tokens with finite buffers."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import DoesNotFit
from accelsim.ir.graph import Node
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, GlobalAveragePool, MatMul, MaxPool, ReLU
from accelsim.ir.shapes import result_shape
from accelsim.mapping.operators import mac_counts
from accelsim.mapping.stream_timing import pipeline_timing
from accelsim.mapping.stream_unit import StreamUnit, stream_unit


def conv(c, k, taps=3, stride=1, pad=0):
    return Conv2d(c, k, (taps, taps), (stride, stride), (1, 1), (pad,) * 4, 1, False)


def up(c, k, taps=5, stride=2, crop=(2, 1, 2, 1)):
    return ConvTranspose2d(c, k, (taps, taps), (stride, stride), (1, 1), crop, 1, False)


POOL = MaxPool((2, 2), (2, 2), (1, 1), (0, 0, 0, 0))


def unit(op, shape, fold=(1, 1), form="phase", name="a"):
    return stream_unit(Node(name, op, ("x",)), (shape,), result_shape(op, shape), fold, form)


def chain(ops, shape, folds):
    """Units one after the other, and what each reads."""
    units, reads, before = [], {}, "x"
    for i, (op, fold) in enumerate(zip(ops, folds, strict=True)):
        name = f"u{i}"
        units.append(unit(op, shape, fold, name=name))
        reads[name] = (before,)
        before, shape = name, result_shape(op, shape)
    return tuple(units), reads, before


# --- one unit, by hand -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "shape", "fold", "cycles"),
    [  # Xilinx/BNN-PYNQ config.h, "Ext Latency" of cnvW1A1, cnvW2A2 and lfcW1A1
        (conv(3, 64), (3, 32, 32), (16, 3), 32400),
        (conv(64, 64), (64, 30, 30), (32, 32), 28224),
        (conv(64, 128), (64, 14, 14), (16, 32), 20736),
        (conv(128, 128), (128, 12, 12), (8, 16), 115200),
        (conv(128, 256), (128, 5, 5), (4, 32), 20736),
        (conv(256, 256), (256, 3, 3), (1, 32), 18432),
        (Dense(256, 512, False), (256,), (1, 4), 32768),
        (Dense(512, 64, False), (512,), (4, 1), 8192),
        (Dense(832, 1024, False), (832,), (32, 64), 416),
    ],
)
def test_cycles_of_an_image_are_those_that_bnn_pynq_states(op, shape, fold, cycles):
    made = unit(op, shape, fold)
    assert made.busy_cycles == cycles == made.matrix.cycles(*fold)
    positions = sum(made.matrix.positions)
    assert made.matrix.folds(*fold) == cycles // positions  # WMEM of config.h: the words of each PE


def test_what_does_not_divide_is_rounded_up():
    assert unit(Dense(10, 7, False), (10,), (2, 4)).busy_cycles == 4 * 3
    assert unit(conv(5, 5), (5, 4, 4), (2, 4)).busy_cycles == 4 * 3 * 12


def test_phases_of_a_transposed_convolution_by_hand():
    """5 taps at stride 2 are phases of 3 and 2 taps a side: 9, 6, 6 and 4 taps, a quarter of the outputs each."""
    made = unit(up(8, 4), (8, 4, 4), (2, 4))
    assert sorted(made.matrix.columns) == [32, 48, 48, 72]
    assert made.matrix.positions == (16, 16, 16, 16)
    assert made.busy_cycles == 16 * 2 * (18 + 12 + 12 + 8)
    assert made.matrix.folds(2, 4) == 2 * 50
    # ceil of each phase: 72, 48, 48, 32 columns by 7
    assert unit(up(8, 4), (8, 4, 4), (4, 7)).busy_cycles == 16 * (11 + 7 + 7 + 5)
    zeros = unit(up(8, 4), (8, 4, 4), (2, 4), form="zero_insert")
    assert zeros.busy_cycles == 64 * 2 * 50


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(2, 6))
def test_unfolded_to_one_multiplier_a_unit_takes_a_cycle_a_multiply(c, k, taps, stride, size):
    """With taps of at least the stride, phases leave no output without a multiply."""
    taps = max(taps, stride)
    made = unit(up(c, k, taps, stride, (0, 0, 0, 0)), (c, size, size))
    assert made.busy_cycles == made.macs >= mac_counts(made.node.op, ((c, size, size),)).effectual
    plain = unit(conv(c, k, min(taps, size), stride), (c, size, size))
    assert plain.busy_cycles == plain.macs == mac_counts(plain.node.op, ((c, size, size),)).zero_inserted


def test_a_window_waits_for_its_rows_and_for_what_comes_in_beside_it():
    made = unit(conv(2, 2), (2, 5, 5))
    assert made.needs.tolist() == [14] * 3 + [19] * 3 + [24] * 3
    assert made.beside.tolist() == [5] * 6 + [0] * 3
    assert made.done_with.tolist() == [0, 0, 5, 5, 5, 10, 10, 10, 25]
    assert made.lines.pixels == 4 * 5
    padded = unit(conv(2, 2, pad=1), (2, 5, 5))
    assert padded.needs[:6].tolist() == [9] * 5 + [14] and padded.needs[-1] == 24
    wide = unit(conv(2, 2), (2, 5, 20))  # 9 pixels beside each window, until the next row is there
    assert wide.beside[:4].tolist() == [9, 18, 20, 20]
    strided = unit(conv(2, 2, 4, 2), (2, 8, 8))
    assert (strided.lines.blocks, strided.lines.rows_per_block) == (3, 2)


def test_a_transposed_window_waits_for_no_more_rows_than_it_reads():
    made = unit(up(2, 2), (2, 4, 4))  # row 0 of 8 reads input rows 0 and 1
    assert made.needs[0] == 7
    assert made.needs.max() == 15
    assert (np.diff(made.needs) >= 0).all()


def test_what_no_stream_can_run_is_refused():
    with pytest.raises(DoesNotFit, match=r"layer a: multiplies two values"):
        stream_unit(Node("a", MatMul(3), ("x", "y")), ((2, 4), (4, 3)), (2, 3), (1, 1), "phase")
    with pytest.raises(DoesNotFit, match=r"layer a: simd 8 is more than the 4 input channels that its window"):
        unit(conv(4, 4), (4, 5, 5), (1, 8))
    with pytest.raises(DoesNotFit, match=r"layer a: transposed_conv: scatter"):
        unit(up(1, 1), (1, 4, 4), form="scatter")


# --- the pipeline ----------------------------------------------------------------------------------------------------


@dataclass
class Station:
    """A unit at work: its FIFO, what its buffer has taken in and freed, and the token that it works on."""

    unit: StreamUnit
    fifo: int = 0
    taken: int = 0
    freed: int = 0
    wait: int = 0
    token: int = 0
    left: int = 0
    ready: bool = False
    image: int = 0

    @property
    def window_read(self):
        """Cycles of the token before its window has been read once."""
        folds = self.unit.matrix.neuron_folds if self.unit.matrix and self.unit.intake else 1
        return int(self.unit.cycles[self.token]) // folds

    def take_in(self):
        """A pixel from the FIFO, if there is room, and not of the next image while this one is still read."""
        unit, pixels = self.unit, self.unit.pixels[0]
        lines = unit.lines.pixels if unit.lines and not unit.absorbs else pixels
        other = self.freed < self.taken // pixels * pixels
        if self.wait:
            self.wait -= 1
        if self.wait == 0 and self.fifo and self.taken - self.freed < lines and not (other and unit.intake):
            self.fifo -= 1
            self.taken += 1
            self.wait = unit.intake

    def work(self, room):
        """One cycle; whether a token is handed on."""
        unit, base = self.unit, self.image * self.unit.pixels[0]
        if self.left == 0 and not self.ready and self.taken - (self.wait > 0) >= base + unit.needs[self.token] + 1:
            self.left = int(unit.cycles[self.token])
        if self.left:
            done = int(unit.cycles[self.token]) - self.left + 1
            beside = 0 if unit.beside is None else int(unit.beside[self.token])
            if done == self.window_read and self.taken < base + unit.needs[self.token] + 1 + beside:
                return False
            self.left -= 1
            self.ready = self.left == 0
            if done == self.window_read:
                self.freed = base + int(unit.done_with[self.token])
        if not (self.ready and room):
            return False
        self.ready, self.token = False, self.token + 1
        if self.token == len(unit.cycles):
            self.token, self.image = 0, self.image + 1
        return True


def simulate_tokens(units, source, images):
    """Completion times of images, cycle by cycle, with line buffers and FIFOs of their size.

    A unit takes pixels from the FIFO in front when its buffer has room, works on a token when what that needs is there,
    and hands it on when the FIFO behind has room. None of this is in the closed form.
    """
    stations = [Station(unit) for unit in units]
    done, now, sent, wait = [], 0, 0, int(source[0])
    while len(done) < images:
        now += 1
        assert now < 10**6, "stuck"
        wait = max(0, wait - 1)
        if wait == 0 and stations[0].fifo < units[0].fifo_pixels:
            stations[0].fifo += 1
            sent += 1
            wait = int(source[sent % len(source)])
        for i, station in enumerate(stations):
            behind = stations[i + 1] if i + 1 < len(stations) else None
            station.take_in()
            if station.work(behind is None or behind.fifo < behind.unit.fifo_pixels):
                if behind is not None:
                    behind.fifo += 1
                elif station.token == 0:
                    done.append(now)
    return done


PIPELINES = {
    "last is slowest": ([conv(2, 4), POOL, conv(4, 4)], (2, 12, 12), [(4, 2), (0, 0), (1, 2)]),
    "first is slowest": ([conv(2, 4), POOL, conv(4, 4)], (2, 12, 12), [(1, 2), (0, 0), (2, 4)]),
    "balanced": ([conv(4, 4), conv(4, 4), conv(4, 2)], (4, 12, 12), [(2, 4), (2, 4), (1, 4)]),
    "transposed": ([up(4, 4), up(4, 2), conv(2, 1, pad=1)], (4, 4, 4), [(1, 4), (1, 4), (1, 2)]),
    "elementwise": ([conv(2, 2), ReLU(), conv(2, 2)], (2, 9, 9), [(1, 2), (0, 0), (1, 2)]),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_closed_form_agrees_with_a_simulation_of_tokens(name):
    """The interval exactly; the latency to two cycles for each unit and the source."""
    ops, shape, folds = PIPELINES[name]
    units, reads, last = chain(ops, shape, [(max(1, pe), max(1, simd)) for pe, simd in folds])
    source = np.ones(shape[1] * shape[2], np.int64)
    timing = pipeline_timing(units, reads, {"x": source}, {last: 1})
    ends = simulate_tokens(units, source, 6)
    assert ends[0] == pytest.approx(timing.latency, abs=2 * (len(units) + 1))
    assert np.diff(ends).tolist() == [timing.interval] * 5


def test_two_dense_layers_by_hand():
    """8 inputs at one a cycle are one pixel here; 4 results in 2 cycles each, then 3 of 4 folds in 1 cycle each."""
    units, reads, last = chain([Dense(8, 4, False), Dense(4, 3, False)], (8,), [(1, 4), (1, 4)])
    timing = pipeline_timing(units, reads, {"x": np.array([8])}, {last: 0})
    assert timing.made["u0"].tolist() == [10, 12, 14, 16]
    assert timing.made["u1"].tolist() == [17, 18, 19]
    assert (timing.interval, timing.bottleneck, timing.latency) == (8, "x", 19)


def test_parts_of_a_dense_result_become_pixels_as_they_are_made():
    """A dense layer makes a 2 x 2 image of 2 channels: a pixel every 2 results."""
    dense = unit(Dense(3, 8, False), (3,), (1, 3), name="u0")
    window = unit(conv(2, 1, 1), (2, 2, 2), (1, 2), name="u1")
    timing = pipeline_timing((dense, window), {"u0": ("x",), "u1": ("u0",)}, {"x": np.array([1])}, {"u1": 0})
    assert timing.made["u0"].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert timing.made["u1"].tolist() == [4, 6, 8, 10]


def test_a_whole_image_is_waited_for_by_what_needs_it():
    units, reads, last = chain([conv(2, 2), GlobalAveragePool()], (2, 6, 6), [(1, 2), (1, 1)])
    timing = pipeline_timing(units, reads, {"x": np.ones(36, np.int64)}, {last: 0})
    assert timing.first("u1") > timing.last("u0")
    assert units[1].holds_all


def test_outputs_leave_as_they_are_made_and_the_rest_after():
    units, reads, last = chain([Dense(4, 4, False)], (4,), [(1, 4)])
    timing = pipeline_timing(units, reads, {"x": np.array([1])}, {last: 40})
    assert timing.latency == 1 + 1 + 40
    assert timing.interval == 40 and timing.bottleneck == "output u0"


@st.composite
def pipelines(draw):
    """Two or three layers with divisors of their channels as folding."""
    shape = (draw(st.sampled_from([2, 4])), draw(st.integers(8, 12)), draw(st.integers(8, 12)))
    ops, folds, here = [], [], shape
    for _ in range(draw(st.integers(2, 3))):
        channels = draw(st.sampled_from([2, 4]))
        taps, pad = draw(st.sampled_from([(1, 0), (3, 0), (3, 1)]))
        op = draw(st.sampled_from([conv(here[0], channels, taps, 1, pad), POOL, ReLU()]))
        if op is POOL and min(here[1:]) < 6:
            op = ReLU()
        simd = draw(st.sampled_from([d for d in (1, 2, 4) if here[0] % d == 0]))
        folds.append((draw(st.sampled_from([d for d in (1, 2, 4) if channels % d == 0])), simd))
        ops.append(op)
        here = result_shape(op, here)
    return ops, shape, folds, draw(st.integers(1, 4))


@settings(max_examples=300, deadline=None)
@given(pipelines())
def test_any_pipeline_keeps_the_interval_of_the_closed_form(made):
    ops, shape, folds, pace = made
    units, reads, last = chain(ops, shape, folds)
    source = np.full(shape[1] * shape[2], pace, np.int64)
    timing = pipeline_timing(units, reads, {"x": source}, {last: 1})
    ends = simulate_tokens(units, source, 5)
    assert (ends[4] - ends[2]) / 2 == pytest.approx(timing.interval, rel=0.05)
    assert ends[0] == pytest.approx(timing.latency, rel=0.05, abs=2 * (len(units) + 1))
