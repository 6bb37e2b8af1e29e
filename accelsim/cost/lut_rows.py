"""What Yosys made of processing elements, and by how much the counts of `lut_cost` are off.

`data/yosys_pe.csv`: `synth_xilinx` of units with one register at the output, 7 series, without DSP slices (but for the
requantizers with multiplier). `data/yosys_pe_later.csv`: other widths, synthesized by Yosys 0.70 after the counts were
written, to judge them by. flow `flat`: flattened first, Yosys 0.70; `tree`: adders kept apart until they are on
carry chains, Yosys 0.23. lut: LUTs after two that share inputs, at most 5 together, are paired in one LUT6. Small units
(requantizers, tables) are flat rows of Yosys 0.23.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from accelsim.cost import lut_cost
from accelsim.errors import AccelsimError


@dataclass(frozen=True)
class Row:
    """One synthesized unit: its parameters (bits, lanes, style of its source) and what it took."""

    unit: str
    family: str
    flow: str
    yosys: str
    parameters: Mapping[str, int]
    luts: int
    ffs: int
    dsps: int

    @property
    def behavioural(self) -> bool:
        """Whether the source says `*` and leaves the rest to the synthesizer."""
        return self.parameters.get("style", 0) == 0


@dataclass(frozen=True)
class Residual:
    """Over the rows of one kind: mean of abs(counted / measured - 1), and the range of measured / counted."""

    rows: int
    mean: float
    low: float
    high: float


KINDS: Mapping[str, str] = {
    "pe_add": "adder",
    "pe_sum": "sum",
    "pe_mul": "product",
    "pe_mac": "multiply-accumulate",
    "pe_dot": "dot",
    "pe_tmac": "ternary multiply-accumulate",
    "pe_tdot": "ternary dot",
    "pe_ttdot": "ternary x ternary dot",
    "pe_xnor": "binary dot",
}
"""Unit of a row -> what it is; other units are measured alone, without a count."""


REFERENCE, UNSEEN = "yosys_pe.csv", "yosys_pe_later.csv"


@cache
def measured(table: str = REFERENCE) -> tuple[Row, ...]:
    """All rows of one of the two files."""
    text = files("accelsim.cost").joinpath(f"data/{table}").read_text(encoding="utf-8")
    return tuple(_row(fields) for fields in csv.DictReader(text.splitlines()))


@cache
def single(unit: str, parameter: str, value: int, family: str = "xc7") -> Row:
    """The one row of a unit that has no count, by one of its parameters.

    Raises:
        AccelsimError: there is none, or several.
    """
    found = [r for r in measured() if (r.unit, r.family) == (unit, family) and r.parameters.get(parameter) == value]
    if len(found) != 1:
        raise AccelsimError(f"yosys_pe.csv: {len(found)} rows of {unit}, {parameter} {value}, {family}; expected 1")
    return found[0]


def counted(row: Row) -> int:
    """LUTs of the row's circuit by `lut_cost`; raises AccelsimError for a unit that has no count."""
    p, build = row.parameters, _build(row)
    match row.unit:
        case "pe_add":
            return lut_cost.adder(p["b"])
        case "pe_sum":
            return lut_cost.adder_tree(p["n"], p["b"])
        case "pe_mul":
            return lut_cost.multiplier(p["w"], p["a"], build)
        case "pe_mac":
            return lut_cost.multiply_accumulate(p["w"], p["a"], p["acc"], build, saturating=bool(p["sat"]))
        case "pe_dot":
            return lut_cost.dot(p["n"], p["w"], p["a"])
    return _counted_narrow(row)


@cache
def residual(kind: str, *, behavioural: bool | None = None, later: bool = False) -> Residual:
    """How far the counts of one kind of unit are from its rows of all flows.

    behavioural: of one style of source only. later: also from the rows that were measured later.
    """
    table = measured() + (measured(UNSEEN) if later else ())
    rows = [r for r in table if KINDS.get(r.unit) == kind and behavioural in (None, r.behavioural)]
    if not rows:
        raise AccelsimError(f"yosys_pe.csv: no rows of kind {kind!r}, expected one of {', '.join(KINDS.values())}")
    ratios = [r.luts / counted(r) for r in rows]
    return Residual(len(rows), sum(abs(1 / q - 1) for q in ratios) / len(rows), min(ratios), max(ratios))


def _counted_narrow(row: Row) -> int:
    p = row.parameters
    match row.unit:
        case "pe_tmac":
            return lut_cost.ternary_accumulate(p["acc"])
        case "pe_tdot":
            return lut_cost.ternary_dot(p["n"], p["a"], negated=row.behavioural and row.flow == "tree")
        case "pe_ttdot":
            return lut_cost.ternary_ternary_dot(p["n"], biased=p["style"] == 2)
        case "pe_xnor":
            return lut_cost.binary_dot(p["n"], p["acc"], 3 if p["style"] == 1 else 6)
    raise AccelsimError(f"yosys_pe.csv: {row.unit} has no count, expected one of {', '.join(KINDS)}")


def _build(row: Row) -> lut_cost.Multiplier:
    return "operator" if row.behavioural else "rows"


def _row(fields: Mapping[str, str]) -> Row:
    names = ("n", "w", "a", "acc", "b", "sat", "style", "impl", "fix")
    return Row(
        unit=fields["unit"],
        family=fields["family"],
        flow=fields["flow"],
        yosys=fields["yosys"],
        parameters={name: int(fields[name]) for name in names if fields[name]},
        luts=int(fields["lut"]),
        ffs=int(fields["ff"]),
        dsps=int(fields["dsp"]),
    )
