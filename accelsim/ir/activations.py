"""Elementwise functions of one value without parameters. Each can ride on the operator whose result it reads."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ReLU:
    """max(x, 0)."""


@dataclass(frozen=True)
class LeakyReLU:
    """X where x >= 0, else slope * x."""

    slope: float


@dataclass(frozen=True)
class ELU:
    """X where x > 0, else alpha * (exp(x) - 1); all times scale (SELU has both)."""

    alpha: float
    scale: float


@dataclass(frozen=True)
class Tanh:
    """Hyperbolic tangent."""


@dataclass(frozen=True)
class Sigmoid:
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True)
class Softplus:
    """log(1 + exp(beta * x)) / beta."""

    beta: float


@dataclass(frozen=True)
class GELU:
    """X * Phi(x), with the normal distribution itself or the usual approximation by tanh."""

    approximate: Literal["none", "tanh"]


@dataclass(frozen=True)
class SiLU:
    """X * sigmoid(x); also called swish."""


@dataclass(frozen=True)
class Mish:
    """X * tanh(softplus(x))."""


@dataclass(frozen=True)
class HardSigmoid:
    """clamp(x / 6 + 1/2, 0, 1)."""


@dataclass(frozen=True)
class HardSwish:
    """X * hardsigmoid(x)."""


@dataclass(frozen=True)
class Clamp:
    """min(max(x, low), high); None leaves a side open. Hardtanh and ReLU6 too."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class ScaleShift:
    """x * scale + shift with two numbers: adding, subtracting, multiplying and dividing by a constant."""

    scale: float
    shift: float


@dataclass(frozen=True)
class Power:
    """x ** exponent: squares, roots, reciprocals."""

    exponent: float


@dataclass(frozen=True)
class Abs:
    """Magnitude."""


@dataclass(frozen=True)
class Exp:
    """e ** x."""


@dataclass(frozen=True)
class Log:
    """Natural logarithm."""


@dataclass(frozen=True)
class Sin:
    """Sine of radians."""


@dataclass(frozen=True)
class Cos:
    """Cosine of radians."""


@dataclass(frozen=True)
class Sign:
    """-1, 0 or 1."""


Activation = (
    ReLU | LeakyReLU | ELU | Tanh | Sigmoid | Softplus | GELU | SiLU | Mish | HardSigmoid | HardSwish
    | Clamp | ScaleShift | Power | Abs | Exp | Log | Sin | Cos | Sign
)  # fmt: skip
"""Elementwise functions of one value without parameters, which can ride on the operator before them."""
