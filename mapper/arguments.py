"""What the arguments of calls in Python may be: a wrong one is refused at the call, by its name.

A room that people call has a table of its arguments, and asks ``check_arguments`` at the head of
each call. What a value means, such as a target that does not exist, is judged where it is used.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mapper.diagnostics import Diagnostic, MappingError


@dataclass(frozen=True, slots=True)
class Later:
    """A type whose module may not be imported: nothing is one of it before."""

    module: str
    name: str

    @property
    def types(self) -> tuple[type, ...]:
        """The type, where it is there."""
        held = sys.modules.get(self.module)
        return () if held is None else (getattr(held, self.name),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """What an argument may be."""

    words: str
    types: tuple[type, ...] = ()
    """A text is no list of letters, and True is no number, unless they are named here."""
    later: Later | None = None
    """One type more."""
    low: int | None = None
    """The least whole number; None where any will do."""
    high: int | None = None
    each: "Takes | None" = None
    """What elements of a list, or values of a mapping, may be; iterators are not looked into."""

    def holds(self, value: object) -> bool:
        """Say whether a value is one of these."""
        if isinstance(value, bool | str | bytes):
            return type(value) in self.types
        if not isinstance(value, self.types + (() if self.later is None else self.later.types)):
            return False
        if isinstance(value, int):
            return (self.low is None or self.low <= value) and (
                self.high is None or value <= self.high
            )
        if self.each is None or not isinstance(value, Collection):
            return True
        return all(map(self.each.holds, value.values() if isinstance(value, Mapping) else value))


PATH = Takes(words="a path, as text or pathlib.Path", types=(str, os.PathLike))
TEXT = Takes(words="text", types=(str,))
FLAG = Takes(words="True or False", types=(bool, np.bool_))
WHOLE = Takes(words="a whole number", types=(int,))
CALL = Takes(words="a function", types=(Callable,))  # type: ignore[arg-type]  # it has instances


def check_arguments(
    takes: Mapping[str, Takes], needed: Mapping[str, object], given: Mapping[str, object]
) -> None:
    """Refuse arguments that are nothing a call takes, all at once.

    Args:
        takes: What each argument may be, by its name.
        needed: Arguments by name; None is none of them.
        given: Arguments that may also be None.

    Raises:
        MappingError: ``bad-argument``.
    """
    problems = [*_problems(takes, needed)]
    problems += _problems(takes, {name: one for name, one in given.items() if one is not None})
    if problems:
        raise MappingError(problems)


def _problems(takes: Mapping[str, Takes], given: Mapping[str, object]) -> Iterator[Diagnostic]:
    for name, value in given.items():
        if not takes[name].holds(value):
            kind = "None" if value is None else f"{_short(value)}, a {type(value).__name__}"
            message = f"{name} is {kind}: it takes {takes[name].words}"
            yield Diagnostic(code="bad-argument", message=message, loc=name)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 60
"""Characters of a value that a message shows."""
