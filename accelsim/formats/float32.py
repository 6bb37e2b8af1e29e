"""IEEE 754 binary32: the reference that nothing is quantized against."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Float32:
    """32-bit floating point; weights, activations and sums alike."""

    bits: int = 32
    factor_bits: int = 32

    def __str__(self) -> str:
        return "float32"
