"""Works that facts come from: one place for the page, for captions and for BibTeX."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from mapper.diagnostics import MappingError
from targets.fields import Bounds, Name, Text
from targets.files import parse
from targets.reader import Reader

WORKS = Path(__file__).parent / "references" / "works.toml"
Year = Annotated[int, Bounds(1500, 2500)]

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One entry of a bibliography; what is not known is left out.

    Example:
        >>> shipped_works()["shafiee2016isaac"].short
        'Shafiee et al. 2016'
    """

    key: Name
    """That ``cites`` names it by, and its BibTeX key: letters, digits and dashes."""
    kind: Literal["article", "inproceedings", "misc"]
    title: Text
    authors: tuple[Name, ...] = ()
    """``Family, Given``; the last one may be ``others``."""
    venue: Text | None = None
    """The journal, or the conference."""
    year: Year | None = None
    volume: Name | None = None
    number: Name | None = None
    pages: Name | None = None
    doi: Name | None = None
    url: Text | None = None
    note: Text | None = None

    @property
    def short(self) -> str:
        """Name it in a line of text: ``Satapathy and Kaur 2023``."""
        families = [author.partition(",")[0] for author in self.authors]
        if not families:
            names = self.title
        elif len(families) == 1:
            names = families[0]
        elif len(families) == 2 and families[1] != "others":
            names = " and ".join(families)
        else:
            names = f"{families[0]} et al."
        return names if self.year is None else f"{names} {self.year}"

    def problems(self) -> Iterator[str]:
        if not _KEY.fullmatch(self.key):
            yield f"key must be letters, digits and dashes, got {self.key!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """A bibliography."""

    works: tuple[Work, ...] = field(metadata={"key": "reference"})

    def problems(self) -> Iterator[str]:
        keys = [work.key for work in self.works]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            yield f"{keys.count(key)} works have the key {key!r}; keys are used once"


@cache
def shipped_works() -> dict[str, Work]:
    """Return the works that come with the compiler, by key."""
    loc = f"references/{WORKS.name}"
    reader = Reader(file=WORKS.name, loc=loc)
    held = reader.table(Works, parse(WORKS, loc, unknown="target-value"))
    if held is None:
        raise MappingError(reader.problems)
    return {work.key: work for work in held.works}
