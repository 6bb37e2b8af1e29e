"""The YAML of published results, schema `accelsim/targets/1`: every mistake at once, as file:line: field: what.

A target says what was published, how ours is made (`estimate`, `crossbar_peak`, `adc_survey`, `mac_rates`, or that it
is `not_modelled`, and why), and which of the figures so made is each published one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from accelsim.errors import AccelsimError
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import load_workload
from accelsim.hardware.load import load_architecture
from accelsim.shared import shared
from accelsim.yaml_file import Document, Loc, Mistake, Plain, read_yaml, validate

SCHEMA = "accelsim/targets/1"
FOLDER, FILE = "validation", "targets.yaml"
Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
Whole = Annotated[int, Field(ge=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _weighted(given: object) -> object:
    """Figures to add up: a path, a list of paths, or a mapping from paths to factors."""
    if isinstance(given, str):
        return {given: 1.0}
    if isinstance(given, list) and all(isinstance(path, str) for path in given):
        return dict.fromkeys(given, 1.0)
    if not isinstance(given, Mapping):
        raise PydanticCustomError("expected", "the path of a figure, a list of them, or a mapping of paths to factors")
    return dict(given)


Sum = Annotated[dict[Text, float], BeforeValidator(_weighted), Field(min_length=1)]


class EstimateSpec(_Frozen):
    """`accelsim estimate`; its figures are those of report.json, layers by name: `layers.conv1.latency_s`.

    cores: so many of a processor's cores. second_precision: the same network in another precision, its figures behind
    `second.`, for networks whose layers are partly floating and partly integer.
    """

    workload: Text
    on: Text
    precision: Text = "int8"
    batch: Whole = 1
    residency: bool = True
    cores: Whole | None = None
    second_precision: Text | None = None


class CrossbarPeakSpec(_Frozen):
    """The roll-up of power and throughput of a chip of crossbars at full activity, and of its area if it has one."""

    on: Text


class AdcSurveySpec(_Frozen):
    """One conversion of an ADC by the fit to the survey of published ones."""

    bits: Annotated[float, Field(gt=1, le=20)]
    rate_gs_per_s: Positive
    node_nm: Positive


class Measured(_Frozen):
    """One network on the board: MACs of its dense and pointwise layers, of its depthwise ones, and what it took."""

    dense_macs: Annotated[int, Field(ge=0)]
    depthwise_macs: Annotated[int, Field(ge=0)]
    inferences_per_s: Positive
    energy_uj: Positive


class MacRatesSpec(_Frozen):
    """Seconds and joules a dense and a depthwise MAC, fitted on other networks on the same board."""

    fitted_on: Annotated[dict[Text, Measured], Field(min_length=1)]
    dense_macs: Annotated[int, Field(ge=0)]
    depthwise_macs: Annotated[int, Field(ge=0)]


Recipe = EstimateSpec | CrossbarPeakSpec | AdcSurveySpec | MacRatesSpec
HOW = ("estimate", "crossbar_peak", "adc_survey", "mac_rates", "not_modelled")


class QuantitySpec(_Frozen):
    """One published number and which of our figures it is: the sum `read`, divided by the sum `over` where given.

    published: greater than 0, in the unit that the name says. decimals: as many as were printed; ours is rounded alike.
    """

    name: Text
    published: Positive
    allowed_percent: Annotated[float, Field(ge=0)]
    decimals: Annotated[int, Field(ge=0, le=12)] | None = None
    read: Sum | None = None
    over: Sum | None = None


class TargetSpec(_Frozen):
    """One published result, or a part of it with the same id.

    gated: ours must be inside the allowance; else it is only printed.
    """

    id: Text
    title: Text
    source: Text
    status: Literal["verified", "secondary", "derived", "recalled"]
    gated: bool
    fitted_on: Text
    quantities: Annotated[list[QuantitySpec], Field(min_length=1)]
    estimate: EstimateSpec | None = None
    crossbar_peak: CrossbarPeakSpec | None = None
    adc_survey: AdcSurveySpec | None = None
    mac_rates: MacRatesSpec | None = None
    not_modelled: Text | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in HOW if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise PydanticCustomError("one_way", "needs exactly one of {how}, but has {found}", _ways(found))
        unread = [q.name for q in self.quantities if (q.read is None) != (self.not_modelled is not None)]
        if unread:
            what = "must not have `read`" if self.not_modelled else "needs `read`: which figure it is"
            raise PydanticCustomError("read", "quantity {name!r} {what}", {"name": unread[0], "what": what})
        return self

    @property
    def recipe(self) -> Recipe | None:
        """How ours is made; None where it is not."""
        return self.estimate or self.crossbar_peak or self.adc_survey or self.mac_rates


def _ways(found: str) -> dict[str, str]:
    return {"how": ", ".join(HOW), "found": found}


class TargetsFile(_Frozen):
    """The whole file."""

    schema_: Annotated[Literal["accelsim/targets/1"], Field(alias="schema")]
    targets: Annotated[list[TargetSpec], Field(min_length=1)]


@dataclass(frozen=True)
class Targets:
    """The targets of a file, and the file, to locate what turns out wrong later."""

    targets: tuple[TargetSpec, ...]
    document: Document

    def place(self, target: TargetSpec) -> Loc:
        """Where a target stands in the file."""
        return ("targets", self.targets.index(target))

    @property
    def folder(self) -> Path:
        """Where relative paths in the file start."""
        return Path(self.document.origin).parent


def shipped_targets() -> Path:
    """The file of targets that ships with accelsim."""
    return shared(FOLDER) / FILE


def read_targets(path: Path) -> Targets:
    """The targets of a file.

    Raises:
        LocatedErrors: all its mistakes, unknown machines, workloads and formats among them.
    """
    document = read_yaml(path)
    made = validate(document, TargetsFile, [_distinct])
    targets = Targets(tuple(made.targets), document)
    if mistakes := [mistake for target in targets.targets for mistake in _names(targets, target)]:
        raise document.errors(mistakes)
    return targets


def located(name: str, folder: Path) -> str:
    """A name as it is, a path as seen from the folder of the file that says it."""
    return str(folder / name) if (folder / name).is_file() else name


def _distinct(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """An id may head several entries, as parts of one target, but names a quantity once."""
    entries = data.get("targets")
    found = [entry if isinstance(entry, dict) else {} for entry in entries] if isinstance(entries, list) else []
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(found):
        quantities = entry.get("quantities")
        for place, quantity in enumerate(quantities if isinstance(quantities, list) else []):
            if not isinstance(quantity, dict) or "name" not in quantity:
                continue
            key = str(entry.get("id")), str(quantity["name"])
            if key in seen:
                where = ("targets", index, "quantities", place, "name")
                yield Mistake(where, f"{key[1]!r} is given twice for target {key[0]!r}")
            seen.add(key)


def _names(targets: Targets, target: TargetSpec) -> Iterator[Mistake]:
    """Machines, workloads and formats that do not exist."""
    recipe, checks = target.recipe, dict[str, Callable[[], object]]()
    match recipe:
        case EstimateSpec():
            section = "estimate"
            checks = {
                "on": lambda: load_architecture(located(recipe.on, targets.folder)),
                "workload": lambda: load_workload(located(recipe.workload, targets.folder)),
                "precision": lambda: parse_precision(recipe.precision),
            }
            second = recipe.second_precision
            if second is not None:
                checks["second_precision"] = lambda: parse_precision(second)
        case CrossbarPeakSpec():
            section = "crossbar_peak"
            checks = {"on": lambda: load_architecture(located(recipe.on, targets.folder))}
        case _:
            return
    for key, check in checks.items():
        try:
            check()
        except AccelsimError as error:
            yield Mistake((*targets.place(target), section, key), str(error.args[0]).splitlines()[0])
