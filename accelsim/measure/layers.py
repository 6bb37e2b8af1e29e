"""The layers that a computer is measured on, of generators and of edge networks; every other one is for judging."""

from dataclasses import dataclass
from math import prod

from accelsim.ir.graph import Graph, Input, Node
from accelsim.ir.ops import Conv2d, ConvTranspose2d, Dense, Linear
from accelsim.ir.shapes import result_shape

ONE, TWO = (1, 1), (2, 2)


@dataclass(frozen=True)
class Layer:
    """One layer on a batch; `sample` is the shape of one input, without the batch."""

    name: str
    op: Linear
    sample: tuple[int, ...]
    batch: int

    @property
    def graph(self) -> Graph:
        """A network of this layer alone."""
        return Graph("layer", (Input("x", self.sample),), (Node("y", self.op, ("x",)),), ("y",))

    @property
    def results(self) -> int:
        """Of the whole batch."""
        return self.batch * prod(result_shape(self.op, self.sample))

    @property
    def depthwise(self) -> bool:
        """Whether nothing is added over channels."""
        return not isinstance(self.op, Dense) and self.op.groups == self.op.in_channels > 1


def _conv(inputs: int, outputs: int, taps: int, stride: int = 1, groups: int = 1) -> Conv2d:
    edge = taps // 2
    return Conv2d(inputs, outputs, (taps, taps), (stride, stride), ONE, (edge, edge, edge, edge), groups, True)


def _up(inputs: int, outputs: int, taps: int) -> ConvTranspose2d:
    """To twice the size."""
    before, after = (taps - 1) // 2, (taps - 1) // 2 - (taps % 2)
    return ConvTranspose2d(inputs, outputs, (taps, taps), TWO, ONE, (before, after, before, after), 1, True)


LAYERS = (
    Layer("dcgan 100-4096", Dense(100, 4096, True), (100,), 64),
    Layer("mlp 1024-3072", Dense(1024, 3072, True), (1024,), 64),
    Layer("dcgan up 256-128, 8x8", _up(256, 128, 5), (256, 4, 4), 16),
    Layer("dcgan up 128-64, 16x16", _up(128, 64, 5), (128, 8, 8), 16),
    Layer("dcgan up 64-3, 32x32", _up(64, 3, 5), (64, 16, 16), 32),
    Layer("cyclegan up 128-64, 128x128", _up(128, 64, 3), (128, 64, 64), 1),
    Layer("cyclegan 3x3 64-128, 64x64", _conv(64, 128, 3, 2), (64, 128, 128), 1),
    Layer("cyclegan 3x3 256-256, 64x64", _conv(256, 256, 3), (256, 64, 64), 1),
    Layer("cyclegan 7x7 3-64, 128x128", _conv(3, 64, 7), (3, 128, 128), 1),
    Layer("resnet 3x3 64-64, 56x56", _conv(64, 64, 3), (64, 56, 56), 2),
    Layer("mobilenet 1x1 32-64, 112x112", _conv(32, 64, 1), (32, 112, 112), 2),
    Layer("mobilenet 1x1 128-128, 56x56", _conv(128, 128, 1), (128, 56, 56), 4),
    Layer("mobilenet 1x1 256-256, 28x28", _conv(256, 256, 1), (256, 28, 28), 8),
    Layer("mobilenet 1x1 512-512, 14x14", _conv(512, 512, 1), (512, 14, 14), 8),
    Layer("mobilenet depthwise 64, 112x112", _conv(64, 64, 3, 1, 64), (64, 112, 112), 1),
    Layer("mobilenet depthwise 128, 56x56", _conv(128, 128, 3, 1, 128), (128, 56, 56), 2),
    Layer("mobilenet depthwise 256, 28x28", _conv(256, 256, 3, 1, 256), (256, 28, 28), 4),
    Layer("mobilenet depthwise 512, 14x14", _conv(512, 512, 3, 1, 512), (512, 14, 14), 8),
)
FITTED, JUDGED = LAYERS[::2], LAYERS[1::2]
"""Half of the layers make the machine, and the other half is predicted by it."""
