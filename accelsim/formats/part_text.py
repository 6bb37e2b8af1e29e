"""How the parts of a precision are spelled, inline and in a file alike."""

import re
from dataclasses import replace
from typing import get_args

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.formats.accumulator import NARROWEST, WIDEST, WIDEST_TREE, Accumulator
from accelsim.formats.format_text import parse_format
from accelsim.formats.integer_text import without_requantization
from accelsim.formats.precision import LayerPrecision
from accelsim.formats.rounding import Overflow
from accelsim.formats.spelling import number
from accelsim.formats.weight_text import ALONE

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
        case _ if ALONE.fullmatch(text):
            return LayerPrecision(weights=parse_format(text, "weights"))
        case _:
            return LayerPrecision(parse_format(without_requantization(text), "weights"), parse_format(text))


def parse_accumulator(text: str) -> Accumulator:
    """`accW`, then in any order `:wrap` (the default), `:sat`, `:sat_sym` or `:sat_zero`, and `:treeT`.

    Raises:
        AccelsimError: not that spelling, width or tree.
    """
    match = re.fullmatch(r"acc([0-9]+)((?::\w+)*)", text)
    if not match:
        raise _mistake(text, "expected accW with options, for example acc32:wrap or acc24:sat:tree16")
    accumulator = Accumulator(number(match[1]))
    given: dict[str, str] = {}
    for option in match[2].split(":")[1:]:
        accumulator, kind = _with_option(accumulator, option, text)
        if kind in given:
            raise _mistake(text, f":{given[kind]} and :{option} exclude each other")
        given[kind] = option
    narrowest = NARROWEST[accumulator.overflow]
    if not narrowest <= accumulator.bits <= WIDEST:
        raise _mistake(text, f"expected a width of {narrowest} to {WIDEST} bits")
    if not 1 <= accumulator.tree <= WIDEST_TREE:
        raise _mistake(text, f"expected a tree of 1 to {WIDEST_TREE} products")
    return accumulator


def _with_option(accumulator: Accumulator, option: str, text: str) -> tuple[Accumulator, str]:
    """The accumulator with one option, and what kind of option that is."""
    for overflow in get_args(Overflow):
        if option == overflow:
            return replace(accumulator, overflow=overflow), "overflow"
    if tree := re.fullmatch(r"tree([0-9]+)", option):
        return replace(accumulator, tree=number(tree[1])), "tree"
    known = (*get_args(Overflow), "treeT")
    raise _mistake(text, f"unknown option {option!r}{did_you_mean(option, known)}; expected one of {', '.join(known)}")


def _mistake(text: str, what: str) -> AccelsimError:
    return AccelsimError(f"precision: accumulator={text}: {what}")
