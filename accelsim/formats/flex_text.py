"""The spelling of Flexpoint: `flex16+5`, with the predictor's constants as options: `flex16+5:alpha2`."""

import math
import re
from dataclasses import replace

from accelsim.errors import AccelsimError
from accelsim.formats.flexpoint import Flexpoint
from accelsim.formats.spelling import Family, number, unknown_option, width

_OPTIONS = ("alpha", "beta", "gamma", "history")
_OPTION = re.compile(r"([a-z]+)([0-9]+(?:\.[0-9]+)?)")


def _read(match: re.Match[str], role: str) -> Flexpoint:
    text = match[0]
    format = Flexpoint(width("flex", match[1]), None, exponent_bits=number(match[2]))
    if format.bits < 4:
        raise AccelsimError(f"precision: {text}: expected mantissas of 4 to 16 bits")
    if not 2 <= format.exponent_bits <= 6:
        raise AccelsimError(f"precision: {text}: expected an exponent of 2 to 6 bits")
    for option in match[3].split(":")[1:]:
        parsed = _OPTION.fullmatch(option)
        if parsed is None or parsed[1] not in _OPTIONS:
            raise unknown_option(text, option, tuple(f"{name}N" for name in _OPTIONS))
        if parsed[1] == "history" and ("." in parsed[2] or not 1 <= number(parsed[2]) <= 1000):
            raise AccelsimError(f"precision: {text}: expected a history of 1 to 1000 writes")
        value = int(parsed[2]) if parsed[1] == "history" else float(parsed[2])
        if parsed[1] == "alpha" and value == 0:
            raise AccelsimError(f"precision: {text}: expected an alpha above 0")
        if value == math.inf:
            raise AccelsimError(f"precision: {text}: expected a smaller {parsed[1]}")
        format = replace(format, **{parsed[1]: value})  # type: ignore[arg-type]
    return format


FLEXPOINT = Family(
    re.compile(r"flex([0-9]+)\+([0-9]+)((?::[\w.]+)*)"),
    _read,
    ("flex16+5",),
    {
        "flexN+M": "N-bit mantissas with one M-bit exponent for each tensor, predicted by Autoflex over the "
        "calibration batches and frozen (options :alphaX :betaX :gammaX :historyN)"
    },
)
