"""All formats, as unions that a type checker can exhaust."""

from accelsim.formats.affine import AffineInt
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.float32 import Float32

IntegerFormat = AffineInt | FixedPoint
"""Formats of weights and activations whose codes are the integers that are multiplied."""
NumberFormat = Float32 | IntegerFormat
"""Every format."""
