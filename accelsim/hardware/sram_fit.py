"""SRAM by a fit to CACTI 7: energy of an access, leakage and area from size, width, node and transistors.

    ln q = c(node) + a s + b w + d s w + e s^2 + f w^2,    s = log2(bytes / 32 KiB), w = log2(bits of an access / 64)

with one c for each of the four nodes of CACTI's tables, by least squares over `data/cacti7_sram.csv`, separately for
each transistor and figure. Between two of these nodes q is interpolated linearly, as CACTI does with its transistors.
`data/cacti7_sram_later.csv` are points of other sizes and nodes, made after the form was fixed, to judge it by.

CACTI 7 (HewlettPackard/cacti@1ffd8dfb) with the settings of Accelergy's plug-in (hwcomponents-cacti@de2520f3,
default_cfg.cfg): one bank, one port for reads and writes, 300 K, the least leakage; leakage is subthreshold and gate
together. docs/technology.md states the residuals.
"""

import csv
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import exp, log2
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator

from accelsim.hardware.quantity import Count, Frozen, PositiveCount, Quantity

Transistors = Literal["lstp", "hp"]
"""ITRS transistors: low standby power, high performance."""
Figure = Literal["read_pj", "write_pj", "leakage_mw", "area_mm2"]
FIGURES: tuple[Figure, ...] = get_args(Figure)
NODES_NM = (22.0, 32.0, 45.0, 65.0)
SIZES = (1024, 2 * 1024 * 1024)
WIDTHS = (16, 256)
LEAST_WORDS = 128
REFERENCE, UNSEEN = "cacti7_sram.csv", "cacti7_sram_later.csv"
SOURCE = "fit to CACTI 7 (docs/technology.md)"


class Cacti(Frozen):
    """What a memory says to be estimated: `lstp`, or `{transistors: lstp, banks: 4}`."""

    transistors: Transistors
    banks: PositiveCount = Count(1)


def _short(data: object) -> object:
    return {"transistors": data} if isinstance(data, str) else data


GivenCacti = Annotated[Cacti, BeforeValidator(_short)]


@dataclass(frozen=True)
class Bank:
    """One bank: bytes, bits of an access."""

    transistors: Transistors
    node_nm: float
    size_bytes: float
    access_bits: int

    @property
    def refusal(self) -> str | None:
        """Why the fit says nothing about it: outside of the points."""
        if not NODES_NM[0] <= self.node_nm <= NODES_NM[-1]:
            return f"the fit to CACTI covers nodes of {NODES_NM[0]:g} to {NODES_NM[-1]:g} nm, not {self.node_nm:g}"
        if not WIDTHS[0] <= self.access_bits <= WIDTHS[1]:
            return f"the fit to CACTI covers accesses of {WIDTHS[0]} to {WIDTHS[1]} bits, not {self.access_bits}"
        if not SIZES[0] <= self.size_bytes <= SIZES[1]:
            return f"the fit to CACTI covers banks of 1 KiB to 2 MiB, not {self.size_bytes / 1024:g} KiB"
        words = 8 * self.size_bytes / self.access_bits
        return None if words >= LEAST_WORDS else f"the fit to CACTI covers {LEAST_WORDS} words and more, not {words:g}"

    def __str__(self) -> str:
        bank = f"{self.size_bytes / 1024:g} KiB, {self.access_bits} bits an access, {self.node_nm:g} nm"
        return f"fit to CACTI 7 for a bank of {bank}, {self.transistors} transistors at their own voltage and 300 K"


@dataclass(frozen=True)
class Point:
    """What CACTI says of one bank: pJ an access, mW, mm2."""

    bank: Bank
    figures: dict[Figure, float]


@dataclass(frozen=True)
class Fit:
    """Coefficients of one figure, and the range of measured / fitted over the points that it was fitted to."""

    coefficients: tuple[float, ...]
    low: float
    high: float


def sram_figures(bank: Bank, banks: int) -> dict[str, Quantity]:
    """Of `banks` such banks, one of which an access reaches, by keys of a memory; wires between them are not counted.

    Energies are of a bit of a full access. The interval holds every point of the fit, measured / fitted. Asked only of
    a bank without a `refusal`.
    """
    return {
        "read_energy_pj_per_bit": estimated(bank, "read_pj") * (1 / bank.access_bits),
        "write_energy_pj_per_bit": estimated(bank, "write_pj") * (1 / bank.access_bits),
        "leakage_mw": estimated(bank, "leakage_mw") * banks,
        "area_mm2": estimated(bank, "area_mm2") * banks,
    }


def estimated(bank: Bank, figure: Figure) -> Quantity:
    """One figure of one bank, in the unit of its name."""
    made = fit(bank.transistors, figure)
    levels, shape = made.coefficients[: len(NODES_NM)], made.coefficients[len(NODES_NM) :]
    at_node = sum(share * exp(level) for share, level in zip(_node_shares(bank.node_nm), levels, strict=True))
    value = at_node * exp(sum(c * x for c, x in zip(shape, _shape(bank), strict=True)))
    return Quantity(value=value, low=value * made.low, high=value * made.high, source=SOURCE, status="derived")


@cache
def points(table: str = REFERENCE) -> tuple[Point, ...]:
    """All points of one of the two files that are within the range of the fit."""
    text = files("accelsim.hardware").joinpath(f"data/{table}").read_text(encoding="utf-8")
    return tuple(point for row in csv.DictReader(text.splitlines()) if (point := _point(row)).bank.refusal is None)


@cache
def fit(transistors: Transistors, figure: Figure) -> Fit:
    """Least squares in the logarithm over the reference points."""
    import numpy as np

    chosen = [point for point in points() if point.bank.transistors == transistors]
    terms = np.array([(*_node_shares(point.bank.node_nm), *_shape(point.bank)) for point in chosen])
    logs = np.log([point.figures[figure] for point in chosen])
    solved = np.linalg.lstsq(terms, logs, rcond=None)[0]
    ratios = np.exp(logs - terms @ solved)
    return Fit(tuple(map(float, solved)), float(ratios.min()), float(ratios.max()))


def _shape(bank: Bank) -> tuple[float, ...]:
    s, w = log2(bank.size_bytes / 32_768), log2(bank.access_bits / 64)
    return s, w, s * w, s * s, w * w


def _node_shares(node_nm: float) -> tuple[float, ...]:
    """Of each table node; two neighbours share what lies between them."""
    place = min(max(bisect_right(NODES_NM, node_nm), 1), len(NODES_NM) - 1)
    low, high = list(pairwise(NODES_NM))[place - 1]
    share = (node_nm - low) / (high - low)
    return tuple(1 - share if node == low else share if node == high else 0.0 for node in NODES_NM)


def _point(row: dict[str, str]) -> Point:
    transistors: Transistors = "hp" if row["transistors"] == "hp" else "lstp"
    bank = Bank(transistors, float(row["node_nm"]), int(row["size_bytes"]), int(row["access_bits"]))
    return Point(bank, {figure: float(row[figure]) for figure in FIGURES})
