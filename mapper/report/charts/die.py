"""What differs on one die from the ideal chip, by layer."""

from collections.abc import Sequence

from mapper.diagnostics import printable
from mapper.report.charts.base import Bar, Chart, Table, bar_table, interval_bars
from mapper.report.names import labels
from mapper.report.numbers import percent, three_digits
from mapper.report.one_chip import LayerDifference, OneChip

BY = "by: root mean square, in counts (steps between two levels of a cell)"
"""What the columns ``by`` of ``difference_table`` are."""


def difference_table(layers: Sequence[LayerDifference]) -> Table:
    """Write a row for each layer on crossbars."""
    return Table(
        columns=("layer", "copies", "cells off", "by", "references off", "by", "noise of a read"),
        rows=tuple(
            (
                *(printable(row.layer), str(row.copies)),
                *(percent(row.cells_differ), three_digits(row.cell_error)),
                *(percent(row.references_differ), three_digits(row.reference_error)),
                three_digits(row.read_noise),
            )
            for row in layers
        ),
    )


def die_chart(die: OneChip) -> Chart:
    """Draw how far cells and references are off, and how much reads vary, by layer."""
    layers = die.layers
    names = labels(row.layer for row in layers)
    bars = [
        Bar(label=name, low=value, nominal=value, high=value, group=group)
        for name, row in zip(names, layers, strict=True)
        for group, value in (
            ("cells", row.cell_error),
            ("references", row.reference_error),
            ("reads", row.read_noise),
        )
    ]
    return Chart(
        name="die",
        title=f"How far off layers are on {printable(die.named)}",
        description="Root mean square of what net cells and references are off, and the standard "
        "deviation from read to read, in counts: steps between two levels of a cell.",
        spec=interval_bars(bars, unit="counts", what="off", linear=True),
        table=bar_table(bars, unit="counts", label="layer", group="of"),
    )
