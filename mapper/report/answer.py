"""A question that people ask of a mapping, and its answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question and its answer: the verdict, why, and where the page shows it."""

    question: str
    text: str
    """The verdict, one or two sentences."""
    reasons: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """What to look at: words, and the id on the page."""
    command: str = ""
    """What to run to know more."""
