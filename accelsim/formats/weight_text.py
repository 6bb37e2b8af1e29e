"""The spellings of formats of few levels: `ternary`, `binary:bnn`, `codebook16`, `log4`, `tanh4`.

Alone they are formats of weights, and activations are int8.
"""

import re
from typing import Any, cast, get_args

from accelsim.errors import AccelsimError
from accelsim.formats import binary, ternary
from accelsim.formats.affine import Granularity
from accelsim.formats.codebook import Codebook
from accelsim.formats.logarithmic import Logarithmic
from accelsim.formats.spelling import Family, number, one_option, only_weights, unknown_option
from accelsim.formats.tanh_levels import TanhLevels

ALONE = re.compile(r"(ternary|binary|codebook|log|tanh)\b.*|(codebook|log|tanh)[0-9].*")
"""Spellings that, given for a whole precision, are meant for the weights."""
_GRANULARITIES = get_args(Granularity)


def _rule_and_granularity(match: re.Match[str], role: str, rules: tuple[str, ...]) -> tuple[Any, Any]:
    text, options = match[0], match[1].split(":")[1:]
    for option in options:
        if option not in (*rules, *_GRANULARITIES):
            raise unknown_option(text, option, (*rules, *_GRANULARITIES))
    rule = one_option(text, [option for option in options if option in rules], rules)
    granularity = one_option(text, [option for option in options if option in _GRANULARITIES], _GRANULARITIES)
    if role != "weights" and (rule or rules[0], granularity or "tensor") != (rules[0], "tensor"):
        raise AccelsimError(f"precision: activations={text}: rules are for weights; expected {text.split(':')[0]}")
    return rule or rules[0], granularity or ("channel" if role == "weights" else "tensor")


def _ternary(match: re.Match[str], role: str) -> ternary.Ternary:
    return ternary.Ternary(*_rule_and_granularity(match, role, get_args(ternary.Rule)))


def _binary(match: re.Match[str], role: str) -> binary.Binary:
    return binary.Binary(*_rule_and_granularity(match, role, get_args(binary.Rule)))


def _levels(kind: str, match: re.Match[str], role: str, low: int, high: int) -> int:
    only_weights(match[0], role)
    levels = number(match[1])
    if not low <= levels <= high:
        raise AccelsimError(f"precision: {match[0]} is not supported; expected {kind}{low} to {kind}{high}")
    return levels


def _codebook(match: re.Match[str], role: str) -> Codebook:
    return Codebook(_levels("codebook", match, role, 2, 256))


def _logarithmic(match: re.Match[str], role: str) -> Logarithmic:
    bits = _levels("log", match, role, 2, 5)
    granularity = one_option(match[0], match[2].split(":")[1:], _GRANULARITIES) or "channel"
    return Logarithmic(bits, cast(Granularity, granularity))


def _tanh(match: re.Match[str], role: str) -> TanhLevels:
    return TanhLevels(_levels("tanh", match, role, 2, 8))


TERNARY = Family(
    re.compile(r"ternary((?::\w+)*)"),
    _ternary,
    ("ternary", "ternary:ttq", "ternary:tgan"),
    {
        "ternary": "codes -1, 0, 1 times a scale; rules :twn (default), :ttq (two scales) and :tgan, "
        "and :channel|:tensor; alone: weights, with int8 activations"
    },
)
BINARY = Family(
    re.compile(r"binary((?::\w+)*)"),
    _binary,
    ("binary", "binary:bnn", "binary:apgan"),
    {
        "binary": "codes -1 and 1 times a scale; rules :xnor (default), :bnn (scale 1) and :apgan (xnor in "
        "convolutions whose input has more channels than pixels, int8 elsewhere); alone: weights, with int8 activations"
    },
)
CODEBOOK = Family(
    re.compile(r"codebook([0-9]+)"),
    _codebook,
    ("codebook16", "codebook256"),
    {"codebookK": "weights: one of K = 2..256 shared 8-bit values, by k-means"},
)
LOGARITHMIC = Family(
    re.compile(r"log([0-9]+)((?::\w+)*)"),
    _logarithmic,
    ("log4", "log5"),
    {"log2..log5": "weights: 0 or a signed power of two, so that products are shifts (:channel|:tensor)"},
)
TANH = Family(
    re.compile(r"tanh([0-9]+)"),
    _tanh,
    ("tanh4", "tanh8"),
    {"tanh2..tanh8": "weights: even levels of tanh(w), finer near zero"},
)
