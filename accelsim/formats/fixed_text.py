"""The spellings of fixed point: `fixed8.6:rnd_conv:sat`, `fixed8`, and HLS's `ap_fixed<8,2>`."""

import re
from dataclasses import replace
from typing import get_args

from accelsim.errors import AccelsimError
from accelsim.formats.fixed import FRACTION_LIMIT, FixedPoint
from accelsim.formats.rounding import Overflow, Rounding
from accelsim.formats.spelling import Family, number, unknown_option, width


def _fixed(text: str, digits: str, point: str | None, options: list[str]) -> FixedPoint:
    bits = width("fixed", digits)
    fraction = None if point is None else number(point)
    if fraction is not None and abs(fraction) > FRACTION_LIMIT:
        raise AccelsimError(f"precision: {text!r}: expected {FRACTION_LIMIT} fraction bits or less, not {fraction}")
    roundings, overflows = get_args(Rounding), get_args(Overflow)
    chosen: dict[str, str] = {}
    for option in options:
        name = option.lower().removeprefix("ap_")
        kind = "rounding" if name in roundings else "overflow" if name in overflows else None
        if kind is None:
            raise unknown_option(text, option, (*roundings, *overflows))
        if kind in chosen:
            raise AccelsimError(f"precision: {text!r}: {chosen[kind]} and {name} are both {kind} modes")
        chosen[kind] = name
    return replace(FixedPoint(bits, fraction), **chosen)  # type: ignore[arg-type]


def _read(match: re.Match[str], role: str) -> FixedPoint:
    return _fixed(match[0], match[1], match[2], match[3].split(":")[1:])


def _read_hls(match: re.Match[str], role: str) -> FixedPoint:
    point = str(number(match[1]) - number(match[2]))
    return _fixed(match[0], match[1], point, [match[3] or "trn", match[4] or "wrap"])


def hls_mistake(text: str) -> AccelsimError:
    """The error about an `ap_...` type that is not accepted."""
    if text.startswith("ap_ufixed"):
        what = f"{text!r}: codes are signed here; ap_fixed with one more bit, all of it integer, holds the same values"
    elif text.startswith(("ap_int", "ap_uint")):
        what = f"{text!r}: no HLS type but ap_fixed is accepted; ap_int<8> is ap_fixed<8,8>, or fixed8.0:trn:wrap"
    else:
        what = (
            f"{text!r}: expected ap_fixed<W,I>, ap_fixed<W,I,Q> or ap_fixed<W,I,Q,O>, for example ap_fixed<8,2,AP_RND>"
        )
    return AccelsimError(f"precision: {what}")


FIXED = Family(
    re.compile(r"fixed([0-9]+)(?:\.(-?[0-9]+))?((?::\w+)*)"),
    _read,
    tuple(f"fixed{n}" for n in range(2, 17)),
    {
        "fixedW.F": "fixed point, W = 2..16 bits in all, F of them fraction (negative or above W is allowed); options "
        f"{'|'.join(f':{m}' for m in get_args(Rounding))} and {'|'.join(f':{m}' for m in get_args(Overflow))}, "
        "default :rnd_conv:sat",
        "fixedW": "fixed point whose fraction calibration chooses for each tensor: the largest that holds its range",
    },
)
HLS = Family(
    re.compile(r"ap_fixed<\s*([0-9]+)\s*,\s*(-?[0-9]+)\s*(?:,\s*(\w+)\s*)?(?:,\s*(\w+)\s*)?>"),
    _read_hls,
    (),
    {"ap_fixed<W,I,Q,O>": "the HLS spelling of fixedW.(W-I):q:o; without Q and O trn and wrap"},
)
