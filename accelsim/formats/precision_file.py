"""A precision as a YAML file: the parts of the inline spelling as keys, and one entry for each layer that differs.

weights: int4
activations: int8
calibration: percentile:99.9
last: {weights: int8, activations: int8}
layers:
  up1: int6
  up2: {activations: fixed8}
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, LocatedErrors, Problem, did_you_mean
from accelsim.formats.calibration import parse_calibration
from accelsim.formats.format_text import parse_format
from accelsim.formats.part_text import ENDS, ROLES, WHOLE, parse_accumulator, parse_layer
from accelsim.formats.precision import LayerPrecision, Precision
from accelsim.yaml_file import Document, Loc, Mistake, Plain, found, read_yaml

SCHEMA = "accelsim/precision/1"
KEYS = ("schema", *WHOLE, *ENDS, "layers")
_READ: dict[str, Callable[[str], Any]] = {
    "weights": lambda text: parse_format(text, "weights"),
    "activations": parse_format,
    "accumulator": parse_accumulator,
    "calibration": parse_calibration,
}


def load_precision(path: Path | str) -> Precision:
    """The precision in a file.

    Raises:
        LocatedErrors: all mistakes of the file, one line each.
    """
    document = read_yaml(path)
    reading = _Reading(document)
    made = reading.precision()
    if reading.mistakes or made is None:
        raise document.errors(reading.mistakes)
    try:
        return Precision(**made)
    except AccelsimError as error:
        raise LocatedErrors([Problem(document.origin, None, "", _plain(error))]) from None


@dataclass
class _Reading:
    """Plain data to formats; what is wrong is collected."""

    document: Document
    mistakes: list[Mistake] = field(default_factory=list)

    def precision(self) -> dict[str, Any] | None:
        """The fields of a Precision, None where one that is needed is wrong."""
        data = self.document.data
        self._known_keys(data, (), KEYS)
        if data.get("schema", SCHEMA) != SCHEMA:
            self._wrong(("schema",), f"should be {SCHEMA}, {found(data['schema'])}")
        made = {key: self._value(data[key], (key,), _READ[key]) for key in WHOLE if key in data}
        for key in ("weights", "activations"):
            if key not in data:
                self._wrong((key,), "missing")
        made |= {key: self._layer(data[key], (key,)) for key in ENDS if key in data}
        layers = data.get("layers", {})
        if not isinstance(layers, dict):
            self._wrong(("layers",), f"should be a mapping of layer names to formats, {found(layers)}")
            return None
        made["layers"] = tuple((name, self._layer(layers[name], ("layers", name))) for name in sorted(layers))
        return None if self.mistakes else made

    def _layer(self, value: Plain, loc: Loc) -> LayerPrecision:
        where = {"file": self.document.origin, "line": self.document.lines.get(loc)}
        if not isinstance(value, dict):
            layer = self._value(value, loc, lambda text: parse_layer(text, None))
            return replace(layer or LayerPrecision(), **where)
        self._known_keys(value, loc, ROLES)
        given = {key: self._value(value[key], (*loc, key), _READ[key]) for key in ROLES if key in value}
        if not value:
            self._wrong(loc, f"gives nothing; expected one or more of {', '.join(ROLES)}")
        return LayerPrecision(**given, **where)  # type: ignore[arg-type]

    def _value(self, value: Plain, loc: Loc, read: Callable[[str], Any]) -> Any:
        if not isinstance(value, str):
            self._wrong(loc, f"should be text, for example int8, {found(value)}")
            return None
        try:
            return read(value)
        except AccelsimError as error:
            self._wrong(loc, _plain(error))
            return None

    def _known_keys(self, data: dict[str, Plain], loc: Loc, known: tuple[str, ...]) -> None:
        for key in data:
            if key not in known:
                near = did_you_mean(key, known) or f"; allowed: {', '.join(known)}"
                self._wrong((*loc, key), f"unknown key{near}")

    def _wrong(self, loc: Loc, what: str) -> None:
        self.mistakes.append(Mistake(loc, what))


def _plain(error: AccelsimError) -> str:
    return str(error.args[0]).removeprefix("precision: ")
