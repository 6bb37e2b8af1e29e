"""ResNet-20 for CIFAR-10 (He et al. 2015, arXiv 1512.03385, section 4.2, option A shortcuts).

Its 64 pooled features are what `fid_resnet20_cifar10` measures.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut that subsamples and zero-pads channels where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.b1 = nn.BatchNorm2d(channels_out)
        self.c2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.b2 = nn.BatchNorm2d(channels_out)
        self.extra = (channels_out - channels_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.b2(self.c2(F.relu(self.b1(self.c1(x)))))
        if self.extra:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
        return F.relu(x + y)


class Features(nn.Module):
    """Normalised images `[N, 3, 32, 32]` -> pooled features `[N, 64]`."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.b = nn.BatchNorm2d(16)
        stages = [(16, 16, 1), (16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 32, 1)]
        stages += [(32, 64, 2), (64, 64, 1), (64, 64, 1)]
        self.l = nn.Sequential(*(Block(*stage) for stage in stages))

    def forward(self, x: Tensor) -> Tensor:
        return self.l(F.relu(self.b(self.c(x)))).mean((2, 3))


class ResNet20(Features):
    """Normalised images `[N, 3, 32, 32]` -> class logits `[N, 10]`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(super().forward(x))
