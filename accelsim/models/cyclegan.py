"""The generators of CycleGAN (Zhu et al. 2017, arXiv 1703.10593) for 256x256 images, with instance norm.

`resnet9`: 11,378,179 parameters; two strided convolutions, nine residual blocks, two transposed convolutions.
`unet256`: 54,409,603 parameters; the U-Net of pix2pix (Isola et al. 2017, arXiv 1611.07004) with instance norm.
Both follow the authors' PyTorch code (junyanz/pytorch-CycleGAN-and-pix2pix): convolutions before a norm have biases.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions over mirrored edges, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(1)
        self.c1, self.n1 = nn.Conv2d(channels, channels, 3), _norm(channels)
        self.c2, self.n2 = nn.Conv2d(channels, channels, 3), _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.n1(self.c1(self.pad(x))))
        return x + self.n2(self.c2(self.pad(h)))


class ResNetGenerator(nn.Module):
    """Images `[N, 3, H, W]` in [-1, 1] -> images of the same shape; H and W divide by 4."""

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.edge = nn.ReflectionPad2d(3)
        self.first, self.n0 = nn.Conv2d(3, width, 7), _norm(width)
        self.down1, self.n1 = nn.Conv2d(width, 2 * width, 3, 2, 1), _norm(2 * width)
        self.down2, self.n2 = nn.Conv2d(2 * width, 4 * width, 3, 2, 1), _norm(4 * width)
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(blocks)))
        self.up1, self.n3 = nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1), _norm(2 * width)
        self.up2, self.n4 = nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), _norm(width)
        self.last = nn.Conv2d(width, 3, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.n0(self.first(self.edge(x))))
        x = F.relu(self.n1(self.down1(x)))
        x = F.relu(self.n2(self.down2(x)))
        x = self.blocks(x)
        x = F.relu(self.n3(self.up1(x)))
        x = F.relu(self.n4(self.up2(x)))
        return torch.tanh(self.last(self.edge(x)))


class UNetLevel(nn.Module):
    """Down by 2, whatever is inside, up by 2, and the input beside the result along the channels."""

    def __init__(self, outer: int, width: int, inside: nn.Module | None) -> None:
        super().__init__()
        self.down = nn.Conv2d(outer, width, 4, 2, 1)
        self.down_norm = nn.Identity() if inside is None else _norm(width)
        self.inside = nn.Identity() if inside is None else inside
        self.up = nn.ConvTranspose2d(width if inside is None else 2 * width, outer, 4, 2, 1)
        self.up_norm = _norm(outer)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inside(self.down_norm(self.down(F.leaky_relu(x, 0.2))))
        return torch.cat([x, self.up_norm(self.up(F.relu(h)))], 1)


class UNetGenerator(nn.Module):
    """Images `[N, 3, H, W]` in [-1, 1] -> images of the same shape; H and W divide by 2 ** (len(widths))."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inside: nn.Module | None = None
        for outer, width in zip(widths[-2::-1], widths[:0:-1], strict=True):
            inside = UNetLevel(outer, width, inside)
        assert inside is not None
        self.down, self.inside = nn.Conv2d(3, widths[0], 4, 2, 1), inside
        self.up = nn.ConvTranspose2d(2 * widths[0], 3, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.up(F.relu(self.inside(self.down(x)))))


def resnet9() -> ResNetGenerator:
    """The generator for 256x256 images: nine blocks, 64 channels at the edge."""
    return ResNetGenerator(9, 64)


def unet256() -> UNetGenerator:
    """The U-Net for 256x256 images: eight levels."""
    return UNetGenerator((64, 128, 256, 512, 512, 512, 512, 512))
