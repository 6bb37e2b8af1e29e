"""The figures that a target's recipe makes, by path: what the targets file reads its quantities from."""

from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path

from accelsim.errors import AccelsimError
from accelsim.flow import estimate
from accelsim.frontend.workload import load_workload
from accelsim.hardware.architecture import Machine
from accelsim.hardware.cpu import CpuArchitecture
from accelsim.hardware.load import load_architecture
from accelsim.hardware.quantity import Count
from accelsim.hardware.reram import ReramArchitecture
from accelsim.report import flat
from accelsim.validation.adc_survey import area_um2, conversion_pj
from accelsim.validation.chip_rollup import area_figures, power_figures
from accelsim.validation.mac_rates import mac_rate_figures
from accelsim.validation.targets_file import (
    AdcSurveySpec,
    CrossbarPeakSpec,
    EstimateSpec,
    MacRatesSpec,
    Recipe,
    located,
)

Figures = Mapping[str, float]


@singledispatch
def figures(recipe: Recipe, folder: Path) -> Figures:
    """Every figure by its path; `folder` is where relative paths in the recipe start.

    Raises:
        AccelsimError: the machine cannot hold the workload, or is of another kind than the recipe needs.
    """
    raise TypeError(recipe)


@figures.register
def _(recipe: EstimateSpec, folder: Path) -> Figures:
    found = _estimated(recipe, recipe.precision, folder)
    if recipe.second_precision is None:
        return found
    second = _estimated(recipe, recipe.second_precision, folder)
    return {**found, **{f"second.{path}": value for path, value in second.items()}}


def _estimated(recipe: EstimateSpec, precision: str, folder: Path) -> Figures:
    report = estimate(
        load_workload(located(recipe.workload, folder)),
        on=_machine(recipe, folder),
        precision=precision,
        batch=recipe.batch,
        residency=recipe.residency,
    )
    if report.totals["latency_s"] is None:
        raise AccelsimError(f"no cost: {report.assumptions[0]}")
    layers = {str(row["name"]): dict(row) for row in report.layer_rows}
    document = {
        "totals": report.totals,
        "per_image": report.per_image,
        "energy_by_component_j": report.energy_by_component_j,
        "offchip_bytes_by_operand": report.offchip_bytes_by_operand,
        "resources": report.resources or {},
        "layers": layers,
    }
    return {path: value for path, value in flat(document).items() if _is_number(value)}


def _machine(recipe: EstimateSpec, folder: Path) -> Machine:
    """The machine, or one that differs from it in the number of cores alone."""
    machine = load_architecture(located(recipe.on, folder))
    if recipe.cores is None:
        return machine
    if not isinstance(machine, CpuArchitecture) or recipe.cores > machine.cpu.cores:
        raise AccelsimError(f"cores: {recipe.cores}; {machine.name} is no processor with so many cores")
    array = machine.array.model_copy(update={"rows": Count(1), "cols": Count(recipe.cores)})
    cpu = machine.cpu.model_copy(update={"cores": Count(recipe.cores)})
    return machine.model_copy(update={"array": array, "cpu": cpu})


@figures.register
def _(recipe: CrossbarPeakSpec, folder: Path) -> Figures:
    machine = load_architecture(located(recipe.on, folder))
    if not isinstance(machine, ReramArchitecture):
        raise AccelsimError(f"crossbar_peak: {machine.name} is of kind {machine.kind}; expected reram")
    made, area = power_figures(machine.reram), machine.reram.area
    return made if area is None else made | area_figures(machine.reram, area, made["peak_ops_per_s"])


@figures.register
def _(recipe: AdcSurveySpec, folder: Path) -> Figures:
    rate = recipe.rate_gs_per_s * 1e9
    return {
        "conversion_pj": conversion_pj(recipe.bits, rate, recipe.node_nm),
        "area_um2": area_um2(recipe.bits, rate, recipe.node_nm),
    }


@figures.register
def _(recipe: MacRatesSpec, folder: Path) -> Figures:
    return mac_rate_figures(recipe)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
