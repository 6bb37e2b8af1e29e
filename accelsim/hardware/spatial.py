"""An array of processing elements that have memories of their own, fed by a network on the chip."""

from typing import Literal

from accelsim.hardware.architecture import PICO, Architecture
from accelsim.hardware.quantity import Frozen, Quantity


class Spatial(Frozen):
    """`network_energy_pj_per_bit`: of every bit delivered to a PE, and of every bit that a PE sends out."""

    network_energy_pj_per_bit: Quantity

    @property
    def network_energy_j_per_bit(self) -> Quantity:
        """Energy of one bit across the network, J."""
        return self.network_energy_pj_per_bit * PICO


class SpatialArchitecture(Architecture):
    """Shared memories, a network, and PEs with register files (the memories from the first `per_pe` on)."""

    kind: Literal["spatial"]
    spatial: Spatial
