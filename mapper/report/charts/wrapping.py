"""Names beside an axis: on several lines where they are long, so that no part is left out.

The page does the same for the width it has (``assets/charts.js``).
"""

import re
from typing import Any

Spec = dict[str, Any]

FIELDS = ("label", "layer")
"""Fields that hold names on an axis."""

LINE = 13
"""Height of a line of print, in pixels."""

_PIECE = re.compile(r"[^ /._:-]*[ /._:-]?")


def wrapped(name: str, letters: int) -> str:
    """Write a name on lines of so many letters, after a space, a slash, a dot or a dash.

    Without the line feeds it is the same name: no character is left out, and printable names have
    no line feed of their own.
    """
    lines = [""]
    for piece in _PIECE.findall(name):
        if len(lines[-1]) + len(piece.rstrip()) > letters and lines[-1]:
            lines.append("")
        while len(lines[-1]) + len(piece.rstrip()) > letters:
            room = letters - len(lines[-1])
            lines[-1] += piece[:room]
            piece = piece[room:]
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def with_lines(spec: Spec) -> Spec:
    """Let every axis of names show line feeds in them as lines."""
    made = dict(spec)
    if "layer" in spec:
        made["layer"] = [with_lines(layer) for layer in spec["layer"]]
    y = spec.get("encoding", {}).get("y", {})
    if y.get("field") in FIELDS:
        axis = {**(y.get("axis") or {}), "labelExpr": "split(datum.label, '\\n')"}
        made["encoding"] = {**spec["encoding"], "y": {**y, "axis": axis}}
    return made


def with_wrapped_names(spec: Spec, letters: int) -> Spec:
    """Wrap names in all data of a chart, and make room for their lines."""
    names: set[str] = set()
    made = _renamed(spec, letters, names)
    most = max((name.count("\n") + 1 for name in names), default=1)
    if most > 1 and "height" in spec:
        made["height"] = max(spec["height"], len(names) * (LINE * most + 6))
    return made


def _renamed(spec: Spec, letters: int, names: set[str]) -> Spec:
    made = dict(spec)
    if "layer" in spec:
        made["layer"] = [_renamed(layer, letters, names) for layer in spec["layer"]]
    if "data" in spec:
        made["data"] = {"values": [_row(row, letters, names) for row in spec["data"]["values"]]}
    return made


def _row(row: Spec, letters: int, names: set[str]) -> Spec:
    held = {field: wrapped(row[field], letters) for field in FIELDS if field in row}
    names.update(held.values())
    return {**row, **held}
