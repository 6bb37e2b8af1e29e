"""Energy and area from one process to another: Stillmaker & Baas, Integration 58 (2017), 74-81.

Coefficients as Accelergy-Project/hwcomponents@e67d7f10 (scaling/techscaling.py) and accelergy-library-plug-in@ba4e9dac
copied them, the same in both; the paper itself was not read. An energy scales by poly_to(V_to) / poly_from(V_from) with
poly(V) = a2 V^2 + a1 V + a0 of the node, an area by a table. Between two nodes of the table both are interpolated
linearly in the node, as hwcomponents does.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from accelsim.hardware.quantity import Frozen, PositiveQuantity, Quantity

NODES_NM = (7.0, 10.0, 14.0, 16.0, 20.0, 32.0, 45.0, 65.0, 90.0, 130.0)
ENERGY = {
    7: (0.1776, -0.09097, 0.02447),
    10: (0.2068, -0.09311, 0.02375),
    14: (0.2363, -0.09675, 0.02239),
    16: (0.2958, -0.1241, 0.03024),
    20: (0.373, -0.1582, 0.04104),
    32: (0.9559, -0.7823, 0.471),
    45: (1.103, -0.362, 0.2767),
    65: (3.755, -4.398, 1.975),
    90: (4.762, -4.781, 2.092),
    130: (7.171, -6.709, 2.904),
}
"""a2, a1, a0 of a node."""
AREA_FROM_45 = dict(zip(NODES_NM, (0.059, 0.1, 0.17, 0.19, 0.21, 0.46, 1.0, 1.5, 2.8, 6.4), strict=True))
"""Area of a node relative to 45 nm."""
SOURCE = "Stillmaker & Baas 2017"


class Technology(Frozen):
    """The process of the chip."""

    node_nm: PositiveQuantity
    vdd_v: PositiveQuantity


class GivenEnergy(Quantity):
    """An energy, or one of another process: `at_node_nm` and `at_vdd_v` say of which."""

    at_node_nm: PositiveQuantity | None = None
    at_vdd_v: PositiveQuantity | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.at_node_nm is None) != (self.at_vdd_v is None):
            raise PydanticCustomError("process", "needs at_node_nm and at_vdd_v together, or neither")
        return self

    @property
    def process(self) -> tuple[float, float] | None:
        """(node in nm, supply in V) that it was given for, where that is not the machine's own."""
        if self.at_node_nm is None or self.at_vdd_v is None:
            return None
        return self.at_node_nm.value, self.at_vdd_v.value


class GivenArea(Quantity):
    """An area, or one of another node."""

    at_node_nm: PositiveQuantity | None = None


def refusal(node_nm: float, vdd_v: float | None) -> str | None:
    """Why there is no scaling to or from a process (of an area: without a voltage); None where there is."""
    if not NODES_NM[0] <= node_nm <= NODES_NM[-1]:
        return f"{SOURCE} covers nodes of {NODES_NM[0]:g} to {NODES_NM[-1]:g} nm, not {node_nm:g}"
    if vdd_v is not None and _polynomial(node_nm, vdd_v + 1e-3) <= _polynomial(node_nm, vdd_v):
        return f"{SOURCE}: at {node_nm:g} nm and {vdd_v:g} V the fitted energy no longer falls with the voltage"
    return None


def energy_factor(source: tuple[float, float], target: tuple[float, float]) -> float:
    """Energy at `target` relative to `source`, both (node in nm, supply in V) without a `refusal`."""
    return _polynomial(*target) / _polynomial(*source)


def switching_factor(source: tuple[float, float], target: tuple[float, float]) -> float:
    """The same by C V^2 with a capacitance in proportion to the node: the other bound of the interval."""
    return target[0] / source[0] * (target[1] / source[1]) ** 2


def area_factor(source_nm: float, target_nm: float) -> float:
    """Area at a node relative to another."""
    areas = [AREA_FROM_45[node] for node in NODES_NM]
    return _between(areas, target_nm) / _between(areas, source_nm)


def scaled_energy(given: GivenEnergy, technology: Technology) -> GivenEnergy:
    """The energy in the process of the machine; as it is where it was not given for another.

    value: by the polynomials. low and high: the given interval times the lower and the higher of the two factors.
    """
    if given.process is None:
        return given
    process = technology.node_nm.value, technology.vdd_v.value
    factors = energy_factor(given.process, process), switching_factor(given.process, process)
    return GivenEnergy(**_scaled(given, *factors))


def scaled_area(given: GivenArea, technology: Technology) -> GivenArea:
    """The area at the node of the machine; as it is where it was not given for another.

    value: by the table. low and high: also by the square of the ratio of nodes.
    """
    if given.at_node_nm is None:
        return given
    source, target = given.at_node_nm.value, technology.node_nm.value
    return GivenArea(**_scaled(given, area_factor(source, target), (target / source) ** 2))


def energy_sentence(path: str, given: GivenEnergy, technology: Technology) -> str | None:
    """From what an energy was scaled, and how; None where it was not."""
    if given.process is None:
        return None
    (node, vdd), target = given.process, (technology.node_nm.value, technology.vdd_v.value)
    by, other = energy_factor((node, vdd), target), switching_factor((node, vdd), target)
    what = f"{path} = {scaled_energy(given, technology)} is {given.value:g} of {node:g} nm and {vdd:g} V"
    return f"{what} x {by:.3g} ({SOURCE}); by node and voltage squared x {other:.3g}"


def area_sentence(path: str, given: GivenArea, technology: Technology) -> str | None:
    """The same of an area."""
    if given.at_node_nm is None:
        return None
    node, target = given.at_node_nm.value, technology.node_nm.value
    by, other = area_factor(node, target), (target / node) ** 2
    what = f"{path} = {scaled_area(given, technology)} is {given.value:g} of {node:g} nm"
    return f"{what} x {by:.3g} ({SOURCE}); by node squared x {other:.3g}"


def _scaled(given: Quantity, by: float, other: float) -> dict[str, Any]:
    return {
        "value": given.value * by,
        "low": given.low * min(by, other),
        "high": given.high * max(by, other),
        "source": given.source,
        "status": given.status,
    }


def _polynomial(node_nm: float, vdd_v: float) -> float:
    return _between([a2 * vdd_v**2 + a1 * vdd_v + a0 for a2, a1, a0 in ENERGY.values()], node_nm)


def _between(values: Sequence[float], node_nm: float) -> float:
    """A value by node, linear between the nodes of the table."""
    for (low, at_low), (high, at_high) in pairwise(zip(NODES_NM, values, strict=True)):
        if node_nm <= high:
            return at_low + (at_high - at_low) * (node_nm - low) / (high - low)
    return values[-1]
