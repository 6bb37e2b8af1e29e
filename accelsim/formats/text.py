"""How formats and precisions are spelled: `int8`, `weights=int4,activations=int8`, `acc32:wrap`."""

import re
from dataclasses import dataclass, replace

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.affine import AffineInt
from accelsim.formats.float32 import Float32

NumberFormat = Float32 | AffineInt

MEANINGS = {
    "float32": "IEEE single precision: the reference",
    "int2..int16": "affine integers; weights per output channel symmetric, activations per tensor affine "
    "(options :channel|:tensor, :sym|:asym)",
}
"""Spelling -> one line of meaning, for `accelsim list formats`."""

_INTEGER = re.compile(r"int(\d+)((?::\w+)*)")


@dataclass(frozen=True)
class Precision:
    """The formats of a run. `accumulator` None: the default for the widths that meet."""

    weights: NumberFormat
    activations: NumberFormat
    accumulator: Accumulator | None = None

    @property
    def is_float(self) -> bool:
        """Whether the run is float32 throughout."""
        return isinstance(self.weights, Float32)

    @property
    def boundary(self) -> NumberFormat:
        """Format of network inputs and outputs: the activations', but never below 8 bits."""
        if isinstance(self.activations, Float32):
            return self.activations
        return replace(self.activations, bits=max(8, self.activations.bits))

    def __str__(self) -> str:
        parts = [f"weights={self.weights}", f"activations={self.activations}"]
        return ",".join(parts + ([f"accumulator={self.accumulator}"] if self.accumulator else []))


def parse_format(text: str, role: str = "activations") -> NumberFormat:
    """A number format from its spelling; `role` ("weights" or "activations") sets the defaults of its options.

    Raises:
        AccelsimError: no such format, width or option.
    """
    if text == "float32":
        return Float32()
    match = _INTEGER.fullmatch(text)
    if not match:
        known = ["float32", *(f"int{n}" for n in range(2, 17))]
        raise AccelsimError(
            f"precision: no number format {text!r}{did_you_mean(text, known)}",
            hint="formats are float32 and int2..int16 (`accelsim list formats`)",
        )
    bits = int(match[1])
    if not 2 <= bits <= 16:
        raise AccelsimError(f"precision: int{bits} is not supported; expected int2 to int16")
    weights = role == "weights"
    format = AffineInt(bits, "channel" if weights else "tensor", symmetric=weights)
    options = match[2].split(":")[1:]
    for option in options:
        format = _with_option(format, option, text)
    for one, other in (("channel", "tensor"), ("sym", "asym")):
        if one in options and other in options:
            raise AccelsimError(f"precision: {text!r}: :{one} and :{other} exclude each other")
    if weights and not format.symmetric:
        raise AccelsimError(f"precision: weights={text}: weights must be symmetric (:sym)")
    if not weights and format.granularity == "channel":
        raise AccelsimError(f"precision: activations={text}: activations are quantized per tensor (:tensor)")
    return format


def _with_option(format: AffineInt, option: str, text: str) -> AffineInt:
    match option:
        case "channel" | "tensor":
            return replace(format, granularity=option)
        case "sym" | "asym":
            return replace(format, symmetric=option == "sym")
        case _:
            known = ["channel", "tensor", "sym", "asym"]
            raise AccelsimError(
                f"precision: {text!r}: unknown option {option!r}{did_you_mean(option, known)}; "
                f"expected one of {', '.join(known)}"
            )


def parse_accumulator(text: str) -> Accumulator:
    """`accW[:wrap]`, 8 <= W <= 48.

    Raises:
        AccelsimError: not that spelling or width.
    """
    match = re.fullmatch(r"acc(\d+)(?::(\w+))?", text)
    if not match or match[2] not in (None, "wrap"):
        raise AccelsimError(f"precision: accumulator={text}: expected accW:wrap, for example acc32:wrap")
    if not 8 <= int(match[1]) <= 48:
        raise AccelsimError(f"precision: accumulator={text}: expected a width of 8 to 48 bits")
    return Accumulator(int(match[1]))


def parse_precision(text: str) -> Precision:
    """One format for all, or `weights=...,activations=...[,accumulator=...]` in any order.

    Raises:
        AccelsimError: an unknown key or format, a missing part, or float32 mixed with integers.
    """
    text = text.strip()
    if "=" not in text:
        return _checked(Precision(parse_format(text, "weights"), parse_format(text, "activations")))
    parts: dict[str, str] = {}
    for item in text.split(","):
        key, _, value = item.strip().partition("=")
        if key not in ("weights", "activations", "accumulator"):
            raise AccelsimError(
                f"precision: unknown part {key!r}{did_you_mean(key, ['weights', 'activations', 'accumulator'])}; "
                "expected weights=, activations=, accumulator="
            )
        if key in parts:
            raise AccelsimError(f"precision: {key}= is given twice")
        parts[key] = value
    for needed in ("weights", "activations"):
        if needed not in parts:
            raise AccelsimError(f"precision: {text!r} lacks {needed}=")
    accumulator = parse_accumulator(parts["accumulator"]) if "accumulator" in parts else None
    weights, activations = parse_format(parts["weights"], "weights"), parse_format(parts["activations"])
    return _checked(Precision(weights, activations, accumulator))


def _checked(precision: Precision) -> Precision:
    if isinstance(precision.weights, Float32) != isinstance(precision.activations, Float32):
        raise AccelsimError(f"precision: {precision}: float32 cannot be mixed with integers yet")
    if precision.is_float and precision.accumulator:
        raise AccelsimError(f"precision: {precision}: float32 takes no accumulator")
    return precision
