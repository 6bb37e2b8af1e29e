"""What validation of single fields of a sweep file cannot see: unknown settings, values, lengths, machine paths."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from accelsim.errors import AccelsimError, LocatedErrors, did_you_mean
from accelsim.formats.text import parse_precision
from accelsim.frontend.workload import load_workload
from accelsim.study.space import MACHINE, SETTINGS
from accelsim.study.variant import lacking, machine_data
from accelsim.yaml_file import Loc, Mistake, Plain, found, show

_SECTIONS = ("grid", "zip", "random")
COUNTS = ("batch", "calibration_images")
"""Settings that are whole numbers of at least 1."""


def located(folder: Path, name: str) -> str:
    """A name or path of a sweep file as loaders take it: a path beside the file wins."""
    beside = folder / name
    return str(beside) if beside.is_file() else name


@dataclass(frozen=True)
class _Given:
    """One value, or one range of values, of a setting in the file."""

    loc: Loc
    key: str
    value: Plain
    drawn: bool = False


def mistakes(data: Mapping[str, Plain], folder: Path) -> Iterator[Mistake]:
    """All of them, those of the schema left out; `folder`: where relative paths start."""
    given = list(_settings(data))
    homes: dict[str, Loc] = {}
    for loc, key in _keys(data):
        if key in homes:
            yield Mistake(loc, f"given twice: also in {homes[key][0]}")
        homes.setdefault(key, loc)
        if key not in SETTINGS and not key.startswith(MACHINE):
            near = did_you_mean(key, SETTINGS)
            expected = f"; expected one of {', '.join(SETTINGS)}, or {MACHINE}PATH"
            yield Mistake(loc, f"unknown setting{near or expected}")
    for needed in ("workload", "on"):
        if needed not in homes:
            yield Mistake((needed,), "missing: name one, or several under grid")
    for entry in given:
        what = _wrong(entry, folder) if entry.key in SETTINGS else None
        if what is not None:
            yield Mistake(entry.loc, what)
    yield from _repeated(data)
    yield from _unequal(data)
    yield from _no_such_path(given, folder)


def _keys(data: Mapping[str, Plain]) -> Iterator[tuple[Loc, str]]:
    """Every setting that the file gives, and where."""
    for key in data:
        if key in SETTINGS or key.startswith(MACHINE):
            yield (key,), key
    for section in _SECTIONS:
        for loc, values in _section(data, section):
            for key in values:
                yield (*loc, key), key


def _section(data: Mapping[str, Plain], name: str) -> Iterator[tuple[Loc, dict[str, Plain]]]:
    values = data.get(name)
    loc: Loc = (name,)
    if name == "random" and isinstance(values, dict):
        values, loc = values.get("keys"), ("random", "keys")
    if isinstance(values, dict):
        yield loc, values


def _settings(data: Mapping[str, Plain]) -> Iterator[_Given]:
    """Every value of every setting, with its place."""
    for loc, key in _keys(data):
        value: Plain = dict(data)
        for part in loc:
            assert isinstance(value, dict)
            value = value[str(part)]
        if loc[0] not in _SECTIONS:
            yield _Given(loc, key, value)
        elif isinstance(value, list):
            yield from (_Given((*loc, i), key, entry) for i, entry in enumerate(value))
        elif isinstance(value, dict) and loc[0] == "random":
            yield _Given(loc, key, value, drawn=True)


def _repeated(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    """Values that a grid lists twice."""
    for loc, values in _section(data, "grid"):
        for key, entries in values.items():
            texts = [json.dumps(entry) for entry in entries] if isinstance(entries, list) else []
            for i, text in enumerate(texts):
                if text in texts[:i]:
                    yield Mistake((*loc, key, i), f"{text} is listed twice")


def _unequal(data: Mapping[str, Plain]) -> Iterator[Mistake]:
    for loc, values in _section(data, "zip"):
        lengths = {key: len(entries) for key, entries in values.items() if isinstance(entries, list)}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{key} {length}" for key, length in lengths.items())
            yield Mistake(loc, f"lists of unequal length: {shown}")


def _no_such_path(given: Iterable[_Given], folder: Path) -> Iterator[Mistake]:
    """Machine paths that no machine of the sweep has; where only some lack it, their points are not applicable."""
    given = list(given)
    machines = []
    for name in dict.fromkeys(entry.value for entry in given if entry.key == "on" and isinstance(entry.value, str)):
        try:
            machines.append(machine_data(located(folder, name)))
        except AccelsimError:
            return  # said already, and what it has is unknown
    places = {entry.key: entry.loc for entry in reversed(given) if entry.key.startswith(MACHINE)}
    for key, loc in places.items():
        reasons = [lacking(data, key.removeprefix(MACHINE)) for data in machines]
        if reasons and None not in reasons:
            which = "" if len(machines) == 1 else f" (nor does any of the other {len(machines) - 1} machines)"
            place = loc[:-1] if isinstance(loc[-1], int) else loc
            yield Mistake(place, f"{reasons[0]}{which}")


# --- single values ----------------------------------------------------------------------------------------------------


def _wrong(entry: _Given, folder: Path) -> str | None:
    """What is wrong with a value of a setting, None if nothing is."""
    if entry.drawn:
        return _wrong_range(entry)
    match entry.key:
        case "workload":
            return _unknown(entry.value, folder, load_workload)
        case "on":
            return _unknown(entry.value, folder, machine_data)
        case "precision":
            return _wrong_precision(entry.value, folder)
        case "residency":
            return None if isinstance(entry.value, bool) else f"should be true or false, {found(entry.value)}"
        case "deadline_ms":
            number = isinstance(entry.value, int | float) and not isinstance(entry.value, bool)
            right = entry.value is None or (number and 0 <= float(str(entry.value)) < math.inf)
            return None if right else f"should be a number of at least 0, {found(entry.value)}"
        case _:
            least = 1 if entry.key in COUNTS else 0
            right = isinstance(entry.value, int) and not isinstance(entry.value, bool) and entry.value >= least
            return None if right else f"should be a whole number of at least {least}, {found(entry.value)}"


def _wrong_range(entry: _Given) -> str | None:
    if entry.key in ("workload", "on", "precision", "residency"):
        return "should be a list of choices, not a range"
    whole = isinstance(entry.value, dict) and entry.value.get("integer") is True
    if entry.key in ("images", "seed", *COUNTS) and not whole:
        return "is a whole number: add integer: true"
    low = entry.value.get("low") if isinstance(entry.value, dict) else None
    if isinstance(low, int | float) and low < (entry.key in COUNTS):
        return f"low should be at least {int(entry.key in COUNTS)}, not {show(low)}"
    return None


def _wrong_precision(value: Plain, folder: Path) -> str | None:
    if not isinstance(value, str):
        return f"should be text, {found(value)}"
    what = _unknown(value, folder, parse_precision)
    return what and what.removeprefix("precision: ")


def _unknown(value: Plain, folder: Path, load: Callable[[str], object]) -> str | None:
    if not isinstance(value, str):
        return f"should be a name or a path, {found(value)}"
    try:
        load(located(folder, value))
    except LocatedErrors as error:
        return f"{value} has mistakes of its own: {error.problems[0]}"
    except AccelsimError as error:
        return str(error.args[0])
    return None
