"""How a precision is spelled: `int8`, `weights=int4,activations=int8`, `int4,first=int8,calibration=mse`, a file."""

import re

from accelsim.errors import AccelsimError, did_you_mean
from accelsim.formats.calibration import MINMAX, parse_calibration
from accelsim.formats.format_text import MEANINGS, parse_format
from accelsim.formats.integer_text import without_requantization
from accelsim.formats.part_text import ENDS, ROLES, WHOLE, parse_accumulator, parse_layer
from accelsim.formats.precision import LayerPrecision, Precision
from accelsim.formats.precision_file import load_precision
from accelsim.formats.weight_text import ALONE

__all__ = [
    "MEANINGS",
    "Precision",
    "parse_accumulator",
    "parse_format",
    "parse_precision",
]

LAYERS = "layers."
ALONE_WITH = "int8"
"""Activations of a format that, given alone, is meant for the weights."""


def parse_precision(text: str) -> Precision:
    """A precision from its spelling, or from a file where the text ends in .yaml or .yml.

    One format for weights and activations, or `weights=...,activations=...`; then in any order `accumulator=`,
    `calibration=`, and `first=`, `last=`, `layers.NAME=` with a format, or `first.weights=` and so on for one role.

    Raises:
        AccelsimError: an unknown key or format, a missing part, or floating formats mixed with integers.
    """
    text = text.strip()
    if text.endswith((".yaml", ".yml")):
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
    """Key -> value. A first item without = stands for weights and activations, or for weights with int8 activations."""
    items = [item.strip() for item in re.split(r",(?![^<]*>)", text)]
    activations = ALONE_WITH if ALONE.fullmatch(items[0]) else items[0]
    weights = without_requantization(items[0])
    parts = {} if "=" in items[0] else {"weights": weights, "activations": activations}
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


def _merged(key: str, one: LayerPrecision, other: LayerPrecision) -> LayerPrecision:
    if one.parts().keys() & other.parts().keys():
        raise AccelsimError(f"precision: {key}= gives again what is given before")
    return LayerPrecision(
        one.weights or other.weights, one.activations or other.activations, one.accumulator or other.accumulator
    )
