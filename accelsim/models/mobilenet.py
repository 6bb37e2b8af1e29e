"""MobileNetV1 (Howard et al. 2017, arXiv 1704.04861), width 1.0, 224 x 224: what edge processors are measured on.

568,740,352 MACs, 4,231,976 trainable parameters; only its shapes are used, so no weights are stored.
"""

from torch import Tensor, nn

# (channels, stride) of each depthwise-separable block, table 1
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *(((512, 1),) * 5), (1024, 2), (1024, 1))


def _normed(channels_in: int, channels_out: int, taps: int, stride: int, groups: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels_in, channels_out, taps, stride, taps // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(channels_out), nn.ReLU()


class MobileNetV1(nn.Module):
    """Images `[N, 3, 224, 224]` -> class scores `[N, 1000]`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_normed(3, 32, 3, 2, 1)]
        channels = 32
        for wider, stride in BLOCKS:
            layers += _normed(channels, channels, 3, stride, channels)
            layers += _normed(channels, wider, 1, 1, 1)
            channels = wider
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.features(x).mean((2, 3)))
        return scores
