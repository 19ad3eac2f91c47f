"""Read plain data (parsed TOML or JSON) into frozen dataclasses, strictly.

The data is not trusted. Every key, type, bound and rule is checked, every problem is collected, and
nothing is evaluated or guessed.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union, cast, get_args, get_origin
from typing import get_type_hints as hints_of

from mapper.diagnostics import Diagnostic, MappingError, nearest, refuse
from targets.fields import Bounds, Longest

MAX_ENTRIES = 64  # of one array: more is not a target
MAX_UNKNOWN_KEYS = 20  # reported for one table
SHOWN_CHARACTERS = 60  # of a value, in a message

BAD = object()
"""Stands for a value that was refused; its problem is already noted."""

T = TypeVar("T")


class Checked(Protocol):
    """A dataclass with rules of its own."""

    def problems(self) -> Any: ...


class Reader:
    """Collects what is wrong with one file while it reads it."""

    def __init__(self, file: str, loc: str, code: str = "") -> None:
        """Begin; ``code`` is that of every problem where a file is no target."""
        self.file = file
        self.loc = loc
        self.code = code
        self.problems: list[Diagnostic] = []

    def note(self, code: str, text: str, help: str = "") -> None:
        message = f"{self.file}: {text}"
        problem = Diagnostic(code=self.code or code, message=message, loc=self.loc, help=help)
        self.problems.append(problem)

    def value(self, hint: object, raw: object, path: tuple[str, ...]) -> object:
        """Read one value of an annotation; ``BAD`` where it was refused."""
        return self._value(hint, raw, path)

    def table(
        self,
        cls: type[T],
        raw: object,
        path: tuple[str, ...] = (),
        ready: Mapping[str, object] | None = None,
    ) -> T | None:
        """Read one table; ``ready`` are fields that the caller has already read."""
        if not isinstance(raw, dict):
            self.note("target-value", f"{_named(path)} must be a table, got {show(raw)}")
            return None
        before = len(self.problems)
        members = {_key(member): member for member in fields(cast(Any, cls))}
        hints = hints_of(cls, include_extras=True)
        self._refuse_unknown_keys(raw, list(members), path)
        values = dict(ready or {})
        for key, member in members.items():
            if member.name not in values:
                values[member.name] = self._member(member, hints[member.name], raw, (*path, key))
        if len(self.problems) > before or BAD in values.values():
            return None
        make: Callable[..., T] = cls
        return self._checked(make(**values), path)

    def _checked(self, made: T, path: tuple[str, ...]) -> T | None:
        if not hasattr(made, "problems"):
            return made
        found = list(cast(Checked, made).problems())
        for problem in found:
            self.note("target-value", f"{_named(path)} {problem}" if path else problem)
        return None if found else made

    def _refuse_unknown_keys(
        self, raw: Mapping[str, object], known: list[str], path: tuple[str, ...]
    ) -> None:
        unknown = [key for key in raw if key not in known]
        for key in unknown[:MAX_UNKNOWN_KEYS]:
            text = f"{_named(path)} has no key {show(key)}{nearest(key, known)}"
            self.note("target-key", text, help=f"its keys are {', '.join(known)}")
        if len(unknown) > MAX_UNKNOWN_KEYS:
            more = len(unknown) - MAX_UNKNOWN_KEYS
            self.note("target-key", f"{_named(path)} has {more} more unknown keys")

    def _member(
        self, member: Field[Any], hint: object, raw: Mapping[str, object], path: tuple[str, ...]
    ) -> object:
        key = path[-1]
        if key in raw:
            return self._value(hint, raw[key], path)
        if member.default is not MISSING:
            return member.default
        self.note("target-key", f"{_named(path[:-1])} misses key {key!r}")
        return BAD

    def _value(self, hint: object, raw: object, path: tuple[str, ...]) -> object:
        if get_origin(hint) in (UnionType, Union):  # what may be left out
            hint = _alternative([kind for kind in get_args(hint) if kind is not NoneType], raw)
        if is_dataclass(hint):
            made = self.table(cast(type[object], hint), raw, path)
            return BAD if made is None else made
        if hint is bool:
            return (
                raw if isinstance(raw, bool) else self._refuse(path, "must be true or false", raw)
            )
        if get_origin(hint) is tuple:
            return self._tuple(get_args(hint)[0], raw, path)
        if get_origin(hint) is Literal:
            return self._choice(get_args(hint), raw, path)
        assert get_origin(hint) is Annotated, f"{hint} states no bounds"
        base, rule = get_args(hint)
        if isinstance(rule, Longest):
            return self._text(rule, raw, path)
        return self._number(base, rule, raw, path)

    def _tuple(self, hint: object, raw: object, path: tuple[str, ...]) -> object:
        if not isinstance(raw, list):
            return self._refuse(path, "must be an array", raw)
        if len(raw) > MAX_ENTRIES:
            return self._refuse(path, f"must have at most {MAX_ENTRIES} entries", len(raw))
        # One table needs no number: [macro], but [macro.2] where there are several.
        alone = is_dataclass(hint) and len(raw) == 1
        paths = [path if alone else (*path, str(i)) for i in range(1, len(raw) + 1)]
        values = tuple(self._value(hint, item, at) for item, at in zip(raw, paths, strict=True))
        return BAD if BAD in values else values

    def _choice(self, allowed: tuple[object, ...], raw: object, path: tuple[str, ...]) -> object:
        # True equals 1 in Python; in a target file it does not.
        if any(type(raw) is type(value) and raw == value for value in allowed):
            return raw
        words = " or ".join(show(value) for value in allowed)
        return self._refuse(path, f"must be {words}", raw)

    def _text(self, rule: Longest, raw: object, path: tuple[str, ...]) -> object:
        if not isinstance(raw, str):
            return self._refuse(path, "must be a text", raw)
        if not 1 <= len(raw) <= rule.length:
            return self._refuse(path, f"must have 1..{rule.length} characters", len(raw))
        if any("\ud800" <= character <= "\udfff" for character in raw):  # of JSON, not of TOML
            return self._refuse(path, "must be text that UTF-8 can hold", raw)
        return raw

    def _number(self, base: type, rule: Bounds, raw: object, path: tuple[str, ...]) -> object:
        kinds, word = ((int,), "an integer") if base is int else ((int, float), "a number")
        if type(raw) not in kinds:
            return self._refuse(path, f"must be {word}", raw)
        assert isinstance(raw, int | float)
        if isinstance(raw, float) and not isfinite(raw):
            return self._refuse(path, "must be a finite number", raw)
        if not rule.low <= raw <= rule.high:
            return self._refuse(path, f"must be {rule.low:.12g}..{rule.high:.12g}", raw)
        return base(raw)

    def _refuse(self, path: tuple[str, ...], expected: str, raw: object) -> object:
        where = f"{_named(path[:-1])} {path[-1]}" if path[:-1] else path[-1]
        self.note("target-value", f"{where} {expected}, got {show(raw)}")
        return BAD


def _alternative(kinds: list[Any], raw: object) -> object:
    """Return the kind of table that is meant: where one names a law, whether ``raw`` does."""
    if len(kinds) == 1:
        return kinds[0]
    by_law = isinstance(raw, dict) and "law" in raw
    (found,) = (kind for kind in kinds if by_law == any(f.name == "law" for f in fields(kind)))
    return found


def show(raw: object) -> str:
    """Print a value from a file, shortened."""
    try:
        text = repr(raw)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "a very large integer"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def unknown_name(code: str, what: str, name: str, known: Collection[str]) -> MappingError:
    """Return the refusal of a name that nothing has of what comes with the compiler."""
    return refuse(
        code,
        f"no {what} is named {show(name)}{nearest(name, known)}",
        help=f"use the path of a .toml file, or one of {', '.join(known)}",
    )


def _key(member: Field[Any]) -> str:
    return str(member.metadata.get("key", member.name))


def _named(path: tuple[str, ...]) -> str:
    return f"[{'.'.join(path)}]" if path else "the top level"
