"""QuickNet small, medium and large (Bannink et al., arXiv 2011.09398; larq/zoo, sota/quicknet.py), 224 x 224.

Residual blocks of one 3x3 convolution of signs by signs; stem, transitions and classifier in float32. Only shapes are
used, so no weights are stored.
"""

from torch import Tensor, nn
from torch.nn import functional as F

SMALL = ((32, 64, 256, 512), (4, 4, 4, 4))
MEDIUM = ((64, 128, 256, 512), (4, 4, 4, 4))
LARGE = ((64, 128, 256, 512), (6, 8, 12, 6))


class Residual(nn.Module):
    """A convolution of signs by signs, then ReLU and normalization; its input is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.binary = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(F.relu(self.binary(x)))
        return x + normed


class Transition(nn.Module):
    """To half the size: maximum of 2x2, a blur that is a depthwise convolution, then more channels."""

    def __init__(self, channels: int, wider: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2, 1)
        self.blur = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False)
        self.widen = nn.Conv2d(channels, wider, 1, bias=False)
        self.norm = nn.BatchNorm2d(wider)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.norm(self.widen(self.blur(self.pool(F.relu(x)))))
        return made


class QuickNet(nn.Module):
    """Images `[N, 3, 224, 224]` -> class scores `[N, 1000]`."""

    def __init__(self, widths: tuple[int, ...] = MEDIUM[0], blocks: tuple[int, ...] = MEDIUM[1]) -> None:
        super().__init__()
        first = widths[0]
        stem: list[nn.Module] = [nn.Conv2d(3, first // 4, 3, 2, 1, bias=False), nn.BatchNorm2d(first // 4), nn.ReLU()]
        stem += [nn.Conv2d(first // 4, first // 4, 3, 2, 1, groups=first // 4, bias=False)]
        stem += [nn.BatchNorm2d(first // 4), nn.Conv2d(first // 4, first, 1, bias=False), nn.BatchNorm2d(first)]
        layers, channels = stem, first
        for wide, count in zip(widths, blocks, strict=True):
            layers += [Transition(channels, wide)] if wide != channels else []
            layers += [Residual(wide) for _ in range(count)]
            channels = wide
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classify(F.relu(self.features(x)).mean((2, 3)))
        return scores


def quicknet_small() -> QuickNet:
    """Of 32 to 512 channels."""
    return QuickNet(*SMALL)


def quicknet() -> QuickNet:
    """Of 64 to 512 channels, 16 blocks."""
    return QuickNet(*MEDIUM)


def quicknet_large() -> QuickNet:
    """Of 64 to 512 channels, 32 blocks."""
    return QuickNet(*LARGE)
