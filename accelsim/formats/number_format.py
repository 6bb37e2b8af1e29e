"""All formats, as unions that a type checker can exhaust."""

from accelsim.formats.affine import AffineInt
from accelsim.formats.binary import Binary
from accelsim.formats.block import BlockFormat
from accelsim.formats.codebook import Codebook
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.float32 import Float32
from accelsim.formats.logarithmic import Logarithmic
from accelsim.formats.minifloat import MiniFloat
from accelsim.formats.tanh_levels import TanhLevels
from accelsim.formats.ternary import Ternary

IntegerFormat = AffineInt | FixedPoint | Ternary | Binary
"""Formats whose codes are multiplied as they are, of weights and of activations."""
LevelFormat = Codebook | Logarithmic | TanhLevels
"""Formats whose codes choose one of several integer levels: of weights only."""
WeightFormat = IntegerFormat | LevelFormat
"""Formats of integer weights."""
FloatingFormat = Float32 | MiniFloat | BlockFormat
"""Formats whose values are carried in float32 arrays, which represent each exactly."""
NumberFormat = FloatingFormat | WeightFormat
"""Every format."""
