"""Exponential moving average of a generator's weights: the network that is kept."""

import copy

import torch
from torch import nn


class Ema:
    """`average` follows the module with decay min(decay, (1 + step) / (10 + step)), so that it warms up."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.average = copy.deepcopy(module).eval()
        self.decay = decay
        self.step = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take one step towards the weights and statistics of `module`."""
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        for mine, new in zip(self.average.state_dict().values(), module.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)
