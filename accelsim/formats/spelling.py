"""What the spellings of all formats share: widths, options, and the errors about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from re import Match, Pattern
from typing import Generic, TypeVar

from accelsim.errors import AccelsimError, did_you_mean

F = TypeVar("F", covariant=True)


@dataclass(frozen=True)
class Family(Generic[F]):
    """One spelling: what it looks like, how it is read, and what it means.

    read: the match and the role ("weights" or "activations") to a format. examples: spellings near which a mistake may
    be. meanings: spelling -> one line, for `accelsim list formats`.
    """

    pattern: Pattern[str]
    read: Callable[[Match[str], str], F]
    examples: tuple[str, ...]
    meanings: Mapping[str, str]


def number(text: str) -> int:
    """Digits of any length; what is absurdly long is as good as any number out of range."""
    return int(text) if len(text) < 10 else 10**9


def width(kind: str, digits: str) -> int:
    """Bits of a format, 2 to 16; raises AccelsimError beyond."""
    bits = number(digits)
    if not 2 <= bits <= 16:
        raise AccelsimError(f"precision: {kind}{digits} is not supported; expected {kind}2 to {kind}16")
    return bits


def unknown_option(text: str, option: str, known: tuple[str, ...]) -> AccelsimError:
    """The error about an option that a format does not have."""
    return AccelsimError(
        f"precision: {text!r}: unknown option {option!r}{did_you_mean(option.lower(), known)}; "
        f"expected one of {', '.join(known)}"
    )


def one_option(text: str, options: list[str], known: tuple[str, ...]) -> str | None:
    """The one option of `known` that is given, None without; raises AccelsimError on another or on several."""
    for option in options:
        if option not in known:
            raise unknown_option(text, option, known)
    if len(options) > 1:
        raise AccelsimError(f"precision: {text!r}: :{options[0]} and :{options[1]} exclude each other")
    return options[0] if options else None


def only_weights(text: str, role: str) -> None:
    """Refuse a format that only weights can have."""
    if role != "weights":
        raise AccelsimError(
            f"precision: activations={text}: only weights can be stored so; expected for example activations=int8"
        )
