"""The spelling of affine integers: `int8`, `int4:tensor`, `int8:asym`."""

import re
from dataclasses import replace
from itertools import combinations
from typing import get_args

from accelsim.errors import AccelsimError
from accelsim.formats.affine import AffineInt, RequantizationMode
from accelsim.formats.spelling import Family, unknown_option, width

_REQUANTIZATION = get_args(RequantizationMode)
_OPTIONS = ("channel", "tensor", "sym", "asym", "em", *_REQUANTIZATION)
_EXCLUDING = (("channel", "tensor"), ("sym", "asym"), *combinations(_REQUANTIZATION, 2))


def _read(match: re.Match[str], role: str) -> AffineInt:
    text, options, weights = match[0], match[2].split(":")[1:], role == "weights"
    format = AffineInt(width("int", match[1]), "channel" if weights else "tensor", symmetric=weights)
    for option in options:
        format = _with_option(format, option, text)
    for one, other in _EXCLUDING:
        if one in options and other in options:
            raise AccelsimError(f"precision: {text!r}: :{one} and :{other} exclude each other")
    if weights and not format.symmetric and format.bits == 16:
        raise AccelsimError(f"precision: weights={text}: asymmetric weights have 15 bits at most")
    if not weights and format.granularity == "channel":
        raise AccelsimError(f"precision: activations={text}: activations are quantized per tensor (:tensor)")
    given = [option for option in options if option in _REQUANTIZATION]
    if weights and given:
        expected = f"expected it there, for example activations=int8:{given[0]}"
        raise AccelsimError(f"precision: weights={text}: requantization (:{given[0]}) is of activations; {expected}")
    return format


def without_requantization(text: str) -> str:
    """The spelling of the weights where one spelling is for weights and activations: that option is for the latter."""
    if not INTEGERS.pattern.fullmatch(text):
        return text
    return ":".join(part for part in text.split(":") if part not in _REQUANTIZATION)


def _with_option(format: AffineInt, option: str, text: str) -> AffineInt:
    match option:
        case "channel" | "tensor":
            return replace(format, granularity=option)
        case "sym" | "asym":
            return replace(format, symmetric=option == "sym")
        case "em":
            return replace(format, fitted=True)
        case "single" | "double" | "float":
            return replace(format, requantization=option)
        case _:
            raise unknown_option(text, option, _OPTIONS)


INTEGERS = Family(
    re.compile(r"int([0-9]+)((?::\w+)*)"),
    _read,
    tuple(f"int{n}" for n in range(2, 17)),
    {
        "int2..int16": "affine integers; weights per output channel symmetric, activations per tensor affine "
        "(options :channel|:tensor, :sym|:asym, :em for scales of least squared error; of activations :single, :double "
        "or :float, how sums become codes: rounded once, twice as gemmlowp does, or by a float32 factor)",
    },
)
