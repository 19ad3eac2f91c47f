"""Answers as a notebook shows them: small HTML tables of escaped text, without style or script."""

from collections.abc import Iterable, Sequence
from html import escape

from mapper.diagnostics import printable

MOST_ROWS = 30
"""Rows of a table that are shown; a line below it counts the others."""


def html_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Iterable[object]],
    notes: Iterable[str] = (),
) -> str:
    """Return a table of plain text, its title above it and a line for each note below.

    Names may come from a model file of others: everything is escaped.
    """
    cells = [tuple(row) for row in rows]
    more = len(cells) - MOST_ROWS
    body = "".join(_row("td", row) for row in cells[:MOST_ROWS])
    lines = [*notes, *([f"and {more} more"] if more > 0 else [])]
    return (
        f"<p><b>{_text(title)}</b></p>"
        f"<table><thead>{_row('th', columns)}</thead><tbody>{body}</tbody></table>"
        + "".join(f"<p>{_text(line)}</p>" for line in lines)
    )


def _row(kind: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{kind}>{_text(cell)}</{kind}>' for cell in cells)}</tr>"


def _text(content: object) -> str:
    return escape(printable(str(content)))
