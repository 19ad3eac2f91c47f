"""Tables and lines that many commands print, and all that `run` prints: it imports no other."""

from collections.abc import Iterable, Iterator
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mapper.api.run import Run
from mapper.diagnostics import printable
from mapper.layout import Taken
from mapper.report.numbers import firing_text

_PROSE = {
    *("condition", "details", "readout", "readout priced", "says nothing of", "source"),
    *("value", "what it does", "what it is", "why"),
}
"""Columns that hold words."""


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Make a table whose cells are plain text: no markup, no control characters."""
    shown = Text(printable(title)) if title else None
    made = Table(title=shown, title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        justify: Literal["left", "right"] = "left" if i == 0 or column in _PROSE else "right"
        made.add_column(column, justify=justify, overflow="fold", min_width=5)
    for row in rows:
        made.add_row(*(Text(printable(str(cell))) for cell in row))
    return made


def dims(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


def recording(*taken: Taken | None) -> list[RenderableType]:
    """What recordings were taken for, each once."""
    return [Text(printable(f"recording: {one}")) for one in dict.fromkeys(filter(None, taken))]


def ran(answer: Run) -> RenderableType:
    """What a run wrote."""
    rows = (
        [name, dims(array.shape), f"{array.mean():.4g}", array.max()]
        for name, array in answer.arrays.items()
    )
    notes = [Text(printable(f"note: {note}")) for note in answer.notes]
    written = (answer.written or {}).get("output", "nothing")
    return Group(
        table("", ["output", "shape", "mean", "greatest"], rows),
        Text(printable(firing_text(answer.firing))),
        *recording(answer.recording),
        *of_die(answer.die),
        *notes,
        Text(printable(f"written: {written}")),
    )


def of_die(die: str) -> Iterator[Text]:
    """Which die it is, where it is none of the ideal chip."""
    if die:
        yield Text(printable(f"on {die}"))
