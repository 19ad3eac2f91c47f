"""What the user reads when something of theirs cannot be used.

Mistakes of the user are ``Diagnostic``s: collected, then raised together in one
``MappingError``. Mistakes of ours are ``InvalidIR`` (see ``mapper.ir.verify``).
"""

import copyreg
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from traceback import clear_frames
from typing import Any

_COMPARED = 64
"""Characters of an unknown name that are compared with known ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One thing the user can fix in the network, the data, the target or the options."""

    code: str
    """Stable words joined by dashes; documented in docs/diagnostics.md; tests match on it."""
    message: str
    """What is wrong, with both numbers."""
    loc: str = ""
    """Where: a file, or ``model.onnx:/fc1/MatMul`` for a node."""
    help: str = ""
    """What to do, when we know."""

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.message}"]
        if self.loc:
            lines.append(f"  --> {self.loc}")
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(printable(line) for line in lines)

    def as_dict(self) -> dict[str, str]:
        """Return the diagnostic as the command line prints it with ``--json``."""
        return {
            "code": self.code,
            "message": self.message,
            "location": self.loc,
            "help": self.help,
        }


class MappingError(Exception):
    """The user's problem: one or more diagnostics, all found in one go."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(d) for d in self.diagnostics))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it as it is: the text is no argument that makes it again."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


def refuse(code: str, message: str, *, loc: str = "", help: str = "") -> MappingError:
    """Make the error for one problem; the caller raises it."""
    return MappingError([Diagnostic(code=code, message=message, loc=loc, help=help)])


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'tile-rows'?`` for the known name that is nearest, if one is near."""
    near = get_close_matches(name[:_COMPARED], list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def many(count: int, what: str, several: str = "") -> str:
    """Write a count with its word: ``1 copy``, ``2 copies``."""
    return f"{count:,} {what if count == 1 else several or f'{what}s'}"


def printable(text: str) -> str:
    """Show control characters as escapes, so names from a model file cannot drive a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def forget_frames(error: BaseException) -> None:
    """Let go of what the calls that an error ended have read: all weights, before others start."""
    cause: BaseException | None = error
    while cause is not None:
        clear_frames(cause.__traceback__)
        cause.__traceback__ = None  # calls that go on keep their errors, which kept the calls
        cause = cause.__context__
