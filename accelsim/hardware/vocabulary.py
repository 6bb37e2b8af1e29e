"""The words in which machine files speak of a layer."""

from typing import Literal

Dimension = Literal[
    "batch", "groups", "in_channels", "out_channels", "out_height", "out_width", "kernel_height", "kernel_width"
]
Operand = Literal["weights", "activations", "partial_sums"]
