"""The layers that both tools map, as plain convolutions. Imports nothing: it is read in both environments.

ZigZag has no transposed convolution: each is its phases, one plain convolution for every residue of the output position
by the stride, of the taps that reach it. tests/mapping/test_zigzag_golden.py holds them against accelsim's own.
"""

from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Axis:
    """One axis of space: `size` inputs, `pad` zeros in front, `outputs` positions of `taps` taps every `stride`."""

    size: int = 1
    outputs: int = 1
    taps: int = 1
    stride: int = 1
    pad: int = 0

    @property
    def pad_behind(self) -> int:
        """Zeros behind; negative: inputs that no tap reaches."""
        return (self.outputs - 1) * self.stride + self.taps - self.size - self.pad


@dataclass(frozen=True)
class Layer:
    """A convolution with K output and C input channels; dense: both axes are one point. `times` it runs an image."""

    network: str
    name: str
    K: int
    C: int
    h: Axis
    w: Axis
    times: int = 1

    @property
    def label(self) -> str:
        return f"{self.network}_{self.name}"


def _square(network: str, name: str, C: int, K: int, axis: Axis, times: int = 1) -> Layer:
    return Layer(network, name, K, C, axis, axis, times)


def _phases(network: str, name: str, C: int, K: int, phases: tuple[Axis, Axis]) -> tuple[Layer, ...]:
    return tuple(Layer(network, f"{name}_{i}{j}", K, C, phases[i], phases[j]) for i, j in product(range(2), repeat=2))


def _k5(size: int) -> tuple[Axis, Axis]:
    """Kernel 5, stride 2, padding 2, output padding 1: taps 0, 2, 4 make even outputs, 1 and 3 the odd ones."""
    return Axis(size, size, 3, 1, 1), Axis(size, size, 2, 1, 0)


def _k3(size: int) -> tuple[Axis, Axis]:
    """Kernel 3, stride 2, padding 1, output padding 1: tap 1 makes even outputs, 0 and 2 the odd ones."""
    return Axis(size, size, 1, 1, 0), Axis(size, size, 2, 1, 0)


_D, _C = "dcgan32", "cyclegan"
LAYERS = (
    Layer(_D, "dense", 4096, 100, Axis(), Axis()),
    *_phases(_D, "up1", 256, 128, _k5(4)),
    *_phases(_D, "up2", 128, 64, _k5(8)),
    *_phases(_D, "up3", 64, 3, _k5(16)),
    _square(_C, "c7_in", 3, 64, Axis(262, 256, 7)),
    _square(_C, "d128", 64, 128, Axis(256, 128, 3, 2, 1)),
    _square(_C, "d256", 128, 256, Axis(128, 64, 3, 2, 1)),
    _square(_C, "res", 256, 256, Axis(66, 64, 3), times=18),
    *_phases(_C, "u128", 256, 128, _k3(64)),
    *_phases(_C, "u64", 128, 64, _k3(128)),
    _square(_C, "c7_out", 64, 3, Axis(262, 256, 7)),
)
"""The generators that this repository runs: dcgan32, and CycleGAN's ResNet-9 at 256 x 256, whose convolutions without
a stride run over mirrored edges that are stored."""


def unrolling(machine: str, layer: Layer) -> dict[str, list[tuple[str, int]]]:
    """The loops along each side of the array, in ZigZag's dims.

    tpu_like: as its mapping file. eyeriss_like comes without one: a row of outputs along one side, taps and input
    channels along the other, as in the chip's row-stationary dataflow; a dense layer by its channels.
    """
    if machine == "tpu_like":
        return {"D1": [("K", min(32, layer.K))], "D2": [("C", min(32, layer.C))]}
    if layer.h.outputs == 1:
        return {"D1": [("K", min(14, layer.K))], "D2": [("C", min(12, layer.C))]}
    taps = [("FY", layer.h.taps)] if layer.h.taps > 1 else []
    channels = min(layer.C, 12 // layer.h.taps)
    return {"D1": [("OY", min(14, layer.h.outputs))], "D2": [*taps, *([("C", channels)] if channels > 1 else [])]}
