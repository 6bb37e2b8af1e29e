"""Model 2: a DCGAN for 32x32 colour images (Radford et al. 2015, arXiv 1511.06434, scaled to CIFAR-10).

Dense 100 -> 4096, then three transposed convolutions k5 s2 (256 -> 128 -> 64 -> 3).
1,438,784 trainable parameters in the generator, 1,033,345 in the discriminator.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT = 100


def _upsample(channels_in: int, channels_out: int) -> nn.ConvTranspose2d:
    """k5 s2 that doubles the image: of the 2n + 3 rows, 2 are cropped before and 1 after."""
    return nn.ConvTranspose2d(channels_in, channels_out, 5, stride=2, padding=2, output_padding=1, bias=False)


class Generator32(nn.Module):
    """Latents `[N, 100]` drawn normal -> images `[N, 3, 32, 32]` in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(LATENT, 4096, bias=False)
        self.up1, self.bn1 = _upsample(256, 128), nn.BatchNorm2d(128)
        self.up2, self.bn2 = _upsample(128, 64), nn.BatchNorm2d(64)
        self.up3 = _upsample(64, 3)

    def forward(self, z: Tensor) -> Tensor:
        h = self.fc(z).view(-1, 256, 4, 4)
        h = F.leaky_relu(self.bn1(self.up1(h)), 0.2)
        h = F.leaky_relu(self.bn2(self.up2(h)), 0.2)
        return torch.tanh(self.up3(h))


class Discriminator32(nn.Module):
    """Images `[N, 3, 32, 32]` -> one real/fake logit each, `[N]`."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(3, 64, 5, 2, 2)
        self.c2 = nn.Conv2d(64, 128, 5, 2, 2)
        self.c3 = nn.Conv2d(128, 256, 5, 2, 2)
        self.fc = nn.Linear(4096, 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.c1, self.c2, self.c3):
            x = F.dropout(F.leaky_relu(conv(x), 0.2), 0.3, self.training)
        return self.fc(x.flatten(1)).squeeze(1)
