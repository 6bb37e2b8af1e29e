"""The formats of a run: of all layers, of the first and last, and of single ones."""

import hashlib
from dataclasses import dataclass, field, replace

from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt
from accelsim.formats.binary import Binary
from accelsim.formats.block import MXFP8E4M3, BlockFormat
from accelsim.formats.calibration import MINMAX, Calibration
from accelsim.formats.codebook import Codebook
from accelsim.formats.fixed import FixedPoint
from accelsim.formats.float32 import Float32
from accelsim.formats.logarithmic import Logarithmic
from accelsim.formats.minifloat import MiniFloat
from accelsim.formats.number_format import FloatingFormat, NumberFormat
from accelsim.formats.tanh_levels import TanhLevels
from accelsim.formats.ternary import Ternary

BOUNDARY_BITS = 8
"""Network inputs and outputs have this many bits or more, unless their format is named."""
BOUNDARY = AffineInt(BOUNDARY_BITS, "tensor", symmetric=False)
"""Format of network inputs and outputs where activations have too few levels to be widened."""


@dataclass(frozen=True)
class LayerPrecision:
    """What is different in one layer; None: as everywhere. `activations` is the format of the layer's result.

    file, line: where it was written, for error messages.
    """

    weights: NumberFormat | None = None
    activations: NumberFormat | None = None
    accumulator: Accumulator | None = None
    file: str = field(default="precision", compare=False)
    line: int | None = field(default=None, compare=False)

    def parts(self) -> dict[str, str]:
        """What is given, spelled in full."""
        given = {"weights": self.weights, "activations": self.activations, "accumulator": self.accumulator}
        return {key: str(value) for key, value in given.items() if value is not None}


@dataclass(frozen=True)
class Precision:
    """The formats of a run. `accumulator` None: the default for the widths that meet.

    first, last: the first and last layer with weights. layers: by name, in alphabetical order, which override them.

    Raises:
        AccelsimError: floating formats mixed with integers, or with an accumulator or a calibration.
    """

    weights: NumberFormat
    activations: NumberFormat
    accumulator: Accumulator | None = None
    calibration: Calibration = MINMAX
    first: LayerPrecision | None = None
    last: LayerPrecision | None = None
    layers: tuple[tuple[str, LayerPrecision], ...] = ()

    def __post_init__(self) -> None:
        formats = [self.weights, self.activations]
        for _, layer in self._single():
            formats += [format for format in (layer.weights, layer.activations) if format is not None]
        floats = [isinstance(format, FloatingFormat) for format in formats]
        if any(floats) and not all(floats):
            one, other = str(formats[floats.index(True)]), str(formats[floats.index(False)])
            raise AccelsimError(f"precision: {self}: {one} cannot be mixed with integers ({other})")
        if self.is_float and (self.accumulator or any(layer.accumulator for _, layer in self._single())):
            raise AccelsimError(f"precision: {self}: {self.weights} takes no accumulator: its sums are float32")
        if self.is_float and self.calibration != MINMAX:
            what = f"{self.weights} takes no calibration: scales follow the largest value"
            raise AccelsimError(f"precision: {self}: {what}")

    @property
    def is_float(self) -> bool:
        """Whether the formats of the run are floating."""
        return isinstance(self.weights, FloatingFormat)

    @property
    def is_reference(self) -> bool:
        """Whether the run is float32 throughout."""
        single = [format for _, layer in self._single() for format in (layer.weights, layer.activations) if format]
        return all(isinstance(format, Float32) for format in (self.weights, self.activations, *single))

    @property
    def boundary(self) -> NumberFormat:
        """Format of network inputs and outputs: the activations', but never below 8 bits.

        Bits that a fixed-point format gains are fraction: its range stays.
        """
        format = self.activations
        match format:
            case Float32() | MiniFloat():
                return format
            case BlockFormat():
                return format if format.bits >= BOUNDARY_BITS else MXFP8E4M3
            case AffineInt():
                return replace(format, bits=max(BOUNDARY_BITS, format.bits))
            case FixedPoint():
                gained = max(0, BOUNDARY_BITS - format.bits)
                fraction = None if format.fraction is None else format.fraction + gained
                return replace(format, bits=format.bits + gained, fraction=fraction)
            case Ternary() | Binary():
                return BOUNDARY
            case Codebook() | Logarithmic() | TanhLevels():
                raise AssertionError(f"{format} is a format of weights")

    def __str__(self) -> str:
        """The canonical spelling: every format in full, every part that is not a default."""
        parts = [f"weights={self.weights}", f"activations={self.activations}"]
        if self.accumulator:
            parts.append(f"accumulator={self.accumulator}")
        if self.calibration != MINMAX:
            parts.append(f"calibration={self.calibration}")
        parts += [f"{name}.{key}={value}" for name, layer in self._single() for key, value in layer.parts().items()]
        return ",".join(parts)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical spelling, in hexadecimal."""
        return hashlib.sha256(str(self).encode()).hexdigest()

    def _single(self) -> list[tuple[str, LayerPrecision]]:
        ends = [(name, layer) for name, layer in (("first", self.first), ("last", self.last)) if layer is not None]
        return ends + [(f"layers.{name}", layer) for name, layer in self.layers]
