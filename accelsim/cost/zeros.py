"""What is known of the zeros of stored tensors, and where from: a run, the workload, or nothing at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from accelsim.engine.zero_runs import ZeroRuns

Origin = Literal["run", "workload", "assumed"]
"""assumed: nothing was known, so no zeros are counted."""


@dataclass(frozen=True)
class TensorZeros:
    """Zeros of one stored tensor: their part of it, and where a run counted them, the runs that they come in."""

    fraction: float
    runs: ZeroRuns | None = None


@dataclass(frozen=True)
class KnownZeros:
    """Zeros by the name of the stored tensor: an input of the network, or the layer that makes it.

    multiplied: layer -> of its multiplies, the part whose input is zero, padded and inserted zeros included; where it
    is given it is taken instead of what follows from the tensor.
    """

    origin: Origin = "assumed"
    tensors: Mapping[str, TensorZeros] = field(default_factory=dict)
    multiplied: Mapping[str, float] = field(default_factory=dict)

    def of(self, tensor: str) -> TensorZeros:
        """Zeros of a tensor; none where nothing is known."""
        return self.tensors.get(tensor, TensorZeros(0.0))

    def origin_of(self, tensor: str) -> Origin:
        """Where the zeros of a tensor come from."""
        return self.origin if tensor in self.tensors else "assumed"


NOTHING_KNOWN = KnownZeros()
