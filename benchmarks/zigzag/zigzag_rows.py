"""One row per layer and machine: ZigZag's mapping under both accounts, and our best beside it."""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from zigzag_layers import Layer
from zigzag_machines import CUT_TOGETHER, searched
from zigzag_recount import (
    ALL,
    Cost,
    booked_bits,
    booked_pj,
    energy_of,
    is_even,
    layer_of,
    problem_of,
    reported_bits,
    their_cost,
)

from accelsim.mapping.mapper import Goal, Mapping, best_mapping

HERE = Path(__file__).parent
CAUSES = (
    ("ports", {"ports": False}),
    ("units", {"units": False}),
    ("padding", {"padding": False}),
    ("first visits", {"first_visits": False}),
    ("last width", {"wide_last": False}),
)
"""Of ZigZag's bookkeeping, in the order in which each is dropped. What our own rule of ports adds at the end is taken
from "ports"."""

Key = tuple[str, str, str]
"""(memory, operand, way), see `zigzag_recount.Bits`."""


@dataclass(frozen=True)
class Row:
    """One layer on one machine."""

    stored: dict[str, Any]
    booked: float
    """Our counts by ZigZag's bookkeeping, over the energy it reports."""
    causes: dict[str, float]
    """Share of ZigZag's energy that each cause adds to ours."""
    apart: dict[Key, float]
    """What ZigZag books at each end of a boundary beyond its own rules on our counts, over its energy."""
    theirs: Cost
    energy: Cost
    edp: Cost
    wide: int
    """0: the quick search was enough."""
    even: bool

    @property
    def label(self) -> str:
        """Network and layer."""
        return layer_of(self.stored).label

    def cause(self, key: Key) -> str:
        """Why ZigZag books something else there.

        rows: an unrolling over output rows that inputs share; it takes each tile for one row, and cuts off fractions of
        a row. fractions: fewer units than a whole number. truncated: fractions of an access are cut off.
        """
        unrolled = [loop for level in self.stored["operands"][key[1]]["spatial"] for loop in level]
        if key[1] == "I" and any(dim == "OY" for dim, _ in unrolled):
            return "rows"
        if any(lanes != int(lanes) for _, lanes in unrolled):
            return "fractions"
        return "truncated" if self.apart[key] < 0 and key[2] == "from_above" else "unknown"

    @property
    def worse(self) -> dict[str, float]:
        """Our best over its mapping, both under our rules; above 1 where its is better."""
        return {"energy": self.energy.energy_pj / self.theirs.energy_pj, "edp": self.edp.edp / self.theirs.edp}


def row_of(machine: str, stored: dict[str, Any]) -> Row:
    """All comparisons of one stored mapping."""
    layer, reported = layer_of(stored), stored["energy"]
    rules, booked = [ALL], [booked_pj(machine, stored)]
    for _, dropped in CAUSES:
        rules.append(replace(rules[-1], **dropped))
        booked.append(booked_pj(machine, stored, rules[-1]))
    theirs = their_cost(machine, stored)
    names = [name for name, _ in CAUSES]
    causes = {name: (b - a) / reported for name, (b, a) in zip(names, pairwise(booked), strict=True)}
    energy, wide_energy = _beside(machine, layer, "energy", theirs.energy_pj)
    edp, wide_edp = _beside(machine, layer, "edp", theirs.edp)
    return Row(
        stored=stored,
        booked=booked[0] / reported,
        causes=causes | {"ports": causes["ports"] + (booked[-1] - theirs.energy_pj) / reported},
        apart=apart(machine, stored),
        theirs=theirs,
        energy=energy,
        edp=edp,
        wide=max(wide_energy, wide_edp),
        even=is_even(machine, stored),
    )


def best_of(machine: str, layer: Layer, goal: Goal, wide: int = 0) -> Mapping:
    """Our best mapping of the layer as the machine is searched."""
    return best_mapping(problem_of(layer), searched(machine, layer, wide), goal)


def _beside(machine: str, layer: Layer, goal: Goal, theirs: float) -> tuple[Cost, int]:
    """Our best, searched widely where the quick search leaves ZigZag's mapping ahead; and how widely."""
    for wide in range(len(CUT_TOGETHER[machine])):
        best = best_of(machine, layer, goal, wide)
        cost = Cost(best.energy_pj, best.latency_cycles, sum(best.offchip_bytes.values()))
        if (cost.edp if goal == "edp" else cost.energy_pj) <= theirs * (1 + 1e-9):
            break
    return cost, wide


def apart(machine: str, stored: dict[str, Any]) -> dict[Key, float]:
    """Where ZigZag books something else than its own rules on our counts give."""
    layer, ours = layer_of(stored), booked_bits(machine, stored)
    found = {}
    for key, bits in reported_bits(machine, stored).items():
        alone = energy_of(machine, layer, {key: bits}) - energy_of(machine, layer, {key: ours.get(key, 0.0)})
        if abs(alone) > 1e-6 * stored["energy"]:
            found[key] = alone / stored["energy"]
    return found


def rows_of(machine: str) -> dict[str, Row]:
    """Every stored layer of a machine."""
    stored = json.loads((HERE / f"{machine}.json").read_text())
    return {label: row_of(machine, one) for label, one in stored["layers"].items()}
