"""Names from a model file are hostile: how they enter generated code and files, or do not."""

import textwrap
from collections.abc import Iterable

from mapper.diagnostics import refuse

LONGEST_NAME = 1000
"""In bytes; archives hold 65535."""


def literal(text: str) -> str:
    """Return a Python string literal of printable ASCII that stands for ``text``."""
    quoted = ascii(text)
    body = quoted[1:-1]
    return f'"{body}"' if not {'"', "'"}.intersection(body) else quoted


def remark(text: str, limit: int = 70) -> str:
    """Return ``text`` for a comment: one line of printable ASCII, shortened to ``limit``."""
    shown = ascii(text)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def comment(loc: str, *sentences: str) -> tuple[str, ...]:
    """Return the lines of a comment on what comes from node ``loc`` of the source model."""
    return (remark(loc), *textwrap.wrap(" ".join(sentences), 92))


def check_names(names: Iterable[str]) -> None:
    """Refuse names that neither an archive nor ONNX Runtime can keep as they are.

    Raises:
        MappingError: ``unusable-name``.
    """
    for name in names:
        if problem := _problem(name):
            raise refuse(
                "unusable-name",
                f"the name {remark(name)} {problem}",
                help="rename the tensor in the model",
            )


def check_distinct(names: Iterable[str]) -> None:
    """Refuse a network where two arrays of one file would have the same name.

    Raises:
        MappingError: ``unusable-name``.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise refuse("unusable-name", f"two arrays would be named {remark(name)}")
        seen.add(name)


def _problem(name: str) -> str:
    if "\0" in name:
        return "contains a null character"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    return f"is {size} bytes long, more than {LONGEST_NAME}" if size > LONGEST_NAME else ""
