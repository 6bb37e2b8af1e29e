"""The error family. Every message says where, what, and what was expected; a traceback never reaches the user."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class AccelsimError(Exception):
    """Bad input or an impossible request: one clear sentence, with an optional hint on a line of its own."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = str(self.args[0])
        return f"{message}\nhint: {self.hint}" if self.hint else message


@dataclass(frozen=True)
class Problem:
    """One located mistake in a file: `file:line: field: what`."""

    file: str
    line: int | None
    field: str
    what: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.field}: {self.what}" if self.field else f"{where}: {self.what}"


class LocatedErrors(AccelsimError):
    """All mistakes of one file at once, one line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class UnsupportedOperator(AccelsimError):
    """The frontend met an operator that the layer IR does not have."""


class GraphError(AccelsimError):
    """A graph that does not verify: a dangling value, a shape that does not follow, a weight of the wrong shape."""


class DoesNotFit(AccelsimError):
    """A layer or network that the machine cannot hold or execute."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known name, or the empty string."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
