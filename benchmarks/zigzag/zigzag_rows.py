"""One row per layer and machine: ZigZag's mapping under both accounts, and our best beside it."""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from zigzag_machines import searched
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

from accelsim.mapping.mapper import best_mapping

HERE = Path(__file__).parent
CAUSES = (
    ("units", {"units": False}),
    ("padding", {"padding": False}),
    ("first visits", {"first_visits": False}),
    ("last width", {"wide_last": False}),
)
"""Of ZigZag's bookkeeping, in the order in which each is dropped; what is left of the difference is the ports."""


@dataclass(frozen=True)
class Row:
    """One layer on one machine."""

    stored: dict[str, Any]
    booked: float
    """Our counts by ZigZag's bookkeeping, over the energy it reports."""
    causes: dict[str, float]
    """Share of ZigZag's energy that each cause adds to ours."""
    off: dict[tuple[str, str, str], float]
    """(memory, operand, way) -> what its booking is apart from ours, over its energy."""
    theirs: Cost
    energy: Cost
    edp: Cost
    even: bool

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
    problem, machine_searched = problem_of(layer), searched(machine, layer)
    energy, edp = (best_mapping(problem, machine_searched, goal) for goal in ("energy", "edp"))
    return Row(
        stored=stored,
        booked=booked[0] / reported,
        causes=causes | {"ports": (booked[-1] - theirs.energy_pj) / reported},
        off=apart(machine, stored),
        theirs=theirs,
        energy=Cost(energy.energy_pj, energy.latency_cycles, sum(energy.offchip_bytes.values())),
        edp=Cost(edp.energy_pj, edp.latency_cycles, sum(edp.offchip_bytes.values())),
        even=is_even(machine, stored),
    )


def apart(machine: str, stored: dict[str, Any]) -> dict[tuple[str, str, str], float]:
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
