"""Sides with other columns a readout or other copies, as rows of cells."""

from collections.abc import Callable, Sequence

from mapper.cost import Range
from mapper.diagnostics import many, printable
from mapper.report.comparison.data import MEASURES, SideBySide
from mapper.report.comparison.designs import Design
from mapper.report.comparison.tables import Costs, lines_of, ratio
from mapper.report.numbers import interval_text, scaled

Measured = tuple[str, str, Callable[[Design], Range]]
"""A cost of a design: its name, the unit it is in, and its value."""

COSTS: tuple[Measured, ...] = tuple((one.name, one.unit, one.of) for one in MEASURES)
"""Those of the usual rows: energy, latency, area."""


def equal_rows(compared: SideBySide) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return heads and rows of the sides with equal columns a readout.

    Ratios are to the first of each number of columns.
    """
    designs = [design for equal in compared.equal_columns for design in equal.designs]
    heads, units = cost_heads(COSTS, designs)
    rows = [
        (
            str(equal.columns),
            printable(name_of(design)),
            *cost_cells(design, equal.designs[0], COSTS, units),
        )
        for equal in compared.equal_columns
        for design in equal.designs
    ]
    return ("columns a readout", compared.subject, *heads), rows


def equal_cards(compared: SideBySide) -> tuple[Costs, ...]:
    """Return the same rows as a page has them: a value and its ratio in one cell."""
    heads, rows = equal_rows(compared)
    designs = [design for equal in compared.equal_columns for design in equal.designs]
    return tuple(
        Costs(
            target=design.side,
            priced=f"{many(int(row[0]), 'column')} a readout{' (as compiled)' * design.compiled}",
            cells=tuple(zip(heads[2::2], lines_of(row[2:]), strict=True)),
        )
        for row, design in zip(rows, designs, strict=True)
    )


def name_of(design: Design) -> str:
    """Name a side, and say whether it is as compiled, or has no readouts that columns share."""
    told = " (no columns share a readout)" if not design.columns else " (as compiled)"
    return f"{design.side}{told * (design.compiled or not design.columns)}"


def cost_heads(
    costs: Sequence[Measured], designs: Sequence[Design]
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return a head for each cost and its ratio, and the factors to the units in the heads."""
    heads, factors = [], []
    for name, unit, of in costs:
        most = max((of(design).nominal for design in designs), default=0.0)
        factor, shown = scaled(most, unit)
        heads += [f"{name} ({shown})", "ratio"]
        factors.append(factor)
    return tuple(heads), tuple(factors)


def cost_cells(
    design: Design, first: Design, costs: Sequence[Measured], factors: Sequence[float]
) -> tuple[str, ...]:
    """Return the costs of a design and their ratios to those of another."""
    cells: list[str] = []
    for (_, _, of), factor in zip(costs, factors, strict=True):
        times = ratio(of(design), of(first))
        cells.append(_told(Range(*(factor * end for end in of(design)))))
        cells.append("" if times is None else _told(times))
    return tuple(cells)


def _told(value: Range) -> str:
    return interval_text(value.low, value.nominal, value.high, "")
