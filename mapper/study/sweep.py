"""What a user writes to ask for a study: sweeps and shares."""

import re
from dataclasses import dataclass
from fractions import Fraction

from mapper.diagnostics import Diagnostic, MappingError, printable, refuse

MOST_VALUES = 1000
"""Values of one sweep."""

_NAME = re.compile(r"[A-Za-z][\w.-]*")
_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?")
_HELP = "NAME=START:STOP:COUNT, such as cell.sigma=0:0.3:7, or NAME=0,0.1,0.2"


@dataclass(frozen=True, slots=True)
class Sweep:
    """A setting and the values that it takes in turn."""

    name: str
    values: tuple[float, ...]
    """In the order they were written, each once."""


def parse_sweep(text: str) -> Sweep:
    """Read a sweep: ``NAME=START:STOP:COUNT`` with both ends, or a list.

    Values are the nearest to the exact ones, so that ``0:0.3:7`` has the same 0.15 as a list.

    Raises:
        MappingError: ``bad-sweep``.

    Example:
        >>> parse_sweep("cell.sigma=0:0.3:7").values
        (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
        >>> parse_sweep("cell.sigma=0,0.1,0.2").values
        (0.0, 0.1, 0.2)
    """
    name, equals, written = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise _bad(f"{_short(text)} is no sweep")
    parts = written.split(":")
    if len(parts) == 1:
        values = [float(_exact(part, name)) for part in _few(written.split(","), name)]
    elif len(parts) == 3:
        values = _spaced(parts, name)
    else:
        raise _bad(f"{name} has {len(parts)} parts between colons: it takes 3, or a list", name)
    repeated = next((v for place, v in enumerate(values) if v in values[:place]), None)
    if repeated is not None:
        raise _bad(f"{name} takes the value {repeated:g} twice", name)
    return Sweep(name, tuple(values))


def parse_sweeps(texts: list[str]) -> tuple[Sweep, ...]:
    """Read several sweeps; all that is wrong with them is told at once.

    Raises:
        MappingError: ``bad-sweep``.
    """
    found, problems = list[Sweep](), list[Diagnostic]()
    for text in texts:
        try:
            found.append(parse_sweep(text))
        except MappingError as error:
            problems += error.diagnostics
    names = [sweep.name for sweep in found]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    problems += [d for name in twice for d in _bad(f"{name} is swept twice", name).diagnostics]
    if problems:
        raise MappingError(problems)
    return tuple(found)


def parse_share(text: str, option: str) -> float:
    """Read a share of 0..1, written ``90%`` or ``0.9``; ``option`` is where it was written.

    Raises:
        MappingError: ``bad-share``.
    """
    digits = text.strip()
    percent = digits.endswith("%")
    digits = digits.removesuffix("%").rstrip()
    share = Fraction(digits) / (100 if percent else 1) if _NUMBER.fullmatch(digits) else None
    if share is None or not 0 <= share <= 1:
        raise refuse(
            "bad-share",
            f"{_short(text)} is no share of 0 % to 100 %",
            loc=option,
            help="write 90% or 0.9",
        )
    return float(share)


def check_share(share: float | None, option: str = "require") -> None:
    """Refuse ``bad-share`` for a number that is no share; None is none.

    Raises:
        MappingError: ``bad-share``.
    """
    if share is not None and not 0 <= share <= 1:
        raise refuse("bad-share", f"{share!r:.40} is no share of 0 to 1", loc=option)


def _spaced(parts: list[str], name: str) -> list[float]:
    start, stop = (_exact(part, name) for part in parts[:2])
    count = int(parts[2]) if re.fullmatch(r"\d{1,9}", parts[2]) else None
    if count is None or not 2 <= count <= MOST_VALUES:
        raise _bad(f"{name} takes {_short(parts[2])} values, not 2 to {MOST_VALUES:,}", name)
    if start == stop:
        raise _bad(f"{name} starts and stops at {float(start):g}", name)
    return [float(start + (stop - start) * place / (count - 1)) for place in range(count)]


def _few(parts: list[str], name: str) -> list[str]:
    if len(parts) > MOST_VALUES:
        raise _bad(f"{name} takes {len(parts):,} values, not 1 to {MOST_VALUES:,}", name)
    return parts


def _exact(text: str, name: str) -> Fraction:
    if not _NUMBER.fullmatch(text):
        raise _bad(f"{name} takes numbers, not {_short(text)}", name)
    return Fraction(text)


def _short(text: str) -> str:
    return repr(printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."))


_LONGEST = 40
"""Characters of what was written that a message shows."""


def _bad(message: str, loc: str = "") -> MappingError:
    return refuse("bad-sweep", message, loc=loc, help=_HELP)
