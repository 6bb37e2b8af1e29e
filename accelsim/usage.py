"""A mistake on the command line as one sentence of the same form as every other error."""

import re
import sys
from typing import Any

import typer

from accelsim.errors import AccelsimError, did_you_mean

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""UsageError, the base of all that typer raises for mistakes on the command line; it has no public name there."""
OURS = (
    (r"Input should be a valid integer.*", "should be a whole number"),
    (r"Input should be a valid number.*", "should be a number"),
    (r"Input should be greater than or equal to (\S+)", r"must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"must be at most \1"),
    (r"Value error, ", ""),
)
"""What the parser says and what we say."""


def usage_error(error: Any) -> AccelsimError:
    """The sentence, where it happened, the nearest spelling, and where help is."""
    path = error.ctx.command_path if error.ctx else " ".join(["accelsim", *command_named(sys.argv[1:2])])
    return AccelsimError(f"{path}: {_what(error)}", hint=f"{path} --help shows what it takes")


def command_named(words: list[str]) -> list[str]:
    """The first word where it is a command and no option: a parser that fails early does not say."""
    return [word for word in words if not word.startswith("-")]


def _what(error: Any) -> str:
    message = str(error.message or error.format_message())
    parameter = getattr(error, "param", None)
    if possible := getattr(error, "possibilities", None):
        return f"{message.partition(' (')[0]} (did you mean {possible[0]}?)"
    if type(error).__name__ == "MissingParameter":
        return f"{_name(parameter)} is missing" if parameter is not None else message
    for theirs, ours in OURS:
        message = re.sub(theirs, ours, message)
    message = message.rstrip(".")
    if choice := re.match(r"'(.*?)' is not one of (.*)", message):
        message += did_you_mean(choice[1], re.findall(r"'(.*?)'", choice[2]))
    if found := re.match(r"No such command '(.*?)'.*Did you mean '(.*?)'", message):
        return f"No such command: {found[1]} (did you mean {found[2]}?)"
    return f"{_name(parameter)}: {message}" if parameter is not None else message


def _name(parameter: Any) -> str:
    """`--on` of an option, WORKLOAD of an argument."""
    options = [text for text in parameter.opts if text.startswith("-")]
    return max(options, key=len) if options else str(parameter.name).upper()
