"""The words in which machine files speak of a layer."""

from typing import Literal

Dimension = Literal[
    "batch", "groups", "in_channels", "out_channels", "out_height", "out_width", "kernel_height", "kernel_width"
]
Operand = Literal["weights", "activations", "inputs", "partial_sums"]
"""activations: what a layer reads and what it makes. inputs: only what it reads."""
