"""Model 1: a fully connected GAN for 32x32 colour images (Goodfellow et al. 2014, arXiv 1406.2661, scaled to CIFAR-10).

3,835,136 trainable parameters in the generator, 1,704,961 in the discriminator.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT = 100
WIDTHS = (256, 512, 1024)
SIZE = 32


class Generator(nn.Module):
    """Latents `[N, 100]` drawn normal -> images `[N, 3, 32, 32]` in [-1, 1].

    Each hidden layer is activated before its norm, and the last one makes the pixels in the order rows, columns,
    colours.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((LATENT, *WIDTHS)))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width, eps=1e-3, momentum=0.3) for width in WIDTHS)
        self.last = nn.Linear(WIDTHS[-1], SIZE * SIZE * 3)

    def forward(self, z: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            z = norm(F.leaky_relu(layer(z), 0.2))
        return torch.tanh(self.last(z)).view(-1, SIZE, SIZE, 3).permute(0, 3, 1, 2)


class Discriminator(nn.Module):
    """Images `[N, 3, 32, 32]` -> one real/fake logit each, `[N]`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(SIZE * SIZE * 3, 512), nn.Linear(512, 256)
        self.last = nn.Linear(256, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(x.flatten(1)), 0.2)
        x = F.leaky_relu(self.second(x), 0.2)
        return self.last(x).squeeze(1)
