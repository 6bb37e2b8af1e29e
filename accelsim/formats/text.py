"""How a precision is spelled: `int8`, `weights=int4,activations=int8`, `int4,first=int8,calibration=mse`, a file."""

import re

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.formats.accumulator import Accumulator
from accelsim.formats.calibration import MINMAX, parse_calibration
from accelsim.formats.format_text import MEANINGS, NumberFormat, parse_format
from accelsim.formats.precision import LayerPrecision, Precision

__all__ = [
    "MEANINGS",
    "NumberFormat",
    "Precision",
    "parse_accumulator",
    "parse_format",
    "parse_layer",
    "parse_precision",
]

WHOLE = ("weights", "activations", "accumulator", "calibration")
"""Parts that hold for the whole network."""
ENDS = ("first", "last")
ROLES = ("weights", "activations", "accumulator")
LAYERS = "layers."


def parse_precision(text: str) -> Precision:
    """A precision from its spelling, or from a file where the text ends in .yaml or .yml.

    One format for weights and activations, or `weights=...,activations=...`; then in any order `accumulator=`,
    `calibration=`, and `first=`, `last=`, `layers.NAME=` with a format, or `first.weights=` and so on for one role.

    Raises:
        AccelsimError: an unknown key or format, a missing part, or float32 mixed with integers.
    """
    text = text.strip()
    if text.endswith((".yaml", ".yml")):
        from accelsim.formats.precision_file import load_precision  # reads YAML: only where there is some

        return load_precision(text)
    parts = _parts(text)
    for needed in ("weights", "activations"):
        if needed not in parts:
            raise AccelsimError(f"precision: {text!r} lacks {needed}=")
    single: dict[str, LayerPrecision] = {}
    for key, value in parts.items():
        if key not in WHOLE:
            name, role = _layer_and_role(key)
            single[name] = _merged(key, single.get(name, LayerPrecision()), parse_layer(value, role))
    return Precision(
        parse_format(parts["weights"], "weights"),
        parse_format(parts["activations"], "activations"),
        parse_accumulator(parts["accumulator"]) if "accumulator" in parts else None,
        parse_calibration(parts["calibration"]) if "calibration" in parts else MINMAX,
        single.get("first"),
        single.get("last"),
        tuple(sorted((key.removeprefix(LAYERS), layer) for key, layer in single.items() if key.startswith(LAYERS))),
    )


def _parts(text: str) -> dict[str, str]:
    """Key -> value. A first item without = stands for weights and activations."""
    items = [item.strip() for item in re.split(r",(?![^<]*>)", text)]
    parts = {} if "=" in items[0] else {"weights": items[0], "activations": items[0]}
    for item in items if "=" in items[0] else items[1:]:
        key, _, value = item.partition("=")
        root, dot, _ = key.partition(".")
        if root not in (*WHOLE, *ENDS, "layers") or (dot and root in WHOLE) or key in ("layers", LAYERS):
            near = did_you_mean(root, (*WHOLE, *ENDS, "layers"))
            expected = ", ".join(f"{part}=" for part in (*WHOLE, *ENDS, "layers.NAME"))
            raise AccelsimError(f"precision: unknown part {key!r}{near}; expected {expected}")
        if key in parts:
            raise AccelsimError(f"precision: {key}= is given twice")
        parts[key] = value
    return parts


def _layer_and_role(key: str) -> tuple[str, str | None]:
    """`first.weights` -> (first, weights), `layers.up1` -> (layers.up1, None)."""
    name, _, role = key.rpartition(".")
    if role in ROLES and name not in ("", "layers"):
        return name, role
    if key.startswith(LAYERS) or key in ENDS:
        return key, None
    expected = ", ".join(f"{name}.{role}=" for role in ROLES)
    raise AccelsimError(f"precision: unknown part {key!r}{did_you_mean(role, ROLES)}; expected {name}= or {expected}")


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


def _merged(key: str, one: LayerPrecision, other: LayerPrecision) -> LayerPrecision:
    if one.parts().keys() & other.parts().keys():
        raise AccelsimError(f"precision: {key}= gives again what is given before")
    return LayerPrecision(
        one.weights or other.weights, one.activations or other.activations, one.accumulator or other.accumulator
    )


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
