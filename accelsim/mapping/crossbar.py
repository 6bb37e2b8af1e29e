"""Counts of one layer on ReRAM crossbars, in closed form; docs/decisions/0002-crossbar-cost.md derives them.

A layer is one or more weight matrices. A matrix of `rows` inputs and `outputs` results is cut into row groups of a
crossbar's rows and column groups of a crossbar's columns, a weight being `slices` columns side by side. For each
position its inputs are driven for `readout.driven` cycles, and every used column of every row group is converted in
each (once a phase where columns integrate):

    crossbars = row groups x column groups       DAC events = positions x cycles x rows x column groups
    ADC conversions = positions x cycles x columns x row groups

    form of a transposed convolution     matrices    rows of one           outputs     positions
    zero_insert (conv, dense: the same)  1           C x R x S             K           outputs
    scatter                              1           C                     K x R x S   inputs
    phase                                s x s       C x taps of phase     K           outputs of the phase

Each group of a grouped convolution has matrices of its own. Inserted zeros and padding are driven and counted.
"""

from dataclasses import dataclass

from accelsim.hardware.architecture import TransposedConv
from accelsim.hardware.integrator import Readout
from accelsim.hardware.reram import Reram
from accelsim.ir.ops import ConvTranspose2d, DynamicConvTranspose2d, Op
from accelsim.mapping.layer_problem import LayerProblem, phase_layers
from accelsim.mapping.operators import Shapes, layer_problem
from accelsim.mapping.spaces import Space


@dataclass(frozen=True)
class Matrix:
    """A weight matrix and how many input vectors pass through it; `copies`: equal matrices of other groups."""

    rows: int
    outputs: int
    positions: int
    copies: int

    @property
    def macs(self) -> int:
        """Multiplies, those with padding and inserted zeros included."""
        return self.copies * self.positions * self.rows * self.outputs


@dataclass(frozen=True)
class CrossbarLayer:
    """A layer cut into crossbars of `chip`; all counts are of one batch."""

    problem: LayerProblem
    matrices: tuple[Matrix, ...]
    chip: Reram
    slices: int
    """Columns of one weight."""
    readout: Readout
    """Of one input vector."""
    results_scattered: int
    """Results that reach a surviving output, each to be added into a buffer; 0 unless outputs are scattered."""

    def row_groups(self, matrix: Matrix) -> int:
        """Crossbars that one column runs through."""
        return -(-matrix.rows // self.chip.rows)

    def column_groups(self, matrix: Matrix) -> int:
        """Crossbars that one row runs through."""
        return -(-matrix.outputs * self.slices // self.chip.cols)

    @property
    def crossbars(self) -> int:
        """Crossbars that the layer takes."""
        return sum(m.copies * self.row_groups(m) * self.column_groups(m) for m in self.matrices)

    @property
    def tiles(self) -> int:
        """Tiles that hold a part of the layer."""
        return -(-self.crossbars // self.chip.crossbars_per_tile)

    @property
    def cells(self) -> int:
        """Cells that hold a part of a weight."""
        return sum(m.copies * m.rows * m.outputs for m in self.matrices) * self.slices

    @property
    def macs(self) -> int:
        """Multiplies of the matrices."""
        return sum(m.macs for m in self.matrices)

    @property
    def peak_macs_per_s(self) -> float:
        """What all cells of the chip could do in these formats."""
        return self.chip.peak_macs_per_s(self.slices, self.readout.cycles)

    @property
    def cycles(self) -> int:
        """Cycles in which inputs are driven: all matrices work side by side, the one with most positions lasts."""
        return max(m.positions for m in self.matrices) * self.readout.cycles

    @property
    def dac_events(self) -> int:
        """Rows driven, once per cycle and crossbar."""
        driven = sum(m.copies * m.positions * m.rows * self.column_groups(m) for m in self.matrices)
        return driven * self.readout.driven

    @property
    def columns_read(self) -> int:
        """Used columns of all crossbars, once a position; what they do for one input vector is `readout`."""
        columns = sum(m.copies * m.positions * m.outputs * self.row_groups(m) for m in self.matrices)
        return columns * self.slices

    @property
    def adc_conversions(self) -> int:
        """Once per column read and driven cycle, or phase where columns integrate; as many shifts and adds."""
        return self.columns_read * self.readout.conversions

    @property
    def cell_reads(self) -> int:
        """Cells in a driven row and a used column, per cycle."""
        return self.macs * self.slices * self.readout.driven

    @property
    def sum_adds(self) -> int:
        """Digital adds of finished sums: over the row groups of an output, and of scattered results."""
        within = sum(m.copies * m.positions * m.outputs * (self.row_groups(m) - 1) for m in self.matrices)
        return self.sums_scattered + within

    @property
    def sums_scattered(self) -> int:
        """Scattered results that meet one already in the buffer."""
        return max(0, self.results_scattered - self.problem.words["O"])

    @property
    def fetched_words(self) -> int:
        """Inputs read from the buffers: the real inputs of each position once, in each tile across its columns."""
        problem = self.problem
        tiles = max(-(-self.column_groups(m) // self.chip.crossbars_per_tile) for m in self.matrices)
        return problem.N * problem.G * problem.C * _window_words(problem.h) * _window_words(problem.w) * tiles

    @property
    def partial_sums_on_bus(self) -> int:
        """Sums of single row groups that go to the adder of the tile; none where one row group is the whole sum."""
        return sum(
            m.copies * m.positions * m.outputs * groups for m in self.matrices if (groups := self.row_groups(m)) > 1
        )

    @property
    def partial_sums_between_tiles(self) -> int:
        """Sums that leave their tile: one per output and further tile that holds row groups of it, at most."""
        return sum(m.copies * m.positions * m.outputs * (self._tiles_of_a_sum(m) - 1) for m in self.matrices)

    def _tiles_of_a_sum(self, matrix: Matrix) -> int:
        groups = self.row_groups(matrix)
        return min(groups, -(-groups * self.column_groups(matrix) // self.chip.crossbars_per_tile))

    @property
    def line_words(self) -> int:
        """Inputs that wait in the buffers for one position and its row: full lines over the height of the window."""
        problem = self.problem
        return problem.G * problem.C * _window_height(problem.h) * problem.w.in_size

    def __str__(self) -> str:
        lines = [
            f"{m.copies} x " * (m.copies > 1)
            + f"{m.rows} rows x {m.outputs} outputs x {self.slices} slices: {self.row_groups(m)} x "
            + f"{self.column_groups(m)} crossbars, {m.positions} positions x {self.readout.cycles} cycles"
            for m in self.matrices
        ]
        return "\n".join(lines)


def crossbar_layer(
    op: Op, reads: Shapes, batch: int, weight_bits: int, activation_bits: int, chip: Reram, form: TransposedConv
) -> CrossbarLayer:
    """How a multiplying operator on these sample shapes is cut into crossbars; phase_layers is the same as phase."""
    shape = "phase" if form == "phase_layers" else form
    problem = layer_problem(op, reads, batch, shape)
    assert problem is not None
    scatters = shape == "scatter" and isinstance(op, ConvTranspose2d | DynamicConvTranspose2d)
    if scatters:
        matrices: tuple[Matrix, ...] = (
            Matrix(problem.C, problem.K * problem.h.taps * problem.w.taps, _positions(problem), problem.G),
        )
    elif shape == "phase" and isinstance(op, ConvTranspose2d | DynamicConvTranspose2d):
        matrices = tuple(_matrix(phase) for phase in phase_layers(problem, op.stride))
    else:
        matrices = (_matrix(problem),)
    return CrossbarLayer(
        problem=problem,
        matrices=matrices,
        chip=chip,
        slices=chip.slices(weight_bits),
        readout=chip.readout(activation_bits),
        results_scattered=_results(problem) if scatters else 0,
    )


def _matrix(problem: LayerProblem) -> Matrix:
    return Matrix(problem.C * problem.h.taps * problem.w.taps, problem.K, _positions(problem), problem.G)


def _positions(problem: LayerProblem) -> int:
    return problem.N * problem.h.positions * problem.w.positions


def _results(problem: LayerProblem) -> int:
    """Results that reach a surviving output."""
    reached = int((problem.h.outputs >= 0).sum()) * int((problem.w.outputs >= 0).sum())
    return problem.N * problem.G * problem.K * reached


def _windows(space: Space) -> list[int]:
    """Per position of one axis, how many real inputs its taps touch for a surviving output."""
    return [
        len({i for i, o in zip(ins, outs, strict=True) if i >= 0 and o >= 0})
        for ins, outs in zip(space.in_index, space.out_index, strict=True)
    ]


def _window_words(space: Space) -> int:
    return sum(_windows(space))


def _window_height(space: Space) -> int:
    return max(_windows(space))
