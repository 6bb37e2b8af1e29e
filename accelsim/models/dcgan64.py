"""The two DCGAN generators for 64 x 64 images whose multiplications by inserted zeros are counted in the literature."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn


def _doubling(channels_in: int, channels_out: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels_in, channels_out, 5, stride=2, padding=2, output_padding=1, bias=False)


class Radford64(nn.Module):
    """Radford et al. 2015 (arXiv 1511.06434), figure 1: four transposed convolutions of 5 x 5 taps, stride 2.

    Latents `[N, 100]` -> images `[N, 3, 64, 64]` in [-1, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(100, 1024 * 4 * 4, bias=False)
        self.bn0 = nn.BatchNorm2d(1024)
        self.up1, self.bn1 = _doubling(1024, 512), nn.BatchNorm2d(512)
        self.up2, self.bn2 = _doubling(512, 256), nn.BatchNorm2d(256)
        self.up3, self.bn3 = _doubling(256, 128), nn.BatchNorm2d(128)
        self.up4 = _doubling(128, 3)

    def forward(self, z: Tensor) -> Tensor:
        h = torch.relu(self.bn0(self.project(z).view(-1, 1024, 4, 4)))
        h = torch.relu(self.bn1(self.up1(h)))
        h = torch.relu(self.bn2(self.up2(h)))
        h = torch.relu(self.bn3(self.up3(h)))
        return torch.tanh(self.up4(h))


class Torch64(nn.Module):
    """The generator of PyTorch's DCGAN example (pytorch/examples, dcgan/main.py, ngf 64): five of 4 x 4 taps.

    Latents `[N, 100, 1, 1]` -> images `[N, 3, 64, 64]` in [-1, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (100, 512, 256, 128, 64)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (before, after) in enumerate(pairwise(widths), 1):
            stride, padding = (1, 0) if i == 1 else (2, 1)
            layers[f"up{i}"] = nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False)
            layers[f"bn{i}"] = nn.BatchNorm2d(after)
            layers[f"relu{i}"] = nn.ReLU()
        layers["up5"] = nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False)
        layers["tanh"] = nn.Tanh()
        self.main = nn.Sequential(layers)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.main(z)
        return images
