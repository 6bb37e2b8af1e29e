"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381) and V3-Large (Howard et al. 2019, arXiv 1905.02244), 224 x 224.

What edge processors are measured on; only their shapes are used, so no weights are stored. V2 has 300,774,272 MACs,
3,504,872 trainable parameters.
"""

from torch import Tensor, nn

# V2, table 2: (expansion, channels, repeats, stride)
V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# V3-Large, table 1: (kernel, expanded channels, channels, squeezes and excites, h-swish, stride)
V3_BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)


def _normed(channels_in: int, channels_out: int, taps: int, stride: int, groups: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, taps, stride, taps // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(channels_out)]


def _divisible(channels: int) -> int:
    """To a multiple of 8, not below 0.9 of what was asked."""
    found = max(8, (channels + 4) // 8 * 8)
    return found if found >= 0.9 * channels else found + 8


class Excite(nn.Module):
    """Squeeze and excite: each channel times a factor that its mean and those of all others make."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _divisible(channels // 4)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        factor: Tensor = self.excite(self.squeeze(x.mean((2, 3), keepdim=True)).relu())
        return x * nn.functional.hardsigmoid(factor)


class Inverted(nn.Module):
    """Widen by a 1x1 convolution, filter depthwise, narrow by a 1x1 convolution; add the input where shapes agree."""

    def __init__(
        self, channels: int, expanded: int, wide: int, taps: int, stride: int, excites: bool, between: nn.Module
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if expanded != channels:
            layers += [*_normed(channels, expanded, 1, 1, 1), between]
        layers += [*_normed(expanded, expanded, taps, stride, expanded), between]
        layers += [Excite(expanded)] if excites else []
        layers += _normed(expanded, wide, 1, 1, 1)
        self.body = nn.Sequential(*layers)
        self.adds = stride == 1 and channels == wide

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    """Images `[N, 3, 224, 224]` -> class scores `[N, 1000]`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_normed(3, 32, 3, 2, 1), nn.ReLU6()]
        channels = 32
        for expansion, wide, repeats, first in V2_STAGES:
            for index in range(repeats):
                stride = first if index == 0 else 1
                layers.append(Inverted(channels, expansion * channels, wide, 3, stride, False, nn.ReLU6()))
                channels = wide
        self.features = nn.Sequential(*layers, *_normed(channels, 1280, 1, 1, 1), nn.ReLU6())
        self.classify = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.features(x).mean((2, 3)))
        return scores


class MobileNetV3Large(nn.Module):
    """Images `[N, 3, 224, 224]` -> class scores `[N, 1000]`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_normed(3, 16, 3, 2, 1), nn.Hardswish()]
        channels = 16
        for taps, expanded, wide, excites, swish, stride in V3_BLOCKS:
            between = nn.Hardswish() if swish else nn.ReLU()
            layers.append(Inverted(channels, expanded, wide, taps, stride, excites, between))
            channels = wide
        self.features = nn.Sequential(*layers, *_normed(channels, 960, 1, 1, 1), nn.Hardswish())
        self.widen = nn.Linear(960, 1280)
        self.classify = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.features(x).mean((2, 3))
        scores: Tensor = self.classify(nn.functional.hardswish(self.widen(pooled)))
        return scores
