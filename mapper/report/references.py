"""The works that the numbers of a report come from, as text, as a table and as BibTeX."""

from collections.abc import Iterable, Iterator

from mapper import __version__
from mapper.diagnostics import MappingError
from targets import Preset, Target, Work, read_works, shipped_works

OURS = "spikeloom"
"""BibTeX key of this program."""

FILE = "references.bib"


def works_behind(target: Target, preset: Preset) -> tuple[Work, ...]:
    """Return the works that an estimate of a target under a preset rests on, by key.

    Entries of the component library count that this target can use; ``preset`` may bring a library
    of its own.
    """
    library = preset.components or target.components
    keys = {*target.cites, *preset.cites}
    for name, cited in library.cited():
        if usable(name, target):
            keys.update(cited)
    known = {**shipped_works(), **{work.key: work for work in library.works}}
    return tuple(known[key] for key in sorted(keys) if key in known)


def works_cited(keys: Iterable[str]) -> tuple[Work, ...]:
    """Return the works that come with the compiler and have these keys, by key."""
    known = shipped_works()
    return tuple(known[key] for key in sorted(set(keys)) if key in known)


def works_of(held: object, file: str) -> tuple[Work, ...]:
    """Return the works that a JSON file, which may come from anyone, lists.

    Raises:
        TypeError, ValueError: It is not what ``work_to_data`` gives.
    """
    if not isinstance(held, list):
        raise TypeError("references are no list")
    try:
        return read_works(held, file)
    except MappingError as error:
        raise ValueError(error.diagnostics[0].message) from error


def usable(name: str, target: Target) -> bool:
    """Say whether a part can be in this target: its sense amplifiers, ADCs of its widths."""
    reads = [macro.readout for macro in target.macros]
    if name == "sense_amp":
        return any(read.is_sensed for read in reads)
    kind, _, bits = name.partition(".")
    if not bits:
        return True
    # A preset may take a flash ADC for a SAR one, or the other way round.
    return any(read.is_adc and str(read.bits) == bits for read in reads) and kind.endswith("_adc")


def in_words(works: Iterable[Work]) -> str:
    """Name works in a line: ``Shafiee et al. 2016 [shafiee2016isaac]``."""
    return "; ".join(f"{work.short} [{work.key}]" for work in works)


def sources_in_words(works: Iterable[Work], facts: str = "Component facts") -> str:
    """Say in a caption where facts are from; empty where no work is known."""
    named = in_words(works)
    return f"{facts} ({FILE}): {named}." if named else ""


def entry_in_words(work: Work) -> str:
    """Write a work as a list of references has it."""
    authors = ", ".join(
        "et al." if author == "others" else " ".join(reversed(author.split(", ", 1)))
        for author in work.authors
    )
    pages = None if work.pages is None else work.pages.replace("--", "-")
    held = (
        ("", work.venue),
        ("vol. ", work.volume),
        ("no. ", work.number),
        ("pp. ", pages),
        ("", None if work.year is None else str(work.year)),
        ("doi:", work.doi),
        ("", work.url),
        ("", work.note),
    )
    where = ", ".join(f"{what}{text}" for what, text in held if text)
    told = (part.rstrip(".") for part in (authors, work.title, where) if part)
    return ". ".join(told) + "."


# --- BibTeX --------------------------------------------------------------------------------


def bibtex(works: Iterable[Work]) -> str:
    """Return the content of ``references.bib``: these works and, first, this program."""
    return "\n".join((_ours(), *map(_entry, works)))


def _ours() -> str:
    title = "{Spikeloom}: a compiler from spiking neural networks to {ADC}-less in-memory computing"
    return (
        f"@misc{{{OURS},\n  author = {{{{The Spikeloom authors}}}},\n  title = {{{title}}},\n"
        f"  note = {{Software, version {__version__}}},\n}}\n"
    )


def _entry(work: Work) -> str:
    fields = "".join(f"  {name} = {{{value}}},\n" for name, value in _fields(work))
    return f"@{work.kind}{{{work.key},\n{fields}}}\n"


def _fields(work: Work) -> Iterator[tuple[str, str]]:
    """Yield the fields of an entry that are known."""
    venue = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}[work.kind]
    if work.authors:
        yield "author", " and ".join(map(_tex, work.authors))
    yield "title", f"{{{_tex(work.title)}}}"  # in braces of its own: capitals stay
    held = {
        venue: work.venue,
        "volume": work.volume,
        "number": work.number,
        "pages": work.pages,
        "year": None if work.year is None else str(work.year),
        "note": work.note,
    }
    yield from ((name, _tex(text)) for name, text in held.items() if text)
    # As they are: no style sets them as text, and an escaped one leads nowhere.
    yield from (
        (name, _plain(text)) for name, text in (("doi", work.doi), ("url", work.url)) if text
    )


_SPECIAL = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_"},
        **{"\\": "\\textbackslash ", "~": "\\textasciitilde ", "^": "\\textasciicircum "},
        **{"{": "(", "}": ")", "\n": " ", "\r": " ", "@": "(at)"},
    }
)


def _tex(text: str) -> str:
    """Write text of a library, which may come from anyone, so that no field ends early."""
    return text.translate(_SPECIAL)


def _plain(text: str) -> str:
    return "".join(mark for mark in text if mark.isprintable() and mark not in '{}\\" ')
