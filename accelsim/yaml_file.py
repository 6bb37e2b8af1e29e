"""YAML as plain data with line numbers, checked against a pydantic model: every mistake at once, one line each.

The dialect is the plain part of YAML 1.2: `on`, `no` and dates are text, `1e9` is a number, `010` is ten; no tags,
anchors or merge keys. A validator may raise `PydanticCustomError("expected", "a number")`; what was found is added.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from accelsim.errors import LocatedErrors, Problem, did_you_mean

if yaml.__with_libyaml__:
    from yaml import CSafeLoader as _SafeLoader
else:
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
Loc: TypeAlias = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Mistake:
    """What is wrong at one place of a document, before the place has become a file and a line."""

    loc: Loc
    what: str


Check: TypeAlias = Callable[[Mapping[str, Plain]], Iterable[Mistake]]


@dataclass(frozen=True)
class Document:
    """A mapping, where it came from, and the line of every key and list entry (none if it was never text)."""

    origin: str
    data: dict[str, Plain]
    lines: Mapping[Loc, int] = field(default_factory=dict)

    def errors(self, mistakes: Iterable[Mistake]) -> LocatedErrors:
        """The mistakes as `file:line: field: what`, in the order of the file."""
        problems = [Problem(self.origin, self._line(m.loc), _field_name(self.data, m.loc), m.what) for m in mistakes]
        return LocatedErrors(sorted(problems, key=lambda problem: problem.line or 0))

    def _line(self, loc: Loc) -> int | None:
        """The line of the deepest part of `loc` that exists."""
        return next((self.lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in self.lines), None)


def load_yaml(path: Path | str, model: type[Model], checks: Iterable[Check] = ()) -> Model:
    """The file as a `model`; raises LocatedErrors with all mistakes, those of the cross-field `checks` among them."""
    return validate(read_yaml(path), model, checks)


def read_yaml(path: Path | str) -> Document:
    """The file as plain data with lines; raises LocatedErrors: unreadable, not UTF-8, bad syntax, duplicate keys."""
    origin = str(path)
    text = _text(origin)
    try:
        root = _root(text)
        if root is None:
            raise LocatedErrors([Problem(origin, 1, "", "the file is empty; expected a mapping of keys to values")])
        if not isinstance(root, yaml.MappingNode):
            line = root.start_mark.line + 1
            raise LocatedErrors([Problem(origin, line, "", "expected a mapping of keys to values at the top")])
        return _document(origin, root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = Problem(origin, mark.line + 1 if mark else None, "", f"not valid YAML: {_syntax(error)}")
    except yaml.reader.ReaderError as error:
        problem = Problem(origin, text[: error.position].count("\n") + 1, "", f"not valid YAML: {error.reason}")
    except RecursionError:
        problem = Problem(origin, None, "", "nested too deeply")
    raise LocatedErrors([problem])


def validate(document: Document, model: type[Model], checks: Iterable[Check] = ()) -> Model:
    """The document as a `model`; raises LocatedErrors with all mistakes.

    `checks` look at relations between fields. They read the plain data, so they run although single fields are wrong.
    """
    made: Model | None = None
    mistakes: list[Mistake] = []
    try:
        made = model.model_validate(document.data)
    except ValidationError as error:
        mistakes = list(_explain(error, model))
    known = {mistake.loc for mistake in mistakes}
    mistakes += [mistake for check in checks for mistake in check(document.data) if mistake.loc not in known]
    if mistakes or made is None:
        raise document.errors(mistakes)
    return made


# --- text to plain data ---------------------------------------------------------------------------------------------


class _Loader(_SafeLoader):
    """Composes nodes; which scalars are numbers is decided by the YAML 1.2 rules below."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_TAG = "tag:yaml.org,2002:"
_DEEPEST = 100
_PLAIN_TAGS = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map"))
_INT = re.compile(r"[-+]?[0-9][0-9_]*$|0x[0-9a-fA-F_]+$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")
_Loader.add_implicit_resolver(_TAG + "null", re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_TAG + "bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_TAG + "int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+.0123456789"))


def _text(origin: str) -> str:
    try:
        raw = Path(origin).read_bytes()
    except OSError as error:
        raise LocatedErrors([Problem(origin, None, "", f"cannot be read: {error.strerror}")]) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        what = f"not UTF-8 text (byte {raw[error.start]:#04x})"
        raise LocatedErrors([Problem(origin, line, "", what)]) from None


def _root(text: str) -> yaml.Node | None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):  # composing recurses, in C without a limit; events do not
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise RecursionError
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _syntax(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "syntax error"
    return f"{problem} (indent with spaces, not tabs)" if "cannot start any token" in problem else problem


def _document(origin: str, root: yaml.MappingNode) -> Document:
    reading = _Reading()
    data = reading.mapping(root, ())
    if reading.mistakes:
        raise LocatedErrors(Problem(origin, line, _field_name(data, loc), what) for line, loc, what in reading.mistakes)
    return Document(origin, data, reading.lines)


@dataclass
class _Reading:
    """Nodes to plain values; remembers lines, and what is not plain data."""

    lines: dict[Loc, int] = field(default_factory=lambda: {(): 1})
    mistakes: list[tuple[int, Loc, str]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Plain]:
        result: dict[str, Plain] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.mistake(key, loc, "a key must be plain text")
                continue
            here = (*loc, key.value)
            if key.value in result:
                self.mistake(key, here, f"given twice (first on line {self.lines[here]})")
                continue
            self.lines[here] = key.start_mark.line + 1
            result[key.value] = None  # so that a mistake below can already be named
            result[key.value] = self.value(value, here)
        return result

    def value(self, node: yaml.Node, loc: Loc) -> Plain:
        if id(node) in self.seen:
            self.mistake(node, loc, "anchors and aliases (&, *) are not supported: write the value out")
            return None
        self.seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            self.mistake(node, loc, f"tag {node.tag!r} is not supported: plain data only")
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(child, (*loc, i)) for i, child in enumerate(node.value)]
        try:
            return _scalar(node.tag.removeprefix(_TAG), str(node.value))
        except ValueError:
            self.mistake(node, loc, f"{node.value!r} does not have the type of its tag")
            return None

    def item(self, node: yaml.Node, loc: Loc) -> Plain:
        self.lines[loc] = node.start_mark.line + 1
        return self.value(node, loc)

    def mistake(self, node: yaml.Node, loc: Loc, what: str) -> None:
        self.mistakes.append((node.start_mark.line + 1, loc, what))


def _scalar(tag: str, text: str) -> Plain:
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 16) if text.startswith("0x") else int(text)
        case "float":
            return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".n", "n"))
        case "str":
            return text
    raise ValueError(tag)


# --- pydantic's findings in our words -------------------------------------------------------------------------------

_NOUN = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list",
    "tuple_type": "a list",
}
_BOUND = {
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}


def _explain(error: ValidationError, model: type[BaseModel]) -> Iterator[Mistake]:
    """One mistake for each thing wrong: a misspelt key that is also reported as missing counts once."""
    found = error.errors(include_url=False)
    missing = {e["loc"] for e in found if e["type"] == "missing"}
    meant: set[Loc] = set()
    for e in found:
        if e["type"] == "extra_forbidden":
            *parent, key = e["loc"]
            absent = [str(loc[-1]) for loc in missing if loc[:-1] == tuple(parent)]
            allowed = _keys(model, tuple(parent))
            near = did_you_mean(str(key), absent) or did_you_mean(str(key), allowed)
            meant |= {(*parent, name) for name in absent if repr(name) in near}
            what = f"unknown key{near}" if near else f"unknown key; allowed: {', '.join(allowed)}"
            yield Mistake(e["loc"], what)
    for e in found:
        # a list whose entries are wrong is also reported as too short
        echo = e["type"] == "too_short" and len(e["input"]) >= e["ctx"]["min_length"]
        if e["type"] != "extra_forbidden" and e["loc"] not in meant and not echo:
            loc = tuple(part for part in e["loc"] if part != "[key]")
            yield Mistake(loc, _what(e["type"], e["msg"], e["input"], e.get("ctx", {})))


def _what(kind: str, message: str, value: object, context: Mapping[str, Any]) -> str:
    if kind == "missing":
        return "missing"
    if kind in _NOUN:
        return f"should be {_NOUN[kind]}, {found(value)}"
    if kind == "expected":
        return f"should be {message}, {found(value)}"
    if kind in _BOUND:
        return f"{_BOUND[kind].format(**context)}, {found(value)}"
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", str(context["expected"]))
        near = did_you_mean(value, options) if isinstance(value, str) else ""
        return f"{show(value)} is not one of: {', '.join(options)}{near}"
    if kind in ("too_short", "string_too_short"):
        return f"must not be empty (at least {context['min_length']})"
    return message.removeprefix("Value error, ")


def show(value: object) -> str:
    """A value of a YAML file as a person wrote it, at most 60 characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def found(value: object) -> str:
    """`not 'x'`, or `but is empty`; the second half of a sentence that says what was expected."""
    if value is None:
        return "but is empty"
    quoted = isinstance(value, str) and (_INT.match(value) or _FLOAT.match(value))
    return f"not {show(value)}" + (" (write it without quotes)" if quoted else "")


def _field_name(data: Plain, loc: Loc) -> str:
    """`memories.bram.size_kib`: list entries by their name where they have one; stops where the data are scalar."""
    parts: list[str] = []
    here: Plain = data
    for part in loc:
        if isinstance(here, dict):
            parts.append(str(part))
            here = here.get(str(part))
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
            name = here.get("name") if isinstance(here, dict) else None
            parts.append(name if isinstance(name, str) else str(part))
        else:
            break
    return ".".join(parts)


def _keys(annotation: Any, loc: Loc) -> list[str]:
    """The keys that the model at `loc` below `annotation` knows; empty where no model is there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {info.alias or name: info.annotation for name, info in annotation.model_fields.items()}
        if not loc:
            return list(fields)
        return _keys(fields[str(loc[0])], loc[1:]) if loc[0] in fields else []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _keys(arguments[0], loc)
    if origin in (Union, UnionType):
        return next((keys for arm in arguments if (keys := _keys(arm, loc))), [])
    if origin in (tuple, list) and loc:
        return _keys(arguments[0], loc[1:])
    return _keys(arguments[1], loc[1:]) if origin is dict and loc else []
