"""How one number format is spelled: `int8`, `int4:tensor`, `fixed8.6:rnd_conv:sat`, `ap_fixed<8,2>`."""

import re
from dataclasses import replace
from typing import Literal, get_args

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.formats.affine import AffineInt
from accelsim.formats.fixed import FRACTION_LIMIT, FixedPoint
from accelsim.formats.float32 import Float32
from accelsim.formats.rounding import Overflow, Rounding

NumberFormat = Float32 | AffineInt | FixedPoint
Role = Literal["weights", "activations"]

MEANINGS = {
    "float32": "IEEE single precision: the reference",
    "int2..int16": "affine integers; weights per output channel symmetric, activations per tensor affine "
    "(options :channel|:tensor, :sym|:asym)",
    "fixedW.F": "fixed point, W = 2..16 bits in all, F of them fraction (negative or above W is allowed); options "
    f"{'|'.join(f':{m}' for m in get_args(Rounding))} and {'|'.join(f':{m}' for m in get_args(Overflow))}, "
    "default :rnd_conv:sat",
    "fixedW": "fixed point whose fraction calibration chooses for each tensor: the largest that holds its range",
    "ap_fixed<W,I,Q,O>": "the HLS spelling of fixedW.(W-I):q:o; without Q and O trn and wrap",
}
"""Spelling -> one line of meaning, for `accelsim list formats`."""

_INTEGER = re.compile(r"int([0-9]+)((?::\w+)*)")
_FIXED = re.compile(r"fixed([0-9]+)(?:\.(-?[0-9]+))?((?::\w+)*)")
_HLS = re.compile(r"ap_fixed<\s*([0-9]+)\s*,\s*(-?[0-9]+)\s*(?:,\s*(\w+)\s*)?(?:,\s*(\w+)\s*)?>")


def parse_format(text: str, role: str = "activations") -> NumberFormat:
    """A number format from its spelling; `role` ("weights" or "activations") sets the defaults of its options.

    Raises:
        AccelsimError: no such format, width or option.
    """
    if text == "float32":
        return Float32()
    if match := _INTEGER.fullmatch(text):
        return _integer(text, match[1], match[2].split(":")[1:], role)
    if match := _FIXED.fullmatch(text):
        return _fixed(text, match[1], match[2], match[3].split(":")[1:])
    if match := _HLS.fullmatch(text):
        point = str(_number(match[1]) - _number(match[2]))
        return _fixed(text, match[1], point, [match[3] or "trn", match[4] or "wrap"])
    if text.startswith("ap_"):
        raise AccelsimError(f"precision: {_hls_mistake(text)}")
    known = ["float32", *(f"{kind}{n}" for kind in ("int", "fixed") for n in range(2, 17))]
    raise AccelsimError(
        f"precision: no number format {text!r}{did_you_mean(text, known)}",
        hint="formats are float32, int2..int16, fixedW.F and fixedW (`accelsim list formats`)",
    )


def _integer(text: str, width: str, options: list[str], role: str) -> AffineInt:
    weights = role == "weights"
    format = AffineInt(_width("int", width), "channel" if weights else "tensor", symmetric=weights)
    for option in options:
        format = _with_option(format, option, text)
    for one, other in (("channel", "tensor"), ("sym", "asym")):
        if one in options and other in options:
            raise AccelsimError(f"precision: {text!r}: :{one} and :{other} exclude each other")
    if weights and not format.symmetric and format.bits == 16:
        raise AccelsimError(f"precision: weights={text}: asymmetric weights have 15 bits at most")
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
            raise _unknown_option(text, option, ("channel", "tensor", "sym", "asym"))


def _fixed(text: str, width: str, point: str | None, options: list[str]) -> FixedPoint:
    bits = _width("fixed", width)
    fraction = None if point is None else _number(point)
    if fraction is not None and abs(fraction) > FRACTION_LIMIT:
        raise AccelsimError(f"precision: {text!r}: expected {FRACTION_LIMIT} fraction bits or less, not {fraction}")
    roundings, overflows = get_args(Rounding), get_args(Overflow)
    chosen: dict[str, str] = {}
    for option in options:
        name = option.lower().removeprefix("ap_")
        kind = "rounding" if name in roundings else "overflow" if name in overflows else None
        if kind is None:
            raise _unknown_option(text, option, (*roundings, *overflows))
        if kind in chosen:
            raise AccelsimError(f"precision: {text!r}: {chosen[kind]} and {name} are both {kind} modes")
        chosen[kind] = name
    return replace(FixedPoint(bits, fraction), **chosen)  # type: ignore[arg-type]


def _number(text: str) -> int:
    """Digits of any length; what is absurdly long is as good as any number out of range."""
    return int(text) if len(text) < 10 else 10**9


def _width(kind: str, digits: str) -> int:
    bits = _number(digits)
    if not 2 <= bits <= 16:
        raise AccelsimError(f"precision: {kind}{digits} is not supported; expected {kind}2 to {kind}16")
    return bits


def _unknown_option(text: str, option: str, known: tuple[str, ...]) -> AccelsimError:
    return AccelsimError(
        f"precision: {text!r}: unknown option {option!r}{did_you_mean(option.lower(), known)}; "
        f"expected one of {', '.join(known)}"
    )


def _hls_mistake(text: str) -> str:
    if text.startswith("ap_ufixed"):
        return f"{text!r}: codes are signed here; ap_fixed with one more bit, all of it integer, holds the same values"
    if text.startswith(("ap_int", "ap_uint")):
        return f"{text!r}: no HLS type but ap_fixed is accepted; ap_int<8> is ap_fixed<8,8>, or fixed8.0:trn:wrap"
    return f"{text!r}: expected ap_fixed<W,I>, ap_fixed<W,I,Q> or ap_fixed<W,I,Q,O>, for example ap_fixed<8,2,AP_RND>"
