"""The shipped NeuRRAM: its constants from their sources and from the rows of the figure that are no target."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest

from accelsim.hardware.load import load_architecture
from accelsim.hardware.reram import Reram, ReramArchitecture
from accelsim.validation.targets_file import read_targets, shipped_targets

OPS = 2 * 256 * 128
"""Of one core: 256 inputs by 128 weights of a pair of cells."""


@dataclass(frozen=True)
class Measured:
    """One row of mit-emze/cimloop@d6e13900, wan_nature_2022/_tests.py, EXPECTED of `test_tops` and
    `test_energy_bits_scaling`. tops: of 48 cores. select, neuron, pulses: fJ an operation."""

    out: int
    bits: int
    tops: float
    select: float
    neuron: float
    pulses: float


FITTED_ON = (
    Measured(4, 2, 1.793083771, 8.270951256, 12.38674172, 3.955661604),
    Measured(6, 4, 0.7438677864, 21.75617998, 29.1084171, 11.50740478),
    Measured(7, 5, 0.5254091287, 30.92613276, 44.21188287, 14.0246365),
    Measured(9, 7, 0.343873405, 43.69214654, 61.83258722, 22.83498524),
    Measured(10, 8, 0.2638743409, 50.52466791, 75.85721686, 27.50986693),
)


@pytest.fixture(scope="module")
def chip() -> Reram:
    return cast(ReramArchitecture, load_architecture("neurram")).reram


def counts(row: Measured) -> tuple[int, int, int, int]:
    """Input bits, additions, decided bits, phases, as the circuit is described: written out, not by the package."""
    magnitude = max(1, row.bits - 1)
    phases = [magnitude] if magnitude <= 3 else [magnitude - magnitude // 2, magnitude // 2]
    decided = row.out + (row.out - phases[0] if len(phases) == 2 else 0)
    return magnitude, sum(2**bits - 1 for bits in phases), decided, len(phases)


def fitted(columns: list[tuple[int, ...]], measured: list[float]) -> list[float]:
    """Least squares of relative errors."""
    relative = np.array(columns, float) / np.array(measured)[:, None]
    return [float(figure) for figure in np.linalg.lstsq(relative, np.ones(len(measured)), rcond=None)[0]]


def test_what_was_fitted_follows_from_the_other_rows(chip: Reram) -> None:
    events, neuron = [counts(row) for row in FITTED_ON], chip.adc.integrator
    assert neuron is not None
    times = fitted([row[1:] for row in events], [OPS * 48 / row.tops / 1e3 for row in FITTED_ON])
    assert [chip.cycle_ns.value, 1 / chip.adc.rate_gs_per_s.value, neuron.sample_ns.value] == pytest.approx(
        times, rel=2e-3
    )
    energies = fitted([row[:3] for row in events], [OPS * row.neuron / 256 * 1e-3 for row in FITTED_ON])
    ours = [chip.sample_hold.energy_pj.value, neuron.energy_pj.value, chip.adc.energy_pj["8"].value / 8]
    assert ours == pytest.approx(energies, rel=3e-3)
    (pulse,) = fitted([row[:1] for row in events], [row.pulses for row in FITTED_ON])
    assert chip.cell.read_energy_fj.value == pytest.approx(pulse, rel=1e-3)


def test_the_fit_is_on_no_row_that_is_a_target() -> None:
    (target,) = (target for target in read_targets(shipped_targets()).targets if target.id == "R2")
    judged = {
        tuple(int(word) for word in q.name.replace(",", "").split() if word.isdecimal()) for q in target.quantities
    }
    assert judged == {(3, 1), (5, 3), (8, 6)} and not judged & {(row.out, row.bits) for row in FITTED_ON}


def test_what_was_not_fitted_follows_from_the_sources(chip: Reram) -> None:
    assert chip.dac.energy_pj.value == pytest.approx((48 + 256 * (1.5 + 0.6)) * 1e-3 * 1.8**2, rel=1e-3)
    for row in FITTED_ON:  # and is what was measured of the select lines
        assert 256 * chip.dac.energy_pj.value * counts(row)[0] == pytest.approx(OPS * row.select * 1e-3, rel=0.11)
    cell, steps = chip.cell, chip.adc.energy_pj
    assert cell.write_v is not None and cell.write_ns is not None and cell.write_energy_pj is not None
    ends = [cell.read_v.value**2 / r.value * cell.read_ns.value * 1e6 / 2 for r in (cell.r_off_ohm, cell.r_on_ohm)]
    assert [cell.read_energy_fj.low, cell.read_energy_fj.high] == pytest.approx(ends)
    pulse = cell.write_v.value**2 * cell.write_ns.value * 1e3 / cell.r_on_ohm.value
    assert cell.write_energy_pj.value == pytest.approx(pulse, rel=0.01)
    assert all(steps[bits].value == pytest.approx(0.464 * int(bits)) for bits in steps)


def test_energies_around_the_cores_are_isaacs_in_130_nm(chip: Reram) -> None:
    """Polynomials of Stillmaker and Baas, Integration 58 (2017): a2 V**2 + a1 V + a0."""
    factor = (7.171 * 1.8**2 - 6.709 * 1.8 + 2.904) / (0.9559 - 0.7823 + 0.471)
    isaac = cast(ReramArchitecture, load_architecture("isaac")).reram.tile
    assert chip.tile.edram.energy_pj.value == pytest.approx(factor * isaac.edram.energy_pj.value, rel=0.01)
    assert chip.tile.bus.energy_pj_per_bit.value == pytest.approx(factor * isaac.bus.energy_pj_per_bit.value, rel=0.01)
    assert chip.tile.router.energy_pj.value == pytest.approx(factor * isaac.router.energy_pj.value, rel=0.01)


@pytest.mark.parametrize("row", FITTED_ON, ids=lambda row: f"{row.out},{row.bits}")
def test_a_readout_is_as_described(chip: Reram, row: Measured) -> None:
    adc = chip.adc.model_copy(update={"bits": row.out})
    readout = chip.model_copy(update={"adc": adc}).readout(row.bits)
    driven, additions, decided, phases = counts(row)
    assert (readout.driven, readout.integrations, readout.decisions, readout.conversions) == (
        driven,
        additions,
        decided,
        phases,
    )
    assert readout.cycles == pytest.approx(304 * additions + 298 * decided + 269 * phases, abs=1)
