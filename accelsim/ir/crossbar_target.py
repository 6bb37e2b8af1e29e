"""What crossbars of ReRAM cells do to the sums of one multiplying layer. docs/crossbar.md defines every step.

Conductances are counted in levels: 1 is the step from one level of a cell to the next, 0 a cell that passes nothing.
"""

from dataclasses import dataclass
from typing import Literal

WeightEncoding = Literal["offset", "differential"]
Form = Literal["zero_insert", "scatter", "phase", "phase_layers"]
Variation = Literal["lognormal", "normal"]


@dataclass(frozen=True)
class CellEffects:
    """How cells differ from what was programmed; the defaults are ideal cells.

    sigma_relative: standard deviation of a conductance over its mean. stuck_on, stuck_off: fractions of cells at the
    highest and the lowest level, whatever was programmed. read_noise_levels: standard deviation of a column's current,
    drawn for each conversion. off_level: conductance of a cell at level 0, which all levels are higher by.
    wire_levels: relative drop of the voltage along one segment of wire that carries the current of one level.
    seed: which chip.
    """

    sigma_relative: float = 0.0
    variation: Variation = "lognormal"
    stuck_on: float = 0.0
    stuck_off: float = 0.0
    read_noise_levels: float = 0.0
    off_level: float = 0.0
    wire_levels: float = 0.0
    seed: int = 0

    @property
    def are_ideal(self) -> bool:
        """Whether every cell conducts what was programmed, and every column the sum of it."""
        return not any(
            (
                self.sigma_relative,
                self.stuck_on,
                self.stuck_off,
                self.read_noise_levels,
                self.off_level,
                self.wire_levels,
            )
        )


@dataclass(frozen=True)
class CrossbarTarget:
    """Crossbars of one layer, `layer` by name (it seeds their cells).

    rows, cols: of a crossbar. flips: a column whose levels sum to more than half of the most is stored inverted.
    adc_step: levels of one step of the ADC, a power of two. largest_sum: of a column of ideal cells, in levels.
    form: into which matrices a transposed convolution is cut.
    """

    layer: str
    rows: int
    cols: int
    cell_bits: int
    encoding: WeightEncoding
    flips: bool
    dac_bits: int
    adc_bits: int
    adc_step: int
    largest_sum: int
    form: Form
    cells: CellEffects = CellEffects()

    @property
    def highest_level(self) -> int:
        """Level of a cell at its highest conductance."""
        return (1 << self.cell_bits) - 1

    @property
    def is_exact(self) -> bool:
        """Whether sums are the exact integers: ideal cells, and ADCs that tell all sums of a column apart."""
        return self.cells.are_ideal and self.adc_step == 1 and self.largest_sum < 1 << self.adc_bits


@dataclass(frozen=True)
class CellActivity:
    """What was driven into the crossbars of one layer; exact counts, all over cycles, positions and images.

    rows: digits driven, once for each crossbar along a row. cells: cells that these rows and used columns select.
    driven_rows, driven_cells: the same, each times the square of its digit. driven_conductance: driven_cells, each
    times the conductance of the cell above its off state, in 2**-12 level.
    """

    rows: int = 0
    cells: int = 0
    driven_rows: int = 0
    driven_cells: int = 0
    driven_conductance: int = 0

    def __add__(self, other: "CellActivity") -> "CellActivity":
        return CellActivity(
            self.rows + other.rows,
            self.cells + other.cells,
            self.driven_rows + other.driven_rows,
            self.driven_cells + other.driven_cells,
            self.driven_conductance + other.driven_conductance,
        )
