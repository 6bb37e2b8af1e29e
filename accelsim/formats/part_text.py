"""How the parts of a precision are spelled, inline and in a file alike."""

import re

from accelsim.errors import AccelsimError
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.format_text import parse_format
from accelsim.formats.precision import LayerPrecision

WHOLE = ("weights", "activations", "accumulator", "calibration")
"""Parts that hold for the whole network."""
ENDS = ("first", "last")
ROLES = ("weights", "activations", "accumulator")


def parse_layer(text: str, role: str | None) -> LayerPrecision:
    """One format for a layer's weights and result, or what `role` (weights, activations, accumulator) has alone.

    Raises:
        AccelsimError: no such format.
    """
    match role:
        case "weights":
            return LayerPrecision(weights=parse_format(text, "weights"))
        case "activations":
            return LayerPrecision(activations=parse_format(text))
        case "accumulator":
            return LayerPrecision(accumulator=parse_accumulator(text))
        case _:
            return LayerPrecision(parse_format(text, "weights"), parse_format(text))


def parse_accumulator(text: str) -> Accumulator:
    """`accW[:wrap]`, 8 <= W <= 48.

    Raises:
        AccelsimError: not that spelling or width.
    """
    match = re.fullmatch(r"acc([0-9]+)(?::(\w+))?", text)
    if not match or match[2] not in (None, "wrap"):
        raise AccelsimError(f"precision: accumulator={text}: expected accW:wrap, for example acc32:wrap")
    if len(match[1]) > 4 or not 8 <= int(match[1]) <= 48:
        raise AccelsimError(f"precision: accumulator={text}: expected a width of 8 to 48 bits")
    return Accumulator(int(match[1]))
