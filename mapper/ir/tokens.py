"""Words of the text form: how names are quoted, and how a line is cut into tokens.

A name of letters, digits and ``_ . / : -`` is written as it is; any other is a JSON string whose
control characters are escaped, so that no name from a model file can drive a terminal or break
a line.
"""

import json
import re
from dataclasses import dataclass

_NAME = re.compile(r"[\w./:\-]*[\w./\-]", re.ASCII)
_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(
    rf"""
    (?P<space>[ \t\r]+ | \#.*)
  | (?P<string>{_STRING})
  | (?P<value>%(?:{_NAME.pattern}|{_STRING}))
  | (?P<const>@(?:{_NAME.pattern}|{_STRING}))
  | (?P<type>[a-z]+[0-9]+\[[0-9,]*\])
  | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|inf\b|nan\b))
  | (?P<word>[A-Za-z_./](?:[\w./:\-]*[\w./\-])?)
  | (?P<mark><-|[=,:(){{}}\[\]])
    """,
    re.VERBOSE | re.ASCII,
)
CONSTANT_WORDS = {"True": True, "False": False, "None": None}
_MOST_DIGITS = 40


def quoted_name(name: str) -> str:
    """Write a name as it stands after ``%`` or ``@``."""
    return name if _NAME.fullmatch(name) else _quoted(name)


def quoted_text(text: str) -> str:
    """Write a text as it stands alone: quoted also where it would read as something else."""
    token = _TOKEN.match(text)
    bare = token is not None and token.lastgroup == "word" and token.end() == len(text)
    return text if bare and text not in CONSTANT_WORDS else _quoted(text)


def _quoted(text: str) -> str:
    plain = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in plain)


class TextError(Exception):
    """What is wrong in a line, and at which column, counted from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is a group of ``_TOKEN``, or ``end``; names and strings are unquoted."""

    kind: str
    text: str
    column: int

    def __str__(self) -> str:
        return "the end of the line" if self.kind == "end" else f"{self.text!r:.60}"


def tokens_of(line: str) -> list[Token]:
    """Cut a line into tokens; spaces and what follows ``#`` are left out."""
    found, place = [], 0
    while place < len(line):
        match = _TOKEN.match(line, place)
        if match is None or match.lastgroup is None:
            raise TextError(f"{line[place : place + 20]!r} is no word of this form", place + 1)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, _plain(match, place + 1), place + 1))
        place = match.end()
    return [*found, Token("end", "", len(line) + 1)]


def _plain(match: re.Match[str], column: int) -> str:
    kind, text = match.lastgroup, match.group()
    if kind == "number" and len(text) > _MOST_DIGITS:
        raise TextError(f"a number of more than {_MOST_DIGITS} digits", column)
    if kind in ("value", "const"):
        text = text[1:]
    if kind in ("value", "const", "string") and text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError as error:
            raise TextError(f"{text:.40} is no JSON string", column) from error
    return text


class Line:
    """A line of text that is read token by token."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens_of(text)
        self._next = 0

    @property
    def ahead(self) -> Token:
        """The next token, which stays."""
        return self._tokens[self._next]

    @property
    def is_done(self) -> bool:
        return self.ahead.kind == "end"

    def take(self, kind: str, text: str = "", what: str = "") -> str:
        """Take the next token and return its text, if it is of this kind (and text)."""
        token = self.ahead
        if token.kind != kind or (text and token.text != text):
            wanted = what or (repr(text) if text else f"a {kind}")
            raise self.problem(f"expected {wanted}, got {token}")
        self._next += 1
        return token.text

    def taken(self, kind: str, text: str) -> bool:
        """Take the next token if it is this one, and say whether it was."""
        there = (self.ahead.kind, self.ahead.text) == (kind, text)
        self._next += there
        return there

    def problem(self, message: str, at: Token | None = None) -> TextError:
        return TextError(message, (at or self.ahead).column)

    def end(self) -> None:
        """Refuse what is left of the line."""
        if not self.is_done:
            raise self.problem(f"expected the end of the line, got {self.ahead}")
