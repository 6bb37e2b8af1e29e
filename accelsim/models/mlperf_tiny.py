"""The four networks of MLPerf Tiny (Banbury et al., arXiv 2106.07597): what microcontrollers are measured on.

Shapes of mlcommons/tiny, benchmark/training; only they are used, so no weights are stored.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

# (channels, stride) of each depthwise-separable block of MobileNetV1 at a quarter of the width
WAKE_WORD_BLOCKS = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *(((128, 1),) * 5), (256, 2), (256, 1))


def _normed(channels_in: int, channels_out: int, taps: int, stride: int, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, taps, stride, taps // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out), nn.ReLU()]


class VisualWakeWords(nn.Module):
    """MobileNetV1 0.25: images `[N, 3, 96, 96]` -> scores `[N, 2]`."""

    def __init__(self) -> None:
        super().__init__()
        layers, channels = _normed(3, 8, 3, 2), 8
        for wider, stride in WAKE_WORD_BLOCKS:
            layers += _normed(channels, channels, 3, stride, channels) + _normed(channels, wider, 1, 1)
            channels = wider
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.features(x).mean((2, 3)))
        return scores


class KeywordSpotting(nn.Module):
    """DS-CNN: spectrograms `[N, 1, 49, 10]` -> scores `[N, 12]`."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), 2, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        for _ in range(4):
            layers += _normed(64, 64, 3, 1, 64) + _normed(64, 64, 1, 1)
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(64, 12)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.features(x).mean((2, 3)))
        return scores


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, by a 1x1 convolution where the shape changes."""

    def __init__(self, channels: int, wide: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_normed(channels, wide, 3, stride), *_normed(wide, wide, 3, 1)[:2])
        self.shortcut = nn.Conv2d(channels, wide, 1, stride) if channels != wide else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class ImageClassification(nn.Module):
    """ResNet-8: images `[N, 3, 32, 32]` -> scores `[N, 10]`."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*_normed(3, 16, 3, 1), _Block(16, 16, 1), _Block(16, 32, 2), _Block(32, 64, 2))
        self.classify = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.features(x).mean((2, 3)))
        return scores


class AnomalyDetection(nn.Module):
    """Autoencoder: five frames of a spectrogram `[N, 640]` -> the same `[N, 640]`."""

    def __init__(self) -> None:
        super().__init__()
        widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(128, 640))

    def forward(self, x: Tensor) -> Tensor:
        decoded: Tensor = self.layers(x)
        return decoded
